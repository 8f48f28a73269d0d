"""Floats as texts with exactly one spelling each: `0x1.8p+1`, as C's %a writes a double; `nan`, `inf`, `-inf`."""

from __future__ import annotations

import math
import re
from typing import Final

_HEX: Final = re.compile(r"-?0x[01](?:\.[0-9a-f]{1,13})?p[+-](?:0|[1-9][0-9]{0,3})", re.ASCII)
_SPECIAL: Final = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}


def render_hex_float(number: float) -> str:
    """The one spelling of `number`."""
    if not math.isfinite(number):
        return "nan" if math.isnan(number) else "inf" if number > 0 else "-inf"
    mantissa, _, exponent = number.hex().partition("p")
    if "." in mantissa:
        mantissa = mantissa.rstrip("0").removesuffix(".")
    return f"{mantissa}p{exponent}"


def parse_hex_float(text: str) -> float | None:
    """The number, or None where `text` is no canonical spelling of one."""
    if text in _SPECIAL:
        return _SPECIAL[text]
    if not _HEX.fullmatch(text):
        return None
    try:
        number = float.fromhex(text)
    except (ValueError, OverflowError):
        return None
    return number if render_hex_float(number) == text else None
