"""What a code is, and the table of all of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final


@dataclass(frozen=True, slots=True)
class Code:
    """A stable name for one reason, with the sentence a stranger may read and the hint a person can act on."""

    name: str
    public: str
    hint: str
    http: int


_codes: dict[str, Code] = {}

CODES: Final[Mapping[str, Code]] = MappingProxyType(_codes)


def declare(name: str, public: str, hint: str, http: int) -> Code:
    """To be called once for each code, where it is defined."""
    code = Code(name, public, hint, http)
    _codes[name] = code
    return code
