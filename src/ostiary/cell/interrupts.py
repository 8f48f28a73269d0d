"""What must not be left half done when a signal interrupts the main thread, at whatever instruction."""

from __future__ import annotations

import threading
from collections.abc import Callable
from operator import attrgetter
from typing import Any, Final, TypeVar

T = TypeVar("T")


class Condition(threading.Condition):
    """The library's, but for its `with`: that one is written in Python, where a signal may find the lock taken and
    nobody to give it back. The lock's own is not.
    """

    __enter__: Any = property(attrgetter("_lock.__enter__"))
    __exit__: Any = property(attrgetter("_lock.__exit__"))


def run_apart(
    work: Callable[[], T], give_up: Callable[[], None], undo: Callable[[T], None], *, patience_seconds: float
) -> T:
    """What `work` gives, made by a thread that no signal interrupts; by this one, if it is one already.

    Whoever is interrupted while waiting lets it `give_up`, gives it so much time to be through, and goes; what it
    makes nevertheless is undone, perhaps twice.
    """
    if threading.current_thread() is not threading.main_thread():
        return work()
    made: Final[list[T]] = []
    errors: Final[list[BaseException]] = []
    begun: Final[list[bool]] = []
    unwanted: Final[list[bool]] = []
    through: Final = threading.Lock()
    through.acquire()

    def run() -> None:
        begun.append(True)
        if unwanted:
            return
        try:
            made.append(work())
            if unwanted:
                undo(made[0])
        except BaseException as error:  # noqa: BLE001  raised again by whoever waits
            errors.append(error)
        finally:
            through.release()

    thread = threading.Thread(target=run, name="ostiary-start", daemon=True)
    try:
        thread.start()
        through.acquire()
    except BaseException as error:
        unwanted.append(True)  # from here on it begins nothing
        if isinstance(error, RuntimeError) and not begun:  # no thread to spare
            return work()
        give_up()
        if begun and not made and not errors:
            through.acquire(timeout=patience_seconds)
        if made:
            undo(made[0])
        raise
    if errors:
        raise errors[0]
    return made[0]
