"""Untrusted text comes out on one line, without anything a terminal acts on."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ostiary.core.text import is_invisible, quote_untrusted


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("model.safetensors", "model.safetensors"),
        ("\x1b[2J", "\\x1b[2J"),
        ("a\nb", "a\\nb"),
        ("back\\slash", "back\\\\slash"),
        ("gpj.\u202eexe", "gpj.\\u202eexe"),
        ("zero\u200bwidth", "zero\\u200bwidth"),
        ("\udcff", "\\udcff"),
        ("größe-模型", "größe-模型"),
        ("\U000e0041", "\\U000e0041"),
    ],
)
def test_what_an_eye_cannot_see_is_escaped(text: str, shown: str) -> None:
    assert quote_untrusted(text) == shown


def test_long_text_is_cut_and_says_so() -> None:
    assert quote_untrusted("x" * 500, 5) == "xxxxx... (500 characters)"


@given(st.text())
def test_nothing_invisible_survives(text: str) -> None:
    shown = quote_untrusted(text)
    assert not any(is_invisible(c) for c in shown)
    assert len(shown) < 120 * 10 + 40
    shown.encode("utf-8")
