"""What a model says cannot make a terminal do anything but show it."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ostiary.cli.terminal_text import TerminalText


def show(*pieces: str) -> str:
    text = TerminalText()
    return "".join(text.feed(piece) for piece in pieces) + text.finish()


@pytest.mark.parametrize(
    "text",
    [
        "plain words",
        "two\nlines\tand a tab",
        "Grüße, 日本語, العربية",
        "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
        "👩\u200d👩\u200d👧 \U0001f9d1\U0001f3fd",
        "back\\slash",
        "\ue000",
        "\u0378",
    ],
)
def test_what_people_write_is_left_alone(text: str) -> None:
    assert show(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2J\x1b]0;title\x07", "\\x1b[2J\\x1b]0;title\\x07"),
        ("\x9b31m", "\\x9b31m"),
        ("a\x08b", "a\\x08b"),
        ("a\x00b\x7f", "a\\x00b\\x7f"),
        ("safe\rdanger", "safe\\rdanger"),
        ("end\r", "end\\r"),
        ("\u202etxt.exe", "\\u202etxt.exe"),
        ("\u2066x\u2069\u200f", "\\u2066x\\u2069\\u200f"),
        ("a\u2028b\u2029", "a\\u2028b\\u2029"),
        ("\ufeffx\u00ad", "\\ufeffx\\xad"),
        ("\U000e0041", "\\U000e0041"),
    ],
)
def test_what_a_terminal_obeys_or_an_eye_does_not_see_is_escaped(text: str, shown: str) -> None:
    assert show(text) == shown


def test_line_ends_of_two_characters_may_come_in_two_pieces() -> None:
    assert show("a\r\nb") == show("a\r", "\nb") == "a\nb"
    assert show("a\r", "b") == "a\\rb"
    assert show("\r", "\r", "\n") == "\\r\n"


@given(pieces=st.lists(st.text(), max_size=5))
def test_nothing_gets_through(pieces: list[str]) -> None:
    shown = show(*pieces)
    allowed = "\n\t\u200c\u200d"
    assert all(
        character in allowed or unicodedata.category(character) not in {"Cc", "Cf", "Cs", "Zl", "Zp"}
        for character in shown
    )
