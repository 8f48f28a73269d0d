"""contract.json: its platform says which reader judges it."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ostiary.core.findings import Finding, refusal_of, refuse
from ostiary.core.limits import MAX_TERMS_BYTES
from ostiary.core.terms.parse_terms import parse_language_contract, read_contract_values, read_platform
from ostiary.core.terms.values import CONTRACT_FILE, LANGUAGE_PLATFORM, LanguageTerms
from ostiary.core.text import quote_untrusted
from ostiary.errors import MODEL_NOT_FOUND, IntakeRefused, Misuse
from ostiary.intake.read_file import read_up_to
from ostiary.intake.rules.contract import CONTRACT_OTHER_MODEL, CONTRACT_PLATFORM
from ostiary.intake.tree import open_tree, tell_unreadable

if TYPE_CHECKING:
    from ostiary.graph.function_contract import FunctionContract

_FUNCTION_PLATFORM: Final = "ostiary-graph"


def _parse_function_contract(data: bytes) -> FunctionContract:
    from ostiary.graph.parse_contract import parse_contract as parse  # noqa: PLC0415  few models are functions

    return parse(data)


_PARSERS: Final[Mapping[str, Callable[[bytes], LanguageTerms | FunctionContract]]] = {
    LANGUAGE_PLATFORM: parse_language_contract,
    _FUNCTION_PLATFORM: _parse_function_contract,
}
"""Each platform has its own reader; format and version are the same for all."""


def parse_contract(data: bytes) -> LanguageTerms | FunctionContract:
    """Raises IntakeRefused."""
    platform = read_platform(read_contract_values(data))
    parse = _PARSERS.get(platform)
    if parse is None:
        detail = f"its platform '{quote_untrusted(platform)}' is none of {', '.join(_PARSERS)}"
        raise refuse(CONTRACT_PLATFORM, detail)
    return parse(data)


def _parse_terms(data: bytes) -> LanguageTerms:
    parsed = parse_contract(data)
    if not isinstance(parsed, LanguageTerms):
        raise refuse(CONTRACT_PLATFORM, "it is a function's, which is part of its graph (docs/functions.md)")
    return parsed


def check_contract(terms: LanguageTerms, vocabulary: int | None, context_tokens: int | None) -> tuple[Finding, ...]:
    """Whether it could have been made for this model, by what the configuration says."""
    found = []
    for what, promised, there in (
        ("a vocabulary", terms.vocabulary, vocabulary),
        ("a context", terms.context_tokens, context_tokens),
    ):
        if promised is not None and there is not None and promised > there:
            detail = f"it promises {what} of {promised:,} tokens, the model has {there:,}"
            found.append(Finding(CONTRACT_OTHER_MODEL, detail))
    ids = next((item.ids for item in terms.inputs.values() if item.ids is not None), None)
    if ids is not None and vocabulary is not None and ids.most >= vocabulary:
        detail = f"it takes token ids up to {ids.most:,}, the model has {vocabulary:,}"
        found.append(Finding(CONTRACT_OTHER_MODEL, detail))
    return tuple(found)


def read_contract(path: Path) -> LanguageTerms | None:
    """Of a model directory, or a contract file by itself; None where a directory has none.

    Nothing else is read, and nobody is asked who vouches for it. Raises Misuse, IntakeRefused, SourceUnreadable.
    """
    data = _read_in_model(path) if path.is_dir() else _read_alone(path)
    if data is None:
        return None
    try:
        return _parse_terms(data)
    except IntakeRefused as refusal:
        worst, *others = (replace(finding, path=CONTRACT_FILE) for finding in refusal.findings)
        raise refusal_of(worst, *others) from refusal


def _read_in_model(path: Path) -> bytes | None:
    with open_tree(path) as tree:
        file = next((file for file in tree.files if file.path == CONTRACT_FILE), None)
        if file is None:
            refused = next((f for f in tree.findings if f.path == CONTRACT_FILE and f.is_refusing), None)
            if refused is not None:  # a link, a pipe: that is not the same as none
                raise refusal_of(refused)
            return None
        descriptor = tree.open_file(file)
        try:
            return read_up_to(descriptor, MAX_TERMS_BYTES + 1)
        except OSError as error:
            raise tell_unreadable(CONTRACT_FILE, error) from error
        finally:
            os.close(descriptor)


def _read_alone(path: Path) -> bytes:
    try:
        # O_NONBLOCK: a pipe must not keep us waiting for somebody who writes.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise Misuse(MODEL_NOT_FOUND, f"{quote_untrusted(path.name)} is no file")
            return read_up_to(descriptor, MAX_TERMS_BYTES + 1)
        finally:
            os.close(descriptor)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise Misuse(MODEL_NOT_FOUND, f"there is no {quote_untrusted(path.name)}") from error
    except OSError as error:
        raise tell_unreadable(path.name, error) from error
