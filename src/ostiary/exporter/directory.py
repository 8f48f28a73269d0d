"""A model directory that is there whole, or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from ostiary.core.function_files import CARD_FILE, GRAPH_FILE, TENSORS_FILE
from ostiary.core.signature_files import EVIDENCE_FILES
from ostiary.core.terms.values import CONTRACT_FILE
from ostiary.core.text import explain_os_error, quote_untrusted
from ostiary.errors import EXPORT_EXISTS, OUTPUT_UNWRITABLE, ExportRefused, OutputUnwritable

_OURS: Final = frozenset({GRAPH_FILE, TENSORS_FILE, CONTRACT_FILE, CARD_FILE})


def check_place(path: Path, *, overwrite: bool) -> None:
    """Raises ExportRefused where something is there that would be lost."""
    if not os.path.lexists(path):
        return
    name = quote_untrusted(path.name)
    if not overwrite:
        raise ExportRefused(EXPORT_EXISTS, f"'{name}' is there already")
    if path.is_symlink() or not path.is_dir():
        raise ExportRefused(EXPORT_EXISTS, f"'{name}' is no directory, so nothing is written over it")
    for entry in sorted(item.name for item in path.iterdir()):
        if entry not in _OURS and entry not in EVIDENCE_FILES:
            raise ExportRefused(
                EXPORT_EXISTS,
                f"'{name}' holds '{quote_untrusted(entry)}', which is of no export, so nothing is written over it",
            )


@contextmanager
def written_whole(path: Path, *, overwrite: bool) -> Iterator[Path]:
    """A directory to write into, which takes its place when the block ends well. Raises OutputUnwritable."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    except OSError as error:
        raise _explain(path, error) from error
    try:
        yield draft
        draft.chmod(0o755)
        check_place(path, overwrite=overwrite)
        _put(draft, path)
    except OSError as error:
        raise _explain(path, error) from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def write_file(path: Path, data: bytes) -> None:
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _put(draft: Path, path: Path) -> None:
    if not path.exists():
        draft.rename(path)
        return
    aside = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    old = aside / "old"
    try:
        path.rename(old)  # a directory that is not empty cannot be replaced in one step
        draft.rename(path)
    except BaseException:  # whoever stops it here still has what was there
        if old.exists() and not path.exists():
            old.rename(path)
        shutil.rmtree(aside, ignore_errors=True)
        raise
    shutil.rmtree(aside, ignore_errors=True)


def _explain(path: Path, error: OSError) -> OutputUnwritable:
    return OutputUnwritable(
        OUTPUT_UNWRITABLE, f"'{quote_untrusted(path.name)}' could not be written: {explain_os_error(error)}"
    )
