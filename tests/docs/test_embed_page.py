"""docs/embed.md: each Python block runs in turn and prints the text block behind it; every promise names what is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

pytest.importorskip("mlx.core")
pytest.importorskip("mlx_lm")

from ostiary import embed, errors
from ostiary.embed.arguments import BeliefArguments
from ostiary.testing import HostilePublisher, sign_model

pytestmark = pytest.mark.mlx

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "embed.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\S+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def test_the_blocks_do_what_they_show(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    model = HostilePublisher(tmp_path / "models", honest_name="tiny").publish_honest()
    sign_model(model).rename(tmp_path / "tiny.pub")
    names: dict[str, object] = {}
    printed = ""
    for language, text in BLOCKS:
        if language == "python":
            capsys.readouterr()
            exec(compile(text, "embed.md", "exec"), names)  # noqa: S102
            printed = capsys.readouterr().out
        else:
            assert (language, printed) == ("text", text)
    assert isinstance(names["text"], str)


def test_the_first_words_are_the_warning() -> None:
    assert PAGE.split("\n")[2].startswith("**This checks the model. It is not a wall.**")


def test_every_name_is_there() -> None:
    for name in re.findall(r"\bembed\.([a-z_]+)\(", PAGE):
        assert name in embed.__all__
    assert set(re.findall(r"\bEMBED_[A-Z_]+", PAGE)) <= errors.CODES.keys()
    section = PAGE.partition("## Instead of `mx.load`")[2].partition("## Instead of `mlx_lm.load`")[0]
    assert (
        set(re.findall(r"`([a-z_]+)=(?:True)?`", section)) - {"return_metadata"}
        == BeliefArguments.__annotations__.keys()
    )
