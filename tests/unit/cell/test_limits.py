"""What limits a model gets by itself, and which of them it cannot live with."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ostiary.cell.limits import BASE_BYTES, GIB, LEAST_BASE_BYTES, MIB, CellLimits, check_memory, derive_limits
from ostiary.core.tickets import FunctionFacts, ModelFacts
from ostiary.errors import CellRefused

LLAMA_1B = ModelFacts(
    format="safetensors",
    architecture="llama",
    layers=16,
    hidden_size=2048,
    vocabulary=128_256,
    context_tokens=8_192,
    quantization=None,
    parameters=1_235_814_400,
    tensors=(),
    weight_bytes=2_471_628_800,
    cache_bytes_per_token=32_768,
    cache_bytes_at_context=32_768 * 8_192,
    layout_checked=True,
)
NOTHING_SAID = replace(
    LLAMA_1B,
    layers=None,
    hidden_size=None,
    vocabulary=None,
    context_tokens=None,
    cache_bytes_per_token=None,
    cache_bytes_at_context=None,
)


def _derive(facts: ModelFacts = LLAMA_1B, weights: int = 2_471_628_800, memory: int = 256 * GIB) -> CellLimits:
    return derive_limits(facts, weights, memory, 8)


def test_the_formula_of_the_page() -> None:
    activations = 8 * 512 * (16 * 2048 + 2 * 32 * 8_192 + 128_256)
    need = 512 * MIB + 2_471_628_800 + 617_907_200 + 4 * 32_768 * 8_192 + activations
    assert _derive() == CellLimits(
        memory_bytes=-(-need // MIB) * MIB,
        cpu_seconds=4_800,
        wall_seconds=600,
        load_seconds=30 + 47,
        threads=16,
        tokens=8_192,
        descriptors=32,
        restarts=3,
    )


def test_a_model_gets_no_more_than_four_fifths_of_the_machine() -> None:
    assert _derive(memory=5 * GIB).memory_bytes == 4 * GIB
    assert _derive(memory=0).memory_bytes == BASE_BYTES


def test_a_window_bounds_what_a_conversation_keeps() -> None:
    windowed = replace(LLAMA_1B, cache_bytes_at_context=1 << 20)
    assert _derive(windowed).memory_bytes < _derive().memory_bytes - GIB // 2


def test_an_unknown_cache_is_taken_from_the_layers_or_the_weights() -> None:
    by_layers = replace(LLAMA_1B, cache_bytes_per_token=None, cache_bytes_at_context=None)
    assert _derive(by_layers).memory_bytes >= _derive().memory_bytes
    assert _derive(NOTHING_SAID).memory_bytes > BASE_BYTES + 2 * 2_471_628_800


def test_what_a_model_claims_does_not_make_its_limits_endless() -> None:
    boastful = replace(LLAMA_1B, context_tokens=1 << 60, vocabulary=1 << 60, hidden_size=1 << 60)
    limits = _derive(boastful, memory=16 * GIB)
    assert limits.tokens == 131_072
    assert limits.memory_bytes <= 16 * GIB


def test_addresses_are_wider_than_memory() -> None:
    limits = _derive()
    assert limits.address_bytes > limits.memory_bytes + limits.threads * 64 * MIB


def test_names_are_those_of_the_fields_with_their_units() -> None:
    assert list(_derive().by_name()) == [
        "memory_bytes",
        "cpu_seconds",
        "wall_seconds",
        "load_seconds",
        "threads",
        "tokens",
        "descriptors",
        "restarts",
    ]


def test_weights_that_cannot_fit_are_refused_before_a_process_is_started() -> None:
    limits = _derive()
    check_memory(limits, limits.memory_bytes - LEAST_BASE_BYTES)
    with pytest.raises(CellRefused, match="CELL_MEMORY_BUDGET: the model needs at least"):
        check_memory(limits, limits.memory_bytes - LEAST_BASE_BYTES + 1)


def test_a_function_gets_memory_for_its_largest_call_and_none_for_conversations() -> None:
    function = FunctionFacts("f", 1, 0, (), (), (), (), call_bytes=300 * MIB)
    facts = replace(LLAMA_1B, format="function", function=function)
    assert derive_limits(facts, 100 * MIB, 64 * GIB, 8).memory_bytes == BASE_BYTES + 100 * MIB + 2 * 300 * MIB
    assert derive_limits(facts, 100 * MIB, GIB, 8).memory_bytes == -(-GIB * 4 // 5 // MIB) * MIB
