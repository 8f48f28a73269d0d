"""What must not outlive this process, nor be used by a process that was forked from it."""

from __future__ import annotations

import atexit
import os
import weakref
from contextlib import suppress
from itertools import count
from typing import Final, Protocol


class Forgettable(Protocol):
    """Something with descriptors behind it."""

    def forget(self) -> None:
        """In a forked child: close the copies of its descriptors, end nothing, wait for nothing. Any number of
        times.
        """


class Mortal(Forgettable, Protocol):
    """Something with processes behind it, too."""

    def close(self) -> None:
        """End it. Any number of times, from any thread."""


_alive: Final[dict[int, weakref.ref[Mortal]]] = {}
_parts: Final[weakref.WeakSet[Forgettable]] = weakref.WeakSet()
_numbers: Final = count()


def register(mortal: Mortal) -> None:
    """Until it is gone by itself. Those registered last are closed first."""
    number = next(_numbers)
    _alive[number] = weakref.ref(mortal, lambda _: _alive.pop(number, None))


def register_part(part: Forgettable) -> None:
    """What is part of a mortal, and has descriptors before anybody can find it by way of that."""
    _parts.add(part)


def close_all() -> None:
    """When the interpreter ends. What fails here has nobody to tell."""
    for mortal in _find_alive():
        with suppress(Exception):
            mortal.close()


def _forget_all() -> None:
    for forgettable in (*_find_alive(), *_parts):
        with suppress(Exception):
            forgettable.forget()
    _alive.clear()
    _parts.clear()


def _find_alive() -> list[Mortal]:
    found = (reference() for _, reference in sorted(_alive.items(), reverse=True))
    return [mortal for mortal in found if mortal is not None]


atexit.register(close_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_all)
