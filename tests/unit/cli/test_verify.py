"""`ostiary keygen`, `key`, `sign` and `verify` from end to end."""

from __future__ import annotations

import json
import os
import sys
import types
from base64 import b64decode
from datetime import datetime
from pathlib import Path

import jsonschema
import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from forge import DAY, Authority, make_key

from ostiary.cli import ui
from ostiary.cli.main import main
from ostiary.cli.passphrase import VARIABLE
from ostiary.intake import examine_model
from ostiary.record.begin import open_reader
from ostiary.record.entry import parse_entry
from ostiary.testing import HostilePublisher, safetensors_file
from ostiary.trust.private_key import render_private_key

SCHEMA = json.loads((Path(__file__).resolve().parents[3] / "docs/reference/verify.schema.json").read_text())


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Path:
    """A model and a key beside it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(VARIABLE, "correct horse")
    HostilePublisher(tmp_path).publish_honest()
    assert main(["keygen", "alice"]) == 0
    capsys.readouterr()
    return tmp_path


def events(state: Path) -> list[str]:
    with open_reader(state) as reader:
        return [parse_entry(body, n).kind for n, body in reader.read_bodies(0, reader.read_size())]


def answer(capsys: pytest.CaptureFixture[str]) -> dict[str, object]:
    value: dict[str, object] = json.loads(capsys.readouterr().out)
    jsonschema.Draft202012Validator(SCHEMA).validate(value)
    return value


# --- keygen ------------------------------------------------------------------------------------------------------


def test_a_key_is_for_its_owner_and_encrypted(house: Path) -> None:
    assert (house / "alice.key").stat().st_mode & 0o777 == 0o600
    assert b"ENCRYPTED" in (house / "alice.key").read_bytes()
    assert main(["keygen", "alice"]) == 2


def test_a_passphrase_from_a_descriptor(
    house: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv(VARIABLE)

    def give(text: bytes) -> str:
        read, write = os.pipe()
        os.write(write, text)
        os.close(write)
        return str(read)

    assert main(["keygen", "bob", "--passphrase-fd", give(b"battery\n")]) == 0
    assert main(["sign", "honest", "--key", "bob.key", "--passphrase-fd", give(b"battery")]) == 0
    assert main(["sign", "honest", "--key", "bob.key", "--passphrase-fd", give(b"staple")]) == 2
    assert "KEY_LOCKED" in capsys.readouterr().err
    assert main(["sign", "honest", "--key", "bob.key", "--passphrase-fd", give(b"")]) == 2
    assert main(["sign", "honest", "--key", "bob.key", "--passphrase-fd", "2147483647"]) == 2
    read, write = os.pipe()
    os.set_blocking(read, False)
    capsys.readouterr()
    assert main(["sign", "honest", "--key", "bob.key", "--passphrase-fd", str(read)]) == 2
    assert "nothing to read" in capsys.readouterr().err
    os.close(write)


def test_a_passphrase_at_the_prompt(
    house: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv(VARIABLE)
    assert main(["keygen", "bob"]) == 2  # nobody is there
    monkeypatch.setattr(ui, "is_attended", lambda: True)
    said = iter(["battery", "battery", "one", "other"])
    monkeypatch.setattr("getpass.getpass", lambda _prompt: next(said))
    assert main(["keygen", "bob"]) == 0
    assert main(["keygen", "carol"]) == 2
    assert "battery" not in "".join(capsys.readouterr())


def test_a_passphrase_in_the_keyring(house: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE)
    kept: dict[tuple[str, str], str] = {}
    keyring = types.ModuleType("keyring")
    keyring.get_password = lambda service, name: kept.get((service, name))  # type: ignore[attr-defined]
    keyring.set_password = lambda service, name, secret: kept.update({(service, name): secret})  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "keyring", keyring)
    assert main(["keygen", "bob", "--keyring"]) == 0
    assert main(["sign", "honest", "--key", "bob.key", "--keyring"]) == 0
    kept.clear()
    assert main(["sign", "honest", "--key", "bob.key", "--keyring"]) == 2


def test_an_unencrypted_key_is_made_only_unsafely_and_used_with_a_warning(
    house: Path, state_directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["keygen", "open", "--unsafe-no-passphrase"]) == 0
    assert "unsafe.used" in events(state_directory)
    (house / "open.key").chmod(0o644)
    assert main(["sign", "honest", "--key", "open.key"]) == 0
    told = capsys.readouterr().err
    assert "not encrypted, and others on this machine may read it" in told


def test_no_secret_is_in_the_record_or_the_output(house: Path, state_directory: Path) -> None:
    assert main(["sign", "honest", "--key", "alice.key", "--json"]) == 0
    secret = (house / "alice.key").read_bytes().splitlines()[1]
    for path in state_directory.rglob("*"):
        if path.is_file():
            assert b"correct horse" not in path.read_bytes()
            assert secret not in path.read_bytes()


# --- sign and verify ---------------------------------------------------------------------------------------------


def test_sign_then_verify(house: Path, state_directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--id", "acme/honest", "--model-version", "1.2", "--expires", "2099-12-31", "--claim", "license=MIT"]
    assert main(["sign", "honest", "--key", "alice.key", *words]) == 0
    capsys.readouterr()
    assert main(["verify", "honest", "--key", "alice.pub", "--json"]) == 0
    value = answer(capsys)
    assert (value["verdict"], value["id"], value["version"]) == ("verified", "acme/honest", "1.2")
    assert value["expires"] == "2099-12-31T23:59:59Z"
    assert value["signers"][0]["claims"] == {"license": "MIT"}  # type: ignore[index]
    assert events(state_directory)[-4:] == ["model.inspected", "model.signed", "model.inspected", "model.verified"]
    assert main(["verify", "honest", "--key", "alice.pub"]) == 0
    assert "acme/honest 1.2" in capsys.readouterr().out
    assert not [path for path in (house / "honest").iterdir() if path.name.startswith(".")]


def test_a_no_is_told_once_and_recorded(
    house: Path, state_directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["verify", "honest", "--key", "alice.pub", "--json"]) == 3
    value = answer(capsys)
    assert value["error"]["code"] == "TRUST_UNSIGNED"  # type: ignore[index]
    assert events(state_directory)[-2:] == ["model.inspected", "model.refused"]
    with open_reader(state_directory) as reader:
        *_, (number, body) = reader.read_bodies(0, reader.read_size())
    assert parse_entry(body, number).data["correlation_id"] == value["correlation_id"]


def test_a_changed_file_is_named(house: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sign", "honest", "--key", "alice.key"]) == 0
    config = house / "honest" / "config.json"
    config.write_bytes(config.read_bytes() + b"\n")
    capsys.readouterr()
    assert main(["verify", "honest", "--key", "alice.pub", "--json"]) == 3
    value = answer(capsys)
    assert (value["error"]["code"], value["path"]) == ("TRUST_DIGEST_MISMATCH", "config.json")  # type: ignore[index]


def test_what_intake_refuses_is_neither_signed_nor_verified(
    house: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["sign", "honest", "--key", "alice.key"]) == 0
    (house / "honest" / "modeling.py").write_text("print()", encoding="utf-8")
    assert main(["sign", "honest", "--key", "alice.key"]) == 3
    capsys.readouterr()
    assert main(["verify", "honest", "--key", "alice.pub", "--json"]) == 3
    value = answer(capsys)
    assert value["error"]["code"] == "TRUST_EXTRA_FILE"  # type: ignore[index]
    assert [finding["code"] for finding in value["findings"]] == ["INTAKE_CARRIES_CODE"]  # type: ignore[index,attr-defined]
    (house / "honest" / "model.sig").unlink()
    assert main(["verify", "honest", "--key", "alice.pub", "--json"]) == 3
    value = answer(capsys)
    assert value["error"]["code"] == "INTAKE_CARRIES_CODE"  # type: ignore[index]
    assert [finding["code"] for finding in value["findings"]] == ["INTAKE_CARRIES_CODE"]  # type: ignore[index,attr-defined]


def test_a_file_whose_format_was_broken_after_signing(house: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sign", "honest", "--key", "alice.key"]) == 0
    (house / "honest" / "config.json").write_bytes(b"{")
    capsys.readouterr()
    assert main(["verify", "honest", "--key", "alice.pub", "--json"]) == 3
    value = answer(capsys)
    assert (value["error"]["code"], value["path"]) == ("TRUST_DIGEST_MISMATCH", "config.json")  # type: ignore[index]
    assert "INTAKE_MALFORMED" in {finding["code"] for finding in value["findings"]}  # type: ignore[index,attr-defined]
    assert main(["verify", "honest", "--key", "alice.pub", "--debug"]) == 3
    assert "IntakeRefused" in capsys.readouterr().err


def test_an_unsigned_file_passes_only_unsafely_and_is_not_vouched_for(
    house: Path, state_directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["sign", "honest", "--key", "alice.key"]) == 0
    (house / "honest" / "README.md").write_text("hello", encoding="utf-8")
    assert main(["verify", "honest", "--key", "alice.pub"]) == 3
    capsys.readouterr()
    assert main(["verify", "honest", "--key", "alice.pub", "--unsafe-ignore", "README.md", "--json"]) == 0
    assert answer(capsys)["left_out"] == ["README.md"]
    assert "unsafe.used" in events(state_directory)
    assert main(["verify", "honest", "--key", "alice.pub", "--unsafe-ignore-unsigned"]) == 0


def test_how_long_from_now_a_signature_lasts(house: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sign", "honest", "--key", "alice.key", "--expires", "12w"]) == 0
    capsys.readouterr()
    assert main(["verify", "honest", "--key", "alice.pub", "--json"]) == 0
    (signer,) = answer(capsys)["signers"]  # type: ignore[misc,attr-defined]
    signed, ends = (datetime.fromisoformat(signer[name]) for name in ("signed", "expires"))
    assert ends - signed == 84 * DAY


@pytest.mark.parametrize(("words", "name"), [([], "honest.safetensors"), (["--compat", "reference"], ".")])
def test_the_name_of_a_single_file(house: Path, words: list[str], name: str) -> None:
    (house / "honest.safetensors").write_bytes((house / "honest" / "model.safetensors").read_bytes())
    assert main(["sign", "honest.safetensors", "--key", "alice.key", *words]) == 0
    bundle = json.loads((house / "honest.safetensors.sig").read_bytes())
    predicate = json.loads(b64decode(bundle["dsseEnvelope"]["payload"]))["predicate"]
    assert [listed["name"] for listed in predicate["resources"]] == [name]
    assert "honest.safetensors.sig" in predicate["serialization"]["ignore_paths"]
    assert main(["verify", "honest.safetensors", "--key", "alice.pub"]) == 0


def test_a_signature_that_ended(house: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sign", "honest", "--key", "alice.key", "--expires", "2020-01-01"]) == 3
    assert "TRUST_EXPIRED" in capsys.readouterr().err


def test_a_large_file_is_verified_by_its_chunks(house: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whichever way it is read, a changed byte in it is found, and parsers see what was hashed."""
    from ostiary.intake import hashing, read_file

    monkeypatch.setattr("ostiary.trust.sign_model.TREE_FROM_BYTES", 1 << 10)
    monkeypatch.setattr(hashing, "_WORTH_CHUNKS_BYTES", 1 << 10)
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    weights = house / "large.safetensors"
    weights.write_bytes(safetensors_file({"w": ((3 << 20, 1), bytes(6 << 20))}))
    assert main(["sign", "large.safetensors", "--key", "alice.key"]) == 0
    seen: list[object] = []
    real = read_file.ChunkReader

    def watch(*arguments: object) -> object:
        seen.append(arguments)
        return real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(read_file, "ChunkReader", watch)
    assert main(["verify", "large.safetensors", "--key", "alice.pub"]) == 0
    assert len(seen) == 1
    assert main(["verify", "large.safetensors", "--key", "alice.pub", "--whole"]) == 0
    assert len(seen) == 1
    with weights.open("r+b") as file:
        file.seek(5 << 20)
        file.write(b"\x01")
    assert main(["verify", "large.safetensors", "--key", "alice.pub"]) == 3
    assert len(seen) == 2


def test_certificates_need_the_identity_they_must_name(house: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from datetime import UTC, datetime

    now = datetime.now(UTC)
    root = Authority(70, "root", begins=now - DAY, ends=now + DAY)
    key = make_key(9)
    leaf = root.issue(key.native.public_key(), begins=now - DAY, ends=now + DAY)
    (house / "signer.key").write_bytes(render_private_key(key, None))
    (house / "signer.pem").write_bytes(leaf.public_bytes(Encoding.PEM))
    (house / "root.pem").write_bytes(root.certificate.public_bytes(Encoding.PEM))
    assert main(["sign", "honest", "--key", "signer.key", "--certificate", "signer.pem"]) == 0
    verify = ["verify", "honest", "--root", "root.pem"]
    assert main([*verify, "--identity", "release@acme.example"]) == 0
    assert main([*verify, "--identity", "other@acme.example"]) == 3
    assert main(verify) == 2
    capsys.readouterr()


def test_a_program_signs(house: Path) -> None:
    program = house / "signer.py"
    program.write_text(
        "import sys\n"
        "from cryptography.hazmat.primitives.asymmetric import ec, utils\n"
        "from cryptography.hazmat.primitives import hashes\n"
        "key = ec.derive_private_key(1009, ec.SECP256R1())\n"
        "sys.stdout.buffer.write(key.sign(sys.stdin.buffer.read(), ec.ECDSA(utils.Prehashed(hashes.SHA256()))))\n",
        encoding="utf-8",
    )
    (house / "signer.pub").write_bytes(make_key(9).public_key.pem)
    command = f"{sys.executable} {program}"
    assert main(["sign", "honest", "--signer-command", command, "--public-key", "signer.pub"]) == 0
    assert main(["verify", "honest", "--key", "signer.pub"]) == 0
    assert main(["sign", "honest", "--signer-command", command, "--public-key", "alice.pub"]) == 4


@pytest.mark.parametrize(
    "words",
    [
        ["--id", "not an id"],
        ["--model-version", "newest"],
        ["--expires", "tomorrow"],
        ["--claim", "novalue"],
        ["--claim", "a=b", "--claim", "a=c"],
    ],
)
def test_what_cannot_be_claimed(house: Path, words: list[str]) -> None:
    assert main(["sign", "honest", "--key", "alice.key", *words]) in {2, 3}
    assert not (house / "honest" / "model.sig").exists()


def test_the_root_speaks_for_everything_but_the_signatures(house: Path) -> None:
    before = examine_model(house / "honest").root
    assert main(["sign", "honest", "--key", "alice.key"]) == 0
    assert examine_model(house / "honest").root == before


def test_every_command_takes_another_state_directory(house: Path, state_directory: Path) -> None:
    usual, there = events(state_directory), ["--state", "elsewhere"]
    assert main(["keygen", "bob", *there]) == 0
    assert main(["sign", "honest", "--key", "bob.key", *there]) == 0
    assert main(["verify", "honest", "--key", "bob.pub", *there]) == 0
    assert main(["key", "rotate", "--key", "bob.key", "--to", "alice.key", "-o", "r.json", *there]) == 0
    assert main(["key", "revoke", "--key", "bob.key", "-o", "v.json", *there]) == 0
    assert events(house / "elsewhere") == [
        "record.begun",
        "key.made",
        "model.inspected",
        "model.signed",
        "model.inspected",
        "model.verified",
        "key.made",
        "key.revoked",
    ]
    assert events(state_directory) == usual


# --- keys about keys ---------------------------------------------------------------------------------------------


def test_rotation_and_revocation(house: Path, state_directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["keygen", "next"]) == 0
    assert main(["key", "rotate", "--key", "alice.key", "--to", "next.key", "-o", "rotation.json"]) == 0
    assert main(["key", "check", "rotation.json", "--key", "alice.pub", "-o", "learned.pub"]) == 0
    assert (house / "learned.pub").read_bytes() == (house / "next.pub").read_bytes()
    assert main(["key", "check", "rotation.json", "--key", "next.pub"]) == 3
    assert main(["key", "revoke", "--key", "alice.key", "--reason", "laptop stolen", "-o", "revocation.json"]) == 0
    assert main(["key", "check", "revocation.json", "--key", "alice.pub"]) == 0
    assert main(["key", "check", "revocation.json", "--key", "next.pub"]) == 3
    assert main(["key", "revoke", "--key", "alice.key", "-o", "revocation.json"]) == 2
    assert main(["key", "show", "alice.pub"]) == 0
    assert "laptop stolen" in capsys.readouterr().out
    assert {"key.made", "key.revoked"} <= set(events(state_directory))
