"""A signed token -> who asks. Pure: keys, rules and time are given.

A strict part of RFC 7519 under the advice of RFC 8725. The order is the reason: nothing is believed, and little is
read, before the signature holds; and what it holds with is chosen by the operator's list and the issuer's keys. A
token says which of them it means, and can neither bring nor name one of its own.
"""

from __future__ import annotations

import base64
import hashlib
import math
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from ostiary.core.callers import Caller, Scope, Way, is_tenant_name
from ostiary.core.json_text import JsonValue, parse_json_object
from ostiary.core.limits import (
    MAX_JWT_CHARACTERS,
    MAX_JWT_SUBJECT_CHARACTERS,
    MAX_JWT_VALUES,
    MAX_SERVED_MODELS,
)
from ostiary.errors import ADMISSION_EXPIRED, ADMISSION_UNAUTHENTICATED, AdmissionRefused, Code, IntakeRefused
from ostiary.gateway.token_keys import TokenKeys
from ostiary.gateway.token_settings import TokenSettings

_PART: Final = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)
_NEVER: Final = frozenset({"jwk", "x5c", "jku", "x5u", "crit", "b64", "zip", "enc"})
"""In a head: what brings a key, says where one is, or has to be understood. All else there is not looked at."""
_TYPES: Final = frozenset({"jwt", "at+jwt"})
_KID_CHARACTERS: Final = 256
_SCOPES: Final = {scope.value: scope for scope in Scope}
_ID_DIGITS: Final = 12


def is_token(secret: str) -> bool:
    """Whether it is of this kind at all: three parts, or the five of one that is encrypted; and no key of ours."""
    return secret.count(".") in (2, 4) and not secret.startswith("ost_")


def verify_token(
    token: str,
    keys: TokenKeys,
    rules: TokenSettings,
    now: float,
    on_unknown_key: Callable[[], None] = lambda: None,
) -> Caller:
    """Raises AdmissionRefused. `on_unknown_key` hears of a token whose key the set has not: it may be new.

    1. Three parts, of base64url in its one form, within the ceiling.
    2. The head: an algorithm of the operator's list, and nothing that would decide about the key.
    3. The key: of the issuer's set, of that name, for that algorithm.
    4. The signature.
    5. The claims: who, for whom, when.
    6. Tenant, scopes and models.
    """
    # 1
    if len(token) > MAX_JWT_CHARACTERS:
        raise _no_good("is longer than any token")
    parts = token.split(".")
    if len(parts) != 3:
        raise _no_good("is not a signed token")
    head_bytes, claims_bytes, _ = (_decode(part) for part in parts)
    # 2
    head = _parse(head_bytes)
    if not _NEVER.isdisjoint(head):
        raise _no_good("has a head with something in it that is not taken")
    algorithm, kid, kind = head.get("alg"), head.get("kid"), head.get("typ", "JWT")
    if not isinstance(algorithm, str) or algorithm not in rules.algorithms:
        raise _no_good("is signed in a way that is not let in")
    if not isinstance(kind, str) or kind.lower().removeprefix("application/") not in _TYPES:
        raise _no_good("is a token for something else")
    if not (kid is None or (isinstance(kid, str) and 0 < len(kid) <= _KID_CHARACTERS)):
        raise _no_good("names its key in no known way")
    # 3
    key = keys.find(kid, algorithm)
    if key is None:
        if not keys.knows(kid):
            on_unknown_key()
        raise _no_good("is signed by a key that is not known here")
    # 4
    if _read_signed(token, key.native, algorithm) != claims_bytes:
        raise _no_good("is not signed by its issuer")
    # 5
    claims = _parse(claims_bytes)
    _check_claims(claims, rules, now)
    # 6
    return _read_caller(claims, rules)


def _decode(part: str) -> bytes:
    """The one form of base64url: no padding, no bits that say nothing, nothing else between."""
    if not _PART.fullmatch(part) or len(part) % 4 == 1:
        raise _no_good("is not a signed token")
    data = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    if base64.urlsafe_b64encode(data).rstrip(b"=") != part.encode("ascii"):
        raise _no_good("is not a signed token")
    return data


def _parse(data: bytes) -> Mapping[str, JsonValue]:
    try:
        return parse_json_object(data, max_bytes=MAX_JWT_CHARACTERS, max_values=MAX_JWT_VALUES)
    except IntakeRefused as error:
        raise _no_good("has a part that is not strict JSON") from error


def _read_signed(token: str, key: Any, algorithm: str) -> bytes | None:
    """What is signed, as the library reads it; None where the signature does not hold."""
    from jwt import PyJWS  # noqa: PLC0415  an extra of its own

    try:
        payload = PyJWS(algorithms=[algorithm]).decode_complete(token, key, algorithms=[algorithm])["payload"]
    except Exception:  # noqa: BLE001  its errors, and whatever else hostile bytes bring about in it: no
        return None
    return payload if isinstance(payload, bytes) else None


def _check_claims(claims: Mapping[str, JsonValue], rules: TokenSettings, now: float) -> None:
    if claims.get("iss") != rules.issuer:
        raise _unfit("is of another issuer")
    audience = claims.get("aud")
    named = audience if isinstance(audience, list) else [audience]
    if not all(isinstance(one, str) for one in named) or not set(named) & set(rules.audience):
        raise _unfit("is for somebody else")
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 0 < len(subject) <= MAX_JWT_SUBJECT_CHARACTERS:
        raise _unfit("does not say for whom it was made")
    expires = _read_moment(claims, "exp")
    if expires is None:
        raise _unfit("does not say when it expires")
    if now >= expires + rules.leeway:
        raise _unfit("has expired", ADMISSION_EXPIRED)
    begins, made = _read_moment(claims, "nbf"), _read_moment(claims, "iat")
    if any(moment is not None and moment > now + rules.leeway for moment in (begins, made)):
        raise _unfit("is not good yet")
    if expires - (now if made is None else made) > rules.longest:
        raise _unfit("is good for longer than tokens may be")


def _read_moment(claims: Mapping[str, JsonValue], name: str) -> float | None:
    value = claims.get(name)
    if value is None and name not in claims:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
        raise _unfit("has a time that is none")
    return float(value)


def _read_caller(claims: Mapping[str, JsonValue], rules: TokenSettings) -> Caller:
    digest = hashlib.sha256(f"{rules.issuer}\0{claims['sub']}".encode()).hexdigest()
    own = f"token-{digest[:_ID_DIGITS]}"
    tenant: JsonValue = rules.tenant or own
    if rules.tenant_claim is not None:
        tenant = claims.get(rules.tenant_claim)
    if not isinstance(tenant, str) or not is_tenant_name(tenant):
        raise _unfit("names no tenant")
    words = _read_words(claims.get(rules.scope_claim))
    prefix = rules.scope_prefix
    scopes = frozenset(scope for word, scope in _SCOPES.items() if f"{prefix}{word}" in words)
    models: frozenset[str] | None = None
    if rules.models_claim is not None:
        models = frozenset(_read_words(claims.get(rules.models_claim))[: int(MAX_SERVED_MODELS)])
    return Caller(id=own, tenant=tenant, scopes=scopes, models=models, way=Way.TOKEN)


def _read_words(value: JsonValue) -> list[str]:
    """A text with spaces between words, or a list of words; else none."""
    if isinstance(value, str):
        return value.split(" ")
    return [word for word in value if isinstance(word, str)] if isinstance(value, list) else []


def _no_good(what: str) -> AdmissionRefused:
    """Of a token of which nobody knows who made it: a stranger hears no more than that it is none."""
    return AdmissionRefused(ADMISSION_UNAUTHENTICATED, f"the token {what}")


def _unfit(what: str, code: Code = ADMISSION_UNAUTHENTICATED) -> AdmissionRefused:
    """Of a token that its issuer did sign: whoever has it may know why it is not taken."""
    return AdmissionRefused(code, f"the token {what}", public_detail=f"the token {what}")
