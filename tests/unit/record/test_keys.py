from __future__ import annotations

import json
import os
import stat
import sys
from pathlib import Path

import pytest
from record_tools import fill, make_event, verify

from ostiary.errors import RecordDamaged, RecordRefused
from ostiary.record import keys as keys_module
from ostiary.record.begin import open_log, open_reader
from ostiary.record.keys import (
    KEY_FILE,
    SIGNER_FILE,
    SeedSigner,
    create_signers,
    has_algorithm,
    load_active_signers,
    verify_signature,
    write_key_file,
)
from ostiary.record.note import Algorithm
from ostiary.record.rotate import rotate_keys


def active(state: Path) -> tuple[str, ...]:
    with open_reader(state) as reader:
        return reader.read_keys()[-1][1]


def test_keys_are_written_for_their_owner_and_never_over_others(tmp_path: Path) -> None:
    signers = create_signers("a.example/log")
    write_key_file(tmp_path / KEY_FILE, signers)
    assert stat.S_IMODE((tmp_path / KEY_FILE).stat().st_mode) == 0o600
    with pytest.raises(FileExistsError):
        write_key_file(tmp_path / KEY_FILE, create_signers("a.example/log"))
    assert [p.name for p in tmp_path.iterdir()] == [KEY_FILE]
    texts = tuple(signer.verifier.text for signer in signers)
    assert tuple(s.verifier.text for s in load_active_signers(tmp_path, texts)) == texts


def test_a_key_does_not_show_itself() -> None:
    signer = create_signers("a.example/log")[0]
    assert signer.seed.hex() not in repr(signer)
    assert repr(signer.seed) not in repr(signer)


def test_an_ed25519_key_and_mldsa_beside_it_where_it_can_be_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [s.verifier.algorithm for s in create_signers("n")][:1] == [Algorithm.ED25519]
    assert len(create_signers("n")) == 1 + has_algorithm(Algorithm.MLDSA44)

    def lack(algorithm: Algorithm, seed: bytes) -> object:
        if algorithm is Algorithm.MLDSA44:
            raise ImportError
        return original(algorithm, seed)

    original = keys_module._load_private
    monkeypatch.setattr(keys_module, "_load_private", lack)
    has_algorithm.cache_clear()
    try:
        assert [s.verifier.algorithm for s in create_signers("n")] == [Algorithm.ED25519]
    finally:
        has_algorithm.cache_clear()


def test_a_record_without_the_stronger_algorithm_is_whole_with_and_without_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path / "both", 3)
    monkeypatch.setattr("ostiary.record.keys.has_algorithm", lambda algorithm: algorithm is Algorithm.ED25519)
    monkeypatch.setattr("ostiary.record.checkpoint.has_algorithm", lambda algorithm: algorithm is Algorithm.ED25519)
    note = fill(tmp_path / "one", 3)
    assert len(active(tmp_path / "one")) == 1
    assert verify(tmp_path / "both")
    monkeypatch.undo()
    assert verify(tmp_path / "one", note)


@pytest.mark.parametrize("mode", [0o644, 0o660, 0o602])
def test_a_key_file_that_others_can_touch_is_not_used(tmp_path: Path, mode: int) -> None:
    fill(tmp_path, 1)
    (tmp_path / "record" / KEY_FILE).chmod(mode)
    with open_log(tmp_path) as log:
        log.append(make_event())
        with pytest.raises(RecordDamaged, match="others") as damaged:
            log.sign_checkpoint()
    assert damaged.value.code == "RECORD_KEY_UNUSABLE"
    assert "others" in log.notices[0]


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"", "empty"),
        (b"\xff\xfe", "not text"),
        (b"nonsense\n", "format"),
        (b"PRIVATE+KEY+n+00000000+!!!\n", "format"),
        (b"PRIVATE+KEY+n+00000000+AQID\n", "length"),
        (b"PRIVATE+KEY+n+00000000+AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB\n", "changed"),
        (b"x" * 20_000, "larger"),
    ],
)
def test_a_damaged_key_file_is_said(tmp_path: Path, content: bytes, match: str) -> None:
    path = tmp_path / KEY_FILE
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(RecordDamaged, match=match):
        load_active_signers(tmp_path, ("x",))


def test_a_key_file_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    write_key_file(tmp_path / "elsewhere", create_signers("n"))
    (tmp_path / KEY_FILE).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RecordDamaged, match="cannot be read"):
        load_active_signers(tmp_path, ("x",))


def test_the_key_of_another_record_is_not_used(tmp_path: Path) -> None:
    fill(tmp_path / "state", 1)
    fill(tmp_path / "other", 1)
    (tmp_path / "other" / "record" / KEY_FILE).replace(tmp_path / "state" / "record" / KEY_FILE)
    with open_log(tmp_path / "state") as log:
        log.append(make_event())
    assert "no key here" in log.notices[0]


def test_a_record_without_its_key_is_not_continued(tmp_path: Path) -> None:
    fill(tmp_path, 1)
    (tmp_path / "record" / KEY_FILE).unlink()
    with pytest.raises(RecordDamaged, match="its key is not") as damaged:
        open_log(tmp_path)
    assert damaged.value.code == "RECORD_MISSING"


@pytest.mark.parametrize("point", ["prepared", "announced", "exchanged"])
def test_a_rotation_that_is_killed_leaves_a_record_that_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    class Killed(BaseException):
        pass

    def die(*_: object, **__: object) -> None:
        raise Killed

    fill(tmp_path, 3)
    before = active(tmp_path)
    with monkeypatch.context() as patch, open_log(tmp_path) as log:
        if point == "prepared":
            patch.setattr(log, "place", die)
        elif point == "announced":
            patch.setattr("ostiary.record.rotate.load_active_signers", die)
        else:
            patch.setattr("ostiary.record.keys.sync_directory", die)
        with pytest.raises(Killed):
            rotate_keys(log, correlation_id="turn")
        patch.undo()
    with open_log(tmp_path) as log:
        log.append(make_event())
    assert log.notices == []
    assert (active(tmp_path) == before) == (point == "prepared")
    assert verify(tmp_path)


def write_command(tmp_path: Path, signer: SeedSigner, body: str) -> bytes:
    """A program that signs with a key that only it has, as an agent or a token would."""
    script = tmp_path / "agent.py"
    script.write_text(
        "import sys\n"
        "from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey\n"
        f"key = Ed25519PrivateKey.from_private_bytes(bytes.fromhex('{signer.seed.hex()}'))\n"
        f"assert sys.argv[1] == '{signer.verifier.key_id.hex()}'\n" + body
    )
    return json.dumps({"keys": [signer.verifier.text], "argv": [sys.executable, str(script)]}).encode()


def test_keys_can_live_behind_a_command(tmp_path: Path) -> None:
    fill(tmp_path / "state", 3)
    with open_log(tmp_path / "state") as log:
        origin = active(tmp_path / "state")[0].partition("+")[0]
        signer = create_signers(origin)[0]
        settings = write_command(tmp_path, signer, "sys.stdout.buffer.write(key.sign(sys.stdin.buffer.read()))\n")
        assert rotate_keys(log, correlation_id="c", signing_command=settings) == (signer.verifier.text,)
        log.append(make_event())
        log.sign_checkpoint()
    assert log.notices == []
    assert (tmp_path / "state" / "record" / SIGNER_FILE).is_file()
    assert not (tmp_path / "state" / "record" / KEY_FILE).exists()
    assert verify(tmp_path / "state").keys == (signer.verifier,)
    with open_log(tmp_path / "state") as log:
        rotate_keys(log, correlation_id="back")
        log.append(make_event())
    assert log.notices == []
    assert not (tmp_path / "state" / "record" / SIGNER_FILE).exists()
    assert verify(tmp_path / "state")


@pytest.mark.parametrize(
    ("body", "match"),
    [
        ("sys.exit(1)\n", "ended with status 1"),
        ("sys.stdout.buffer.write(bytes(64))\n", "not a signature"),
    ],
)
def test_a_command_that_does_not_sign_is_said(tmp_path: Path, body: str, match: str) -> None:
    fill(tmp_path / "state", 3)
    with open_log(tmp_path / "state") as log:
        origin = active(tmp_path / "state")[0].partition("+")[0]
        rotate_keys(
            log, correlation_id="c", signing_command=write_command(tmp_path, create_signers(origin)[0], body)
        )
        log.append(make_event())
        with pytest.raises(RecordDamaged, match=match):
            log.sign_checkpoint()
    assert match in log.notices[0]


@pytest.mark.parametrize(
    "settings", [b"", b"[]", b'{"keys": [], "argv": ["x"]}', b'{"keys": ["x"], "argv": ["x"]}', b"{}"]
)
def test_settings_of_a_signing_command_that_make_no_sense_are_said(tmp_path: Path, settings: bytes) -> None:
    fill(tmp_path, 1)
    with open_log(tmp_path) as log, pytest.raises(RecordDamaged, match=SIGNER_FILE):
        rotate_keys(log, correlation_id="c", signing_command=settings)
    assert verify(tmp_path)


def test_a_wrong_signature_is_refused() -> None:
    for signer in create_signers("n"):
        verify_signature(signer.verifier, signer.sign(b"message"), b"message")
        with pytest.raises(RecordRefused):
            verify_signature(signer.verifier, signer.sign(b"message"), b"massage")
        with pytest.raises(RecordRefused):
            verify_signature(signer.verifier, b"", b"message")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_key_file_of_somebody_else_is_not_used(tmp_path: Path) -> None:
    fill(tmp_path, 1)
    os.chown(tmp_path / "record" / KEY_FILE, 65534, 65534)
    with open_log(tmp_path) as log:
        log.append(make_event())
        with pytest.raises(RecordDamaged):
            log.sign_checkpoint()
