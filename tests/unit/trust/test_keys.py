"""Private and public keys, programs that sign, and statements of keys about keys."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from forge import ALICE, BOB, MALLORY, NOW, make_key

from ostiary.errors import Misuse, SignerFailed, TrustRefused
from ostiary.trust.key_files import read_key_file, write_key_pair
from ostiary.trust.key_statements import verify_revocation, verify_rotation, write_revocation, write_rotation
from ostiary.trust.private_key import CURVE_NAMES, create_private_key, parse_private_key, render_private_key
from ostiary.trust.public_key import parse_public_key
from ostiary.trust.signers import CommandHolder

SECRET = b"correct horse"


def never() -> bytes:
    raise AssertionError("asked for a passphrase that is not needed")


@pytest.mark.parametrize("curve", CURVE_NAMES)
def test_a_key_comes_back_from_its_file_and_signs(curve: str) -> None:
    key = create_private_key(curve)
    pem = render_private_key(key, SECRET)
    assert b"ENCRYPTED PRIVATE KEY" in pem
    again = parse_private_key(pem, lambda: SECRET)
    assert (again.public_key, again.is_encrypted) == (key.public_key, True)
    again.public_key.verify(again.sign(b"x"), b"x")


def test_other_programs_open_the_file() -> None:
    pem = render_private_key(create_private_key("P-256"), SECRET)
    assert load_pem_private_key(pem, SECRET)
    done = subprocess.run(
        ["openssl", "ec", "-passin", f"pass:{SECRET.decode()}", "-noout", "-text"],  # noqa: S607
        input=pem,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_a_wrong_passphrase_opens_nothing() -> None:
    pem = render_private_key(make_key(), SECRET)
    with pytest.raises(Misuse) as caught:
        parse_private_key(pem, lambda: b"wrong")
    assert caught.value.code == "KEY_LOCKED"


def test_an_empty_passphrase_is_none() -> None:
    with pytest.raises(Misuse):
        render_private_key(make_key(), b"")


def test_a_key_shows_no_secret() -> None:
    key = make_key()
    number = key.native.private_numbers().private_value
    assert str(number) not in repr(key)
    assert f"{number:x}" not in repr(key)


@pytest.mark.parametrize("form", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL])
def test_plain_keys_made_elsewhere_are_taken(form: PrivateFormat) -> None:
    pem = make_key().native.private_bytes(Encoding.PEM, form, NoEncryption())
    key = parse_private_key(pem, never)
    assert (key.public_key, key.is_encrypted) == (make_key().public_key, False)


@pytest.mark.parametrize(
    "pem",
    [
        b"",
        b"\xff\xfe",
        b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
        ed25519.Ed25519PrivateKey.from_private_bytes(bytes(32)).private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
        ),
        b"x" * 70_000,
    ],
)
def test_what_is_no_key_of_ours(pem: bytes) -> None:
    with pytest.raises(Misuse) as caught:
        parse_private_key(pem, never)
    assert caught.value.code == "KEY_UNUSABLE"


def test_a_public_key_with_remarks_above_it() -> None:
    pem = make_key().public_key.pem
    assert parse_public_key(b"Public Key Info:\n\tbits: 256\n" + pem + b"\n") == make_key().public_key


@pytest.mark.parametrize(
    ("pem", "code"),
    [
        (b"", "TRUST_MALFORMED"),
        (make_key(1).public_key.pem + make_key(2).public_key.pem, "TRUST_MALFORMED"),
        (render_private_key(make_key(), None), "TRUST_MALFORMED"),
        (b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "TRUST_MALFORMED"),
        (b"x" * 70_000, "TRUST_TOO_LARGE"),
        (
            rsa.RSAPublicNumbers(65_537, (1 << 2047) + 1)
            .public_key()
            .public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
            "TRUST_UNSUPPORTED",
        ),
    ],
)
def test_what_is_no_public_key_of_ours(pem: bytes, code: str) -> None:
    with pytest.raises(TrustRefused) as caught:
        parse_public_key(pem)
    assert caught.value.code == code


def test_the_private_file_is_for_its_owner_alone_and_never_overwritten(tmp_path: Path) -> None:
    private, public = tmp_path / "a.key", tmp_path / "a.pub"
    os.umask(0)
    write_key_pair(private, public, b"private", b"public")
    assert private.stat().st_mode & 0o777 == 0o600
    assert read_key_file(private).is_private
    for taken in (private, public):
        for other in {private, public} - {taken}:
            other.unlink(missing_ok=True)
        before = taken.read_bytes()
        with pytest.raises(Misuse) as caught:
            write_key_pair(private, public, b"new", b"new")
        assert caught.value.code == "KEY_EXISTS"
        assert taken.read_bytes() == before
        write_key_pair(tmp_path / f"{taken.name}.x", tmp_path / f"{taken.name}.y", b"", b"")
        private.write_bytes(b"private")
        public.write_bytes(b"public")


def test_a_key_file_that_is_a_pipe_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(Misuse):
        read_key_file(tmp_path / "pipe")


# --- programs that sign ------------------------------------------------------------------------------------------

PROGRAM = """
import sys
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives import hashes
key = ec.derive_private_key({number}, ec.SECP256R1())
digest = sys.stdin.buffer.read()
assert len(digest) == 32
sys.stdout.buffer.write(key.sign(digest, ec.ECDSA(utils.Prehashed(hashes.SHA256()))))
"""


def test_a_program_signs_the_digest() -> None:
    holder = CommandHolder(ALICE.public_key, (sys.executable, "-c", PROGRAM.format(number=1_001)))
    ALICE.public_key.verify(holder.sign_message(b"message"), b"message")


@pytest.mark.parametrize(
    "argv",
    [
        (sys.executable, "-c", PROGRAM.format(number=1_002)),  # another key
        (sys.executable, "-c", "print('no')"),
        (sys.executable, "-c", "raise SystemExit(1)"),
        ("/nonexistent/signer",),
    ],
)
def test_a_program_that_does_not_do_its_part(argv: tuple[str, ...]) -> None:
    with pytest.raises(SignerFailed) as caught:
        CommandHolder(ALICE.public_key, argv).sign_message(b"message")
    assert caught.value.code == "SIGNER_FAILED"


# --- keys about keys ---------------------------------------------------------------------------------------------


def test_a_key_vouches_for_the_next() -> None:
    rotation = verify_rotation(write_rotation(ALICE, BOB, NOW), ALICE.public_key)
    assert rotation.new_key == BOB.public_key


def test_a_rotation_from_a_key_that_is_not_believed() -> None:
    with pytest.raises(TrustRefused) as caught:
        verify_rotation(write_rotation(MALLORY, BOB, NOW), ALICE.public_key)
    assert caught.value.code == "TRUST_WRONG_SIGNER"


@pytest.mark.parametrize("kept", [0, 1])
def test_a_rotation_that_only_one_of_the_two_signed(kept: int) -> None:
    value = json.loads(write_rotation(ALICE, BOB, NOW))
    value["signatures"] = [value["signatures"][kept]]
    with pytest.raises(TrustRefused) as caught:
        verify_rotation(json.dumps(value).encode(), ALICE.public_key)
    assert caught.value.code == "TRUST_BAD_SIGNATURE"


def test_a_rotation_to_itself_goes_nowhere() -> None:
    with pytest.raises(TrustRefused):
        verify_rotation(write_rotation(ALICE, ALICE, NOW), ALICE.public_key)
    value = json.loads(write_rotation(ALICE, ALICE, NOW))
    del value["signatures"][1]
    with pytest.raises(TrustRefused, match="to itself"):
        verify_rotation(json.dumps(value).encode(), ALICE.public_key)


def test_a_key_revokes_itself_and_another_only_where_it_is_believed() -> None:
    own = verify_revocation(
        write_revocation(ALICE, ALICE.public_key.key_id, "laptop stolen", NOW), [ALICE.public_key]
    )
    assert (own.key_id, own.reason) == (ALICE.public_key.key_id, "laptop stolen")
    other = write_revocation(BOB, ALICE.public_key.key_id, "left the company", NOW)
    assert verify_revocation(other, [BOB.public_key]).key_id == ALICE.public_key.key_id
    with pytest.raises(TrustRefused):
        verify_revocation(other, [ALICE.public_key])


def test_a_revocation_whose_words_were_changed() -> None:
    from base64 import b64decode, b64encode

    value = json.loads(write_revocation(ALICE, ALICE.public_key.key_id, "stolen", NOW))
    payload = b64decode(value["payload"]).replace(b"stolen", b"bought")
    value["payload"] = b64encode(payload).decode()
    with pytest.raises(TrustRefused) as caught:
        verify_revocation(json.dumps(value).encode(), [ALICE.public_key])
    assert caught.value.code == "TRUST_BAD_SIGNATURE"


def test_a_rotation_is_no_revocation() -> None:
    with pytest.raises(TrustRefused):
        verify_revocation(write_rotation(ALICE, BOB, NOW), [ALICE.public_key])
    with pytest.raises(TrustRefused):
        verify_rotation(write_revocation(ALICE, ALICE.public_key.key_id, "x", NOW), ALICE.public_key)


@pytest.mark.parametrize("curve", CURVE_NAMES)
def test_the_quick_reader_of_public_keys_sees_what_the_library_sees(curve: str) -> None:
    from ostiary.trust.public_key import _parse_any_key, _parse_plain_key

    pem = make_key(3, curve).public_key.pem
    plain, slow = _parse_plain_key(pem), _parse_any_key(pem)
    assert plain == slow
    assert plain is not None
    plain.verify(make_key(3, curve).sign(b"x"), b"x")
    compressed = make_key(3, curve).native.public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
    assert len(compressed) < len(pem)
    off_the_curve = pem.replace(pem[100:104], b"AAAA")
    with pytest.raises(TrustRefused):
        parse_public_key(off_the_curve)
