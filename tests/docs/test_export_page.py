"""docs/export.md: each Python block runs in turn and prints the text block behind it; every code and option is told."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

pytest.importorskip("mlx.core")

import ostiary
from ostiary import errors
from ostiary.exporter.card import Card

pytestmark = pytest.mark.mlx

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "export.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\S+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def test_the_blocks_do_what_they_show(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {"__name__": "export_page"}
    printed = ""
    for language, text in BLOCKS:
        if language == "python":
            capsys.readouterr()
            exec(compile(text, "export.md", "exec"), names)  # noqa: S102
            printed = capsys.readouterr().out
        else:
            assert (language, printed) == ("text", text)


def test_every_code_is_told() -> None:
    told = set(re.findall(r"^\| `(EXPORT_[A-Z]+)` \|", PAGE, re.MULTILINE))
    assert told == {code for code in errors.CODES if code.startswith("EXPORT_")}


def test_every_option_and_every_word_of_the_card_is_told() -> None:
    options = inspect.signature(ostiary.export).parameters.keys() - {"function", "examples", "path"}
    assert {name for name in options if not re.search(rf"\b{name}\b", PAGE)} == set()
    assert {name for name in Card.__annotations__ if f"`{name}`" not in PAGE} == set()
