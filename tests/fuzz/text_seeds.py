"""Texts and blobs that are no files of the corpus, as seeds: one file each in a fresh directory."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path


def arguments_with_inputs(arguments: list[str], inputs: Iterable[bytes]) -> list[str]:
    """`arguments`, and a fresh directory with one file for each input. New ones go there."""
    place = Path(tempfile.mkdtemp(prefix="ostiary-fuzz-"))
    for number, data in enumerate(inputs):
        (place / f"seed-{number}").write_bytes(data)
    return [*arguments, str(place)]
