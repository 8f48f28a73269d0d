"""contract.json: its platform says which reader judges it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ostiary.core.findings import Finding, refusal_of, refuse
from ostiary.core.function_files import GRAPH_FILE
from ostiary.core.function_limits import MAX_CONTRACT_BYTES, MAX_GRAPH_BYTES
from ostiary.core.json_text import parse_json_object
from ostiary.core.limits import MAX_TERMS_BYTES
from ostiary.core.terms.parse_terms import parse_language_contract, read_platform
from ostiary.core.terms.values import CONTRACT_FILE, FUNCTION_PLATFORM, LANGUAGE_PLATFORM, LanguageTerms
from ostiary.core.text import quote_untrusted
from ostiary.errors import IntakeRefused
from ostiary.intake.read_one import read_alone, read_in_model
from ostiary.intake.rules.contract import CONTRACT_OTHER_MODEL, CONTRACT_PLATFORM
from ostiary.intake.rules.functions import FUNCTION_NO_CONTRACT

if TYPE_CHECKING:
    from ostiary.graph.function_contract import FunctionContract
    from ostiary.graph.values import Graph

_MAX_BYTES: Final = max(MAX_CONTRACT_BYTES, MAX_TERMS_BYTES)
"""Before it is known which platform it is for; each platform's reader has its own ceilings."""


def _parse_function_contract(data: bytes) -> FunctionContract:
    from ostiary.graph.parse_contract import parse_contract as parse  # noqa: PLC0415  few models are functions

    return parse(data)


_PARSERS: Final[Mapping[str, Callable[[bytes], LanguageTerms | FunctionContract]]] = {
    LANGUAGE_PLATFORM: parse_language_contract,
    FUNCTION_PLATFORM: _parse_function_contract,
}
"""Each platform has its own reader; format and version are the same for all."""


def parse_contract(data: bytes) -> LanguageTerms | FunctionContract:
    """Raises IntakeRefused."""
    platform = read_platform(parse_json_object(data, max_bytes=_MAX_BYTES))
    parse = _PARSERS.get(platform)
    if parse is None:
        detail = f"its platform '{quote_untrusted(platform)}' is none of {', '.join(_PARSERS)}"
        raise refuse(CONTRACT_PLATFORM, detail)
    return parse(data)


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


def read_contract(path: Path) -> LanguageTerms | FunctionContract | None:
    """Of a model directory, or a contract file by itself; None where a language model has none.

    Nothing else is read, and nobody is asked who vouches for it. Raises Misuse, IntakeRefused, SourceUnreadable.
    """
    data = read_in_model(path, CONTRACT_FILE, _MAX_BYTES) if path.is_dir() else read_alone(path, _MAX_BYTES)
    if data is None:
        if _is_there(path, GRAPH_FILE):
            raise refuse(FUNCTION_NO_CONTRACT, f"there is no {CONTRACT_FILE} beside {GRAPH_FILE}")
        return None
    try:
        return parse_contract(data)
    except IntakeRefused as refusal:
        raise _name_file(refusal, CONTRACT_FILE) from refusal


def read_graph(path: Path) -> Graph | None:
    """Of a model directory that is a function. Nothing else is read. Raises as `read_contract` does."""
    data = read_in_model(path, GRAPH_FILE, MAX_GRAPH_BYTES) if path.is_dir() else None
    if data is None:
        return None
    from ostiary.graph.parse_graph import parse_graph  # noqa: PLC0415  few models are functions

    try:
        return parse_graph(data)
    except IntakeRefused as refusal:
        raise _name_file(refusal, GRAPH_FILE) from refusal


def _is_there(path: Path, name: str) -> bool:
    return read_in_model(path, name, 0) is not None


def _name_file(refusal: IntakeRefused, name: str) -> IntakeRefused:
    worst, *others = (replace(finding, path=name) for finding in refusal.findings)
    return refusal_of(worst, *others)
