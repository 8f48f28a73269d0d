"""The attack corpus as seeds: libFuzzer takes directories of inputs on its command line."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

FILES = Path(__file__).resolve().parent.parent / "attacks" / "corpus" / "files"


def arguments_with_seeds(arguments: list[str], suffix: str) -> list[str]:
    """`arguments`, and a fresh directory with every corpus file of that suffix. New inputs go there, not to the corpus."""
    place = Path(tempfile.mkdtemp(prefix="ostiary-fuzz-"))
    for path in sorted(FILES.glob(f"*{suffix}")):
        shutil.copy(path, place / path.name)
    return [*arguments, str(place)]
