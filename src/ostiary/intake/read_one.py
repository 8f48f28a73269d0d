"""One small file, of a model or by itself, without the rest of the model: never through a link, never waiting."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from ostiary.core.findings import refusal_of
from ostiary.core.text import quote_untrusted
from ostiary.errors import MODEL_NOT_FOUND, Misuse
from ostiary.intake.read_file import read_up_to
from ostiary.intake.tree import open_tree, tell_unreadable


def read_in_model(path: Path, name: str, max_bytes: int) -> bytes | None:
    """A file at the top of a model directory, and one byte more than it may have; None where there is none."""
    with open_tree(path) as tree:
        file = next((file for file in tree.files if file.path == name), None)
        if file is None:
            refused = next((f for f in tree.findings if f.path == name and f.is_refusing), None)
            if refused is not None:  # a link, a pipe: that is not the same as none
                raise refusal_of(refused)
            return None
        descriptor = tree.open_file(file)
        try:
            return read_up_to(descriptor, max_bytes + 1)
        except OSError as error:
            raise tell_unreadable(name, error) from error
        finally:
            os.close(descriptor)


def read_alone(path: Path, max_bytes: int) -> bytes:
    """A file that an operator named, and one byte more than it may have."""
    try:
        # O_NONBLOCK: a pipe must not keep us waiting for somebody who writes.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise Misuse(MODEL_NOT_FOUND, f"{quote_untrusted(path.name)} is no file")
            return read_up_to(descriptor, max_bytes + 1)
        finally:
            os.close(descriptor)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise Misuse(MODEL_NOT_FOUND, f"there is no {quote_untrusted(path.name)}") from error
    except OSError as error:
        raise tell_unreadable(path.name, error) from error
