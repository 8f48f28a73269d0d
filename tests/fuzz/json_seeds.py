"""The JSON files of the attack corpus as seeds: libFuzzer takes directories of inputs on its command line."""

from __future__ import annotations

import tempfile
from pathlib import Path

DIRECTORIES = Path(__file__).resolve().parent.parent / "attacks" / "corpus" / "dirs"


def arguments_with_json(arguments: list[str], *names: str) -> list[str]:
    """`arguments`, and a fresh directory with every corpus file of these names. New inputs go there."""
    place = Path(tempfile.mkdtemp(prefix="ostiary-fuzz-"))
    for name in names:
        for number, path in enumerate(
            sorted(DIRECTORIES.glob(f"*/{name}")) + sorted(DIRECTORIES.glob(f"*/*/{name}"))
        ):
            if path.is_file() and not path.is_symlink():
                (place / f"{number}-{name}").write_bytes(path.read_bytes())
    return [*arguments, str(place)]
