"""The ends of what chance may be asked for: whatever number a request has, an answer is one that the model would give."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("mlx_lm")

import mlx.core as mx

from ostiary.worker.engines.language.options import Sampling
from ostiary.worker.engines.language.sampling import Sampler

pytestmark = pytest.mark.mlx

DTYPES = ("float16", "bfloat16", "float32")
LIKELIEST = 5
IMPOSSIBLE = 0


def draw(dtype: str, **asked: Any) -> set[int]:
    """What comes of many seeds. The likeliest token is twice as likely as the next, and one is not to be said."""
    row = mx.log(mx.array([[0.0, 0.05, 0.1, 0.05, 0.2, 0.4, 0.2]])).astype(getattr(mx, dtype))
    return {int(Sampler(Sampling(**asked), seed, ()).draw(row).item()) for seed in range(40)}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("temperature", [5e-324, 1e-300, 1e-40, 1e-30, 1e-10, 1e-8, 1e-6, 1e-5, 1e-3])
def test_hardly_any_temperature_takes_the_likeliest(temperature: float, dtype: str) -> None:
    assert draw(dtype, temperature=temperature) == {LIKELIEST}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("temperature", [1.0, 2.0, 100.0])
def test_what_is_not_to_be_said_is_never_drawn(temperature: float, dtype: str) -> None:
    drawn = draw(dtype, temperature=temperature)
    assert len(drawn) > 2
    assert IMPOSSIBLE not in drawn


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("top_p", [0.0, 1e-300, 1e-9])
def test_the_smallest_share_takes_the_likeliest(top_p: float, dtype: str) -> None:
    """Not all, as MLX-LM takes 0 for: clients send 0 so that nothing is left to chance."""
    assert draw(dtype, temperature=1.0, top_p=top_p) == {LIKELIEST}


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_whole_leaves_all_to_chance(dtype: str) -> None:
    assert draw(dtype, temperature=1.0, top_p=1.0) == draw(dtype, temperature=1.0)
    assert draw(dtype, temperature=1.0, min_p=1.0) == {LIKELIEST}
    assert draw(dtype, temperature=1.0, top_k=1) == {LIKELIEST}
