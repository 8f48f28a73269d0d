"""Names in a template that lead into Python, also in texts made to keep the judge busy."""

from __future__ import annotations

import pytest

from ostiary.intake.templates.template_reach import judge_attribute, judge_text

INTERNALS = "template.python-internals"


@pytest.mark.parametrize(
    "text",
    [
        "__class__",
        " __class__ ",
        "a.__class__",
        "a['__class__']",
        "{0.__class__}",
        "{x.__init__.__globals__[os]}",
        "(__import__('os'))",
        "\uff3f_class__",
        "__cl\U0001d41ass__",
    ],
)
def test_a_text_that_spells_an_internal_is_told(text: str) -> None:
    assert INTERNALS in {finding.rule.id for finding in judge_text(text)}


@pytest.mark.parametrize(
    "text", ["", "__", "see __class__ in the manual", "snake__case", "__unheard_of__", "pre__class__"]
)
def test_a_text_that_only_looks_like_it_is_not(text: str) -> None:
    assert judge_text(text) == ()


# Each of these once took minutes: the time grew with the square of the text.
@pytest.mark.parametrize(
    ("text", "struck"),
    [
        (".__class__" * 26_000 + " x", False),
        ("__class__" + ".__class__" * 26_000 + "_x", True),
        ("\u0301\u0327" * 125_000, False),
    ],
    ids=["dotted", "undotted", "combining"],
)
def test_a_long_text_is_judged_in_one_pass(text: str, struck: bool) -> None:
    assert (INTERNALS in {finding.rule.id for finding in judge_text(text)}) is struck


def test_a_long_attribute_is_judged_in_one_pass() -> None:
    assert judge_attribute("\u0301\u0327" * 125_000) == ()
