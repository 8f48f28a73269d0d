"""`python -m ostiary` is the same program as `ostiary`."""

from __future__ import annotations

import sys

from ostiary.cli.main import run_program

if __name__ == "__main__":
    sys.exit(run_program())
