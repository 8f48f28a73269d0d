"""Every code that an error can carry: a stable name, what a stranger may read, and what a person can do.

docs/reference/errors.md is generated from `CODES`. Which class carries which code: errors.py.
"""

from ostiary.codes.cells import *
from ostiary.codes.declare import CODES, Code
from ostiary.codes.house import *
from ostiary.codes.models import *

__all__ = [name for name in dir() if name.isupper()] + ["Code"]  # noqa: PLE0605  mypy sees through the stars
