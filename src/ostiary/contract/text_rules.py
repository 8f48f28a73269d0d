"""A text held against what the contract says of texts: its characters first, then its normal form. Pure.

What comes out fits, and going through once more changes nothing: removing and normalising can each make work for
the other, so both are done until neither has any.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from ostiary.contract.unfit import unfit
from ostiary.core.limits import MAX_COMBINING_RUN, MAX_REQUEST_CHARACTERS
from ostiary.core.terms.characters import CharacterClass, find_characters, remove_characters
from ostiary.core.terms.values import Action, TextTerms
from ostiary.errors import CONTRACT_TEXT, CONTRACT_TOO_LONG

_PIECE_CHARACTERS: Final = 4_096
_ROUNDS: Final = 4  # two are the most that was ever seen to be needed


def hold_text(text: str, terms: TextTerms, field: str) -> str:
    """The text as the model may have it. Raises ContractRefused."""
    if text.isascii() and (text.isprintable() or not terms.characters):
        return text  # every normal form leaves ASCII as it is
    for _ in range(_ROUNDS):
        held = _hold_form(_hold_characters(text, terms, field), terms, field)
        if held == text:
            return held
        text = held
    raise unfit(CONTRACT_TEXT, field, "has no form that the contract allows", "text.normalization", terms.form)


def _hold_characters(text: str, terms: TextTerms, field: str) -> str:
    wanted = {named: action for named, action in terms.characters.items() if action is not Action.KEEP}
    found = find_characters(text, wanted)
    if not found:
        return text
    for character in sorted(found):
        named = found[character]
        if wanted[named] is Action.REFUSE:
            detail = f"holds U+{ord(character):04X}, of a kind that the contract refuses: {_tell(named)}"
            raise unfit(CONTRACT_TEXT, field, detail, f"text.characters.{named.value}", Action.REFUSE.value)
    return remove_characters(text, found)


def _hold_form(text: str, terms: TextTerms, field: str) -> str:
    if terms.form is None or text.isascii():
        return text
    _check_runs(text, terms.form, field)
    if unicodedata.is_normalized(terms.form, text):  # type: ignore[arg-type]
        return text
    if terms.form_action is Action.REFUSE:
        rule = "text.normalization"
        raise unfit(CONTRACT_TEXT, field, f"is not in Unicode's normal form {terms.form}", rule, terms.form)
    _check_growth(text, terms.form, field)
    return unicodedata.normalize(terms.form, text)  # type: ignore[arg-type]


def _check_runs(text: str, form: str, field: str) -> None:
    """Sorting marks that combine takes quadratic time in how many stand in a row.

    A few characters do not combine themselves, and are made of nothing but marks that do.
    """
    marks = {
        character for character in set(text) if unicodedata.combining(unicodedata.normalize("NFKD", character)[0])
    }
    if len(text) <= MAX_COMBINING_RUN or not marks:
        return
    run = re.compile(f"[{''.join(map(re.escape, sorted(marks)))}]{{{MAX_COMBINING_RUN + 1},}}")
    if run.search(text):
        detail = f"has more than {int(MAX_COMBINING_RUN)} combining characters in a row"
        raise unfit(CONTRACT_TEXT, field, detail, "text.normalization", form)


def _check_growth(text: str, form: str, field: str) -> None:
    """One character can become eighteen: what is too much is found before all of it is made."""
    size = 0
    for start in range(0, len(text), _PIECE_CHARACTERS):
        size += len(unicodedata.normalize(form, text[start : start + _PIECE_CHARACTERS]))  # type: ignore[arg-type]
        if size > MAX_REQUEST_CHARACTERS + _PIECE_CHARACTERS:
            most = int(MAX_REQUEST_CHARACTERS)
            detail = f"brings the request to more than {most:,} characters in the normal form {form}"
            raise unfit(CONTRACT_TOO_LONG, field, detail, "max_characters", most)


def _tell(named: CharacterClass) -> str:
    return named.value.replace("_", " ")
