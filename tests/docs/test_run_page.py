"""docs/run.md: every command does what the page shows."""

from __future__ import annotations

import io
import re
import shlex
import struct
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from cell_tools import LINUX_ONLY
from function_models import write_function

from ostiary.cli.main import build_parser, main
from ostiary.core.tensors import Tensor
from ostiary.library.npy import render_npy
from ostiary.testing import FakeEngine, HostilePublisher

pytestmark = LINUX_ONLY

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "run.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```console\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
REPLIES = {
    "Once upon a time": " there was a doorkeeper who read every name on the list.",
    "Who are you?": "The doorkeeper.",
    "Hello": "One at a time.",
}


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OSTIARY_PASSPHRASE", "correct horse")
    assert main(["keygen", "alice"]) == 0
    HostilePublisher(tmp_path, honest_name="llama").publish_honest()
    HostilePublisher(tmp_path, honest_name="unsigned").publish_honest()
    assert main(["sign", "llama", "--key", "alice.key", "--id", "acme/llama", "--model-version", "1.2"]) == 0
    write_function(tmp_path / "scaled")
    assert main(["sign", "scaled", "--key", "alice.key", "--id", "acme/scaled"]) == 0
    rows = Tensor("FP32", (2, 3), memoryview(struct.pack("<6f", *range(6))))
    Path("x.npy").write_bytes(b"".join(bytes(part) for part in render_npy(rows)))
    with FakeEngine(replies=REPLIES):
        yield


def test_every_block_is_executed() -> None:
    assert len(BLOCKS) == 9
    assert set(re.findall(r"^```(\w+)$", PAGE, re.MULTILINE)) == {"console"}


@pytest.mark.usefixtures("house")
@pytest.mark.parametrize("block", BLOCKS[:-1], ids=range(1, len(BLOCKS)))
def test_commands_do_what_is_shown(
    block: str, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for step in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        line, *shown = step.rstrip("\n").split("\n")
        command, _, comment = line.partition("    # exit ")
        given, pipe, words = command.rpartition(" | ")
        if pipe:
            data = shlex.split(given)[1] + "\n"
            monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data.encode())))
        program, *arguments = shlex.split(words)
        assert program == "ostiary"
        capfd.readouterr()
        assert main(arguments) == int(comment or 0), line
        out, err = capfd.readouterr()
        told = "\n".join([*out.splitlines(), *err.splitlines()])
        for expected in shown:
            pattern = re.escape(expected).replace(re.escape("..."), ".*")
            assert re.search(f"^{pattern}$", told, re.MULTILINE), (expected, told)


@pytest.mark.usefixtures("house")
def test_the_record_has_what_the_page_says(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "llama", "--key", "alice.pub", "--prompt", "Hello", "-q"]) == 0
    capfd.readouterr()
    assert main(["record", "tail"]) == 0
    told = capfd.readouterr().out
    for kind in ("model.verified", "model.sealed", "cell.started", "request.answered", "cell.ended"):
        assert kind in told
        assert f"`{kind}`" in PAGE


def test_every_option_that_the_page_names_is_there() -> None:
    named = set(re.findall(r"(--[a-z][a-z-]*[a-z])(?![a-z-]*-`)", PAGE)) - {"--unsafe-without"}
    known = next(iter(build_parser(("run",))._subparsers._group_actions)).choices["run"].format_help()  # type: ignore[union-attr]
    others = {"--model-version", "--"}
    assert {option for option in named if option not in known} <= others
