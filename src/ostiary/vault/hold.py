"""What a method of sealing gives: a descriptor, and whether its bytes stayed as they were."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from ostiary.core.tickets import SealMethod

GoOn = Callable[[], None]
"""Called between pieces of long work; raises Abandoned where nobody waits for it any more."""


class Abandoned(Exception):
    """Nobody waits for the answer any more."""


class Hold(Protocol):
    """One file, kept from changing from the moment that this exists."""

    @property
    def method(self) -> SealMethod: ...

    @property
    def descriptor(self) -> int:
        """Read-only, at offset 0; of its own description, so that whoever reads it moves nobody else."""

    def has_held(self) -> bool:
        """Whether no byte can have changed since this exists."""

    def close(self) -> None:
        """Any number of times."""
