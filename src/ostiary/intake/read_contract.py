"""contract.json: its platform says which reader judges it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from ostiary.core.findings import Finding, refuse
from ostiary.core.json_text import JsonValue
from ostiary.core.terms.parse_terms import parse_language_terms, read_contract_values, read_platform
from ostiary.core.terms.values import LANGUAGE_PLATFORM, LanguageTerms
from ostiary.core.text import quote_untrusted
from ostiary.intake.rules.contract import CONTRACT_OTHER_MODEL, CONTRACT_PLATFORM

_PARSERS: Final[Mapping[str, Callable[[Mapping[str, JsonValue]], LanguageTerms]]] = {
    LANGUAGE_PLATFORM: parse_language_terms,
}


def parse_contract(data: bytes) -> LanguageTerms:
    """Raises IntakeRefused."""
    values = read_contract_values(data)
    platform = read_platform(values)
    parse = _PARSERS.get(platform)
    if parse is None:
        detail = f"its platform '{quote_untrusted(platform)}' is none of {', '.join(_PARSERS)}"
        raise refuse(CONTRACT_PLATFORM, detail)
    return parse(values)


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
