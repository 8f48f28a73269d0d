# ruff: noqa: E402 (the judges are imported once it is known that they are there)
"""Every network says, token for token, what it says in plain MLX-LM: alone, in a batch, in chunks, sampled."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

mx = pytest.importorskip("mlx.core")
pytest.importorskip("mlx_lm")

from mlx_lm.generate import generate_step
from mlx_lm.sample_utils import make_logits_processors, make_sampler
from mlx_lm.utils import load_model
from models.settings import NETWORKS
from models.talk import LIMITS, Talk
from models.tiny import TinyModel, feed, make_model

from ostiary.networks.architectures import ARCHITECTURES
from ostiary.worker.engines.language import prepare_engine

pytestmark = pytest.mark.mlx

TOKENS = 8
SEED = 5
FORMATS = {
    "float32": {"dtype": "float32"},
    "bfloat16": {"dtype": "bfloat16"},
    "4-bit": {"dtype": "bfloat16", "bits": 4},
}
CHOSEN = ("gemma2", "gemma3_text", "llama", "llama-windows", "mistral", "qwen2", "qwen3")
"""In every format; the others in float32. A mixture of experts that is not packed runs in float32 only (see MLX)."""
EXPERTS = ("deepseek_v2", "gpt_oss", "mixtral", "qwen3_moe", "qwen3_next")
CASES = [
    *((name, "float32") for name in NETWORKS),
    *((name, form) for name in CHOSEN for form in ("bfloat16", "4-bit")),
    *((name, "4-bit") for name in EXPERTS),
]
_random = random.Random(7)  # noqa: S311
PROMPTS = [[_random.randrange(256) for _ in range(size)] for size in (1, 9, 45)]
GREEDY: dict[str, Any] = {"max_tokens": TOKENS, "ignore_eos": True}
SAMPLED: dict[str, Any] = {
    **GREEDY,
    "temperature": 0.9,
    "top_p": 0.9,
    "min_p": 0.01,
    "top_k": 50,
    "seed": SEED,
    "logit_bias": {"5": 2.0, "17": -1.0},
    "repetition_penalty": 1.2,
    "presence_penalty": 0.3,
    "frequency_penalty": 0.2,
    "frequency_context_size": 7,
}


@pytest.fixture(scope="module")
def make_talk() -> Callable[[TinyModel, int], Talk]:
    makers = {size: prepare_engine({"chunk_tokens": size, "arithmetic": "plain"}) for size in (16, 2048)}

    def make(model: TinyModel, chunk_tokens: int) -> Talk:
        engine = makers[chunk_tokens](LIMITS)
        feed(engine, model)
        return Talk(engine)

    return make


def ask_plainly(model: Any, prompt: Sequence[int], *, is_sampled: bool) -> list[int]:
    """What MLX-LM itself says."""
    options: dict[str, Any] = {}
    if is_sampled:
        mx.random.seed(SEED)
        options["sampler"] = make_sampler(0.9, top_p=0.9, min_p=0.01, top_k=50)
        options["logits_processors"] = make_logits_processors({5: 2.0, 17: -1.0}, 1.2, 20, 0.3, 20, 0.2, 7)
    return [token for token, _ in generate_step(mx.array(prompt), model, max_tokens=TOKENS, **options)]


def list_ways(name: str) -> tuple[bool, ...]:
    """Sampling is the same code for all; one in six tells whether a network's logits suit it."""
    return (False, True) if name in CHOSEN else (False,)


def list_bodies(name: str) -> list[dict[str, Any]]:
    ways = [SAMPLED if is_sampled else GREEDY for is_sampled in list_ways(name)]
    return [{"prompt": prompt, **way} for way in ways for prompt in PROMPTS]


@pytest.mark.parametrize(("name", "form"), CASES, ids=[f"{name}-{form}" for name, form in CASES])
def test_token_for_token(name: str, form: str, make_talk: Callable[[TinyModel, int], Talk], tmp_path: Path) -> None:
    tiny = make_model(name, **FORMATS[form])
    plain, _ = load_model(tiny.write(tmp_path))
    wanted = [ask_plainly(plain, prompt, is_sampled=way) for way in list_ways(name) for prompt in PROMPTS]
    assert len({tuple(tokens) for tokens in wanted}) > len(wanted) // 2  # the model does look at its prompt

    bodies = list_bodies(name)
    whole = make_talk(tiny, 2048)
    alone = [whole.ask("generate", **body).tokens() for body in bodies]
    assert alone == wanted

    together = whole.ask_all(bodies)
    assert [heard.tokens() for heard in together] == wanted

    in_chunks = make_talk(tiny, 16)
    alone_in_chunks = [in_chunks.ask("generate", **body).tokens() for body in bodies]
    mixed = in_chunks.ask_all(bodies)
    assert [heard.tokens() for heard in mixed] == alone_in_chunks
    if form == "float32":
        assert alone_in_chunks == wanted


def test_every_architecture_is_among_them() -> None:
    assert {model_type for model_type, _ in NETWORKS.values()} == set(ARCHITECTURES)
