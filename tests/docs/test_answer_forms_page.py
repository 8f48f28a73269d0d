"""docs/answer-forms.md lists exactly the keywords, formats and manners that there are."""

from __future__ import annotations

import re
from pathlib import Path

from ostiary.core.schema_rules import FORMATS, KEYWORDS
from ostiary.core.thought_styles import THOUGHT_MARKS, ThoughtStyle
from ostiary.core.tool_styles import MARKERS, ToolStyle

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "answer-forms.md").read_text(encoding="utf-8")


def test_keywords() -> None:
    table = PAGE[PAGE.index("| of | keywords |") : PAGE.index("`title`, `description`")]
    assert set(re.findall(r"`([$\w-]+)`", table)) == {*KEYWORDS, *FORMATS}


def test_manners() -> None:
    table = PAGE[PAGE.index("| manner | how a call") : PAGE.index("- A call within a thought")]
    rows = dict(re.findall(r"^\| `([\w-]+)` \| (.*) \|$", table, re.MULTILINE))
    assert set(rows) == set(ToolStyle)
    for style, how in rows.items():
        begin = MARKERS[ToolStyle(style)].others[0] if style == "kimi" else MARKERS[ToolStyle(style)].begin
        assert begin in how


def test_manners_of_thoughts() -> None:
    table = PAGE[PAGE.index("| manner | how a thought") : PAGE.index("- Where the template itself")]
    rows = dict(re.findall(r"^\| `([\w-]+)` \| (.*) \|$", table, re.MULTILINE))
    assert set(rows) == set(ThoughtStyle)
    for style, how in rows.items():
        marks = THOUGHT_MARKS[ThoughtStyle(style)]
        assert marks.begin in how
        assert marks.end in how
