"""Tensor names: they become list positions, keys, attributes and sometimes file names in other programs."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection
from typing import Final

from ostiary.core.findings import refuse
from ostiary.core.limits import (
    MAX_TENSOR_LIST_SLOTS,
    MAX_TENSOR_NAME_CHARACTERS,
    MAX_TENSOR_NAME_INDEX,
    MAX_TENSOR_NAME_PARTS,
)
from ostiary.core.text import is_invisible, quote_untrusted
from ostiary.intake.rules.weights import (
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
_PYTHON_INTEGER: Final = re.compile(r"\s*[+-]?\d+(?:_\d+)*\s*")


def check_tensor_name(name: str) -> None:
    """Refuses a name that some program would take for something else than a name."""
    if len(name) > MAX_TENSOR_NAME_CHARACTERS:
        detail = f"a tensor name has {len(name)} characters, more than {MAX_TENSOR_NAME_CHARACTERS}"
        raise refuse(NAME_TOO_LONG, detail)
    if not _PLAIN.fullmatch(name):
        _check_unusual_characters(name)
    parts = name.split(".")
    if len(parts) > MAX_TENSOR_NAME_PARTS:
        detail = f"a tensor name has {len(parts)} parts, more than {MAX_TENSOR_NAME_PARTS}: {quote_untrusted(name)}"
        raise refuse(NAME_TOO_LONG, detail)
    for part in parts:
        if not part:
            raise refuse(NAME_EMPTY_PART, f"tensor name with an empty part: '{quote_untrusted(name)}'")
        if "__" in part and any(p.startswith("__") and p.endswith("__") for p in part.split("/")):
            raise refuse(NAME_DUNDER, f"tensor name with a Python-internal part: {quote_untrusted(name)}")
        if _PYTHON_INTEGER.fullmatch(part) and (
            not _CANONICAL_INDEX.fullmatch(part) or int(part) > MAX_TENSOR_NAME_INDEX
        ):
            detail = f"tensor name with a number outside 0 to {MAX_TENSOR_NAME_INDEX}: {quote_untrusted(name)}"
            raise refuse(NAME_INDEX, detail)


def check_tensor_names(names: Collection[str]) -> None:
    """Refuses names that are fine alone and not together: distinct ones that passed `check_tensor_name`."""
    normalised: set[str] = set()
    known = names if isinstance(names, (set, frozenset, dict)) else frozenset(names)
    longest_list: dict[str, int] = {}
    slots = 0
    for name in names:
        if not name.isascii():
            same = unicodedata.normalize("NFKC", name)
            if same in normalised or (same != name and same in known):
                raise refuse(NAME_LOOKALIKE, f"tensor name that another one equals: {quote_untrusted(name)}")
            normalised.add(same)
        start = 0
        while True:
            dot = name.find(".", start)
            part = name[start:] if dot < 0 else name[start:dot]
            if part.isascii() and part.isdigit():
                parent, needed = name[:start], int(part) + 1
                had = longest_list.get(parent, 0)
                if needed > had:
                    longest_list[parent] = needed
                    slots += needed - had
            if dot < 0:
                break
            if name[:dot] in known:
                detail = f"{quote_untrusted(name)} lies inside another tensor, {quote_untrusted(name[:dot])}"
                raise refuse(NAME_INSIDE_TENSOR, detail)
            start = dot + 1
        if slots > MAX_TENSOR_LIST_SLOTS:
            detail = f"the numbers in tensor names ask for more than {MAX_TENSOR_LIST_SLOTS} list positions"
            raise refuse(NAME_LIST_SLOTS, detail)


def _check_unusual_characters(name: str) -> None:
    if not name:
        raise refuse(NAME_EMPTY_PART, "a tensor has an empty name")
    if any(is_invisible(c) or (c.isspace() and c != " ") for c in name):
        raise refuse(NAME_INVISIBLE, f"tensor name with characters that cannot be seen: {quote_untrusted(name)}")
    if _PATH.search(name):
        raise refuse(NAME_PATH, f"tensor name that is a path: {quote_untrusted(name)}")
