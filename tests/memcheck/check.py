"""Watches `sample.py` with valgrind: `make memcheck`. Fails where MLX reads or writes past an end, or where the control does not."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

_SAMPLE = Path(__file__).with_name("sample.py")
_INVALID = re.compile(r"Invalid (?:read|write) of size|Source and destination overlap|Jump to the invalid address")


def find_errors(*arguments: str) -> list[str]:
    """What valgrind says of code of MLX, one text for each place."""
    command = ["valgrind", "--tool=memcheck", "--leak-check=no", "--undef-value-errors=no", "--num-callers=30"]
    command += ["--error-limit=no", sys.executable, str(_SAMPLE), *arguments]
    environment = {**os.environ, "PYTHONMALLOC": "malloc", "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    print(done.stdout.strip())  # noqa: T201
    if done.returncode:
        sys.exit(f"it ended with {done.returncode}\n{done.stderr[-4_000:]}")
    blocks = re.split(r"\n==\d+== \n", done.stderr)
    return [block for block in blocks if _INVALID.search(block) and "mlx/" in block]


def main() -> int:
    control = find_errors("control")
    if not control:
        print("an index past the end went unnoticed: nothing that this says would mean anything")  # noqa: T201
        return 1
    print(f"the control reads past an end, and valgrind says so: {len(control)} times")  # noqa: T201
    found = find_errors()
    for block in found:
        print(block)  # noqa: T201
    print(f"{len(found)} reads or writes past an end")  # noqa: T201
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
