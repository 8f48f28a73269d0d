"""Names in a template that lead into Python: attributes of its objects, spelled out or put together."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from ostiary.core.findings import Finding
from ostiary.core.text import is_invisible, quote_untrusted
from ostiary.intake.rules.template import (
    TEMPLATE_HIDDEN_CHARACTERS,
    TEMPLATE_PRIVATE_ATTRIBUTE,
    TEMPLATE_PYTHON_INTERNALS,
)

# Frames, code and functions of CPython, as jinja2's own sandbox lists them.
_INTERNAL_ATTRIBUTES: Final = frozenset(
    "mro gi_frame gi_code gi_yieldfrom cr_frame cr_code cr_await cr_origin ag_frame ag_code ag_await f_back"
    " f_builtins f_code f_globals f_locals f_trace tb_frame tb_next func_code func_globals func_closure"
    " func_defaults func_dict im_func im_self im_class co_code co_consts co_names".split()
)
_INTERNAL_NAMES: Final = (
    "annotations base bases builtins call class closure code defaults delattr dict dir enter exit func get getattr"
    " getattribute getitem globals import init init_subclass kwdefaults loader module mro name new qualname reduce"
    " reduce_ex self setattr spec subclasses subclasshook wrapped"
)
_INTERNAL_TEXT: Final = re.compile(
    rf"(?:\A|[.\[{{(|'\"])__(?:{'|'.join(_INTERNAL_NAMES.split())})__(?:\Z|[.\[}}()|'\":!])"
)
# A field of str.format that goes on from its argument: what stands around the field does not matter.
_INTERNAL_FIELD: Final = re.compile(rf"\{{[\w.\[\]]*[.\[]__(?:{'|'.join(_INTERNAL_NAMES.split())})__")
_SPACE: Final = re.compile(r"\s")
_BREAKS: Final = "\n\r\t"


def judge_attribute(name: str) -> tuple[Finding, ...]:
    """An attribute or item that the template asks for; `name` may be a dotted path."""
    for part in _to_plain(name).split("."):
        quoted = quote_untrusted(part)
        if part in _INTERNAL_ATTRIBUTES or (part.startswith("_") and "__" in part):
            return (Finding(TEMPLATE_PYTHON_INTERNALS, f"it reaches for '{quoted}'"),)
        if part.startswith("_"):
            return (Finding(TEMPLATE_PRIVATE_ATTRIBUTE, f"it reads '{quoted}'"),)
    return ()


def judge_text(text: str) -> tuple[Finding, ...]:
    """A text that stands in an expression: whether it is the name of an internal, alone or in a format or path."""
    normal = _to_plain(text).strip()
    if "__" in normal and (
        _INTERNAL_FIELD.search(normal) or (_SPACE.search(normal) is None and _INTERNAL_TEXT.search(normal))
    ):
        return (Finding(TEMPLATE_PYTHON_INTERNALS, f"it spells '{quote_untrusted(text)}'"),)
    return find_hidden(text)


def _to_plain(text: str) -> str:
    """Letters in other forms (wide, bold, small) as plain ones, as Python reads names.

    One by one: names of internals need no composing, which takes quadratic time on long runs of combining marks.
    """
    return text if text.isascii() else "".join(unicodedata.normalize("NFKC", c) for c in text)


def judge_keyword(name: str) -> tuple[Finding, ...]:
    """`dict(__cla=x, ss__=y)` makes texts of names."""
    if name.startswith("__") or name.endswith("__"):
        return (Finding(TEMPLATE_PYTHON_INTERNALS, f"it passes a name '{quote_untrusted(name)}'"),)
    return ()


def find_hidden(text: str) -> tuple[Finding, ...]:
    """Characters that neither an editor nor a terminal shows."""
    hidden = sorted({c for c in text if is_invisible(c) and c not in _BREAKS})
    if not hidden:
        return ()
    codes = ", ".join(f"U+{ord(c):04X}" for c in hidden[:8])
    return (Finding(TEMPLATE_HIDDEN_CHARACTERS, f"it contains {codes}"),)
