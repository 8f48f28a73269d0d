"""A model as the operator names it for serving, and whether what lies at its place is still the same."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from ostiary.core.values import dataclass

if TYPE_CHECKING:
    from ostiary.library.options import OpenOptions

Look: TypeAlias = tuple[tuple[str, int, int, int], ...]


@dataclass(frozen=True, slots=True)
class ToServe:
    """A model, and how it is to be opened."""

    name: str
    path: Path
    options: OpenOptions
    is_on_demand: bool = False
    """Loaded when somebody first asks it, not when the server starts."""
    said: object = None
    """What the operator wrote of it: where that is the same again, it need not be opened anew."""
    believed: tuple[Path, ...] = ()
    """Files that say whom to believe."""


def look_at(model: ToServe) -> Look:
    """Names, sizes, times and numbers of all its files: the same as long as nobody changed it. Judges nothing: what
    is opened is verified anyway. Empty where there is nothing.
    """
    return tuple(sorted((*_look_into(model.path, ""), *(_describe(path, str(path)) for path in model.believed))))


def _look_into(directory: Path, name: str) -> Iterator[tuple[str, int, int, int]]:
    try:
        with os.scandir(directory) as entries:
            found = list(entries)
    except OSError:
        return
    for entry in found:
        inner = f"{name}/{entry.name}"
        if entry.is_dir(follow_symlinks=False):
            yield from _look_into(directory / entry.name, inner)
        else:
            yield _describe(directory / entry.name, inner)


def _describe(path: Path, name: str) -> tuple[str, int, int, int]:
    try:
        found = path.lstat()
    except OSError:
        return (name, -1, -1, -1)
    return (name, found.st_size, found.st_mtime_ns, found.st_ino)
