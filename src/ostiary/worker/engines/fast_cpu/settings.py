"""What an application may say about speed. Pure; closed, as all settings are."""

from __future__ import annotations

from typing import Final

from ostiary.cell.blas import BlasKind
from ostiary.core.frames import JsonObject
from ostiary.core.values import dataclass

_SIZES: Final = {"widen_bytes": (0, 1 << 50), "prompt_threads": (1, 1_024), "answer_threads": (1, 1_024)}
_WAYS: Final = ("fast", "plain")
_NO_LIBRARY: Final = "none"
SPEED_SETTINGS: Final = frozenset({"arithmetic", "blas", *_SIZES})


@dataclass(frozen=True, slots=True)
class SpeedSettings:
    """None: worked out from the machine and the limits of the cell."""

    is_plain: bool = False
    """Compute as MLX does, in the numbers that the weights are stored in."""
    blas: BlasKind | None = None
    uses_library: bool = True
    widen_bytes: int | None = None
    """By how much the weights may grow in memory."""
    prompt_threads: int | None = None
    answer_threads: int | None = None


def parse_speed(values: JsonObject) -> SpeedSettings:
    """Looks at its own among them. Raises ValueError with a sentence of ours."""
    way = values.get("arithmetic", _WAYS[0])
    if way not in _WAYS:
        raise ValueError("arithmetic must be fast or plain")
    kinds = {None, _NO_LIBRARY, *BlasKind}
    name = values.get("blas")
    if not isinstance(name, str | None) or name not in kinds:
        raise ValueError(f"blas must be one of {', '.join(BlasKind)} and {_NO_LIBRARY}")
    sizes: dict[str, int] = {}
    for size, (low, high) in _SIZES.items():
        value = values.get(size)
        if value is None:
            continue
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise ValueError(f"{size} must be a number from {low} to {high}")
        sizes[size] = value
    return SpeedSettings(
        is_plain=way == "plain",
        blas=None if name in {None, _NO_LIBRARY} else BlasKind(name),
        uses_library=name != _NO_LIBRARY,
        widen_bytes=sizes.get("widen_bytes"),
        prompt_threads=sizes.get("prompt_threads"),
        answer_threads=sizes.get("answer_threads"),
    )
