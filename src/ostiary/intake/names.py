"""Judges the names of a tree, each alone and all together, before anything below them is opened."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import field, replace
from itertools import islice
from typing import Final

from ostiary.core.findings import Finding
from ostiary.core.limits import MAX_FINDINGS, MAX_NAME_BYTES, MAX_PATH_BYTES
from ostiary.core.text import quote_untrusted
from ostiary.core.values import dataclass
from ostiary.intake.lookalikes import find_imitated, fold_name, is_unseen
from ostiary.intake.rules import names as rules

_SPECIAL: Final = frozenset('\\:*?"<>|')
# Microsoft's list, with the superscript digits that count as digits there.
_RESERVED: Final = re.compile(
    r"(?:con|prn|aux|nul|conin\$|conout\$|clock\$|(?:com|lpt)[0-9\u00b9\u00b2\u00b3])", re.I
)


@dataclass(slots=True)
class _Directory:
    """Names seen in one directory: how each was first spelled, by its folded form."""

    spelled: dict[str, str] = field(default_factory=dict)
    below: dict[str, _Directory] = field(default_factory=dict)
    listed: set[str] = field(default_factory=set)


def judge_name(component: bytes) -> Finding | None:
    """What is wrong with one name between slashes; None if nothing is. Never raises."""
    if component in {b"", b".", b".."} or b"/" in component:
        return Finding(rules.ESCAPES, "the name is empty, a dot, two dots, or holds a slash")
    if len(component) > MAX_NAME_BYTES:
        return Finding(rules.TOO_LONG, f"the name has {len(component):,} bytes, the ceiling is {MAX_NAME_BYTES}")
    try:
        name = component.decode("utf-8")
    except UnicodeDecodeError as error:
        return Finding(rules.NOT_UTF8, f"byte {error.start} of the name does not fit")
    return _judge_text(name)


def find_in_names(paths: Iterable[str]) -> tuple[Finding, ...]:
    """The findings on all `paths` together, at most the ceiling of them. Never raises.

    Paths are relative with '/' between names; directories may be listed or not.
    """
    return tuple(islice(_find(paths), MAX_FINDINGS))


def _judge_text(name: str) -> Finding | None:
    unseen = next((c for c in name if is_unseen(c)), None)
    if unseen is not None:
        return Finding(rules.INVISIBLE, f"the name holds the character U+{ord(unseen):04X}")
    special = next((c for c in name if c in _SPECIAL), None)
    if special is not None:
        return Finding(rules.SPECIAL_CHARACTER, f"the name holds the character {quote_untrusted(special)}")
    if name != name.strip(" ") or name.endswith("."):
        return Finding(rules.EDGE, "the name begins or ends with a space or ends with a dot")
    if name.startswith("-"):
        return Finding(rules.LEADING_DASH, "the name begins with a dash")
    if _RESERVED.fullmatch(name.partition(".")[0].rstrip(" ")):
        return Finding(rules.RESERVED, "Windows reserves the name, whatever its extension")
    imitated = find_imitated(name)
    # Another letter case alone is judged with its neighbours: README.md may well stand beside config.json.
    if imitated is not None and not name.isascii():
        return Finding(rules.IMITATES, f"the name could be taken for {imitated}")
    return None


def _find(paths: Iterable[str]) -> Iterator[Finding]:
    root = _Directory()
    for path in paths:
        raw = _encode(path)
        if len(raw) > MAX_PATH_BYTES:
            detail = f"the path has {len(raw):,} bytes, the ceiling is {MAX_PATH_BYTES:,}"
            yield Finding(rules.TOO_LONG, detail, path)
            continue
        yield from _find_in_path(path, root)


def _find_in_path(path: str, root: _Directory) -> Iterator[Finding]:
    directory = root
    names = path.split("/")
    for depth, name in enumerate(names):
        folded = fold_name(name)
        first = directory.spelled.setdefault(folded, name)
        if name not in directory.below:
            directory.below[name] = _Directory()
            for finding in _judge_new(name, first):
                yield replace(finding, path="/".join(names[: depth + 1]))
        if depth + 1 == len(names):
            if name in directory.listed:
                yield Finding(rules.COLLIDES, "the same path is listed twice", path)
            directory.listed.add(name)
        directory = directory.below[name]


def _judge_new(name: str, first: str) -> Iterator[Finding]:
    """The findings on a name that was not seen before in its directory, where `first` folds to the same."""
    problem = judge_name(_encode(name))
    if problem is not None:
        yield problem
    if first != name:
        detail = f"{quote_untrusted(name)} and {quote_untrusted(first)} are one name on some file systems"
        yield Finding(rules.COLLIDES, detail)
        return
    if problem is not None:
        return
    imitated = find_imitated(name)
    if imitated is not None:
        yield Finding(rules.IMITATES, f"where letter case does not count the name is {imitated}")
    if unicodedata.normalize("NFC", name) != name:
        yield Finding(rules.NOT_NORMALISED, "the name is stored in decomposed form")


def _encode(name: str) -> bytes:
    """The bytes that the operating system gave, also where they were no UTF-8."""
    try:
        return name.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return name.encode("utf-8", "surrogatepass")
