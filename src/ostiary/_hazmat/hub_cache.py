"""The one kind of symbolic link that is let in: the Hugging Face cache's own snapshot -> blobs links.

Layout: ROOT/models--org--name/snapshots/REVISION/[folders/]file -> ../../[../]blobs/DIGEST. The link is never
followed. Its text must say exactly that, and the blob is opened by its name from the descriptor of the blobs
directory that lies beside the snapshots directory this model is in. For intake and the vault.
"""

from __future__ import annotations

import errno
import os
import re
from typing import Final

_REPOSITORY: Final = re.compile(r"(models|datasets|spaces)--[^/]+")
_REVISION: Final = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_SHORT_OF: Final = {errno.EMFILE, errno.ENFILE, errno.ENOMEM}
_BLOB: Final = re.compile(r"(?P<up>(?:\.\./)+)blobs/(?P<name>[0-9a-f]{40}|[0-9a-f]{64})")


def open_blobs(model: int, absolute_path: str) -> int | None:
    """The blobs directory that belongs to the snapshot `model`, or None if it is not one. The caller owns it.

    Raises OSError only where the system has none to give: a snapshot without its blobs would be taken for hostile.
    """
    parts = absolute_path.rstrip("/").split("/")
    if len(parts) < 3 or parts[-2] != "snapshots":
        return None
    if not _REPOSITORY.fullmatch(parts[-3]) or not _REVISION.fullmatch(parts[-1]):
        return None
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        repository = os.open("../..", flags, dir_fd=model)
        try:
            # The path's text is a claim; the descriptors decide whether the model really lies there.
            claimed = os.stat(f"snapshots/{parts[-1]}", dir_fd=repository, follow_symlinks=False)
            if not os.path.samestat(claimed, os.fstat(model)):
                return None
            return os.open("blobs", flags, dir_fd=repository)
        finally:
            os.close(repository)
    except OSError as error:
        if error.errno in _SHORT_OF:
            raise
        return None


def parse_blob_link(target: str, depth: int) -> str | None:
    """The blob's name if `target` is a link from `depth` folders inside a snapshot to the cache's own blobs."""
    match = _BLOB.fullmatch(target)
    if match is None or match["up"].count("../") != depth + 2:
        return None
    return match["name"]
