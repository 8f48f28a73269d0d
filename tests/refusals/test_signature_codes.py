"""Each code of signatures and keys, brought about by the attack or mistake that its test is named for."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from forge import (
    ALICE,
    CLAIMS,
    DAY,
    FILES,
    MALLORY,
    NOW,
    Authority,
    bend_bundle,
    bend_statement,
    make_key,
    make_manifest,
    sign,
    verify,
)

from ostiary import errors
from ostiary.trust.dates import check_dates
from ostiary.trust.decide_by_key import decide_by_key
from ostiary.trust.key_files import write_once
from ostiary.trust.private_key import parse_private_key, render_private_key
from ostiary.trust.signers import CommandHolder
from ostiary.trust.verify import SignatureFile

Act = Callable[[Path, pytest.MonkeyPatch], object]


def an_unsigned_model(_tmp_path: Path, _patch: pytest.MonkeyPatch) -> object:
    return verify()


def a_payload_changed_under_its_signature(_tmp_path: Path, _patch: pytest.MonkeyPatch) -> object:
    def bend(value: dict) -> None:  # type: ignore[type-arg]
        value["dsseEnvelope"]["signatures"][0]["sig"] = "MAYCAQECAQE="

    return verify(bend_bundle(bend))


def a_stranger_who_signs(_tmp_path: Path, _patch: pytest.MonkeyPatch) -> object:
    return verify(sign(holder=MALLORY))


def weights_that_were_exchanged(_tmp_path: Path, _patch: pytest.MonkeyPatch) -> object:
    return verify(sign(), manifest=make_manifest({**FILES, "model.safetensors": b"others"}))


def a_file_that_was_slipped_in(_tmp_path: Path, _patch: pytest.MonkeyPatch) -> object:
    return verify(sign(), manifest=make_manifest({**FILES, "chat_template.jinja": b"x"}))


def a_file_that_was_taken_out(_tmp_path: Path, _patch: pytest.MonkeyPatch) -> object:
    return verify(sign(), manifest=make_manifest({"config.json": FILES["config.json"]}))


def a_certificate_from_years_ago(_tmp_path: Path, _patch: pytest.MonkeyPatch) -> object:
    root = Authority()
    return verify(root.sign_as(begins=NOW - 9 * DAY, ends=NOW - 8 * DAY), keys=(), roots=(root.der,))


def a_signature_from_the_future(_tmp_path: Path, _patch: pytest.MonkeyPatch) -> object:
    return check_dates(verify(sign()).vouchings[0].statement, NOW - DAY)


def one_model_under_the_name_of_another(_tmp_path: Path, _patch: pytest.MonkeyPatch) -> object:
    assert CLAIMS.model_id != "acme/other"
    return decide_by_key(verify(sign()), NOW, model_id="acme/other")


def a_bundle_of_garbage(_tmp_path: Path, _patch: pytest.MonkeyPatch) -> object:
    return verify(SignatureFile("model.sig", b"\x00"))


def a_bundle_of_a_gigabyte(_tmp_path: Path, _patch: pytest.MonkeyPatch) -> object:
    return verify(SignatureFile("model.sig", bytes(1 << 25)))


def shards(_tmp_path: Path, _patch: pytest.MonkeyPatch) -> object:
    return verify(bend_statement(lambda v: v["predicate"]["serialization"].update(method="shards")))


def a_key_file_with_something_else_in_it(_tmp_path: Path, _patch: pytest.MonkeyPatch) -> object:
    return parse_private_key(b"hello", lambda: b"")


def a_wrong_passphrase(_tmp_path: Path, _patch: pytest.MonkeyPatch) -> object:
    return parse_private_key(render_private_key(make_key(), b"right"), lambda: b"wrong")


def a_second_key_of_the_same_name(tmp_path: Path, _patch: pytest.MonkeyPatch) -> object:
    write_once(tmp_path / "a.key", b"x", 0o600)
    return write_once(tmp_path / "a.key", b"y", 0o600)


def a_program_that_signs_nothing(_tmp_path: Path, _patch: pytest.MonkeyPatch) -> object:
    return CommandHolder(ALICE.public_key, (sys.executable, "-c", "")).sign_message(b"x")


def a_token_without_its_library(_tmp_path: Path, patch: pytest.MonkeyPatch) -> object:
    from ostiary.trust.pkcs11_token import open_token

    patch.setitem(sys.modules, "pkcs11", None)
    return open_token("pkcs11:object=x?module-path=/x", lambda: b"")


ACTS: dict[str, Act] = {
    "TRUST_UNSIGNED": an_unsigned_model,
    "TRUST_BAD_SIGNATURE": a_payload_changed_under_its_signature,
    "TRUST_WRONG_SIGNER": a_stranger_who_signs,
    "TRUST_DIGEST_MISMATCH": weights_that_were_exchanged,
    "TRUST_EXTRA_FILE": a_file_that_was_slipped_in,
    "TRUST_MISSING_FILE": a_file_that_was_taken_out,
    "TRUST_EXPIRED": a_certificate_from_years_ago,
    "TRUST_NOT_YET_VALID": a_signature_from_the_future,
    "TRUST_WRONG_MODEL": one_model_under_the_name_of_another,
    "TRUST_MALFORMED": a_bundle_of_garbage,
    "TRUST_TOO_LARGE": a_bundle_of_a_gigabyte,
    "TRUST_UNSUPPORTED": shards,
    "KEY_UNUSABLE": a_key_file_with_something_else_in_it,
    "KEY_LOCKED": a_wrong_passphrase,
    "KEY_EXISTS": a_second_key_of_the_same_name,
    "SIGNER_FAILED": a_program_that_signs_nothing,
    "EXTRA_MISSING": a_token_without_its_library,
}


@pytest.mark.parametrize("code", ACTS)
def test_the_act_brings_the_code(code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(errors.OstiaryError) as caught:
        ACTS[code](tmp_path, monkeypatch)
    assert caught.value.code == code
    assert "\n" not in str(caught.value)
    assert str(tmp_path) not in str(caught.value)
