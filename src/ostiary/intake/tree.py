"""Walks an untrusted directory by descriptor: names and kinds of what is there, nothing followed, nothing opened.

A link is refused by what the directory says of it; a file is opened later, below the same root descriptor, and must
then still be the one that was seen here (`open_file`).
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from ostiary._hazmat.hub_cache import open_blobs, parse_blob_link
from ostiary._hazmat.openat2 import open_beneath
from ostiary.core.findings import Finding, Rule, refuse
from ostiary.core.limits import (
    MAX_PATH_BYTES,
    MAX_TREE_BYTES,
    MAX_TREE_DEPTH,
    MAX_TREE_FILES,
)
from ostiary.core.text import explain_os_error, quote_untrusted
from ostiary.core.values import dataclass
from ostiary.errors import INTAKE_UNREADABLE, MODEL_NOT_FOUND, Misuse, SourceUnreadable
from ostiary.intake.names import find_in_names, judge_name
from ostiary.intake.rules import tree as rules

_DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
# O_NONBLOCK: should the file have become a pipe since it was seen, open must not wait for a writer.
_FILE: Final = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC

# What the system says of a name that another program removed, or put something else in the place of.
_EXCHANGED: Final = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EXDEV, errno.EINVAL, errno.ESTALE}


@dataclass(frozen=True, slots=True)
class Identity:
    """What must not change between seeing a file and having read it. A hint, not a proof: see the vault."""

    device: int
    inode: int
    size: int
    modified_ns: int
    changed_ns: int


@dataclass(frozen=True, slots=True)
class TreeFile:
    """A regular file as the walk saw it; `blob` names it in a hub cache."""

    path: str
    identity: Identity
    blob: str | None = None

    @property
    def size(self) -> int:
        return self.identity.size


def identity_of(status: os.stat_result) -> Identity:
    return Identity(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


class Tree:
    """An open model. `files` are in code-point order; `findings` say what else was there."""

    def __init__(self, name: str, root: int, blobs: int | None) -> None:
        self.name: Final = name
        self.is_single_file = False
        self.files: tuple[TreeFile, ...] = ()
        self.findings: tuple[Finding, ...] = ()
        self._root: Final = root
        self.blobs: Final = blobs

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        os.close(self._root)
        if self.blobs is not None:
            os.close(self.blobs)

    def open_file(self, file: TreeFile) -> int:
        """A descriptor of the very file that the walk saw. The caller owns it."""
        try:
            if file.blob is not None and self.blobs is not None:
                descriptor = open_beneath(self.blobs, file.blob, _FILE)
            else:
                descriptor = open_beneath(self._root, file.path, _FILE)
        except OSError as error:
            if error.errno in {errno.EACCES, errno.EPERM, errno.EIO, errno.EMFILE, errno.ENFILE}:
                raise tell_unreadable(file.path, error) from error
            raise refuse(rules.CHANGED, "it is no longer what it was a moment ago", path=file.path) from error
        if identity_of(os.fstat(descriptor)) != file.identity:
            os.close(descriptor)
            raise refuse(rules.CHANGED, "it is no longer what it was a moment ago", path=file.path)
        return descriptor


def check_is_there(path: str | os.PathLike[str]) -> None:
    """Raises as `open_tree` where there is nothing that could be opened: so that a mistyped path is told first."""
    root, _, _, _ = _open_named(path)
    os.close(root)


def _open_named(path: str | os.PathLike[str]) -> tuple[int, str, str, bool]:
    """The directory, or that of the single file, open; its path, the whole path, and whether it is a directory."""
    if not os.fspath(path):  # abspath would take it for the working directory
        raise Misuse(MODEL_NOT_FOUND, "the path is empty")
    named = os.path.abspath(os.fspath(path))  # noqa: PTH100  text only: resolving would follow links
    try:
        is_directory = stat.S_ISDIR(os.stat(named).st_mode)  # noqa: PTH116
        directory = named if is_directory else os.path.dirname(named)  # noqa: PTH120
        return os.open(directory, _DIRECTORY), directory, named, is_directory
    except (FileNotFoundError, NotADirectoryError) as error:
        if os.path.islink(named):  # noqa: PTH114
            raise Misuse(
                MODEL_NOT_FOUND, f"{quote_untrusted(os.fspath(path))} is a link that leads nowhere"
            ) from error
        raise Misuse(MODEL_NOT_FOUND, f"there is nothing at {quote_untrusted(os.fspath(path))}") from error
    except ValueError as error:  # an embedded NUL
        raise Misuse(MODEL_NOT_FOUND, "the path contains a character that no path can contain") from error
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise refuse(rules.SYMLINK, "it is a symbolic link to itself", path=Path(named).name) from error
        raise tell_unreadable(Path(named).name or named, error) from error


def open_tree(path: str | os.PathLike[str]) -> Tree:
    """Open and walk the model that an operator named: a directory, or a single file."""
    root, directory, named, is_directory = _open_named(path)
    name = Path(named).name or named
    try:
        # Where the directory really lies: operators name snapshots of the hub's cache by links to them.
        blobs = open_blobs(root, os.path.realpath(directory))
    except OSError as error:
        os.close(root)
        raise tell_unreadable(name, error) from error
    tree = Tree(name, root, blobs)
    try:
        walk = _Walk(root, tree.blobs)
        if is_directory:
            walk.walk_directory(root, "", 0)
        else:
            tree.is_single_file = True
            walk.paths.append(tree.name)
            walk.judge_name_in(root, tree.name, tree.name, 0)
    except BaseException:
        tree.close()
        raise
    tree.files = tuple(sorted(walk.files, key=lambda file: file.path))
    tree.findings = (*walk.findings, *find_in_names(walk.paths))
    return tree


def tell_unreadable(path: str, error: OSError) -> SourceUnreadable:
    return SourceUnreadable(INTAKE_UNREADABLE, f"{quote_untrusted(path)} cannot be read: {explain_os_error(error)}")


class _Walk:
    """One pass over a tree: what it saw, and what it refuses to have seen."""

    def __init__(self, root: int, blobs: int | None) -> None:
        self.files: Final[list[TreeFile]] = []
        self.findings: Final[list[Finding]] = []
        self.paths: Final[list[str]] = []
        self._root: Final = root
        self._blobs: Final = blobs
        self._bytes = 0

    def walk_directory(self, directory: int, prefix: str, depth: int) -> None:
        """Everything below an open directory; `prefix` is "" or ends in a slash."""
        try:
            with os.scandir(directory) as scan:
                # One more than the ceiling is enough to know that there are too many.
                names = sorted(entry.name for entry, _ in zip(scan, range(MAX_TREE_FILES + 1), strict=False))
        except OSError as error:
            raise tell_unreadable(prefix or "the model directory", error) from error
        for name in names:
            path = f"{prefix}{name}"
            self.paths.append(path)
            if len(self.paths) > MAX_TREE_FILES:
                if len(self.paths) == MAX_TREE_FILES + 1:
                    self.findings.append(
                        Finding(rules.TOO_MANY_FILES, f"there are more than {MAX_TREE_FILES:,} entries")
                    )
                return
            self.judge_name_in(directory, name, path, depth)

    def judge_name_in(self, directory: int, name: str, path: str, depth: int) -> None:
        """What an open directory holds under `name`; what just went away or became another is a finding."""
        try:
            status = os.stat(name, dir_fd=directory, follow_symlinks=False)
            if not stat.S_ISDIR(status.st_mode):
                self._judge_entry(directory, path, status, depth)
            elif judge_name(os.fsencode(name)) is None:  # else: find_in_names reports it
                self._enter(directory, name, path, depth + 1)
        except OSError as error:
            if error.errno not in _EXCHANGED:
                raise tell_unreadable(path, error) from error
            self.findings.append(Finding(rules.CHANGED, "it is no longer what it was a moment ago", path))

    def _enter(self, directory: int, name: str, path: str, depth: int) -> None:
        if depth > MAX_TREE_DEPTH or len(os.fsencode(path)) > MAX_PATH_BYTES:
            detail = f"directories are nested more than {MAX_TREE_DEPTH} deep"
            self.findings.append(Finding(rules.TOO_DEEP, detail, path))
            return
        below = open_beneath(directory, name, _DIRECTORY)
        try:
            self.walk_directory(below, f"{path}/", depth)
        finally:
            os.close(below)

    def _judge_entry(self, directory: int, path: str, status: os.stat_result, depth: int) -> None:
        """What is not a directory: a file to read later, or a finding."""
        blob = None
        if stat.S_ISLNK(status.st_mode):
            target = os.readlink(path.rpartition("/")[2], dir_fd=directory)
            if self._blobs is None:
                self.findings.append(Finding(rules.SYMLINK, f"it is a link to {quote_untrusted(target)}", path))
                return
            blob = parse_blob_link(target, depth)
            if blob is None:
                self.findings.append(Finding(rules.CACHE_LINK, f"it is a link to {quote_untrusted(target)}", path))
                return
            try:
                status = os.stat(blob, dir_fd=self._blobs, follow_symlinks=False)
            except OSError:
                detail = "the blob that it links to is not in the cache"
                self.findings.append(Finding(rules.CACHE_LINK, detail, path))
                return
        problem = _judge_status(status)
        if problem is not None:
            rule, detail = problem
            self.findings.append(Finding(rule, detail, path))
            return
        self._bytes += status.st_size
        if self._bytes > MAX_TREE_BYTES:
            self.findings.append(
                Finding(rules.TOO_LARGE, f"with it the files exceed {MAX_TREE_BYTES:,} bytes", path)
            )
            return
        self.files.append(TreeFile(path, identity_of(status), blob))


def _judge_status(status: os.stat_result) -> tuple[Rule, str] | None:
    mode = status.st_mode
    if stat.S_ISREG(mode):
        others = status.st_nlink - 1
        if others > 0:
            return rules.HARD_LINK, f"the same file has {others} other name{'s' * (others > 1)}"
        return None
    if stat.S_ISFIFO(mode):
        return rules.FIFO, "it is a named pipe"
    if stat.S_ISSOCK(mode):
        return rules.SOCKET, "it is a socket"
    if stat.S_ISLNK(mode):
        return rules.CACHE_LINK, "the blob that it links to is itself a link"
    if stat.S_ISDIR(mode):
        return rules.CACHE_LINK, "the blob that it links to is a directory"
    return rules.DEVICE, "it is a device file"
