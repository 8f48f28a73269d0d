"""Tokens, sets of keys, certificates: any bytes are a value or the one refusal, and what is let in a library lets in."""

from __future__ import annotations

import sys
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

with atheris.instrument_imports(include=["ostiary"]):
    from ostiary.errors import AdmissionRefused, Misuse
    from ostiary.gateway.client_certificates import read_client_certificate
    from ostiary.gateway.tls_files import TlsFiles, judge_tls_files
    from ostiary.gateway.token_keys import parse_token_keys
    from ostiary.gateway.tokens import is_token, verify_token

import jwt
from tls_forge import make_certificate
from token_forge import CLAIMS, ISSUER, NOW, RULES, make_set, make_signer

SIGNER = make_signer("EdDSA")
KEYS = parse_token_keys(make_set(SIGNER))
MADE = make_certificate("app", hosts=("app.example",))
READ = read_client_certificate.__wrapped__  # nothing is remembered


def TestOneInput(data: bytes) -> None:  # noqa: N802  the name that fuzzers look for
    way, rest = (data[0] % 6, data[1:]) if data else (0, b"")
    if way == 0:
        _verify(rest.decode("latin-1"))
    elif way == 1:
        _verify(SIGNER.make_raw(b'{"alg":"EdDSA","kid":"one"}', rest))
    elif way == 2:
        _verify(SIGNER.make_raw(rest, b'{"iss":"%s","aud":"models","sub":"a","exp":1800000600}' % ISSUER.encode()))
    elif way == 3:
        try:
            found = parse_token_keys(rest)
        except Misuse as misuse:
            if not misuse.message.isprintable():
                raise AssertionError(misuse.message) from misuse
        else:
            assert all(key.native.__class__.__name__.endswith("PublicKey") for key in found.keys)
    elif way == 4:
        with suppress(AdmissionRefused):
            READ(_alter(MADE.der, rest))
    else:
        try:
            judge_tls_files(TlsFiles(_alter(MADE.pem, rest), MADE.render_key()), datetime.now(UTC))
        except Misuse as misuse:
            if not misuse.message.isprintable():
                raise AssertionError(misuse.message) from misuse


def _verify(token: str) -> None:
    is_token(token)
    try:
        caller = verify_token(token, KEYS, RULES, NOW)
    except AdmissionRefused as refusal:
        if not refusal.message.isprintable():
            raise AssertionError(refusal.message) from refusal
        return
    told = jwt.decode(
        token,
        SIGNER.native.public_key(),
        ["EdDSA"],
        audience=list(RULES.audience),
        issuer=ISSUER,
        options={
            "require": ["exp", "iss", "aud", "sub"],
            "verify_exp": False,
            "verify_nbf": False,
            "verify_iat": False,
        },
    )
    if not told["exp"] > NOW - RULES.leeway or caller.tenant != "acme":
        raise AssertionError(told)


def _alter(whole: bytes, changes: bytes) -> bytes:
    """Each three bytes are a place and what stands there."""
    altered = bytearray(whole)
    for at in range(0, len(changes) - 2, 3):
        altered[int.from_bytes(changes[at : at + 2], "big") % len(altered)] = changes[at + 2]
    return bytes(altered)


_verify(SIGNER.make(CLAIMS))

if __name__ == "__main__":
    atheris.Setup(sys.argv, TestOneInput)
    atheris.Fuzz()
