"""Opens the files of a verified model, by the names that were signed, below the directory that the operator named.

Nothing here is believed: whatever is opened is compared with its digest before anybody sees it. What must hold is
only that opening follows no link, waits for nobody and that no other kind of file is read.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import Final

from ostiary._hazmat.hub_cache import open_blobs, parse_blob_link
from ostiary._hazmat.openat2 import open_beneath
from ostiary.core.text import explain_os_error, quote_untrusted
from ostiary.core.tickets import FileEntry
from ostiary.errors import INTAKE_UNREADABLE, VAULT_CHANGED, SourceUnreadable, VaultRefused
from ostiary.vault.in_children import register

_DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
# O_NONBLOCK: should the file have become a pipe, open must not wait for a writer.
_FILE: Final = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_OURS: Final = {errno.EACCES, errno.EPERM, errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENOMEM}


class Place:
    """Where a model lies: an open directory, and the blobs that links of a hub cache lead to."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        named = os.path.abspath(os.fspath(path))  # noqa: PTH100  text only: resolving would follow links
        try:
            is_directory = stat.S_ISDIR(os.stat(named).st_mode)  # noqa: PTH116
            directory = named if is_directory else os.path.dirname(named)  # noqa: PTH120
            self._root: int | None = os.open(directory, _DIRECTORY)
            self._blobs: int | None = None
            register(self)
        except (OSError, ValueError) as error:
            if isinstance(error, OSError) and error.errno in _OURS:
                raise _tell_unreadable(Path(named).name, error) from error
            raise _refuse(Path(named).name, "it is no longer there") from error
        try:
            # Where the directory really lies: operators name snapshots of the hub's cache by links to them.
            self._blobs = open_blobs(self._root, os.path.realpath(directory))
        except OSError as error:
            self.close()
            raise _tell_unreadable(Path(named).name, error) from error

    @property
    def root(self) -> int:
        if self._root is None:  # its number may be somebody else's by now
            raise ValueError("the model was closed")
        return self._root

    def close(self) -> None:
        if self._root is None:
            return
        os.close(self._root)
        self._root = None
        if self._blobs is not None:
            os.close(self._blobs)

    forget = close

    def open_file(self, entry: FileEntry) -> int:
        """A descriptor of the regular file of that name and size. The caller owns it."""
        try:
            descriptor = self._open(entry.path)
        except OSError as error:
            if error.errno in _OURS:
                raise tell_unreadable(entry, error) from error
            raise _refuse(entry.path, "it is no longer what was verified") from error
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_size != entry.size:
            os.close(descriptor)
            raise _refuse(entry.path, "it is no longer what was verified")
        os.set_blocking(descriptor, True)
        return descriptor

    def _open(self, path: str) -> int:
        root = self.root
        try:
            return open_beneath(root, path, _FILE)
        except OSError as error:
            if error.errno != errno.ELOOP or self._blobs is None:
                raise
        folder, _, name = path.rpartition("/")
        parent = open_beneath(root, folder, _DIRECTORY) if folder else os.dup(root)
        try:
            blob = parse_blob_link(os.readlink(name, dir_fd=parent), path.count("/"))
        finally:
            os.close(parent)
        if blob is None:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
        return open_beneath(self._blobs, blob, _FILE)


def refuse_changed(entry: FileEntry, detail: str) -> VaultRefused:
    return _refuse(entry.path, detail)


def tell_unreadable(entry: FileEntry, error: OSError) -> SourceUnreadable:
    return _tell_unreadable(entry.path, error)


def _tell_unreadable(path: str, error: OSError) -> SourceUnreadable:
    sentence = f"{quote_untrusted(path)} cannot be read: {explain_os_error(error)}"
    return SourceUnreadable(INTAKE_UNREADABLE, sentence)


def _refuse(path: str, detail: str) -> VaultRefused:
    return VaultRefused(VAULT_CHANGED, f"{quote_untrusted(path)}: {detail}", path=path)
