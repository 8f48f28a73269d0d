"""Tenants that share a language engine: whose first token comes when, that answers stay the same, and who cancels."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("mlx.core")
pytest.importorskip("mlx_lm")

from models.talk import LIMITS, Talk
from models.tiny import feed, make_model

from ostiary.worker.engines.language import prepare_engine

pytestmark = pytest.mark.mlx

CHUNK = 16
CROWD = 10


def open_talk(**settings: Any) -> Talk:
    engine = prepare_engine({"chunk_tokens": CHUNK, "arithmetic": "plain", **settings})(LIMITS)
    feed(engine, make_model("llama"))
    return Talk(engine)


def ask(talk: Talk, tenant: str, prompt: int, answer: int, seed: int = 1) -> int:
    ids = [(seed * 31 + 7 * place) % 256 for place in range(prompt)]
    body = {
        "prompt": ids,
        "max_tokens": answer,
        "ignore_eos": True,
        "tenant": tenant,
        "temperature": 1.0,
        "seed": seed,
    }
    return talk.submit("generate", body)


def steps_to_first(talk: Talk, call_id: int) -> int:
    steps = 0
    while not talk.heard[call_id].pieces:
        talk.step()
        steps += 1
    return steps


def test_the_first_token_of_one_comes_before_more_tokens_of_a_crowd() -> None:
    talk = open_talk(prompt_cache_bytes=0)
    alone = steps_to_first(talk, ask(talk, "ben", 6 * CHUNK, 1))
    crowd = [ask(talk, "anna", 40 * CHUNK, 400, seed) for seed in range(CROWD)]
    crowd += [ask(talk, "anna", 4, 400, seed + CROWD) for seed in range(CROWD)]
    for _ in range(30):
        talk.step()
    said = sum(len(talk.heard[call_id].pieces) for call_id in crowd)
    beside = steps_to_first(talk, ask(talk, "ben", 6 * CHUNK, 1))
    assert beside <= alone + 4
    assert sum(len(talk.heard[call_id].pieces) for call_id in crowd) - said <= 3 * len(crowd)


def test_who_rests_says_the_same_in_the_end() -> None:
    plain = open_talk(prompt_cache_bytes=0)
    wanted = [ask(plain, "anna", 30, 25, seed) for seed in range(6)]
    plain.finish()
    talk = open_talk(prompt_cache_bytes=0)
    crowd = [ask(talk, "anna", 30, 25, seed) for seed in range(6)]
    for number in range(8):
        for _ in range(3):
            talk.step()
        ask(talk, "ben", 50, 2, 100 + number)
    talk.finish()
    for before, after in zip(wanted, crowd, strict=True):
        assert talk.heard[after].tokens() == plain.heard[before].tokens()
        assert talk.heard[after].error is None


def test_a_prompt_that_nobody_wants_any_more_is_left_between_two_chunks() -> None:
    talk = open_talk(prompt_cache_bytes=0)
    long = ask(talk, "anna", 60 * CHUNK, 5)
    for _ in range(3):
        talk.step()
    talk.engine.cancel(long)
    assert not talk.engine.has_work
    assert steps_to_first(talk, ask(talk, "ben", 4, 1)) <= 4
    assert not talk.heard[long].pieces


def test_those_who_wait_in_the_engine_come_in_by_tenant() -> None:
    talk = open_talk(rows=4, prompt_cache_bytes=0)
    crowd = [ask(talk, "anna", 4, 30, seed) for seed in range(12)]
    ben = ask(talk, "ben", 4, 2)
    while not talk.heard[ben].is_over:
        talk.step()
    assert sum(talk.heard[call_id].is_over for call_id in crowd) <= 4
    talk.finish()
    assert all(talk.heard[call_id].error is None for call_id in crowd)
