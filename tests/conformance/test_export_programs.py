"""Programs put together at random: their graphs give what they give, at sizes that were not traced, or are refused."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any, Final

import pytest

mx = pytest.importorskip("mlx.core")

from ostiary.errors import ExportRefused  # noqa: E402
from ostiary.exporter.compare import compare  # noqa: E402
from ostiary.exporter.examples import read_examples  # noqa: E402
from ostiary.exporter.make_graph import Names, make_graph  # noqa: E402
from ostiary.exporter.parts import find_parts  # noqa: E402
from ostiary.exporter.request import read_dims  # noqa: E402
from ostiary.exporter.subject import Subject  # noqa: E402
from ostiary.graph.parse_graph import parse_graph  # noqa: E402
from ostiary.graph.render_graph import render_graph  # noqa: E402
from ostiary.interpreter.function import Budget, Function  # noqa: E402
from ostiary.interpreter.unfit import InputUnfit  # noqa: E402

pytestmark = pytest.mark.mlx

ONE: Final[tuple[Callable[[Any], Any], ...]] = (
    mx.sin,
    mx.abs,
    mx.tanh,
    lambda x: x * 2,
    lambda x: x.T,
    lambda x: x.sum(axis=0),
    lambda x: x.mean(axis=-1, keepdims=True),
    lambda x: x.mean(),
    lambda x: x[None],
    lambda x: x[..., :1],
    lambda x: x[1:],
    lambda x: x[:-1],
    lambda x: x[::2],
    lambda x: x[::-1],
    lambda x: x[-1],
    lambda x: x.reshape(-1),
    lambda x: x.reshape(x.shape[0], -1),
    lambda x: x[: x.shape[0] // 2],
    lambda x: mx.concatenate([x, x], axis=0),
    lambda x: mx.softmax(x, axis=-1),
    lambda x: mx.sort(x, axis=0),
    lambda x: mx.cumsum(x, axis=-1),
    lambda x: mx.argmax(x, axis=0),
    lambda x: x - x.max(axis=0),
    lambda x: mx.broadcast_to(x, (2, *x.shape)),
    lambda x: mx.expand_dims(x, -1),
    lambda x: mx.fast.rms_norm(x, None, 1e-5),
    lambda x: mx.var(x, axis=0),
    lambda x: x * x.shape[0],
    lambda x: x / x.shape[-1],
    lambda x: mx.pad(x, 1),
    lambda x: x + mx.arange(x.shape[-1]),
    mx.tril,
    lambda x: x.astype(mx.float16),
    lambda x: mx.stack([x, x], axis=-1),
    lambda x: mx.repeat(x, 2, axis=0),
    lambda x: x.at[0].add(1.0),
    lambda x: mx.zeros((x.shape[0], 3)) + x[..., :1],
    lambda x: mx.where(x > 0, x, 0),
)
TWO: Final[tuple[Callable[[Any, Any], Any], ...]] = (
    lambda x, y: x + y,
    lambda x, y: x * y,
    lambda x, y: x @ y,
    lambda x, y: x @ y.T,
    mx.maximum,
    lambda x, y: mx.concatenate([x, y], axis=0),
    lambda x, y: mx.concatenate([x, y], axis=-1),
    lambda x, y: mx.where(x > y, x, y),
    lambda x, y: x[:, None] + y,
    lambda x, y: mx.addmm(x[:1, :1], x, y.T),
)
DIMS: Final[tuple[dict[str, Any], ...]] = (
    {"x": ["n", None], "y": ["n", None]},
    {"x": ["n", "m"], "y": ["n", "m"]},
    {"x": ["n", None], "y": ["k", None]},
)
PROGRAMS: Final = 90
_MOST_AXES: Final = 4


def make_inputs(seed: int, rows: int, columns: int) -> tuple[mx.array, mx.array]:
    more = rows + 5 if seed % len(DIMS) == 2 else rows
    return mx.random.normal((rows, columns)), mx.random.normal((more, columns))


def make_program(seed: int) -> Callable[[mx.array, mx.array], mx.array]:
    """Some operations that go together at the first sizes; the same ones at all others."""
    chance = random.Random(seed)  # noqa: S311  the same each time
    values = list(make_inputs(seed, 4, 6))
    steps: list[tuple[Callable[..., Any], tuple[int, ...]]] = []
    for _ in range(60):
        operations, arity = (ONE, 1) if chance.random() < 0.65 else (TWO, 2)
        operation = chance.choice(operations)
        places = tuple(chance.randrange(len(values)) for _ in range(arity))
        try:
            value = operation(*(values[place] for place in places))
        except (ValueError, IndexError):
            continue
        if value.ndim <= _MOST_AXES and len(steps) < 7:
            values.append(value)
            steps.append((operation, places))

    def program(x: mx.array, y: mx.array) -> mx.array:
        held = [x, y]
        for operation, places in steps:
            held.append(operation(*(held[place] for place in places)))
        return held[-1]

    return program


def compute(program: Callable[..., mx.array], inputs: tuple[mx.array, mx.array]) -> mx.array | None:
    """None where it does not take these sizes."""
    try:
        result = program(*inputs)
        mx.eval(result)
    except (ValueError, IndexError):
        return None
    return result


def test_programs_are_exported_and_compute_the_same_or_are_refused() -> None:
    mx.random.seed(1)
    refused = 0
    for seed in range(PROGRAMS):
        program = make_program(seed)
        arguments = read_examples(program, make_inputs(seed, 4, 6))
        sizes = read_dims(DIMS[seed % len(DIMS)], None, arguments)
        subject = Subject(program, arguments, find_parts(program), sizes.axes)
        try:
            written = make_graph(subject, sizes, Names("f", ("x", "y"), ("z",)))
        except ExportRefused:
            refused += 1
            continue
        graph = parse_graph(render_graph(written.graph))
        tensors = {item.tensor: array for item, array in zip(graph.constants, written.arrays, strict=True)}
        run = Function(graph, tensors, Budget(1 << 30, 1 << 40))
        for rows, columns in ((4, 6), (3, 3), (9, 8), (14, 5)):
            inputs = make_inputs(seed, rows, columns if seed % len(DIMS) == 1 else 6)
            expected = compute(program, inputs)
            if expected is None:
                continue
            try:
                (given,) = run.call(list(inputs))
            except InputUnfit as error:
                pytest.fail(f"program {seed}: {error}")
            if mx.all(mx.isfinite(expected)).item():
                assert compare(given, expected).is_rounding, f"program {seed} at {rows}, {columns}"
    assert refused < PROGRAMS // 10
