"""`ostiary trust` from end to end: from no policy at all to a no that says what would change it."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from forge import Authority
from policy_cases import PEMS, make_pem

from ostiary.cli import ui
from ostiary.cli.main import main
from ostiary.record.begin import open_reader
from ostiary.record.entry import parse_entry
from ostiary.testing import HostilePublisher
from ostiary.trust.policy_file import edit_policy_file

REFERENCE = Path(__file__).resolve().parents[3] / "docs" / "reference"
Run = Callable[..., int]


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A signed model and a key, in a directory where the policy will be."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OSTIARY_POLICY", str(tmp_path / "policy.toml"))
    monkeypatch.setenv("OSTIARY_PASSPHRASE", "correct horse")
    assert main(["keygen", "alice"]) == 0
    HostilePublisher(tmp_path / "models").publish_honest()
    _sign("1.2")
    return tmp_path


def _sign(version: str) -> None:
    Path("models/honest/model.sig").unlink(missing_ok=True)
    assert (
        main(["sign", "models/honest", "--key", "alice.key", "--id", "acme/llama", "--model-version", version]) == 0
    )


@pytest.fixture
def believing(house: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """The same, with a policy that believes alice."""
    assert main(["trust", "init"]) == 0
    assert main(["trust", "add", "signer", "alice", "--key", "alice.pub"]) == 0
    assert _add_rule() == 0
    capsys.readouterr()
    return house


def _add_rule(models: str = "acme/*", *more: str) -> int:
    source = str(Path("models").resolve())
    words = ["trust", "add", "rule", models, "--signer", "alice", "--minimum-version", "1.0", "--source", source]
    return main([*words, *more])


def _kinds(state: Path) -> list[str]:
    with open_reader(state) as reader:
        return [parse_entry(body, n).kind for n, body in reader.read_bodies(0, reader.read_size())]


def test_from_nothing_to_a_yes(believing: Path, capsys: pytest.CaptureFixture[str], state_directory: Path) -> None:
    assert main(["trust", "check", "models/honest"]) == 3
    told = capsys.readouterr()
    assert "change: Look at it, then say yes: ostiary trust pin MODEL." in told.out
    assert "refused (TRUST_NOT_PINNED)" in told.out
    assert main(["trust", "pin", "models/honest"]) == 0
    assert main(["trust", "check", "models/honest"]) == 0
    assert "allowed" in capsys.readouterr().out
    assert main(["verify", "models/honest", "--policy", "policy.toml"]) == 0
    kinds = _kinds(state_directory)
    assert kinds.count("trust.changed") == 3
    assert kinds.count("model.remembered") == 1
    assert kinds.count("model.refused") == 1
    assert kinds.count("model.verified") == 3


def test_checking_remembers_nothing(believing: Path, state_directory: Path) -> None:
    _add_rule("other", "--first-use", "accept")
    Path("policy.toml").write_text(
        Path("policy.toml").read_text().replace('"acme/*"', '"acme/*"\nfirst_use = "accept"')
    )
    assert main(["trust", "check", "models/honest"]) == 0
    assert "model.remembered" not in _kinds(state_directory)
    assert main(["verify", "models/honest", "--policy", "policy.toml"]) == 0
    assert "model.remembered" in _kinds(state_directory)


def test_an_older_version_is_caught_and_may_be_pinned(believing: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["trust", "pin", "models/honest"]) == 0
    _sign("1.1")
    assert main(["verify", "models/honest", "--policy", "policy.toml"]) == 3
    assert "TRUST_ROLLED_BACK" in capsys.readouterr().err
    assert main(["trust", "pin", "models/honest"]) == 0
    assert main(["verify", "models/honest", "--policy", "policy.toml"]) == 0


def test_a_pin_overrules_nothing_but_the_memory(believing: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree("models/honest", "elsewhere")
    assert main(["trust", "pin", "elsewhere"]) == 3
    assert "TRUST_NOT_PINNED" in capsys.readouterr().err
    assert main(["trust", "pin", "models/honest"]) == 0
    assert main(["trust", "pin", "elsewhere"]) == 3
    assert "TRUST_SOURCE_NOT_ALLOWED" in capsys.readouterr().err


def test_a_link_does_not_bring_a_model_in(believing: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree("models/honest", "elsewhere")
    Path("models/linked").symlink_to(Path("elsewhere").resolve())
    assert main(["trust", "check", "models/linked"]) in (2, 3)


@pytest.mark.parametrize(("answer", "status"), [(True, 0), (False, 3)])
def test_first_use_asks_a_person(
    believing: Path, monkeypatch: pytest.MonkeyPatch, answer: bool, status: int
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(ui, "ask_yes", lambda question: bool(asked.append(question)) or answer)
    assert main(["verify", "models/honest", "--policy", "policy.toml"]) == status
    assert len(asked) == 1
    assert "acme/llama 1.2" in asked[0]
    assert main(["verify", "models/honest", "--policy", "policy.toml"]) == status
    assert len(asked) == (1 if answer else 2)


def test_nobody_to_ask_is_a_no(believing: Path) -> None:
    assert not ui.ask_yes("really?")
    assert main(["verify", "models/honest", "--policy", "policy.toml"]) == 3


def test_a_revoked_key(believing: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["trust", "pin", "models/honest"]) == 0
    assert main(["trust", "revoke", "--key", "alice.pub", "--reason", "the laptop was stolen"]) == 0
    assert main(["trust", "check", "models/honest"]) == 3
    told = capsys.readouterr()
    assert "the laptop was" in told.out
    assert "TRUST_REVOKED" in told.err
    assert main(["trust", "list"]) == 0
    assert "the laptop was stolen" in capsys.readouterr().out
    assert main(["trust", "revoke", "--key", "alice.pub", "--reason", "again"]) == 2


def test_a_key_that_vouches_for_the_next_one(believing: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["keygen", "alice-2"]) == 0
    assert main(["key", "rotate", "--key", "alice.key", "--to", "alice-2.key", "--output", "rotation.json"]) == 0
    assert main(["trust", "rotate", "alice", "alice-2", "rotation.json"]) == 0
    assert main(["trust", "pin", "models/honest"]) == 3
    assert "alice is not asked for this model" in capsys.readouterr().err
    Path("models/honest/model.sig").unlink()
    signed = ["sign", "models/honest", "--key", "alice-2.key", "--id", "acme/llama", "--model-version", "1.3"]
    assert main(signed) == 0
    assert main(["trust", "pin", "models/honest"]) == 0
    assert main(["trust", "rotate", "nobody", "x", "rotation.json"]) == 2
    assert main(["trust", "rotate", "alice-2", "x", "rotation.json"]) == 3


def test_a_stolen_key_cannot_name_its_heir(believing: Path) -> None:
    assert main(["keygen", "mallory"]) == 0
    assert main(["key", "rotate", "--key", "alice.key", "--to", "mallory.key", "--output", "rotation.json"]) == 0
    assert main(["trust", "revoke", "--key", "alice.pub", "--reason", "stolen"]) == 0
    assert main(["trust", "rotate", "alice", "mallory", "rotation.json"]) == 2


def test_a_key_that_revokes_itself_and_one_that_revokes_another(believing: Path) -> None:
    assert main(["keygen", "bob"]) == 0
    assert main(["trust", "add", "signer", "bob", "--key", "bob.pub"]) == 0
    words = ["key", "revoke", "--key", "bob.key", "--reason", "lost"]
    assert main([*words, "--of", "alice.pub", "--output", "other.json"]) == 0
    assert main([*words, "--output", "own.json"]) == 0
    assert main(["trust", "revoke", "--statement", "other.json"]) == 2
    assert main(["trust", "revoke", "--statement", "own.json", "--reason", "x"]) == 2
    assert main(["trust", "revoke", "--statement", "own.json"]) == 0
    assert 'reason = "lost"' in Path("policy.toml").read_text()
    assert main(["keygen", "eve"]) == 0
    assert main(["key", "revoke", "--key", "eve.key", "--output", "eve.json"]) == 0
    assert main(["trust", "revoke", "--statement", "eve.json"]) == 3


@pytest.mark.parametrize(
    "what",
    [
        ["--key-id", "0" * 64],
        ["--identity", "x@example.com"],
        ["--digest", "sha256:" + "1" * 64],
        ["--model", "acme/llama", "--model-version", "1.2"],
    ],
)
def test_every_kind_of_revocation(believing: Path, what: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["trust", "revoke", *what, "--reason", "wrong"]) == 0
    assert main(["trust", "list"]) == 0
    assert ": wrong" in capsys.readouterr().out


def test_an_unsigned_model_is_explained(believing: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("models/honest/model.sig").unlink()
    assert main(["trust", "check", "models/honest", "--id", "acme/llama"]) == 3
    told = capsys.readouterr()
    assert "change: Have it signed by 1 of alice." in told.out
    assert "TRUST_UNSIGNED" in told.err


def test_warn_lets_an_unsigned_model_in_and_says_so(believing: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("models/honest/model.sig").unlink()
    policy = Path("policy.toml")
    policy.write_text(policy.read_text().replace("schema = 1", 'schema = 1\nlevel = "warn"'))
    assert main(["verify", "models/honest", "--id", "acme/llama", "--policy", "policy.toml", "--json"]) == 0
    verdict = json.loads(capsys.readouterr().out)
    assert verdict["level"] == "warn"
    assert "TRUST_UNSIGNED" in [objection["code"] for objection in verdict["objections"]]
    assert main(["trust", "list"]) == 0
    assert "remembered\n" in capsys.readouterr().out + "\n"


def test_an_altered_file_is_refused_before_the_policy_is_asked(
    believing: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Path("models/honest/config.json").open("a") as file:
        file.write(" ")
    assert main(["trust", "check", "models/honest"]) == 3
    assert "TRUST_DIGEST_MISMATCH" in capsys.readouterr().err


def _answer(action: str, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """What was printed, which is of the documented form."""
    schema = json.loads((REFERENCE / f"trust-{action}.schema.json").read_text())
    value: dict[str, Any] = json.loads(capsys.readouterr().out)
    jsonschema.Draft202012Validator(schema).validate(value)
    return value


def test_check_for_machines(believing: Path, capsys: pytest.CaptureFixture[str]) -> None:
    check = ["trust", "check", "models/honest", "--json"]
    assert main(check) == 3
    answer = _answer("check", capsys)
    assert (answer["verdict"], answer["rule"], answer["error"]["code"]) == ("refused", "acme/*", "TRUST_NOT_PINNED")
    assert answer["correlation_id"]
    assert [c["topic"] for c in answer["conditions"] if not c["holds"]] == ["memory"]
    assert main(["trust", "pin", "models/honest"]) == 0
    capsys.readouterr()
    assert main(check) == 0
    answer = _answer("check", capsys)
    assert (answer["verdict"], answer["error"]) == ("allowed", None)
    policy = Path("policy.toml")
    policy.write_text(policy.read_text().replace("schema = 1", 'schema = 1\nlevel = "warn"'))
    shutil.copytree("models/honest", "elsewhere")
    assert main(["trust", "check", "elsewhere", "--json"]) == 0
    assert _answer("check", capsys)["verdict"] == "warned"


def test_check_for_machines_where_the_policy_was_not_asked(
    believing: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    check = ["trust", "check", "models/honest", "--json"]
    Path("models/honest/config.json").write_text("{")
    assert main(check) == 3
    answer = _answer("check", capsys)
    assert (answer["error"]["code"], answer["path"]) == ("TRUST_DIGEST_MISMATCH", "config.json")
    assert "INTAKE_MALFORMED" in {finding["code"] for finding in answer["findings"]}
    Path("policy.toml").write_text("schema = 2")
    assert main(check) == 3
    assert _answer("check", capsys)["error"]["code"] == "TRUST_MALFORMED"
    Path("policy.toml").unlink()
    assert main(check) == 2
    assert _answer("check", capsys)["verdict"] == "misuse"


def test_list_for_machines(believing: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = Authority().certificate.public_bytes(Encoding.PEM)
    Path("root.pem").write_bytes(root)
    add = ["trust", "add", "signer"]
    assert main([*add, "release", "--root", "root.pem", "--identity", "release@acme.example"]) == 0
    assert main([*add, "ci", "--issuer", "https://i.example", "--identity", "x@acme.example"]) == 0
    assert _add_rule("acme/secret", "--code", "code.active-document", "--level", "audit") == 0
    assert main(["trust", "revoke", "--model", "acme/llama", "--model-version", "0.9", "--reason", "old"]) == 0
    assert main(["trust", "pin", "models/honest"]) == 0
    capsys.readouterr()
    assert main(["trust", "list", "--json"]) == 0
    value = _answer("list", capsys)
    assert [(s["name"], s["kind"], s["identity"], s["issuer"]) for s in value["signers"]] == [
        ("alice", "key", None, None),
        ("release", "certificate", "release@acme.example", None),
        ("ci", "sigstore", "x@acme.example", "https://i.example"),
    ]
    wide, narrow = value["rules"]
    assert (wide["models"], wide["except"], wide["level"]) == ("acme/*", ["acme/secret"], "enforce")
    assert (narrow["code"], narrow["level"], narrow["first_use"]) == (["code.active-document"], "audit", "ask")
    (revoked,) = value["revoked"]
    assert (revoked["kind"], revoked["subject"], revoked["version"], revoked["fetched"]) == (
        "version",
        "acme/llama",
        "0.9",
        False,
    )
    (seen,) = value["remembered"]
    assert (seen["id"], seen["version"], seen["pinned"]) == ("acme/llama", "1.2", True)
    assert (value["repository"], value["fetched_until"]) == (None, None)
    Path("policy.toml").unlink()
    assert main(["trust", "list", "--json"]) == 2
    assert _answer("list", capsys)["verdict"] == "misuse"


def test_comments_survive_every_command(believing: Path) -> None:
    policy = Path("policy.toml")
    policy.write_text("# our own words\n" + policy.read_text().replace("need = 1", "need = 1  # for now"))
    Path("bob.pub").write_text(PEMS["bob"])
    assert main(["trust", "add", "signer", "bob", "--key", "bob.pub"]) == 0
    assert _add_rule("acme/secret", "--need", "1") == 0
    assert main(["trust", "revoke", "--identity", "x", "--reason", "y"]) == 0
    text = policy.read_text()
    assert text.startswith("# our own words\n")
    assert "need = 1  # for now" in text
    assert 'except = ["acme/secret"]' in text


@pytest.mark.parametrize(
    "words",
    [
        ["init"],
        ["add", "signer", "x"],
        ["add", "signer", "x", "--issuer", "https://i"],
        ["add", "signer", "x", "--key", "alice.pub", "--identity", "y"],
        ["add", "rule", "acme/*", "--signer", "alice", "--minimum-version", "1", "--source", "anywhere"],
        ["revoke", "--model", "acme/llama", "--reason", "x"],
        ["pin"],
        ["check", "nowhere"],
        ["update"],
        ["update", "--from", "/x"],
    ],
)
def test_misuse(believing: Path, words: list[str]) -> None:
    before = Path("policy.toml").read_bytes()
    assert main(["trust", *words]) == 2
    assert Path("policy.toml").read_bytes() == before


def test_what_would_break_the_policy_leaves_it_as_it_was(believing: Path) -> None:
    before = Path("policy.toml").read_bytes()
    assert main(["trust", "add", "signer", "Bob!", "--issuer", "https://i", "--identity", "x"]) == 3
    assert main(["trust", "add", "signer", "twin", "--key", "alice.pub"]) == 3
    assert main(["trust", "revoke", "--key-id", "xyz", "--reason", "x"]) == 3
    assert Path("policy.toml").read_bytes() == before


def test_no_policy_at_all(house: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert main(["trust", "list"]) == 2
    monkeypatch.delenv("OSTIARY_POLICY")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(house / "config"))
    monkeypatch.setenv("HOME", str(house))
    assert main(["trust", "check", "models/honest"]) == 2
    assert "ostiary trust init" in capsys.readouterr().err


def test_a_policy_that_everybody_can_write_is_refused(believing: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("policy.toml").chmod(0o666)
    assert main(["trust", "list"]) == 3
    assert "can be written by everybody" in capsys.readouterr().err


def test_the_mode_and_place_of_the_file_stay(believing: Path) -> None:
    Path("policy.toml").rename("real.toml")
    Path("policy.toml").symlink_to("real.toml")
    Path("real.toml").chmod(0o600)
    assert main(["trust", "revoke", "--identity", "x", "--reason", "y"]) == 0
    assert Path("policy.toml").is_symlink()
    assert Path("real.toml").stat().st_mode & 0o777 == 0o600
    assert sorted(p.name for p in Path().glob(".*.new")) == []


def test_what_cannot_be_recorded_is_not_done(
    believing: Path, monkeypatch: pytest.MonkeyPatch, state_directory: Path
) -> None:
    before = Path("policy.toml").read_bytes()
    (state_directory / "record" / "log.db").write_bytes(b"x")
    assert main(["trust", "revoke", "--identity", "x", "--reason", "y"]) == 4
    assert Path("policy.toml").read_bytes() == before
    assert sorted(p.name for p in Path().glob(".*.new")) == []


def test_an_editor_that_was_faster_is_not_overwritten(believing: Path) -> None:
    """Between our reading and our writing nobody else writes: the second waits for the first."""
    path = Path("policy.toml")
    seen: list[bytes] = []

    def edit(data: bytes) -> bytes:
        seen.append(data)
        return data + b"# one\n"

    edit_policy_file(path, edit, lambda _: None)
    edit_policy_file(path, edit, lambda _: None)
    assert seen[1] == seen[0] + b"# one\n"
    assert path.read_bytes().count(b"# one") == 2


def test_a_damaged_memory_is_refused_until_it_is_rebuilt(
    believing: Path, capsys: pytest.CaptureFixture[str], state_directory: Path
) -> None:
    assert main(["trust", "pin", "models/honest"]) == 0
    (state_directory / "trust" / "versions.json").write_bytes(b"{}")
    assert main(["verify", "models/honest", "--policy", "policy.toml"]) == 3
    assert "ostiary trust pin --rebuild" in capsys.readouterr().err
    assert main(["trust", "pin", "--rebuild"]) == 0
    assert main(["verify", "models/honest", "--policy", "policy.toml"]) == 0


def test_following_a_repository(
    house: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("tuf", reason="the extra `tuf`")
    from tuf_repository import Repository

    repository = Repository(house / "repository")
    text = Path("alice.pub").read_text()
    source = Path("models").resolve()
    policy = f"""schema = 1
[signers.alice]
kind = "key"
public_key = '''
{text}'''
[[rules]]
models = "acme/*"
signers = ["alice"]
need = 1
minimum_version = "1.0"
formats = ["safetensors"]
sources = ["{source}"]
first_use = "accept"
[revoked]
count = 0
"""
    repository.publish({"policy.toml": policy.encode()})
    (house / "root.json").write_bytes(repository.root)
    monkeypatch.delenv("OSTIARY_POLICY")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(house / "config"))
    monkeypatch.setenv("HOME", str(house))
    assert main(["trust", "update", "--from", "repository", "--root", "root.json"]) == 0
    assert main(["trust", "check", "models/honest"]) == 0
    revocations = 'schema = 1\n[revoked]\ncount = 1\n[[revoked.entries]]\nkind = "version"\nmodel = "acme/llama"\n'
    revocations += 'version = "1.2"\nrevoked_at = 2026-01-01T00:00:00Z\nreason = "poisoned"\n'
    repository.publish({"policy.toml": policy.encode(), "revocations.toml": revocations.encode()})
    assert main(["trust", "update"]) == 0
    capsys.readouterr()
    assert main(["trust", "check", "models/honest"]) == 3
    assert "poisoned" in capsys.readouterr().out
    repository.days = -1
    repository.publish({"policy.toml": policy.encode()})
    assert main(["trust", "update"]) == 3
    assert "TRUST_STALE" in capsys.readouterr().err


@pytest.fixture
def following(believing: Path, state_directory: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """An own policy that lets the model in, and a repository that revokes it."""
    pytest.importorskip("tuf", reason="the extra `tuf`")
    from tuf_repository import Repository

    repository = Repository(believing / "repository")
    revocations = """schema = 1
[revoked]
count = 1
[[revoked.entries]]
kind = "version"
model = "acme/llama"
version = "1.2"
revoked_at = 2026-01-01T00:00:00Z
reason = "poisoned"
"""
    repository.publish({"revocations.toml": revocations.encode()})
    (believing / "root.json").write_bytes(repository.root)
    assert main(["trust", "pin", "models/honest"]) == 0
    assert main(["verify", "models/honest", "--policy", "policy.toml"]) == 0
    assert main(["trust", "update", "--from", "repository", "--root", "root.json"]) == 0
    assert main(["verify", "models/honest", "--policy", "policy.toml"]) == 3
    assert "TRUST_REVOKED" in capsys.readouterr().err
    return state_directory / "trust" / "distribution"


def test_fetched_revocations_do_not_go_away_unseen(following: Path, capsys: pytest.CaptureFixture[str]) -> None:
    state = following.parents[1]
    shutil.rmtree(following)
    for words in (["verify", "models/honest", "--policy", "policy.toml"], ["trust", "check", "models/honest"]):
        before = _kinds(state).count("model.refused")
        assert main(words) == 3
        told = capsys.readouterr().err
        assert "TRUST_NOT_FOLLOWED" in told
        assert "ostiary trust update --from SOURCE --root root.json" in told
        assert _kinds(state).count("model.refused") == before + 1
    for words in (["list"], ["pin", "models/honest"], ["update"], ["rotate", "alice", "x", "policy.toml"]):
        assert main(["trust", *words]) == 3, words
        assert "TRUST_NOT_FOLLOWED" in capsys.readouterr().err
    assert main(["verify", "models/honest", "--key", "alice.pub"]) == 0  # no policy was asked


def test_the_answer_to_a_repository_that_is_gone_is_of_the_documented_form(
    following: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["trust", "list", "--json"]) == 0
    listed = _answer("list", capsys)
    assert [entry["fetched"] for entry in listed["revoked"]] == [True]
    assert listed["repository"] == f"sha256:{hashlib.sha256(Path('root.json').read_bytes()).hexdigest()}"
    shutil.rmtree(following)
    assert main(["trust", "list", "--json"]) == 3
    assert _answer("list", capsys)["verdict"] == "refused"
    assert main(["trust", "check", "models/honest", "--json"]) == 3
    assert _answer("check", capsys)["error"]["code"] == "TRUST_NOT_FOLLOWED"
    assert main(["verify", "models/honest", "--policy", "policy.toml", "--json"]) == 3
    value = json.loads(capsys.readouterr().out)
    jsonschema.Draft202012Validator(json.loads((REFERENCE / "verify.schema.json").read_text())).validate(value)
    assert value["verdict"] == "refused"
    with open_reader(following.parents[1]) as reader:
        *_, (number, body) = reader.read_bodies(0, reader.read_size())
    assert parse_entry(body, number).data["correlation_id"] == value["correlation_id"]


def test_a_repository_that_is_gone_is_fetched_again(following: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.rmtree(following)
    assert main(["trust", "update", "--from", "repository", "--root", "root.json"]) == 0
    assert main(["trust", "check", "models/honest"]) == 3
    assert "TRUST_REVOKED" in capsys.readouterr().err


def test_a_repository_is_followed_no_more_only_by_a_word(
    following: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state = following.parents[1]
    assert main(["trust", "unfollow"]) == 0
    assert "no longer counts" in capsys.readouterr().err
    assert main(["trust", "check", "models/honest"]) == 0
    assert main(["trust", "unfollow"]) == 2
    assert _kinds(state).count("repository.remembered") == 2
    assert main(["trust", "update"]) == 2


def test_every_action_takes_another_state_directory(
    believing: Path, state_directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is said there is remembered there, and the usual one is not touched."""
    elsewhere = believing / "elsewhere"
    usual = _kinds(state_directory)
    assert main(["trust", "pin", "models/honest", "--state", "elsewhere"]) == 0
    assert main(["verify", "models/honest", "--policy", "policy.toml", "--state", "elsewhere"]) == 0
    assert main(["trust", "check", "models/honest", "--state", str(elsewhere)]) == 0
    assert main(["trust", "list", "--state", "elsewhere"]) == 0
    assert "acme/llama" in capsys.readouterr().out.partition("remembered")[2]
    assert main(["trust", "pin", "--rebuild", "--state", "elsewhere"]) == 0
    Path("bob.pub").write_text(PEMS["bob"])
    assert main(["trust", "add", "signer", "bob", "--key", "bob.pub", "--state", "elsewhere"]) == 0
    assert _add_rule("other", "--state", "elsewhere") == 0
    assert main(["trust", "revoke", "--identity", "x", "--reason", "y", "--state", "elsewhere"]) == 0
    assert main(["trust", "init", "--policy", "new.toml", "--state", "elsewhere"]) == 0
    assert main(["trust", "update", "--state", "elsewhere"]) == 2
    assert main(["trust", "unfollow", "--state", "elsewhere"]) == 2
    assert main(["trust", "rotate", "nobody", "x", "policy.toml", "--state", "elsewhere"]) == 2
    assert _kinds(elsewhere).count("trust.changed") == 5
    assert _kinds(state_directory) == usual
    assert main(["verify", "models/honest", "--policy", "policy.toml"]) == 3  # never seen there


def test_the_state_directory_is_the_tests_own(house: Path, state_directory: Path) -> None:
    assert os.environ["OSTIARY_STATE_DIR"] == str(state_directory)
    assert make_pem(3).startswith("-----BEGIN PUBLIC KEY")
