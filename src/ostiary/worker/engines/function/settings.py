"""How an application sets the function engine up. Closed, like calls are."""

from __future__ import annotations

from typing import Final

from ostiary.core.values import dataclass
from ostiary.worker.engines.contract import JsonObject
from ostiary.worker.engines.fast_cpu.settings import SpeedSettings, parse_speed

_SPEED: Final = frozenset({"arithmetic", "blas"})
_MOST_ROWS: Final = 1 << 20
_MOST_WORK: Final = 1 << 62


@dataclass(frozen=True, slots=True)
class Settings:
    rows: int = 256
    """How many rows of a batch dimension may be computed at once for several callers; 1: each call by itself."""
    threads: int | None = None
    """How many threads multiply matrices. None: worked out from the machine and the limits."""
    work: int = 1 << 47
    """Multiply-adds that one call may take: ten minutes of two hundred thousand million in a second."""
    speed: SpeedSettings = SpeedSettings()
    """How numbers are computed on a processor."""


def parse_settings(values: JsonObject) -> Settings:
    """Raises ValueError with a sentence of ours."""
    for name in values:
        if name not in {"rows", "threads", "work", *_SPEED}:
            raise ValueError("the function engine has no such setting")
    rows = _parse_count(values, "rows", _MOST_ROWS)
    work = _parse_count(values, "work", _MOST_WORK)
    return Settings(
        rows=Settings().rows if rows is None else rows,
        threads=_parse_count(values, "threads", 1_024),
        work=Settings().work if work is None else work,
        speed=parse_speed(values),
    )


def _parse_count(values: JsonObject, name: str, most: int) -> int | None:
    value = values.get(name)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= most:
        raise ValueError(f"{name} must be a number from 1 to {most}")
    return value
