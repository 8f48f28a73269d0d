"""When to pause, so that memory is enough whatever order MLX computes in."""

from __future__ import annotations

import pytest
from graph_builder import GraphBuilder

from ostiary.graph.dtypes import Dtype
from ostiary.interpreter.schedule import Pause, Schedule, make_schedule
from ostiary.interpreter.unfit import InputUnfit

F = Dtype.FLOAT32
KILO = 4_000
"""Bytes of an array of a thousand numbers."""


def chain(length: int) -> GraphBuilder:
    b = GraphBuilder()
    value = b.input(F, 1000)
    for _ in range(length):
        value = b.add("abs", value)
    return b.output(value)


def schedule(builder: GraphBuilder, budget_bytes: int) -> Schedule:
    return make_schedule(builder.graph, range(len(builder.graph.nodes)), budget_bytes)


def test_with_enough_memory_there_is_no_pause_and_everything_counts() -> None:
    found = schedule(chain(5), 5 * KILO)
    assert not found.pauses
    assert found.peak_bytes == 5 * KILO


def test_a_pause_lets_go_what_nobody_needs_any_more() -> None:
    found = schedule(chain(5), 2 * KILO)
    assert found.pauses == {2: Pause((2,), (1,)), 3: Pause((3,), (2,)), 4: Pause((4,), (3,))}
    assert found.peak_bytes == 2 * KILO


def test_what_fits_in_no_order_is_refused_with_its_size() -> None:
    with pytest.raises(InputUnfit, match=r"8,000 bytes at once .* there are 7,999"):
        schedule(chain(5), 2 * KILO - 1)
    with pytest.raises(InputUnfit, match="there are 0"):
        schedule(chain(1), -5)


def test_a_view_keeps_what_it_looks_at() -> None:
    """The transposed array lies in the memory of the one before, which has to stay."""
    b = GraphBuilder()
    x = b.input(F, 10, 100)
    first = b.add("abs", x)
    view = b.add("transpose", first, axes=(1, 0))
    second = b.add("negative", view)
    b.output(b.add("add", second, view))
    found = schedule(b, 3 * KILO)
    assert found.peak_bytes == 3 * KILO
    assert not found.pauses
    with pytest.raises(InputUnfit):
        schedule(b, 3 * KILO - 1)


def test_a_view_is_not_let_go_before_its_last_use() -> None:
    b = GraphBuilder()
    view = b.add("transpose", b.add("abs", b.input(F, 10, 100)), axes=(1, 0))
    b.output(b.add("add", b.add("exp", b.add("negative", view)), view))
    assert schedule(b, 3 * KILO).pauses == {4: Pause((1, 2, 4), (3,))}


def test_what_was_begun_and_is_over_is_not_computed_by_itself() -> None:
    b = GraphBuilder()
    x = b.input(F, 1000)
    inner = b.add("negative", b.add("abs", x))
    wide = b.add("concatenate", inner, inner, inner, axis=0)
    b.output(b.add("exp", wide))
    found = schedule(b, 7 * KILO)
    assert found.pauses == {3: Pause((3,), (1, 2))}


def test_outputs_stay_to_the_end() -> None:
    b = chain(5)
    b.output(1)
    with pytest.raises(InputUnfit):
        schedule(b, 2 * KILO)
    assert all(1 not in pause.ended for pause in schedule(b, 3 * KILO).pauses.values())


def test_guards_count() -> None:
    b = GraphBuilder()
    table, index = b.input(F, 10), b.input(Dtype.INT32, 1000)
    b.output(b.add("take", table, index, axis=0))
    assert schedule(b, 1 << 20).peak_bytes == KILO + 4 * KILO
