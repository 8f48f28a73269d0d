"""How an application sets the language engine up. Closed, like calls are."""

from __future__ import annotations

from typing import Final

from ostiary.core.json_text import describe_type
from ostiary.core.values import dataclass
from ostiary.networks.architectures import ARCHITECTURES, list_modules
from ostiary.worker.engines.contract import JsonObject
from ostiary.worker.engines.fast_cpu.settings import SPEED_SETTINGS, SpeedSettings, parse_speed

_SIZES: Final = {
    "chunk_tokens": (1, 8_192),
    "rows": (1, 256),
    "prompt_cache_bytes": (0, 1 << 50),
    "context_tokens": (1, 1 << 24),
}


@dataclass(frozen=True, slots=True)
class Settings:
    """None: worked out from the model and the limits of the cell."""

    adapter: str | None = None
    """The folder of the model that holds the adapter to use; without it none is used."""
    chunk_tokens: int | None = None
    """How much of a prompt is computed between two tokens of other answers."""
    rows: int = 72
    """How many answers may be written at once."""
    prompt_cache_bytes: int | None = None
    context_tokens: int | None = None
    """At most so many tokens of prompt and answer together, where that is less than the model takes."""
    modules: tuple[str, ...] = list_modules()
    """The networks to import."""
    speed: SpeedSettings = SpeedSettings()
    """How numbers are computed on a processor."""


def parse_settings(values: JsonObject) -> Settings:
    """Raises ValueError with a sentence of ours."""
    known = {"adapter", "architectures", *_SIZES, *SPEED_SETTINGS}
    for name in values:
        if name not in known:
            raise ValueError("the language engine has no such setting")
    adapter = values.get("adapter")
    if adapter is not None and not isinstance(adapter, str):
        raise ValueError(f"adapter is {describe_type(adapter)}, not a folder")
    sizes: dict[str, int] = {}
    for name, (low, high) in _SIZES.items():
        value = values.get(name)
        if value is None:
            continue
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise ValueError(f"{name} must be a number from {low} to {high}")
        sizes[name] = value
    return Settings(
        adapter=adapter,
        chunk_tokens=sizes.get("chunk_tokens"),
        rows=sizes.get("rows", 72),
        prompt_cache_bytes=sizes.get("prompt_cache_bytes"),
        context_tokens=sizes.get("context_tokens"),
        modules=_parse_modules(values),
        speed=parse_speed(values),
    )


def _parse_modules(values: JsonObject) -> tuple[str, ...]:
    """`architectures`: only these model types will be opened, so only their networks need be imported."""
    names = values.get("architectures")
    if names is None:
        return list_modules()
    if not isinstance(names, list) or not all(isinstance(name, str) and name in ARCHITECTURES for name in names):
        raise ValueError("architectures must list model types that run here")
    return list_modules(str(name) for name in names)
