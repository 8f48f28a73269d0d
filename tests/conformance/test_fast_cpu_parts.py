# ruff: noqa: E402 (the judges are imported once it is known that they are there)
"""Parts of the fast way that leave MLX as it is: activations, threads, pieces, what is widened first."""

from __future__ import annotations

import sys
from typing import Any

import pytest

mx = pytest.importorskip("mlx.core")
pytest.importorskip("mlx_lm")

from mlx import nn
from mlx_lm.models import switch_layers
from mlx_lm.models.base import BaseModelArgs

from ostiary.worker.engines.fast_cpu import activations
from ostiary.worker.engines.fast_cpu.arithmetic import Arithmetic
from ostiary.worker.engines.fast_cpu.layers import NarrowLinear, StoredEmbedding, TurnedLinear, list_pieces
from ostiary.worker.engines.fast_cpu.threads import Threads, count_threads
from ostiary.worker.engines.fast_cpu.widen import widen_network

pytestmark = [
    pytest.mark.mlx,
    pytest.mark.skipif(sys.platform != "linux", reason="macOS has a library of its own"),
]

NUMBERS = [place / 64 for place in range(-6_400, 6_400)]


# --- activations ------------------------------------------------------------------------------------------------


def test_silu_is_right_to_the_last_places() -> None:
    x = mx.array(NUMBERS)
    exact = x.astype(mx.float64) / (1 + mx.exp(-x.astype(mx.float64)))
    error = abs(activations.silu(x).astype(mx.float64) - exact) / mx.maximum(abs(exact), 1e-30)
    assert mx.where(abs(x) < 80, error, 0).max().item() < 5e-7  # beyond, float32 ends
    assert abs(activations.silu(x).astype(mx.float64) - exact).max().item() < 1e-4


def test_gelu_is_right_to_the_last_places() -> None:
    x = mx.array(NUMBERS)
    wide = x.astype(mx.float64)
    exact = 0.5 * wide * (1 + mx.tanh((2 / mx.array(mx.pi, mx.float64)) ** 0.5 * (wide + 0.044715 * wide**3)))
    assert (
        abs(activations.gelu_approx(x).astype(mx.float64) - exact) / mx.maximum(abs(exact), 1)
    ).max().item() < 1e-6


@pytest.mark.parametrize("name", ["silu", "gelu_approx"])
def test_activations_at_the_ends_and_in_other_numbers(name: str) -> None:
    fast, plain = getattr(activations, name), getattr(nn, name)
    ends = mx.array([float("inf"), -float("inf"), float("nan"), 0.0, -0.0, 3e38, -3e38])
    assert [str(value) for value in fast(ends).tolist()][:4] == [str(value) for value in plain(ends).tolist()][:4]
    narrow = mx.array(NUMBERS[::50], dtype=mx.bfloat16)
    assert fast(narrow).tolist() == plain(narrow).tolist()


# --- threads ----------------------------------------------------------------------------------------------------

GIB = 1 << 30
MIB = 1 << 20


@pytest.mark.parametrize(
    ("cores", "most", "memory", "each", "wanted"),
    [
        (1, 9, 8 * GIB, 40 * MIB, 1),
        (2, 10, 8 * GIB, 40 * MIB, 1),
        (16, 24, 8 * GIB, 40 * MIB, 8),
        (16, 8, 8 * GIB, 40 * MIB, 5),  # the cell allows no more
        (16, 4, 8 * GIB, 40 * MIB, 1),
        (16, 24, GIB, 40 * MIB, 3),  # what each reserves counts against the memory
        (16, 24, GIB, 136 * MIB, 1),
        (16, 24, GIB, 0, 8),
    ],
)
def test_half_of_the_cores_as_far_as_the_cell_allows(
    cores: int, most: int, memory: int, each: int, wanted: int
) -> None:
    assert count_threads(cores, most, memory, each) == wanted


class Library:
    """Writes down how many threads it was told to use."""

    transposes = False

    def __init__(self) -> None:
        self.counts: list[int] = []

    def set_threads(self, count: int) -> None:
        self.counts.append(count)


def test_the_number_changes_only_between_prompts_and_answers() -> None:
    library: Any = Library()
    threads = Threads(Arithmetic(None, library), 4, 1)
    for reads_prompts in (False, True, True, False, False, True):
        threads.use(reads_prompts=reads_prompts)
    assert library.counts == [4, 1, 4]


def test_without_a_library_there_is_nothing_to_tell() -> None:
    threads = Threads(Arithmetic(), 4, 2)
    threads.use(reads_prompts=True)
    assert (threads.for_prompts, threads.for_answers) == (1, 1)


# --- weights ----------------------------------------------------------------------------------------------------


def test_pieces_cover_every_row_once() -> None:
    for outputs, inputs in ((1, 1), (7, 1 << 20), (1_000, 3_000), (5, 1 << 22)):
        rows = [row for piece in list_pieces(outputs, inputs) for row in range(piece.start, piece.stop)]
        assert rows == list(range(outputs))


class Small(nn.Module):  # type: ignore[misc,name-defined]
    """A table, two matrices, a mixture, a norm and a gate of its own."""

    def __init__(self, outputs: int = 40) -> None:
        super().__init__()
        self.embed_tokens = nn.Embedding(40, 32)
        self.first = nn.Linear(32, 64)
        self.second = nn.Linear(64, 32, bias=False)
        self.mixture = switch_layers.SwitchLinear(32, 32, 2)
        self.norm = nn.RMSNorm(32)
        self.gate = mx.ones((3, 32))
        self.lm_head = nn.Linear(32, outputs, bias=False)
        self.set_dtype(mx.bfloat16)
        mx.eval(self.parameters())


def dtypes(model: Any) -> set[Any]:
    return {
        array.dtype for _, layer in model.named_modules() for array in layer.values() if hasattr(array, "dtype")
    }


def test_with_memory_for_all_nothing_but_what_is_looked_up_stays_narrow() -> None:
    model = Small()
    done = widen_network(model, 1 << 30, Arithmetic())
    assert (done.wide_layers, done.stored_layers) == (4, 0)
    assert type(model.first) is type(model.lm_head) is TurnedLinear
    assert type(model.embed_tokens) is StoredEmbedding
    assert model.embed_tokens.weight.dtype == mx.bfloat16
    assert {model.norm.weight.dtype, model.gate.dtype, model.mixture.weight.dtype} == {mx.float32}
    assert done.grown_bytes == 2 * (64 * 32 * 2 + 64 + 2 * 32 * 32 + 2 * 32 + 32 + 3 * 32 + 40 * 32)


def test_a_table_that_is_also_the_head_is_widened_like_one() -> None:
    model = Small(outputs=41)
    del model["lm_head"]
    assert widen_network(model, 1 << 30, Arithmetic()).wide_layers == 4
    assert type(model.embed_tokens) is nn.Embedding
    assert dtypes(model) == {mx.float32}


def test_the_budget_is_spent_in_the_networks_order_and_not_passed() -> None:
    model = Small()
    first = 64 * 32 * 2  # by so much the first matrix grows
    done = widen_network(model, first + 100, Arithmetic())
    assert (done.wide_layers, done.stored_layers) == (1, 3)
    assert model.first.weight.dtype == mx.float32
    assert type(model.second) is NarrowLinear
    assert model.norm.weight.dtype == mx.float32  # what is small is widened all the same
    small = 2 * (64 + 2 * 32 + 32 + 3 * 32)
    assert first <= done.grown_bytes <= first + 2 * 2 * 32 * 32 + small


def test_a_layer_that_another_one_looks_into_stays_what_it_is() -> None:
    class DoRALinear(nn.Module):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(32, 32)

    model = Small()
    model.second = DoRALinear()
    model.second.set_dtype(mx.bfloat16)
    widen_network(model, 1 << 30, Arithmetic())
    assert type(model.second.linear) is nn.Linear
    assert model.second.linear.weight.dtype == mx.float32


def test_the_arguments_of_networks_say_nothing_of_numbers() -> None:
    """A network that asked its configuration for a type would not be widened by widening its arrays."""
    from models.settings import NETWORKS, config_of

    for name in NETWORKS:
        assert "torch_dtype" not in config_of(name)
    assert not hasattr(BaseModelArgs, "torch_dtype")
