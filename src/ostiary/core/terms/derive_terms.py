"""A contract for a language model that has none: what its configuration says, and what suits nearly all. Pure."""

from __future__ import annotations

from typing import Final

from ostiary.core.terms.characters import CharacterClass
from ostiary.core.terms.values import (
    HOUSE_TERMS,
    PROMPT_IDS,
    TEXT,
    TEXT_IDS,
    Action,
    DimTerms,
    LanguageTerms,
    OutputTerms,
    ParameterTerms,
    Span,
    TextTerms,
)
from ostiary.core.terms.vocabulary import CHOICES, DIMS, PARAMETERS

_FOR_THE_APPLICATION: Final = frozenset({"parse_special", "ignore_eos", "show_special"})
"""For programs that write their prompts themselves; whoever signs a model adds them where they are wanted."""
_SPANS: Final = {
    "temperature": Span(0, 2),
    "repetition_penalty": Span(0, 2),
    "presence_penalty": Span(-2, 2),
    "frequency_penalty": Span(-2, 2),
}
_CHARACTERS: Final = {
    CharacterClass.CONTROL: Action.REFUSE,
    CharacterClass.BIDI: Action.REFUSE,
    CharacterClass.TAGS: Action.REFUSE,
    CharacterClass.INVISIBLE: Action.REMOVE,
}
_REFUSED: Final = (CharacterClass.CONTROL, CharacterClass.TAGS)


def derive_terms(vocabulary: int | None, context_tokens: int | None, name: str | None = None) -> LanguageTerms:
    """A beginning to edit. Honest texts pass it, and come through unchanged but for their normal form.

    Token ids are left out, as whoever gives them gives any control token; and texts to make vectors of, as few
    networks give any.
    """
    inputs = {name: item for name, item in HOUSE_TERMS.inputs.items() if name not in {PROMPT_IDS, TEXT, TEXT_IDS}}
    parameters = {
        word: ParameterTerms(_SPANS.get(word, None)) for word in PARAMETERS if word not in _FOR_THE_APPLICATION
    }
    choices = DIMS[CHOICES]
    return LanguageTerms(
        inputs=inputs,
        name=name,
        vocabulary=vocabulary,
        context_tokens=context_tokens,
        dims={CHOICES: DimTerms(int(choices.least), int(choices.most), is_batch=True)},
        parameters=parameters,
        output=OutputTerms(refused_characters=_REFUSED),
        text=TextTerms("NFC", Action.APPLY, _CHARACTERS),
    )
