"""Fetches the signature files of a model as bytes: bounded, by descriptor, and without judging them."""

from __future__ import annotations

import os
from pathlib import Path

from ostiary.core.limits import MAX_SIGNATURE_BYTES
from ostiary.core.signature_files import SIGNATURE_FILES, name_beside
from ostiary.core.text import quote_untrusted
from ostiary.errors import MODEL_NOT_FOUND, IntakeRefused, Misuse
from ostiary.intake.read_file import read_up_to
from ostiary.intake.tree import Tree, TreeFile, open_tree, tell_unreadable


def read_signature_files(path: str | os.PathLike[str]) -> tuple[tuple[str, bytes], ...]:
    """Name and bytes of each signature of the model at `path`, in the order of their names' numbers.

    Of a directory the files of `SIGNATURE_FILES`, of a single file the one beside it that ends in `.sig`.
    Together they are read up to the ceiling and one byte, so that their parser sees that there is too much.
    """
    try:
        tree = open_tree(path)
    except IntakeRefused:  # the reading of the model itself will say why
        return ()
    with tree:
        if tree.is_single_file:
            beside = Path(path).with_name(name_beside(Path(path).name))
            return (read_detached_signature(beside),) if beside.is_file() else ()
        found = {file.path: file for file in tree.files}
        signatures = []
        left = MAX_SIGNATURE_BYTES + 1
        for name in SIGNATURE_FILES:
            if name in found and left > 0:
                data = _read_bounded(tree, found[name], left)
                left -= len(data)
                signatures.append((name, data))
        return tuple(signatures)


def read_detached_signature(path: Path) -> tuple[str, bytes]:
    """A signature file that an operator named, wherever it lies."""
    try:
        with path.open("rb") as file:
            return quote_untrusted(path.name), file.read(MAX_SIGNATURE_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
        raise Misuse(MODEL_NOT_FOUND, f"there is no signature file {quote_untrusted(path.name)}") from error
    except OSError as error:
        raise tell_unreadable(path.name, error) from error


def _read_bounded(tree: Tree, file: TreeFile, most: int) -> bytes:
    descriptor = tree.open_file(file)
    try:
        return read_up_to(descriptor, most)
    except OSError as error:
        raise tell_unreadable(file.path, error) from error
    finally:
        os.close(descriptor)
