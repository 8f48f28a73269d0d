"""`ostiary.open` and `ostiary run` with the real engine: what they say is what plain MLX-LM says."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from cell_tools import LINUX_ONLY

import ostiary
from ostiary.cli.main import main
from ostiary.testing import sign_model

mx: Any = pytest.importorskip("mlx.core")
pytest.importorskip("mlx_lm")
pytestmark = [pytest.mark.mlx, LINUX_ONLY]

PROMPT = "hello world, how are you"


@pytest.fixture(scope="module", params=["llama", "qwen3", "gemma2", "mixtral"])
def published(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A model of one architecture, and the key to believe for it."""
    from models.tiny import make_model

    place = tmp_path_factory.mktemp("models") / request.param
    make_model(request.param, changes={"eos_token_id": None}).write(place)
    return place, sign_model(place, model_id=f"acme/{request.param}")


def say_plainly(place: Path, ids: list[int], count: int) -> list[int]:
    """Plain MLX-LM, greedily, from token ids."""
    from mlx_lm.generate import generate_step
    from mlx_lm.utils import load_model

    model, _ = load_model(place)
    return [int(token) for token, _ in generate_step(mx.array(ids), model, max_tokens=count)]


def test_what_is_said_is_what_mlx_lm_says(published: tuple[Path, Path]) -> None:
    place, key = published
    ids = [5, 9, 200, 31, 7]
    with ostiary.open(place, key=key) as model:
        result = model.generate(ids, max_tokens=24, ignore_eos=True, logprobs=3)
        assert list(result.tokens) == say_plainly(place, ids, 24)
        assert result.finish_reason is ostiary.FinishReason.LENGTH
        assert result.usage.prompt_tokens == 5
        assert result.logprobs is not None
        for odds, token in zip(result.logprobs, result.tokens, strict=True):
            assert odds.token == odds.top[0].token == token
            assert odds.logprob == odds.top[0].logprob <= 0.001
        pieces = list(model.stream(ids, max_tokens=24, ignore_eos=True))
        assert [token for piece in pieces for token in piece.tokens] == list(result.tokens)
        assert "".join(piece.text for piece in pieces) == result.text
    assert result.verdict.engine == "language"
    assert result.verdict.model_id == f"acme/{place.name}"


def test_sampled_with_a_seed(published: tuple[Path, Path]) -> None:
    place, key = published
    options: Any = {"max_tokens": 16, "temperature": 1.0, "top_p": 0.9, "ignore_eos": True}
    with ostiary.open(place, key=key) as model:
        first = model.generate(PROMPT, seed=11, **options)
        same = model.generate(PROMPT, seed=11, **options)
        other = model.generate(PROMPT, seed=12, **options)
        drawn = model.generate(PROMPT, **options)
        again = model.generate(PROMPT, seed=drawn.seed, **options)
    assert first.tokens == same.tokens != other.tokens
    assert again.tokens == drawn.tokens


def test_many_tasks_at_once(published: tuple[Path, Path]) -> None:
    place, key = published

    async def ask() -> list[ostiary.Result]:
        async with ostiary.open_async(place, key=key) as model:
            asked = [model.generate(PROMPT, max_tokens=count, ignore_eos=True) for count in range(1, 13)]
            return await asyncio.gather(*asked)

    assert [result.usage.completion_tokens for result in asyncio.run(ask())] == [*range(1, 13)]


def test_a_conversation_and_its_prompt_cache(published: tuple[Path, Path]) -> None:
    place, key = published
    messages = [{"role": "user", "content": "hello " * 20}]
    with ostiary.open(place, key=key) as model:
        options: Any = {"max_tokens": 6, "ignore_eos": True, "tenant": "ann"}
        first = model.chat(messages, **options)
        second = model.chat(messages, **options)
        assert first.text == second.text
        assert first.usage.prompt_tokens == second.usage.prompt_tokens > 20
        assert model.chat(messages, **{**options, "tenant": "ben"}).usage.cached_tokens == 0


def test_cancelled_between_two_tokens(published: tuple[Path, Path]) -> None:
    place, key = published
    with ostiary.open(place, key=key) as model:
        with model.stream(PROMPT, ignore_eos=True) as stream:
            next(stream)
        assert model.generate(PROMPT, max_tokens=2, ignore_eos=True).usage.completion_tokens == 2
        assert model.read_usage().calls == 0


def test_a_prompt_that_is_too_long_for_the_model(published: tuple[Path, Path]) -> None:
    place, key = published
    with ostiary.open(place, key=key) as model:
        with pytest.raises(ostiary.Refusal) as caught:
            model.generate("long words " * 2_000)
        assert caught.value.code == "WORKER_CALL_REFUSED"
        with pytest.raises(ostiary.Refusal) as caught:
            model.generate([1] * 600)
        assert caught.value.code == "CONTRACT_TOO_LONG"
        with pytest.raises(ostiary.Refusal) as caught:
            model.generate([1 << 20])
        assert caught.value.code == "CONTRACT_RANGE"


def test_on_the_command_line(published: tuple[Path, Path], capfd: pytest.CaptureFixture[str]) -> None:
    place, key = published
    command = ["run", str(place), "--key", str(key), "--prompt", PROMPT, "--max-tokens", "8", "--seed", "1"]
    assert main([*command, "--json"]) == 0
    opened, *pieces, answer = (json.loads(line) for line in capfd.readouterr().out.splitlines())
    assert opened["engine"] == "language"
    assert "".join(piece["text"] for piece in pieces) == answer["text"]
    assert main([*command, "--quiet"]) == 0
    assert capfd.readouterr() == (answer["text"], "")
