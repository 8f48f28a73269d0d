"""What a cell's process uses, for whoever asks."""

from __future__ import annotations

from ostiary.core.values import dataclass


@dataclass(frozen=True, slots=True)
class CellUsage:
    """At one moment. None where the system or the engine does not tell."""

    memory_bytes: int | None
    cpu_milliseconds: int | None
    tokens: int
    device_bytes: int | None
    calls: int
    """In flight."""
    requests: int
    """Answered so far."""
