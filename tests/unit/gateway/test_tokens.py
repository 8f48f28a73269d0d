"""Signed tokens: the honest ones are let in, and each known way to forge or misuse one is not."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from token_forge import CLAIMS, ISSUER, NOW, RULES, Signer, encode, make_set, make_signer, sign_with_secret

from ostiary.core.callers import Scope, Way
from ostiary.errors import AdmissionRefused
from ostiary.gateway.token_keys import TokenKeys, parse_token_keys
from ostiary.gateway.token_settings import ALGORITHMS
from ostiary.gateway.tokens import is_token, verify_token

pytest.importorskip("jwt")

EC = make_signer("ES256")
RSA = make_signer("RS256", "two")
KEYS = parse_token_keys(make_set(EC, RSA))


def refuse(token: str, keys: TokenKeys = KEYS, **changed: Any) -> AdmissionRefused:
    rules = replace(RULES, **{name: value for name, value in changed.items() if name != "now"})
    with pytest.raises(AdmissionRefused) as caught:
        verify_token(token, keys, rules, changed.get("now", NOW))
    return caught.value


def make(**changed: Any) -> str:
    """A token of the honest issuer; a claim of None is left out."""
    claims = {name: value for name, value in {**CLAIMS, **changed}.items() if value is not None}
    return EC.make(claims)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_each_algorithm_that_can_be_let_in(algorithm: str) -> None:
    signer = make_signer(algorithm) if algorithm[:2] not in ("RS", "PS") else Signer(RSA.native, algorithm)
    caller = verify_token(
        signer.make(), parse_token_keys(make_set(signer)), replace(RULES, algorithms=(algorithm,)), NOW
    )
    assert (caller.tenant, caller.scopes, caller.models, caller.way) == ("acme", {Scope.INFER}, None, Way.TOKEN)
    assert caller.id.startswith("token-")
    assert "alice" not in repr(caller)


def test_a_token_without_the_name_of_its_key_is_checked_with_the_only_one_that_fits() -> None:
    assert verify_token(EC.make(kid=None), KEYS, RULES, NOW).tenant == "acme"
    other = parse_token_keys(make_set(EC, make_signer("ES256", "three")))
    assert "not known here" in refuse(EC.make(kid=None), other).message


HEADS: dict[str, Any] = {
    "none": {"alg": "none"},
    "None": {"alg": "None"},
    "no algorithm": {"alg": None},
    "a list of algorithms": {"alg": ["ES256"]},
    "an algorithm that is not on the list": {"alg": "ES384"},
    "a secret that is shared": {"alg": "HS256"},
    "small letters": {"alg": "es256"},
    "an unknown key": {"kid": "other"},
    "a key of another kind": {"kid": "two"},
    "a key's name that is a path": {"kid": "../../../../dev/null"},
    "a key's name that is a number": {"kid": 1},
    "a key's name that is endless": {"kid": "k" * 300},
    "a key of its own": {"jwk": make_signer("ES256", "evil").jwk},
    "an address of keys": {"jku": "https://evil.example/keys"},
    "an address of certificates": {"x5u": "https://evil.example/chain"},
    "certificates of its own": {"x5c": ["MIIB"]},
    "something critical": {"crit": ["exp"], "exp": 1},
    "something critical that is empty": {"crit": []},
    "a body that is not encoded": {"b64": False, "crit": ["b64"]},
    "compression": {"zip": "DEF"},
    "encryption": {"enc": "A256GCM"},
    "a logout token": {"typ": "logout+jwt"},
    "a proof of possession": {"typ": "dpop+jwt"},
    "no kind at all": {"typ": 1},
}


@pytest.mark.parametrize("head", HEADS)
def test_heads_that_are_not_let_in(head: str) -> None:
    refusal = refuse(EC.make(**HEADS[head]))
    assert refusal.code == "ADMISSION_UNAUTHENTICATED"
    assert refusal.public_detail == "", "a stranger hears nothing of why"


def test_a_key_that_the_token_brings_is_never_used() -> None:
    evil = make_signer("ES256", "evil")
    refuse(evil.make(kid="one"))
    refuse(evil.make(kid="one", jwk=evil.jwk))
    refuse(evil.make(kid=None))


@pytest.mark.parametrize("as_text", ["pem", "jwk", "set"])
def test_a_public_key_is_no_shared_secret(as_text: str) -> None:
    secret = {"pem": RSA.pem, "jwk": json.dumps(RSA.jwk).encode(), "set": make_set(RSA)}[as_text]
    head = {"alg": "HS256", "typ": "JWT", "kid": "two"}
    refuse(sign_with_secret(secret, head))
    refuse(sign_with_secret(secret, head), algorithms=("HS256", "RS256"))  # which no settings can say
    refuse(sign_with_secret(secret, {**head, "alg": "RS256"}))


def test_no_signature_at_all() -> None:
    head, claims, _ = EC.make().split(".")
    for token in (f"{head}.{claims}.", f"{head}.{claims}", f"{head}.{claims}.AAAA", f"{head}..", "..", "...."):
        refuse(token)
    bare = encode(b'{"alg":"none"}')
    refuse(f"{bare}.{claims}.", algorithms=("none",))


def test_a_signature_of_something_else() -> None:
    head, claims, signature = EC.make().split(".")
    other = encode(json.dumps({**CLAIMS, "sub": "root"}).encode())
    refuse(f"{head}.{other}.{signature}")
    refuse(f"{encode(b'{}')}.{claims}.{signature}")
    refuse(f"{head}.{claims}.{encode(bytes(64))}")  # ECDSA with zeros, which some once took


@pytest.mark.parametrize(
    "spoil",
    [
        lambda t: f" {t}",
        lambda t: f"{t}=",
        lambda t: f"{t}\n",
        lambda t: t.replace(".", ".\n", 1),
        lambda t: t[:-1] + chr(ord(t[-1]) + 1),
        lambda t: "+" + t[1:],
        lambda t: t + "é",
        lambda t: t + "." + t,
    ],
)
def test_one_spelling_of_each_token(spoil: Any) -> None:
    token = EC.make()
    verify_token(token, KEYS, RULES, NOW)
    refuse(spoil(token))


WRONG: dict[str, dict[str, Any]] = {
    "another issuer": {"iss": "https://evil.example"},
    "an issuer with a slash": {"iss": f"{ISSUER}/"},
    "no issuer": {"iss": None},
    "issuers": {"iss": [ISSUER]},
    "another audience": {"aud": "others"},
    "other audiences": {"aud": ["a", "b"]},
    "no audience": {"aud": None},
    "an audience among numbers": {"aud": ["models", 1]},
    "an audience that has ours in it": {"aud": "models-and-more"},
    "an audience as an object": {"aud": {"models": 1}},
    "nobody": {"sub": None},
    "an empty subject": {"sub": ""},
    "a subject that is a number": {"sub": 7},
    "an endless subject": {"sub": "s" * 300},
    "no end": {"exp": None},
    "an end that is a text": {"exp": str(int(NOW) + 600)},
    "an end that is true": {"exp": True},
    "an end before all times": {"exp": -1},
    "an end far away": {"exp": 9_000_000_000},
    "a beginning in the future": {"nbf": int(NOW) + 31},
    "made in the future": {"iat": int(NOW) + 31},
    "a beginning that is none": {"nbf": "now"},
    "good for too long": {"iat": int(NOW) - 86_400, "exp": int(NOW) + 60},
}


@pytest.mark.parametrize("what", WRONG)
def test_claims_that_are_not_let_in(what: str) -> None:
    refusal = refuse(make(**WRONG[what]))
    assert refusal.code == "ADMISSION_UNAUTHENTICATED"
    assert refusal.public_detail == refusal.message, "whom the issuer vouches for may know why"
    assert "evil" not in refusal.message
    assert "alice" not in refusal.message


def test_clocks_may_differ_by_the_leeway_and_no_more() -> None:
    for claims in ({"exp": NOW - 29.5}, {"nbf": NOW + 30}, {"iat": NOW + 30}, {"exp": NOW + 600.25}):
        verify_token(make(**claims), KEYS, RULES, NOW)
    assert refuse(make(exp=int(NOW) - 30)).code == "ADMISSION_EXPIRED"
    assert refuse(make(exp=int(NOW)), leeway=0).code == "ADMISSION_EXPIRED"
    assert refuse(make(), now=NOW + 700).code == "ADMISSION_EXPIRED"


def test_a_token_for_several_audiences() -> None:
    verify_token(make(aud=["others", "models"]), KEYS, RULES, NOW)


@pytest.mark.parametrize(
    "claims",
    [
        json.dumps(CLAIMS)[:-1].encode() + b', "sub": "root"}',
        json.dumps(CLAIMS)[:-1].encode() + b', "exp": 9e99}',
        json.dumps(CLAIMS)[:-1].encode() + b', "exp": Infinity}',
        json.dumps(CLAIMS)[:-1].encode() + b', "a": ' + b"[" * 2_000 + b"]" * 2_000 + b"}",
        json.dumps(CLAIMS)[:-1].encode() + b', "a": [' + b"1," * 2_000 + b"1]}",
        b"\xef\xbb\xbf" + json.dumps(CLAIMS).encode(),
        json.dumps(CLAIMS).encode() + b" x",
        b"[]",
        b"null",
        b"\xff",
    ],
)
def test_claims_that_are_not_strict_json(claims: bytes) -> None:
    refuse(EC.make_raw(b'{"alg":"ES256","kid":"one"}', claims))


def test_a_head_that_says_two_things() -> None:
    refuse(EC.make_raw(b'{"alg":"none","alg":"ES256","kid":"one"}', json.dumps(CLAIMS).encode()))


def test_a_huge_token_is_not_even_taken_apart() -> None:
    assert "longer" in refuse("a" * 9_000).message
    assert "longer" in refuse(make(pad="x" * 9_000)).message


def test_who_asks_is_told_by_the_claims_that_the_operator_names() -> None:
    rules = replace(RULES, tenant=None, tenant_claim="org", models_claim="models", scope_claim="roles")
    token = make(org="acme", models=["tiny", 7], roles=["ostiary:infer", "ostiary:metrics", "admin", "ostiary:"])
    caller = verify_token(token, KEYS, rules, NOW)
    assert (caller.tenant, caller.models, caller.scopes) == ("acme", {"tiny"}, {Scope.INFER, Scope.METRICS})
    bare = verify_token(make(org="acme", scope=None), KEYS, rules, NOW)
    assert (bare.models, bare.scopes) == (frozenset(), frozenset()), "what is not said is not allowed"
    for org in (None, "", " ", 7, "a" * 200, "a\nb", "../a", "default", "a ", ["acme"]):
        refuse(make(org=org), tenant=None, tenant_claim="org")


def test_each_subject_is_a_tenant_of_its_own_where_nothing_else_is_said() -> None:
    rules = replace(RULES, tenant=None)
    one, two = (verify_token(make(sub=sub), KEYS, rules, NOW) for sub in ("one", "two"))
    assert one.tenant == one.id != two.tenant
    assert verify_token(make(sub="one", exp=NOW + 5), KEYS, rules, NOW).tenant == one.tenant


def test_a_scope_is_the_whole_word() -> None:
    for scope in ("xostiary:infer", "ostiary:infers", "infer", "ostiary:INFER", "ostiary:infer\tx", {"a": 1}):
        assert verify_token(make(scope=scope), KEYS, RULES, NOW).scopes == frozenset()


def test_tokens_and_keys_are_told_apart() -> None:
    assert is_token(EC.make())
    assert not is_token("ost_0123456789ab_" + "A" * 43)
    assert not is_token("ost_0123456789ab_a.b.c"), "what calls itself a key of ours is tried as nothing else"
    assert not is_token("")
    assert is_token("a.b.c.d.e")
    assert "not a signed token" in refuse("a.b.c.d.e").message


def test_who_asks_for_new_keys() -> None:
    heard: list[int] = []

    def verify(token: str) -> None:
        with pytest.raises(AdmissionRefused):
            verify_token(token, KEYS, RULES, NOW, lambda: heard.append(1))

    verify(EC.make(kid="new"))
    assert heard == [1]
    verify(EC.make(kid="two"))
    verify(EC.make({**CLAIMS, "exp": 1}))
    verify(EC.make(kid="new", alg="HS256"))
    assert heard == [1], "only a name that is not in the set"
