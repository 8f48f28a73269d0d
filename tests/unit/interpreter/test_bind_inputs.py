"""Dims get their sizes from the arrays of a call, or the call is refused."""

from __future__ import annotations

import pytest
from graph_builder import GraphBuilder

from ostiary.graph.dtypes import Dtype
from ostiary.graph.values import Graph
from ostiary.interpreter.bind_inputs import bind_inputs
from ostiary.interpreter.unfit import InputUnfit

F = Dtype.FLOAT32


def _graph() -> Graph:
    b = GraphBuilder()
    n, m = b.dim("n", 2, 8), b.dim("m")
    x = b.input(F, n, 3)
    b.input(F, n, m)
    b.input(F, 2 * n + 1)
    return b.output(x).graph


def test_each_dim_gets_its_size() -> None:
    assert bind_inputs(_graph(), [(4, 3), (4, 9), (9,)]) == {"n": 4, "m": 9}


@pytest.mark.parametrize(
    ("shapes", "told"),
    [
        ([(4, 3), (4,), (9,)], "input x1 has 1 axes instead of 2"),
        ([(4, 4), (4, 9), (9,)], "axis 1 of input x0 is 4 instead of 3"),
        ([(4, 3), (5, 9), (9,)], "axis 0 of input x1 is 5 instead of 4 (n)"),
        ([(4, 3), (4, 9), (8,)], "axis 0 of input x2 is 8 instead of 9 (2*n+1)"),
        ([(1, 3), (1, 9), (3,)], "dim n is 1; it may be from 2 to 8"),
        ([(9, 3), (9, 9), (19,)], "dim n is 9; it may be from 2 to 8"),
        ([(4, 3), (4, 0), (9,)], "dim m is 0; it may be at least 1"),
    ],
)
def test_shapes_that_do_not_go_together(shapes: list[tuple[int, ...]], told: str) -> None:
    with pytest.raises(InputUnfit) as refused:
        bind_inputs(_graph(), shapes)
    assert str(refused.value) == told


def test_a_dim_that_no_input_has_alone() -> None:
    b = GraphBuilder()
    n = b.dim("n")
    graph = b.output(b.input(F, 2 * n)).graph
    with pytest.raises(InputUnfit, match="no input says how large dim n is"):
        bind_inputs(graph, [(4,)])
