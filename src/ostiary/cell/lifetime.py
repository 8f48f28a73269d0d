"""What must not outlive this process, nor be used by a process that was forked from it."""

from __future__ import annotations

import atexit
import os
import weakref
from contextlib import suppress
from itertools import count
from typing import Final, Protocol


class Mortal(Protocol):
    """Something with processes and descriptors behind it."""

    def close(self) -> None:
        """End it. Any number of times, from any thread."""

    def forget(self) -> None:
        """In a forked child: close the copies of its descriptors, end nothing, wait for nothing."""


_alive: Final[dict[int, weakref.ref[Mortal]]] = {}
_numbers: Final = count()


def register(mortal: Mortal) -> None:
    """Until it is gone by itself. Those registered last are closed first."""
    number = next(_numbers)
    _alive[number] = weakref.ref(mortal, lambda _: _alive.pop(number, None))


def close_all() -> None:
    """When the interpreter ends. What fails here has nobody to tell."""
    for mortal in _find_alive():
        with suppress(Exception):
            mortal.close()


def _forget_all() -> None:
    for mortal in _find_alive():
        with suppress(Exception):
            mortal.forget()
    _alive.clear()


def _find_alive() -> list[Mortal]:
    found = (reference() for _, reference in sorted(_alive.items(), reverse=True))
    return [mortal for mortal in found if mortal is not None]


atexit.register(close_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_all)
