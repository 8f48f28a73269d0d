"""Names of files in a statement: one spelling for each, and none that leads anywhere else (OMS v1.0, 6.1.2)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ostiary.core.limits import MAX_NAME_BYTES, MAX_PATH_BYTES, MAX_TREE_DEPTH
from ostiary.core.text import quote_untrusted
from ostiary.errors import TrustRefused
from ostiary.trust.evidence import SignedStatement
from ostiary.trust.json_fields import malformed

SINGLE_FILE: Final = "."
"""How the reference names the file of a model that is one file. The specification wants its own name."""


def check_paths(statement: SignedStatement) -> None:
    """Every name is canonical, and none stands twice."""
    paths = [file.path for file in statement.files]
    if paths == [SINGLE_FILE]:
        return
    for path in paths:
        reason = find_fault(path)
        if reason is not None:
            raise refuse_path(path, reason)
    if len(set(paths)) != len(paths):
        twice = next(path for path in paths if paths.count(path) > 1)
        raise refuse_path(twice, "it stands twice")


def find_fault(path: str) -> str | None:
    """What is wrong with a name; None where nothing is."""
    if not path:
        return "it is empty"
    if path.startswith("/"):
        return "it is absolute"
    if "\\" in path or "\0" in path:
        return "it has a backslash or a zero byte"
    try:
        length = len(path.encode("utf-8"))
    except UnicodeEncodeError:
        return "it is not Unicode text"
    if length > MAX_PATH_BYTES:
        return f"it has more than {int(MAX_PATH_BYTES)} bytes"
    parts = path.split("/")
    if len(parts) > MAX_TREE_DEPTH + 1:
        return f"it is more than {int(MAX_TREE_DEPTH)} directories deep"
    if any(part in ("", ".", "..") for part in parts):
        return "it is not in its shortest form"
    if any(len(part.encode("utf-8")) > MAX_NAME_BYTES for part in parts):
        return f"a part of it has more than {int(MAX_NAME_BYTES)} bytes"
    return None


def is_below(path: str, directories: Sequence[str]) -> bool:
    """Whether the path is one of these, or lies below one of them as a signer's list of left-out paths means it."""
    return any(
        directory in (".", "", "./") or path == directory or path.startswith(f"{directory.rstrip('/')}/")
        for directory in directories
    )


def refuse_path(path: str, reason: str) -> TrustRefused:
    error = malformed(f"the statement lists '{quote_untrusted(path)}': {reason}")
    return error
