"""Texts held to a contract: what comes through fits, what does not is refused by its rule, nothing changes twice."""

from __future__ import annotations

import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ostiary.contract.text_rules import hold_text
from ostiary.core.limits import MAX_REQUEST_CHARACTERS
from ostiary.core.terms.characters import CharacterClass, find_characters
from ostiary.core.terms.values import Action, TextTerms
from ostiary.errors import ContractRefused

REMOVE_ALL = dict.fromkeys(CharacterClass, Action.REMOVE)


def refuse(text: str, terms: TextTerms) -> tuple[str, object]:
    with pytest.raises(ContractRefused) as caught:
        hold_text(text, terms, "prompt")
    assert caught.value.field == "prompt"
    assert caught.value.code == ("CONTRACT_TOO_LONG" if caught.value.rule == "max_characters" else "CONTRACT_TEXT")
    assert caught.value.message.isprintable()
    return caught.value.rule, caught.value.limit


def test_without_rules_texts_stay() -> None:
    text = "a\x00\u202e\U000e0041e\u0301\ufb01"
    assert hold_text(text, TextTerms(), "prompt") == text


@pytest.mark.parametrize(
    ("text", "named"),
    [("a\x1b[2J", "control"), ("\u202eevil", "bidi"), ("hi\U000e0041", "tags"), ("\ufeff", "invisible")],
)
def test_refused_characters(text: str, named: str) -> None:
    terms = TextTerms(characters={CharacterClass(named): Action.REFUSE})
    assert refuse(text, terms) == (f"text.characters.{named}", "refuse")
    assert hold_text("tab\tand\r\nline \u00e9", terms, "prompt") == "tab\tand\r\nline \u00e9"


def test_removed_characters() -> None:
    terms = TextTerms(characters={CharacterClass.INVISIBLE: Action.REMOVE, CharacterClass.TAGS: Action.REMOVE})
    assert hold_text("a\u200bb\U000e0041\u00adc", terms, "prompt") == "abc"


def test_normal_forms() -> None:
    assert hold_text("e\u0301", TextTerms("NFC", Action.APPLY), "prompt") == "\u00e9"
    assert hold_text("\ufb01\uff1c", TextTerms("NFKC", Action.APPLY), "prompt") == "fi<"
    assert refuse("e\u0301", TextTerms("NFC")) == ("text.normalization", "NFC")
    assert hold_text("\u00e9", TextTerms("NFC"), "prompt") == "\u00e9"


def test_what_a_form_brings_forth_is_judged_too() -> None:
    """A halfwidth filler becomes another one that is not seen either."""
    terms = TextTerms("NFKC", Action.APPLY, {CharacterClass.INVISIBLE: Action.REMOVE})
    assert hold_text("a\uffa0b", terms, "prompt") == "ab"


def test_removing_may_leave_something_to_normalise() -> None:
    terms = TextTerms("NFC", Action.APPLY, {CharacterClass.INVISIBLE: Action.REMOVE})
    assert hold_text("e\u200b\u0301", terms, "prompt") == "\u00e9"


@pytest.mark.parametrize("form", ["NFC", "NFD", "NFKC", "NFKD"])
@pytest.mark.parametrize("action", [Action.APPLY, Action.REFUSE])
def test_a_run_of_marks_without_end_is_refused_before_it_is_sorted(form: str, action: Action) -> None:
    for marks in ("\u0316\u0301", "\u0f73", "\u0f75", "\u0f81", "\uff9e\u0316"):
        assert refuse("a" + marks * 5_000, TextTerms(form, action)) == ("text.normalization", form)
    assert hold_text("a" + "\u0301" * 30, TextTerms("NFD", action), "prompt")


def test_no_character_is_made_of_marks_alone_and_counts_as_none() -> None:
    """Else a run of it would be let through, and sorted."""
    alone = [
        character
        for character in map(chr, range(sys.maxunicode))
        if not unicodedata.combining(character)
        and unicodedata.combining(unicodedata.normalize("NFKD", character)[0])
    ]
    assert alone
    for character in alone:
        assert refuse(f"a{character * 31}", TextTerms("NFC", Action.APPLY)) == ("text.normalization", "NFC")


def test_what_normalising_makes_too_long_is_refused_before_it_is_made() -> None:
    """One of these becomes eighteen."""
    assert refuse("\ufdfa" * 100_000, TextTerms("NFKC", Action.APPLY)) == ("max_characters", MAX_REQUEST_CHARACTERS)
    assert len(hold_text("\ufdfa" * 50_000, TextTerms("NFKC", Action.APPLY), "prompt")) == 900_000


CHARACTERS = st.one_of(
    st.characters(exclude_categories=["Cs"]),
    st.sampled_from(
        "\u200b\u0301\u0316\uffa0\u1160\u1161\u11a8\u1100\u0344\u2126\ufb01\u0f73\uff9e\U000e0041\U0001f3f4\ufe0f\u0958"
    ),
)


@given(
    text=st.text(CHARACTERS, max_size=40),
    form=st.sampled_from([None, "NFC", "NFD", "NFKC", "NFKD"]),
    characters=st.dictionaries(st.sampled_from(CharacterClass), st.sampled_from([Action.REMOVE, Action.REFUSE])),
)
def test_what_comes_through_fits_and_stays(
    text: str, form: str | None, characters: dict[CharacterClass, Action]
) -> None:
    terms = TextTerms(form, Action.APPLY, characters)
    try:
        held = hold_text(text, terms, "prompt")
    except ContractRefused:
        return
    assert find_characters(held, characters) == {}
    assert form is None or unicodedata.is_normalized(form, held)  # type: ignore[arg-type]
    assert hold_text(held, terms, "prompt") == held


@given(st.text(CHARACTERS, max_size=40), st.sampled_from(["NFC", "NFD", "NFKC", "NFKD"]))
def test_removing_and_normalising_come_to_an_end(text: str, form: str) -> None:
    assert hold_text(text, TextTerms(form, Action.APPLY, REMOVE_ALL), "prompt") is not None
