"""Steps 3 to 5 of verify.py: whether the files that are there are those that one statement lists. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from ostiary.core.digests import compute_root
from ostiary.core.text import quote_untrusted
from ostiary.core.tickets import FileEntry, Manifest
from ostiary.core.values import dataclass
from ostiary.errors import (
    TRUST_DIGEST_MISMATCH,
    TRUST_EXTRA_FILE,
    TRUST_MISSING_FILE,
    Code,
    TrustRefused,
)
from ostiary.trust.evidence import SignedFile, SignedStatement
from ostiary.trust.paths import SINGLE_FILE, is_below

_NOT_LISTED: Final = "it is there, but the signer did not list it"
_LEFT_OUT: Final = "it is there, though the signer left it out"


@dataclass(frozen=True, slots=True)
class FileSet:
    """The files of a model as they were read, whether intake let it in or not; signatures are not among them."""

    name: str
    entries: tuple[FileEntry, ...]
    is_whole: bool = True
    """False where something else may be there, too: then nothing can be called missing."""

    def by_path(self) -> Mapping[str, FileEntry]:
        return {entry.path: entry for entry in self.entries}


def list_files(manifest: Manifest) -> FileSet:
    return FileSet(manifest.name, manifest.files)


def check_files(files: FileSet, statement: SignedStatement, may_stay: Callable[[str], bool]) -> frozenset[str]:
    """Steps 3 and 4. Returns the unsigned files that an operator let pass: those that `may_stay`."""
    present = files.by_path()
    listed = _list_paths(files, statement)
    left_out = set()
    for path in present:
        if path in listed:
            continue
        if may_stay(path):
            left_out.add(path)
            continue
        reason = _LEFT_OUT if is_below(path, statement.ignored_paths) else _NOT_LISTED
        raise _refuse_file(TRUST_EXTRA_FILE, path, reason)
    for path in listed:
        if files.is_whole and path not in present:
            raise _refuse_file(TRUST_MISSING_FILE, path, "the signer listed it, but it is not there")
    return frozenset(left_out)


def check_digests(files: FileSet, statement: SignedStatement) -> None:
    """Step 5, each file that was read."""
    present = files.by_path()
    for path, file in _list_paths(files, statement).items():
        entry = present.get(path)
        if entry is None:  # only of a set that is not whole
            continue
        # By its chunks, a file was read against one claimed tree: only a statement of that very tree gains by it.
        if entry.chunks is not None and entry.chunks != file.chunks:
            raise _refuse_file(TRUST_DIGEST_MISMATCH, path, "its chunks are not those that were signed")
        if entry.sha256 != file.sha256:
            raise _refuse_file(TRUST_DIGEST_MISMATCH, path, "its bytes are not those that were signed")


def check_root(statement: SignedStatement) -> None:
    """Step 5, the root: over the listed digests in their listed order."""
    if compute_root(file.sha256 for file in statement.files) != statement.root:
        raise TrustRefused(TRUST_DIGEST_MISMATCH, "the root digest does not follow from the listed digests")


def _list_paths(files: FileSet, statement: SignedStatement) -> Mapping[str, SignedFile]:
    """Path to signed file, under the names that the model has: '.' is the file of a single-file model."""
    signed = statement.files
    if len(signed) == 1 and signed[0].path == SINGLE_FILE and [e.path for e in files.entries] == [files.name]:
        return {files.name: signed[0]}
    return {file.path: file for file in signed}


def _refuse_file(code: Code, path: str, reason: str) -> TrustRefused:
    return TrustRefused(code, f"{quote_untrusted(path)}: {reason}", path=path)
