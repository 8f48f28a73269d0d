"""docs/policy.md: every example is a policy that is read, an order that holds, or a command that does what it shows."""

from __future__ import annotations

import os
import re
import shlex
from itertools import pairwise
from pathlib import Path

import pytest

from ostiary.cli.main import main
from ostiary.errors import TrustRefused
from ostiary.testing import HostilePublisher
from ostiary.trust.read_policy import parse_policy
from ostiary.trust.revocation import parse_revocations
from ostiary.trust.version import parse_version

PAGE = Path(__file__).resolve().parents[2] / "docs" / "policy.md"
BLOCKS = re.findall(r"^```(\S+)(?: (\S+))?\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def _blocks(language: str, kind: str = "") -> list[str]:
    return [text for found, of, text in BLOCKS if (found, of) == (language, kind)]


def test_every_block_is_of_a_kind_that_is_executed() -> None:
    assert {(language, kind) for language, kind, _ in BLOCKS} == {
        ("toml", ""),
        ("toml", "revocations"),
        ("console", ""),
        ("versions", ""),
    }


def test_policies_are_read() -> None:
    (text,) = _blocks("toml")
    policy = parse_policy(text.encode())
    assert policy.find_rule("acme/secret") is policy.rules[1]


def test_revocations_are_read() -> None:
    (text,) = _blocks("toml", "revocations")
    assert len(parse_revocations(text.encode()).entries) == 1


def test_versions_are_in_order() -> None:
    (text,) = _blocks("versions")
    rising, wrong = text.strip().split("\n")
    groups = [[parse_version(word) for word in group.split(" = ")] for group in rising.split(" < ")]
    for group in groups:
        assert all(version == group[0] for version in group)
    assert all(older[0] < newer[0] for older, newer in pairwise(groups))
    for word in wrong.removeprefix("not: ").split(", "):
        with pytest.raises(TrustRefused):
            parse_version(word)


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OSTIARY_POLICY", str(tmp_path / "policy.toml"))
    monkeypatch.setenv("OSTIARY_PASSPHRASE", "correct horse")
    assert main(["keygen", "alice"]) == 0
    HostilePublisher(tmp_path / "models", honest_name="llama").publish_honest()
    signed = ["sign", "models/llama", "--key", "alice.key", "--id", "acme/llama", "--model-version", "1.2"]
    assert main(signed) == 0
    return tmp_path


def _run(block: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Each command ends as it says, and what is shown below it is among what it prints."""
    for step in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        line, *shown = step.rstrip("\n").split("\n")
        command, _, comment = line.partition("    # exit ")
        words = [word.replace("$PWD", str(Path.cwd())) for word in shlex.split(command)]
        assert words[0] == "ostiary"
        capsys.readouterr()
        assert main(words[1:]) == int(comment or 0), line
        told = capsys.readouterr()
        for expected in shown:
            pattern = re.escape(expected).replace(re.escape("..."), ".*")
            assert re.search(f"^{pattern}$", told.out + told.err, re.MULTILINE), expected


def test_commands(house: Path, capsys: pytest.CaptureFixture[str]) -> None:
    begin, revoke, _ = _blocks("console")
    _run(begin, capsys)
    _run(revoke, capsys)
    assert os.fspath(house)


def test_commands_on_a_repository(house: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("tuf", reason="the extra `tuf`")
    from tuf_repository import Repository

    repository = Repository(house / "repository")
    (house / "root.json").write_bytes(repository.root)
    _run(_blocks("console")[2], capsys)
