"""Names from a model in one clause: the first few, and how many more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ostiary.core.text import quote_untrusted

_SHOWN: Final = 3


def quote_few(names: Sequence[str]) -> str:
    shown = ", ".join(f"'{quote_untrusted(name)}'" for name in names[:_SHOWN])
    return shown if len(names) <= _SHOWN else f"{shown} and {len(names) - _SHOWN} more"
