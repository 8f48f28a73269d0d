"""Indices that cannot leave their arrays are known; none that can is taken for one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from ostiary.graph.dtypes import Dtype
from ostiary.graph.infer_graph import check_graph, infer_node, make_scope
from ostiary.graph.ranges import Range, find_proven
from ostiary.graph.sizes import Size, dim
from ostiary.graph.values import Dim, Graph, Input, Node, Output, TensorType

F32, I32, U8, BOOL, I64, U32 = (
    Dtype.FLOAT32,
    Dtype.INT32,
    Dtype.UINT8,
    Dtype.BOOL,
    Dtype.INT64,
    Dtype.UINT32,
)
N = dim("n")


class Build:
    """A graph, node by node; what each gives is inferred."""

    def __init__(self, *inputs: tuple[Dtype, tuple[Size, ...]], dims: tuple[Dim, ...] = ()) -> None:
        self.dims = dims
        self.inputs = [TensorType(*item) for item in inputs]
        self.types = list(self.inputs)
        self.nodes: list[Node] = []

    def add(self, op: str, *sources: int, **attributes: Any) -> int:
        kinds = tuple(self.types[source] for source in sources)
        outputs = infer_node(Node(op, sources, (), attributes), kinds, make_scope(self.dims))
        self.nodes.append(Node(op, sources, outputs, attributes))
        self.types += outputs
        return len(self.types) - len(outputs)

    def proven(self, known: Mapping[int, Range] | None = None) -> dict[int, frozenset[int]]:
        inputs = tuple(Input(f"i{number}", kind) for number, kind in enumerate(self.inputs))
        graph = Graph("g", self.dims, inputs, (), tuple(self.nodes), (Output("y", len(self.types) - 1),))
        check_graph(graph)
        return find_proven(graph, known)


def take_is_proven(build: Build, indices: int, known: Mapping[int, Range] | None = None) -> bool:
    """Whether a take from input 0, along its axis 0, needs no guard."""
    build.add("take", 0, indices, axis=0)
    return len(build.nodes) - 1 in build.proven(known)


@pytest.mark.parametrize(("rows", "is_proven"), [(256, True), (255, False)])
def test_a_byte_is_below_256(rows: int, is_proven: bool) -> None:
    assert take_is_proven(Build((F32, (rows, 2)), (U8, (3,))), 1) is is_proven


@pytest.mark.parametrize("dtype", [I32, I64, U32])
def test_an_input_is_anything(dtype: Dtype) -> None:
    assert not take_is_proven(Build((F32, (100, 2)), (dtype, (3,))), 1)


def test_what_was_measured_or_promised_is_believed() -> None:
    for ends, is_proven in (((0, 99), True), ((-100, 99), True), ((0, 100), False), ((-101, 0), False)):
        assert take_is_proven(Build((F32, (100, 2)), (I32, (3,))), 1, {1: ends}) is is_proven


def test_unsigned_indices_do_not_count_from_the_end() -> None:
    build = Build((F32, (100, 2)), (U32, (3,)))
    assert take_is_proven(build, build.add("negative", 1), {1: (0, 99)}) is False


def test_positions_and_rows_of_numbers_are_known() -> None:
    build = Build((F32, (5, 2)), (F32, (3, 5)))
    assert take_is_proven(build, build.add("argmax", 1, axis=1, keepdims=False))
    build = Build((F32, (4, 2)), (F32, (3, 5)))
    assert not take_is_proven(build, build.add("argmax", 1, axis=1, keepdims=False))
    build = Build((F32, (10, 2)))
    row = build.add("arange", start=1.0, step=3.0, size=4, dtype=I32)  # 1, 4, 7, 10
    assert not take_is_proven(build, row)
    build = Build((F32, (11, 2)))
    row = build.add("arange", start=1.0, step=3.0, size=4, dtype=I32)
    assert take_is_proven(build, row)
    build = Build((F32, (11, 2)))
    row = build.add("arange", start=10.0, step=-7.0, size=4, dtype=I32)  # 10, 3, -4, -11
    assert take_is_proven(build, row)


def test_clipped_indices_are_known() -> None:
    build = Build((F32, (10, 2)), (I32, (3,)), (I32, ()), (I32, ()))
    low = build.add("maximum", 1, 2)
    high = build.add("minimum", low, 3)
    assert take_is_proven(build, high, {2: (0, 0), 3: (9, 9)})
    build = Build((F32, (10, 2)), (I32, (3,)), (I32, ()))
    assert not take_is_proven(build, build.add("minimum", 1, 2), {2: (9, 9)})
    build = Build((F32, (10, 2)), (I32, (3,)), (I32, ()))
    assert take_is_proven(build, build.add("remainder", 1, 2), {2: (10, 10)})
    build = Build((F32, (9, 2)), (I32, (3,)), (I32, ()))
    assert not take_is_proven(build, build.add("remainder", 1, 2), {2: (10, 10)})


def test_arithmetic_that_wraps_around_proves_nothing() -> None:
    build = Build((F32, (10, 2)), (I32, (3,)))
    doubled = build.add("add", 1, 1)
    assert not take_is_proven(build, doubled, {1: (0, (1 << 30) + (1 << 29))})
    build = Build((F32, (10, 2)), (I32, (3,)))
    assert not take_is_proven(build, build.add("abs", 1), {1: (-(1 << 31), 3)})
    build = Build((F32, (10, 2)), (I32, (3,)))
    assert not take_is_proven(build, build.add("as_type", 1, dtype=Dtype.INT8), {1: (0, 500)})
    build = Build((F32, (600, 2)), (I32, (3,)))
    assert take_is_proven(build, build.add("as_type", 1, dtype=I64), {1: (0, 500)})


def test_what_wrapped_around_once_is_not_known_later() -> None:
    """200 as a signed byte is -56; 100 more than that is 44 and not 300, and 100 more than -128 is no index at all."""
    build = Build((F32, (301, 2)), (I32, (3,)), (I32, ()))
    small = build.add("as_type", 1, dtype=Dtype.INT8)
    more = build.add("add", small, 2)
    assert not take_is_proven(build, build.add("as_type", more, dtype=U32), {1: (0, 200), 2: (100, 100)})
    build = Build((F32, (301, 2)), (I32, (3,)), (I32, ()))
    more = build.add("add", 1, 2)
    assert take_is_proven(build, build.add("as_type", more, dtype=U32), {1: (0, 200), 2: (100, 100)})


def test_floats_prove_nothing() -> None:
    build = Build((F32, (10, 2)), (F32, (3,)))
    assert not take_is_proven(build, build.add("as_type", 1, dtype=I32))


def test_shapes_and_choices_pass_ranges_on() -> None:
    build = Build((F32, (10, 2)), (I32, (6,)), (I32, (6,)), (BOOL, (6,)))
    chosen = build.add("select", 3, 1, 2)
    turned = build.add("reshape", chosen, shape=(2, 3))
    joined = build.add("concatenate", turned, turned, axis=0)
    assert take_is_proven(build, joined, {1: (0, 4), 2: (3, 9)})
    build = Build((F32, (10, 2)), (I32, (6,)), (I32, (6,)), (BOOL, (6,)))
    assert not take_is_proven(build, build.add("select", 3, 1, 2), {1: (0, 4)})
    build = Build((F32, (10, 2)), (I32, (6,)), (I32, ()))
    assert not take_is_proven(build, build.add("pad", 1, 2, before=(1,), after=(0,)), {1: (0, 4)})
    build = Build((F32, (10, 2)), (I32, (6,)), (I32, (2,)))
    assert take_is_proven(build, build.add("take", 1, 2, axis=0), {1: (0, 4)})


@pytest.mark.parametrize("op", ["cummax", "cummin"])
@pytest.mark.parametrize("reverse", [False, True])
def test_what_comes_before_the_first_is_the_end_of_the_type(op: str, reverse: bool) -> None:
    for inclusive in (True, False):
        graph = Build((F32, (300,)), (U8, (4,)))
        running = graph.add(op, graph.add("as_type", 1, dtype=I32), axis=0, reverse=reverse, inclusive=inclusive)
        graph.add("take", 0, running, axis=0)
        assert bool(graph.proven()) is inclusive


def test_sizes_that_follow_dims_are_within_all_their_sizes() -> None:
    dims = (Dim("n", 1, 8),)
    build = Build((F32, (N, 2)), dims=dims)
    assert not take_is_proven(build, build.add("arange", start=0.0, step=1.0, size=N, dtype=I32))
    build = Build((F32, (8, 2)), dims=dims)
    assert take_is_proven(build, build.add("arange", start=0.0, step=1.0, size=N, dtype=I32))
    build = Build((F32, (9, 2)), dims=dims)
    assert take_is_proven(build, build.add("size_value", size=N, dtype=I32))
    build = Build((F32, (9, 2)), dims=(Dim("n", 1, None),))
    assert not take_is_proven(build, build.add("size_value", size=N, dtype=I32))


def test_divisors_and_exponents() -> None:
    for op, ends, is_proven in (
        ("floor_divide", (1, 9), True),
        ("floor_divide", (0, 9), False),
        ("floor_divide", (-9, -2), True),
        ("remainder", (-9, -1), False),
        ("divmod", (2, 2), True),
        ("power", (0, 9), True),
        ("power", (-1, 9), False),
    ):
        build = Build((I32, (3,)), (I32, ()))
        build.add(op, 0, 1)
        assert (build.proven({1: ends}) == {0: frozenset({1})}) is is_proven, (op, ends)


def test_starts_are_held_against_each_axis() -> None:
    for ends, is_proven in (((0, 2), True), ((0, 3), False), ((-1, 2), False)):
        build = Build((F32, (5, 6)), (I32, (2,)))
        build.add("dynamic_slice", 0, 1, axes=(0, 1), sizes=(3, 4))
        assert (build.proven({1: ends}) == {0: frozenset({1})}) is is_proven
