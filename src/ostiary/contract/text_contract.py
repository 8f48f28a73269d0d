"""What a language model takes: its own contract, within its configuration and the limits that it runs in. Pure."""

from __future__ import annotations

from ostiary.core.terms.values import HOUSE_TERMS, LanguageTerms
from ostiary.core.tickets import ModelFacts
from ostiary.core.values import dataclass


@dataclass(frozen=True, slots=True)
class TextContract:
    """None: it is not known outside the wall; the engine says no to what is too much."""

    token_ids: int | None
    """Token ids are below this."""
    context_tokens: int | None
    """Of prompt and answer together."""
    most_tokens: int
    """Of all answers to one request together."""
    terms: LanguageTerms = HOUSE_TERMS
    """What the model's contract.json says; without one, nothing but the house's own bounds."""


def derive_contract(facts: ModelFacts, most_tokens: int, terms: LanguageTerms | None = None) -> TextContract:
    """`most_tokens`: what the limits of its process allow. `terms`: of a contract.json that is vouched for."""
    held = HOUSE_TERMS if terms is None else terms
    return TextContract(
        _least(facts.vocabulary, held.vocabulary),
        _least(facts.context_tokens, held.context_tokens),
        most_tokens,
        held,
    )


def _least(known: int | None, promised: int | None) -> int | None:
    """A contract narrows; it never widens."""
    if known is None or promised is None:
        return promised if known is None else known
    return min(known, promised)
