"""Tensor names: they become list positions, keys, attributes and sometimes file names in other programs."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection
from itertools import pairwise
from typing import Final

from ostiary.core.findings import refuse
from ostiary.core.limits import (
    MAX_TENSOR_LIST_SLOTS,
    MAX_TENSOR_NAME_CHARACTERS,
    MAX_TENSOR_NAME_INDEX,
    MAX_TENSOR_NAME_PARTS,
    MAX_UNUSUAL_NAME_CHARACTERS,
)
from ostiary.core.text import quote_untrusted
from ostiary.intake.rules.tensors import (
    NAME_DUNDER,
    NAME_EMPTY_PART,
    NAME_INDEX,
    NAME_INSIDE_TENSOR,
    NAME_INVISIBLE,
    NAME_LIST_SLOTS,
    NAME_LOOKALIKE,
    NAME_PATH,
    NAME_TOO_LONG,
)

_PLAIN: Final = re.compile(r"[A-Za-z0-9_.\-]+")
_PATH: Final = re.compile(r"^[/~]|^[A-Za-z]:|\\|//|/$|(?:^|/)\.{1,2}(?:/|$)|\.\./|/\.\.")
_CANONICAL_INDEX: Final = re.compile(r"0|[1-9][0-9]{0,8}")
_SEPARATOR: Final = re.compile(r"[./]")
# A whole part between dots that may be a number, and what Python takes for one.
_NUMBER_PART: Final = re.compile(r"(?<![^.])[+\-\s]*\d[\d_]*\s*(?![^.])")
_POSITION_PART: Final = re.compile(r"(?<![^.])[0-9]+(?![^.])")
_PYTHON_INTEGER: Final = re.compile(r"\s*[+-]?\d+(?:_\d+)*\s*")


def check_tensor_name(name: str) -> None:
    """Refuses a name that some program would take for something else than a name."""
    if len(name) > MAX_TENSOR_NAME_CHARACTERS:
        detail = f"a tensor name has {len(name)} characters, more than {MAX_TENSOR_NAME_CHARACTERS}"
        raise refuse(NAME_TOO_LONG, detail)
    if not _PLAIN.fullmatch(name):
        _check_unusual_characters(name)
    parts = name.count(".") + 1
    if parts > MAX_TENSOR_NAME_PARTS:
        detail = f"a tensor name has {parts} parts, more than {MAX_TENSOR_NAME_PARTS}: {quote_untrusted(name)}"
        raise refuse(NAME_TOO_LONG, detail)
    if ".." in name or name[0] == "." or name[-1] == ".":
        raise refuse(NAME_EMPTY_PART, f"tensor name with an empty part: {quote_untrusted(name)}")
    if "__" in name and any(p.startswith("__") and p.endswith("__") for p in _SEPARATOR.split(name)):
        raise refuse(NAME_DUNDER, f"tensor name with a Python-internal part: {quote_untrusted(name)}")
    for match in _NUMBER_PART.finditer(name):
        part = match.group()
        if _PYTHON_INTEGER.fullmatch(part) and not _is_position(part):
            detail = f"tensor name with a number outside 0 to {MAX_TENSOR_NAME_INDEX}: {quote_untrusted(name)}"
            raise refuse(NAME_INDEX, detail)


def check_tensor_names(names: Collection[str]) -> None:
    """Refuses names that are fine alone and not together: distinct ones that passed `check_tensor_name`."""
    _check_lookalikes(names)
    # With the lowest character for the dot, what lies inside a tensor comes right behind it.
    ordered = sorted(name.replace(".", "\0") for name in names)
    for outer, inner in pairwise(ordered):
        if inner.startswith(outer) and inner[len(outer)] == "\0":
            shown = [quote_untrusted(name.replace("\0", ".")) for name in (inner, outer)]
            raise refuse(NAME_INSIDE_TENSOR, f"{shown[0]} lies inside another tensor, {shown[1]}")
    _check_list_slots(names)


def _check_lookalikes(names: Collection[str]) -> None:
    unusual = [name for name in names if not name.isascii()]
    # Normalising can make a text 18 times as long.
    if sum(map(len, unusual)) > MAX_UNUSUAL_NAME_CHARACTERS:
        detail = f"names that are not plain ASCII have more than {MAX_UNUSUAL_NAME_CHARACTERS} characters together"
        raise refuse(NAME_TOO_LONG, detail)
    known = frozenset(names) if unusual else frozenset()
    seen: set[str] = set()
    for name in unusual:
        same = unicodedata.normalize("NFKC", name)
        if same in seen or (same != name and same in known):
            raise refuse(NAME_LOOKALIKE, f"tensor name that another one equals: {quote_untrusted(name)}")
        seen.add(same)


def _check_list_slots(names: Collection[str]) -> None:
    longest: dict[str, int] = {}
    slots = 0
    for name in names:
        for match in _POSITION_PART.finditer(name):
            parent, needed = name[: match.start()], int(match.group()) + 1
            had = longest.get(parent, 0)
            if needed > had:
                longest[parent] = needed
                slots += needed - had
        if slots > MAX_TENSOR_LIST_SLOTS:
            detail = f"the numbers in tensor names ask for more than {MAX_TENSOR_LIST_SLOTS} list positions"
            raise refuse(NAME_LIST_SLOTS, detail)


def _is_position(part: str) -> bool:
    return _CANONICAL_INDEX.fullmatch(part) is not None and int(part) <= MAX_TENSOR_NAME_INDEX


def _check_unusual_characters(name: str) -> None:
    if not name:
        raise refuse(NAME_EMPTY_PART, "a tensor has an empty name")
    if not name.isprintable():
        raise refuse(NAME_INVISIBLE, f"tensor name with characters that cannot be seen: {quote_untrusted(name)}")
    if _PATH.search(name):
        raise refuse(NAME_PATH, f"tensor name that is a path: {quote_untrusted(name)}")
