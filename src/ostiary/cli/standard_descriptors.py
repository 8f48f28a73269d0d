"""Descriptors 0 to 2, which whoever starts the program may have closed: no file of ours becomes one of them."""

from __future__ import annotations

import os
from typing import Final

_FLAGS: Final = (os.O_RDONLY, os.O_RDONLY, os.O_WRONLY)
"""Nothing comes in; a result that nobody could take fails, as it should; what is told of the work goes nowhere."""


def hold_standard_descriptors() -> None:
    """Before anything is opened. Else the lock, the record or a connection would be where libraries write to."""
    for number, flags in enumerate(_FLAGS):
        try:
            os.fstat(number)
        except OSError:
            held = os.open(os.devnull, flags)
            os.dup2(held, number)
            if held == number:
                os.set_inheritable(held, True)
            else:
                os.close(held)
