"""What it finds in itself: things that should not have come along."""

from __future__ import annotations

import ctypes
import os

from escape.attempt import ENVIRONMENT, World, attempt
from escape.calls import peek


@attempt(ENVIRONMENT)
def read_its_own_environment(world: World) -> bytes:
    return os.environ.get("OSTIARY_ESCAPE_SECRET", "").encode()


@attempt(ENVIRONMENT)
def read_its_own_environment_as_c_sees_it(world: World) -> bytes:
    getenv = ctypes.CDLL(None).getenv
    getenv.restype = ctypes.c_char_p
    return getenv(b"OSTIARY_ESCAPE_SECRET") or b""


@attempt(ENVIRONMENT)
def look_where_its_environment_was(world: World) -> bytes:
    """The kernel wrote the variables above the stack when the program was started."""
    if not world.environment:
        raise FileNotFoundError
    return peek(world.environment, len(world.secret))
