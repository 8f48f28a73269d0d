"""Every layer, activation, loss and container of mlx.nn computes as a graph what it computes by itself."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

mx = pytest.importorskip("mlx.core")

from layer_cases import CASES, NOT_COVERED, NOT_LAYERS, Case  # noqa: E402
from mlx import nn  # noqa: E402
from mlx.utils import tree_map  # noqa: E402

import ostiary  # noqa: E402
from ostiary.exporter.compare import compare  # noqa: E402
from ostiary.exporter.examples import flatten_results, read_examples  # noqa: E402
from ostiary.exporter.make_graph import Names, make_graph  # noqa: E402
from ostiary.exporter.parts import find_parts  # noqa: E402
from ostiary.exporter.request import name_inputs, read_dims  # noqa: E402
from ostiary.exporter.subject import Subject  # noqa: E402
from ostiary.graph.parse_graph import parse_graph  # noqa: E402
from ostiary.graph.render_graph import render_graph  # noqa: E402
from ostiary.interpreter.function import Budget, Function  # noqa: E402

pytestmark = pytest.mark.mlx

_BUDGET = Budget(1 << 30, 1 << 40)
_BATCHES = (1, 4)


def make(case: Case, dtype: Any = mx.float32) -> Callable[..., Any]:
    """The function, with parameters that are all unlike each other."""
    mx.random.seed(11)
    function = case.make(mx, nn)
    for _, module in find_parts(function).modules:
        module.eval()
        module.update(tree_map(_disturb, module.parameters()))
        module.set_dtype(dtype)
    return function


def _disturb(array: mx.array) -> mx.array:
    if not mx.issubdtype(array.dtype, mx.floating):
        return array
    return mx.abs(array + 0.1 * mx.random.uniform(shape=array.shape).astype(array.dtype))


def list_public(module: Any) -> set[str]:
    return {
        name
        for name, value in vars(module).items()
        if not name.startswith("_")
        and (inspect.isclass(value) or inspect.isfunction(value) or callable(value))
        and getattr(value, "__module__", "").startswith("mlx.nn")
    }


def check(case: Case, function: Callable[..., Any], run: Function, dtype: Any) -> None:
    for leading in _BATCHES if case.dims else (None,):
        arrays = case.make_arrays(mx, dtype, leading)
        ours = run.call(arrays)
        theirs = [array for _, array in flatten_results(function(*arrays))]
        assert len(ours) == len(theirs)
        for one, other in zip(ours, theirs, strict=True):
            difference = compare(one, other)
            assert difference.is_rounding, f"{difference.relative:.1e} at a batch of {leading}"


@pytest.fixture(autouse=True)
def _without_compiling() -> Any:
    mx.disable_compile()
    yield
    mx.enable_compile()


def test_every_layer_of_the_library_has_a_case_or_a_reason() -> None:
    there = list_public(nn) | list_public(nn.losses)
    told = {case.layer for case in CASES} | NOT_COVERED.keys()
    assert there - told - NOT_LAYERS.keys() == set(), "new in mlx.nn: write cases, or say why there are none"
    assert told - there == set(), "gone from mlx.nn"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.title)
def test_a_layer_is_exported_and_computes_the_same(case: Case, tmp_path: Path) -> None:
    function = make(case)
    path = tmp_path / "layer"
    exported = ostiary.export(function, tuple(case.make_arrays(mx, mx.float32)), path, dims=case.dims)
    assert sorted(item.name for item in path.iterdir()) == [
        "card.json",
        "contract.json",
        "graph.json",
        "graph.safetensors",
    ]
    tensors = mx.load(str(path / "graph.safetensors"))
    run = Function(parse_graph((path / "graph.json").read_bytes()), tensors, _BUDGET)
    assert run.graph == exported.graph
    check(case, function, run, mx.float32)


@pytest.mark.parametrize("dtype", [mx.float16, mx.bfloat16], ids=["float16", "bfloat16"])
@pytest.mark.parametrize("case", [case for case in CASES if not case.is_wide_only], ids=lambda case: case.title)
def test_a_layer_computes_the_same_in_half_precision(case: Case, dtype: Any) -> None:
    function = make(case, dtype)
    arguments = read_examples(function, tuple(case.make_arrays(mx, dtype)))
    sizes = read_dims(case.dims, None, arguments)
    subject = Subject(function, arguments, find_parts(function), sizes.axes)
    count = len(flatten_results(function(*arguments.arrays)))
    names = Names("layer", name_inputs(arguments), tuple(f"y{number}" for number in range(count)))
    written = make_graph(subject, sizes, names)
    graph = parse_graph(render_graph(written.graph))
    tensors = {item.tensor: array for item, array in zip(graph.constants, written.arrays, strict=True)}
    check(case, function, Function(graph, tensors, _BUDGET), dtype)
