"""A pass that is interrupted for a newcomer, at every place where it can be: everybody says what they say alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

pytest.importorskip("mlx.core")
pytest.importorskip("mlx_lm")

from models.talk import LIMITS, Talk
from models.tiny import feed, make_model

from ostiary.worker.engines.language import prepare_engine, rounds

pytestmark = pytest.mark.mlx

CROWD = 20
KINDS: list[dict[str, Any]] = [
    {"temperature": 0},
    {"temperature": 0.9, "seed": 5},
    {"temperature": 0, "repetition_penalty": 1.3, "presence_penalty": 0.4, "logprobs": 1},
    {"temperature": 0.7, "seed": 8, "response_format": {"type": "json_object"}, "ignore_eos": False},
    {"temperature": 0.5, "seed": 3, "n": 2},
]


def make_body(place: int, tenant: str, tokens: int = 5) -> dict[str, Any]:
    prompt = [(place * 31 + step * 7) % 200 + 20 for step in range(20 + 9 * (place % 5))]
    body = {"prompt": prompt, "max_tokens": tokens + place % 4, "ignore_eos": True, "tenant": tenant}
    return {**body, **KINDS[place % len(KINDS)]}


def open_talk(name: str) -> Talk:
    engine = prepare_engine({"chunk_tokens": 16, "arithmetic": "plain"})(LIMITS)
    feed(engine, make_model(name))
    return Talk(engine)


def tell(talk: Talk, call_id: int) -> list[Any]:
    heard = talk.heard[call_id]
    assert heard.error is None
    result: Mapping[str, Any] | None = heard.result
    assert result is not None
    return [heard.tokens(0), heard.tokens(1), heard.text(), result["choices"]]


@pytest.mark.parametrize("name", ["llama", "gemma2"])
def test_who_interrupts_and_who_is_interrupted_say_what_they_say_alone(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rounds, "PIECE_SECONDS", 0.0)  # a stage for each step
    talk = open_talk(name)
    crowd = [make_body(place, "anna", 30) for place in range(CROWD)]
    newcomers = [make_body(place, "ben", 1) for place in range(40, 48)]
    alone = []
    for body in (*crowd, *newcomers):
        call_id = talk.submit("generate", {**body, "tenant": None})
        talk.finish()
        alone.append(tell(talk, call_id))
    ids = [talk.submit("generate", body) for body in crowd]
    for _ in range(150):
        talk.step()
    for place, body in enumerate(newcomers):
        ids.append(talk.submit("generate", body))
        steps = 0
        while not talk.heard[ids[-1]].pieces:
            talk.step()
            steps += 1
        assert steps <= 3 + len(body["prompt"]) // 16 * 2, "it waits for its own prompt only"
        while not talk.heard[ids[-1]].is_over:
            talk.step()
        for _ in range(place):
            talk.step()
    assert sum(not talk.heard[call_id].is_over for call_id in ids) >= CROWD // 2, "there was a crowd all the time"
    talk.finish()
    assert [tell(talk, call_id) for call_id in ids] == alone


def test_cancelled_in_the_middle_of_a_pass_they_leave_the_others_what_they_say(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rounds, "PIECE_SECONDS", 0.0)
    talk = open_talk("llama")
    bodies = [make_body(place, "anna") for place in range(CROWD)]
    alone = []
    for body in bodies:
        call_id = talk.submit("generate", {**body, "tenant": None})
        talk.finish()
        alone.append(tell(talk, call_id))
    for steps in (5, 60, 171, 202):
        ids = [talk.submit("generate", body) for body in bodies]
        for _ in range(steps):
            talk.step()
        for call_id in ids[::2]:
            talk.engine.cancel(call_id)
        talk.finish()
        assert [tell(talk, call_id) for call_id in ids[1::2]] == alone[1::2]
        ids = [talk.submit("generate", body) for body in bodies]
        for _ in range(steps):
            talk.step()
        for call_id in ids:
            talk.engine.cancel(call_id)
        assert not talk.engine.has_work
