"""Fields of a JSON object that follows a format: each is there with its type, and nothing else is."""

from __future__ import annotations

import binascii
import re
from base64 import b64decode, b64encode
from collections.abc import Collection
from typing import Final

from ostiary.core.json_text import JsonValue, describe_type, parse_json_object
from ostiary.core.text import quote_untrusted
from ostiary.errors import INTAKE_TOO_LARGE, TRUST_MALFORMED, TRUST_TOO_LARGE, IntakeRefused, TrustRefused

JsonObject = dict[str, JsonValue]

_HEX: Final = re.compile(r"(?:[0-9a-f]{2})+")
_BASE64: Final = re.compile(r"[A-Za-z0-9+/]*={0,2}")


def malformed(detail: str) -> TrustRefused:
    return TrustRefused(TRUST_MALFORMED, detail)


def parse_object(data: bytes, what: str, max_bytes: int, max_values: int) -> JsonObject:
    """The one object that `data` holds, read as strictly as a model's own JSON."""
    try:
        return parse_json_object(data, max_bytes=max_bytes, max_values=max_values)
    except IntakeRefused as refusal:
        code = TRUST_TOO_LARGE if refusal.code == INTAKE_TOO_LARGE.name else TRUST_MALFORMED
        raise TrustRefused(code, f"{what}: {refusal.findings[0].detail}") from refusal


def check_keys(value: JsonObject, where: str, required: Collection[str], optional: Collection[str] = ()) -> None:
    """Every required key is there, and no key that is neither required nor optional."""
    for key in required:
        if key not in value:
            raise malformed(f"{where} has no '{key}'")
    for key in value:
        if key not in required and key not in optional:
            raise malformed(f"{where} has the unknown key '{quote_untrusted(key)}'")


def take_object(value: JsonObject, key: str, where: str) -> JsonObject:
    found = value.get(key)
    if not isinstance(found, dict):
        raise malformed(f"'{key}' of {where} is {describe_type(found)}, not an object")
    return found


def take_list(value: JsonObject, key: str, where: str, most: int) -> list[JsonValue]:
    found = value.get(key)
    if not isinstance(found, list):
        raise malformed(f"'{key}' of {where} is {describe_type(found)}, not a list")
    if len(found) > most:
        raise TrustRefused(TRUST_TOO_LARGE, f"'{key}' of {where} has {len(found)} entries; the ceiling is {most}")
    return found


def take_text(value: JsonObject, key: str, where: str) -> str:
    found = value.get(key)
    if not isinstance(found, str):
        raise malformed(f"'{key}' of {where} is {describe_type(found)}, not a string")
    return found


def take_constant(value: JsonObject, key: str, where: str, expected: str) -> None:
    found = take_text(value, key, where)
    if found != expected:
        raise malformed(f"'{key}' of {where} is '{quote_untrusted(found)}', not '{expected}'")


def as_object(value: JsonValue, where: str) -> JsonObject:
    if not isinstance(value, dict):
        raise malformed(f"{where} is {describe_type(value)}, not an object")
    return value


def decode_base64(text: str, where: str) -> bytes:
    """Standard base64 in its one spelling: padded, no blanks, no stray bits."""
    if len(text) % 4 or not _BASE64.fullmatch(text):
        raise malformed(f"{where} is not base64")
    try:
        decoded = b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise malformed(f"{where} is not base64") from error
    if b64encode(decoded).decode("ascii") != text:
        raise malformed(f"{where} is not base64 in its one spelling")
    return decoded


def check_hex(text: str, where: str, bytes_expected: int) -> str:
    if len(text) != 2 * bytes_expected or not _HEX.fullmatch(text):
        raise malformed(f"{where} is not {bytes_expected} bytes in lower-case hexadecimal")
    return text
