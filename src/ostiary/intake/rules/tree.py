"""What a directory must not be made of."""

from __future__ import annotations

from typing import Final

from ostiary.core.findings import Rule, Severity
from ostiary.errors import (
    INTAKE_CHANGED,
    INTAKE_HARD_LINK,
    INTAKE_NOT_REGULAR,
    INTAKE_PATH_ESCAPE,
    INTAKE_TOO_LARGE,
)

SYMLINK: Final = Rule(
    "tree.symlink",
    Severity.HIGH,
    INTAKE_PATH_ESCAPE,
    "Symbolic link",
    "What it names can be exchanged after the check, or lie anywhere on the machine.",
)
CACHE_LINK: Final = Rule(
    "tree.cache-link",
    Severity.HIGH,
    INTAKE_PATH_ESCAPE,
    "Link that leaves the hub cache",
    "A snapshot may link to its own blobs only; this one would let in a file from elsewhere.",
)
CACHE_DIGEST: Final = Rule(
    "tree.cache-digest",
    Severity.HIGH,
    INTAKE_CHANGED,
    "Cached file that is not what its name says",
    "The hub names this blob by its SHA-256; other bytes mean damage or tampering.",
)
FIFO: Final = Rule(
    "tree.fifo",
    Severity.HIGH,
    INTAKE_NOT_REGULAR,
    "Named pipe",
    "A loader that opens it waits for ever, or reads whatever another program writes.",
)
SOCKET: Final = Rule(
    "tree.socket",
    Severity.HIGH,
    INTAKE_NOT_REGULAR,
    "Socket",
    "It is a way to another program, not part of a model.",
)
DEVICE: Final = Rule(
    "tree.device",
    Severity.CRITICAL,
    INTAKE_NOT_REGULAR,
    "Device file",
    "Reading it can be endless or act on hardware.",
)
HARD_LINK: Final = Rule(
    "tree.hard-link",
    Severity.HIGH,
    INTAKE_HARD_LINK,
    "File with a second name",
    "Whoever holds the other name can change the bytes after they were checked.",
)
TOO_MANY_FILES: Final = Rule(
    "tree.too-many-files",
    Severity.MEDIUM,
    INTAKE_TOO_LARGE,
    "Too many files",
    "Each file costs time and descriptors; no published model needs so many.",
)
TOO_DEEP: Final = Rule(
    "tree.too-deep",
    Severity.MEDIUM,
    INTAKE_TOO_LARGE,
    "Directories nested too deep",
    "Deep trees exhaust programs that walk them.",
)
TOO_LARGE: Final = Rule(
    "tree.too-large",
    Severity.MEDIUM,
    INTAKE_TOO_LARGE,
    "Too many bytes",
    "It cannot be a model that this machine could run.",
)
TOO_MUCH_TO_KEEP: Final = Rule(
    "tree.too-much-to-keep",
    Severity.MEDIUM,
    INTAKE_TOO_LARGE,
    "Too many bytes of headers and text",
    "Everything but the weights must be held in memory to be judged; this much is no model's.",
)
CHANGED: Final = Rule(
    "tree.changed",
    Severity.HIGH,
    INTAKE_CHANGED,
    "File that changed while it was read",
    "What was judged may not be what is there now.",
)

RULES: Final = (
    SYMLINK,
    CACHE_LINK,
    CACHE_DIGEST,
    FIFO,
    SOCKET,
    DEVICE,
    HARD_LINK,
    TOO_MANY_FILES,
    TOO_DEEP,
    TOO_LARGE,
    TOO_MUCH_TO_KEEP,
    CHANGED,
)
