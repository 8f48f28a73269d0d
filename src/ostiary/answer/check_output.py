"""What a model says, held against its own contract: piece by piece, and whole where it takes that. Pure."""

from __future__ import annotations

from ostiary.core.json_text import parse_json
from ostiary.core.terms.characters import find_characters
from ostiary.core.terms.values import OutputTerms
from ostiary.errors import ANSWER_RULE, AnswerRefused, IntakeRefused


def check_piece(text: str, characters: int, terms: OutputTerms) -> None:
    """`characters`: of the answer so far, this piece included. Raises AnswerRefused."""
    if terms.max_characters is not None and characters > terms.max_characters:
        detail = f"the answer has more than the {terms.max_characters:,} characters that the contract allows"
        raise AnswerRefused(ANSWER_RULE, detail, rule="outputs.text.max_characters", limit=terms.max_characters)
    if not terms.refused_characters:
        return
    found = find_characters(text, terms.refused_characters)
    if found:
        character = min(found)
        named = found[character].value
        detail = f"the answer holds U+{ord(character):04X}, of a kind that the contract refuses: {named}"
        raise AnswerRefused(ANSWER_RULE, detail, rule="outputs.text.refused_characters", limit=named)


def check_whole(text: str, terms: OutputTerms) -> None:
    """Raises AnswerRefused."""
    if not terms.is_json:
        return
    try:
        parse_json(text.encode())
    except IntakeRefused as error:
        detail = "the answer is not JSON, which is all that the contract allows"
        raise AnswerRefused(ANSWER_RULE, detail, rule="outputs.text.json", limit="JSON") from error
