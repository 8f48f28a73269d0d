"""Places and files that tools leave in a directory: which are harmless notes, and which can hide something."""

from __future__ import annotations

from ostiary.core.findings import Finding
from ostiary.core.limits import MAX_LEFTOVER_BYTES
from ostiary.intake.code.magic import is_text
from ostiary.intake.rules import code as rules

_HUB_CACHE = ".cache/huggingface/"
_HUB_NAMES = (".metadata", ".lock", ".gitignore", "CACHEDIR.TAG")
_TOOL_DIRECTORIES = frozenset(
    ".git .github .gitlab .hg .svn .bzr .cache .dvc .idea .vscode .venv __pycache__ .ipynb_checkpoints "
    "node_modules .eggs .tox .ssh .aws .config".split()
)
_TEXT_ENDINGS = ("~", ".bak", ".orig", ".rej", ".tmp", ".old", ".save", "desktop.ini", ".directory")
# Where the leftover is binary it must at least be what it says.
_BINARY_LEFTOVERS = (
    (".ds_store", b"\0\0\0\x01Bud1"),
    ("._", b"\0\x05\x16\x07"),
    (".swp", b"b0VIM"),
    (".swo", b"b0VIM"),
    ("thumbs.db", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"),
)


def judge_place(path: str, head: bytes, size: int) -> Finding | None:
    """A finding on where the file lies or what left it there; None for a place where model files belong."""
    directories, _, name = path.rpartition("/")
    if path.startswith(_HUB_CACHE) and name.endswith(_HUB_NAMES) and size <= len(head) and is_text(head):
        return Finding(rules.HUB_LEFTOVER, "a hub client wrote it while downloading", path)
    tool = next((part for part in directories.lower().split("/") if part in _TOOL_DIRECTORIES), None)
    if tool is not None:
        return Finding(rules.HIDDEN_DIRECTORY, f"it lies in a {tool} directory", path)
    if name.lower() == ".git":
        return Finding(rules.HIDDEN_DIRECTORY, "it points git to a repository elsewhere", path)
    if is_leftover(name, head, size):
        return Finding(rules.EDITOR_LEFTOVER, "nothing in the model uses it", path)
    return None


def is_leftover(name: str, head: bytes, size: int) -> bool:
    """Whether an editor or a file manager left a file of this name and beginning behind."""
    if size > MAX_LEFTOVER_BYTES:
        return False
    lowered = name.lower()
    for ending, magic in _BINARY_LEFTOVERS:
        named = lowered.startswith(ending) if ending == "._" else lowered.endswith(ending)
        if named and (head.startswith(magic) or not head):
            return True
    return (lowered.endswith(_TEXT_ENDINGS) or lowered.startswith((".#", "#"))) and is_text(head)
