"""Characters by what they can be used for, and what is left when they go."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ostiary.core.terms.characters import CharacterClass, classify, find_characters, remove_characters

ALL = tuple(CharacterClass)
FLAG = "\U0001f3f4\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f"


@pytest.mark.parametrize(
    ("characters", "named"),
    [
        ("\x00\x07\x08\x0b\x1b\x7f\x80\x9b", CharacterClass.CONTROL),
        ("\u202a\u202e\u2066\u2069", CharacterClass.BIDI),
        ("\u061c\u200e\u200f", CharacterClass.DIRECTION_MARKS),
        ("\u200c\u200d", CharacterClass.JOINERS),
        ("\ufe00\ufe0f\U000e0100\U000e01ef\u180b", CharacterClass.VARIATION),
        ("\U000e0000\U000e0001\U000e0041\U000e007f", CharacterClass.TAGS),
        ("\u200b\u2060\ufeff\u00ad\u3164\u2028\u2029\u180e\u034f", CharacterClass.INVISIBLE),
        ("\ue000\U000f0000\U0010bfff", CharacterClass.PRIVATE),
        ("\uffff\ufdd0\U0003fffd\u0378", CharacterClass.UNASSIGNED),
    ],
)
def test_each_class(characters: str, named: CharacterClass) -> None:
    assert {classify(character) for character in characters} == {named}


def test_what_is_seen_or_lays_out_has_no_class() -> None:
    text = "a \t\r\n\u00e9\u65e5\u0627\U0001f642\u2003\u0301<|im_end|>"
    assert {classify(character) for character in text} == {None}


def test_every_character_that_is_not_seen_has_a_class() -> None:
    """By Unicode's own categories: nothing of them slips between the classes but tab and line ends."""
    unseen = {"Cc", "Cf", "Zl", "Zp", "Co", "Cn"}
    for code in [*range(0xD800), *range(0xE000, 0x3134B), *range(0xE0000, 0xE0200), 0xF0000, 0x10FFFF]:
        character = chr(code)
        if unicodedata.category(character) in unseen and character not in "\t\n\r":
            assert classify(character) is not None, hex(code)


def test_flags_of_emoji_are_no_tags() -> None:
    assert find_characters(f"a{FLAG}b", ALL) == {}
    assert find_characters(f"a{FLAG[:-1]}b", [CharacterClass.TAGS])
    assert find_characters(FLAG.replace("\U000e0073", "\U000e0078"), [CharacterClass.TAGS])
    hidden = f"{FLAG}\U000e0068\U000e0069"
    found = find_characters(hidden, [CharacterClass.TAGS])
    assert set(found) == {"\U000e0068", "\U000e0069"}
    assert remove_characters(hidden, found) == FLAG


@given(st.text(max_size=60), st.sets(st.sampled_from(ALL)))
def test_what_was_removed_is_gone_and_all_else_is_there(text: str, wanted: set[CharacterClass]) -> None:
    found = find_characters(text, wanted)
    left = remove_characters(text, found)
    assert set(found.values()) <= wanted
    assert find_characters(left, wanted) == {}
    assert left == "".join(character for character in text if character not in found) or FLAG[0] in text
