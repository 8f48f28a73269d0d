"""What a model thinks, as a Python program gets it: whole and in pieces, waiting and awaited."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import jsonschema
import pytest

import ostiary
from ostiary.cli.main import main
from ostiary.testing import FakeEngine, HostilePublisher, sign_model

SCHEMA: Final = json.loads((Path(__file__).resolve().parents[2] / "docs/reference/run.schema.json").read_text())
REPLIES: Final = {"ask": "<think>\nWhat is wanted?\n</think>\n\nThis. <", "plain": "Only this."}
ASK: Final[list[Any]] = [{"role": "user", "content": "ask"}]
PLAIN: Final[list[Any]] = [{"role": "user", "content": "plain"}]
WHOLE: Final = ("What is wanted?", "This. <")


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Path]]:
    model = HostilePublisher(tmp_path_factory.mktemp("models")).publish_honest()
    with FakeEngine(replies=REPLIES, thoughts="think"):
        yield model, sign_model(model)


@pytest.fixture
def arguments(honest: tuple[Path, Path], tmp_path: Path) -> dict[str, Any]:
    return {"key": honest[1], "state": tmp_path}


def test_a_result_has_thoughts_beside_its_text(honest: tuple[Path, Path], arguments: dict[str, Any]) -> None:
    with ostiary.open(honest[0], **arguments) as model:
        result = model.chat(ASK)
        assert (result.reasoning, result.text) == WHOLE
        assert result.choices[0].written == REPLIES["ask"]
        plain = model.chat(PLAIN)
        assert (plain.reasoning, plain.text) == ("", REPLIES["plain"])
        assert model.generate("ask").text == REPLIES["ask"]  # as it was written


@pytest.mark.parametrize("choices", [1, 3])
def test_pieces_are_the_result(honest: tuple[Path, Path], arguments: dict[str, Any], choices: int) -> None:
    """What was held back comes as a last piece of each answer."""
    with ostiary.open(honest[0], **arguments) as model:
        stream = model.stream_chat(ASK, n=choices)
        pieces = list(stream)
        for place in range(choices):
            own = [piece for piece in pieces if piece.choice == place]
            assert ("".join(p.reasoning for p in own), "".join(p.text for p in own)) == WHOLE
            assert "".join(piece.written for piece in own) == REPLIES["ask"]
        assert (stream.reasoning, stream.text) == WHOLE
        assert [(choice.reasoning, choice.text) for choice in stream.result.choices] == [WHOLE] * choices
        assert sum(len(piece.tokens) for piece in pieces) == stream.result.usage.completion_tokens


def test_pieces_are_the_result_where_they_are_awaited(honest: tuple[Path, Path], arguments: dict[str, Any]) -> None:
    async def run() -> None:
        async with ostiary.open_async(honest[0], **arguments) as model:
            stream = model.stream_chat(ASK, n=2)
            assert stream.reasoning == ""
            pieces = [piece async for piece in stream]
            for place in range(2):
                own = [piece for piece in pieces if piece.choice == place]
                assert ("".join(p.reasoning for p in own), "".join(p.text for p in own)) == WHOLE
            assert (stream.reasoning, stream.result.reasoning, stream.result.text) == (WHOLE[0], *WHOLE)
            assert (await model.chat(ASK)).reasoning == WHOLE[0]

    asyncio.run(run())


def test_a_stream_that_is_left_keeps_the_thoughts_that_came(
    honest: tuple[Path, Path], arguments: dict[str, Any]
) -> None:
    with ostiary.open(honest[0], **arguments) as model:
        with model.stream_chat(ASK) as stream:
            for piece in stream:
                if piece.reasoning.endswith("is"):
                    break
        assert (stream.reasoning, stream.text, stream.is_cancelled) == ("What is", "", True)


def test_a_fake_engine_knows_the_manners_alone() -> None:
    with pytest.raises(ValueError, match="aloud"):
        FakeEngine(thoughts="aloud")


def test_the_command_line_gives_the_answer_and_tells_thoughts_apart(
    honest: tuple[Path, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    asked = ["run", str(honest[0]), "--key", str(honest[1]), "--state", str(tmp_path / "state"), "--chat"]
    assert main([*asked, "--prompt", "ask"]) == 0
    assert capfd.readouterr().out == WHOLE[1]  # where a program reads it
    assert main([*asked, "--prompt", "ask", "--json"]) == 0
    lines = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    for line in lines:
        jsonschema.Draft202012Validator(SCHEMA).validate(line)
    pieces = [line for line in lines if line["type"] == "piece"]
    assert "".join(line.get("reasoning", "") for line in pieces) == WHOLE[0]
    assert (lines[-1]["reasoning"], lines[-1]["text"]) == WHOLE
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert main([*asked, "--prompt", "ask"]) == 0
    assert "".join(capfd.readouterr().out.split()) == "".join(REPLIES["ask"].split())  # for people, all of it
