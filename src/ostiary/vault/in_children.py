"""A child that is forked while a model is open lets go of what the vault holds: else the model's memory would stay
taken, and its directory open, for as long as the child lives.
"""

from __future__ import annotations

import os
from typing import Final, Protocol
from weakref import WeakSet


class Open(Protocol):
    """Something with descriptors behind it."""

    def forget(self) -> None:
        """In a forked child: close the copies. Nothing that the parent has may change by it."""


_open: Final[WeakSet[Open]] = WeakSet()


def register(holder: Open) -> None:
    """Until it is gone by itself. It may be closed by then."""
    _open.add(holder)


def _forget_all() -> None:
    for holder in list(_open):
        holder.forget()
    _open.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_all)
