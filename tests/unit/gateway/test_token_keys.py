"""Sets of keys: what an issuer may publish, and what is refused as a whole."""

from __future__ import annotations

import json
from typing import Any

import pytest
from token_forge import encode_number, make_set, make_signer

from ostiary.errors import Misuse
from ostiary.gateway.token_keys import parse_token_keys

pytest.importorskip("jwt")

EC = make_signer("ES256").jwk
RSA = make_signer("RS256", "two").jwk
OKP = make_signer("EdDSA", "three").jwk


def parse(*keys: Any) -> list[tuple[str | None, str]]:
    return [(key.kid, key.kind) for key in parse_token_keys(json.dumps({"keys": keys}).encode()).keys]


def test_keys_of_every_kind() -> None:
    assert parse(EC, RSA, OKP) == [("one", "P-256"), ("two", "RSA"), ("three", "Ed25519")]
    bare = {name: value for name, value in EC.items() if name not in ("kid", "use", "alg")}
    assert parse(bare) == [(None, "P-256")]
    assert parse({**EC, "x5c": ["MII"], "x5t": "a", "key_ops": ["verify"], "issuer": "x"}) == [("one", "P-256")]


@pytest.mark.parametrize(
    "other",
    [
        {**RSA, "use": "enc"},
        {**RSA, "alg": "RSA-OAEP"},
        {**EC, "key_ops": ["deriveKey"]},
        {**EC, "crv": "secp256k1"},
        {**OKP, "crv": "X25519", "alg": None},
        {"kty": "AKP", "pub": "AAAA", "alg": "ML-DSA-44"},
        {"kty": 7},
        {},
    ],
)
def test_keys_for_something_else_are_passed_over(other: dict[str, Any]) -> None:
    assert parse(other, EC) == [("one", "P-256")]


def make_rsa(bits: int, exponent: int = 65_537) -> dict[str, Any]:
    return {**RSA, "n": encode_number((1 << bits) - 159), "e": encode_number(exponent)}


BAD: dict[str, list[Any]] = {
    "a private key": [{**EC, "d": "AAAA"}],
    "a private key beside others": [RSA, {**OKP, "d": "AAAA"}],
    "a private key that calls itself one for encryption": [{**RSA, "use": "enc", "p": "AAAA"}],
    "a private key of a kind to come": [{"kty": "AKP", "priv": "AAAA"}, EC],
    "a shared secret": [{"kty": "oct", "k": "c2VjcmV0"}],
    "a shared secret beside others": [EC, {"kty": "oct", "kid": "x"}],
    "a short RSA key": [make_rsa(1_024)],
    "a short RSA key beside others": [EC, make_rsa(2_040)],
    "a huge RSA key": [make_rsa(16_000)],
    "an exponent of one": [make_rsa(2_048, 1)],
    "an even exponent": [make_rsa(2_048, 4)],
    "a huge exponent": [make_rsa(2_048, (1 << 64) + 1)],
    "a point that is on no curve": [{**EC, "x": EC["y"]}],
    "a point at nowhere": [{**EC, "x": "AAAA"}],
    "a part that is missing": [{name: value for name, value in EC.items() if name != "y"}],
    "a part that is no text": [{**EC, "y": 5}],
    "a part with padding": [{**EC, "y": f"{EC['y']}="}],
    "one name twice": [EC, {**OKP, "kid": "one"}],
    "a name that is a number": [{**EC, "kid": 1}],
    "an endless name": [{**EC, "kid": "k" * 300}],
    "what is no object": ["key"],
    "none": [],
    "none that signs": [{**RSA, "use": "enc"}],
    "too many": [{"kty": "RSA", "use": "enc"}] * 65,
}


@pytest.mark.parametrize("what", BAD)
def test_sets_that_are_refused(what: str) -> None:
    with pytest.raises(Misuse) as caught:
        parse(*BAD[what])
    assert caught.value.code == "TOKEN_KEYS_UNUSABLE"
    assert "\n" not in caught.value.message


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"{}",
        b'{"keys": {}}',
        b'{"keys": [], "keys": []}',
        b"\xff",
        b'{"keys": ' + b"[" * 500,
        b" " * 300_000,
    ],
)
def test_bytes_that_are_no_set(data: bytes) -> None:
    with pytest.raises(Misuse) as caught:
        parse_token_keys(data)
    assert caught.value.code == "TOKEN_KEYS_UNUSABLE"


def test_a_key_is_found_for_what_it_is_for() -> None:
    keys = parse_token_keys(make_set(make_signer("ES256"), make_signer("RS256", "two")))
    found = keys.find("two", "RS256")
    assert found is not None
    assert found.kid == "two"
    for kid, algorithm in (("two", "PS256"), ("two", "ES256"), ("one", "ES384"), ("six", "ES256"), (None, "HS256")):
        assert keys.find(kid, algorithm) is None


def test_a_key_that_does_not_say_what_it_is_for_is_for_its_own_kind_only() -> None:
    bare = [{name: value for name, value in key.items() if name not in ("alg", "use")} for key in (EC, RSA, OKP)]
    keys = parse_token_keys(json.dumps({"keys": bare}).encode())
    fits = {"one": ("ES256",), "two": ("RS256", "PS512"), "three": ("EdDSA",)}
    for kid, fitting in fits.items():
        for algorithm in ("ES256", "ES384", "RS256", "PS512", "EdDSA", "HS256", "none"):
            assert (keys.find(kid, algorithm) is not None) == (algorithm in fitting)
