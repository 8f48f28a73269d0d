"""What a language model takes, where nobody wrote it down: from its configuration and its limits. Pure."""

from __future__ import annotations

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


def derive_contract(facts: ModelFacts, most_tokens: int) -> TextContract:
    """`most_tokens`: what the limits of its process allow."""
    return TextContract(facts.vocabulary, facts.context_tokens, most_tokens)
