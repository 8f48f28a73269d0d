"""Runs a graph from the files it was written to, beside the function that it was made of."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import mlx.core as mx

from ostiary.core.function_files import GRAPH_FILE, TENSORS_FILE
from ostiary.core.terms.values import CONTRACT_FILE
from ostiary.errors import EXPORT_DIFFERS, EXPORT_SIZE, ExportRefused, IntakeRefused
from ostiary.exporter.compare import find_worst
from ostiary.exporter.examples import flatten_results
from ostiary.exporter.request import Sizes
from ostiary.exporter.still import SEEDS, settled
from ostiary.exporter.subject import Subject
from ostiary.exporter.writer import Written
from ostiary.graph.agreement import find_disagreement
from ostiary.graph.parse_contract import parse_contract
from ostiary.graph.parse_graph import parse_graph
from ostiary.graph.values import Dim
from ostiary.interpreter.function import Budget, Function
from ostiary.interpreter.unfit import GraphUnfit, InputUnfit

_NO_CEILING: Final = Budget(memory_bytes=1 << 62, work=1 << 62)
"""It is the machine of whoever made the function."""


def compute_examples(subject: Subject) -> tuple[tuple[str, mx.array], ...]:
    """What the function gives for the examples, by the names in what it returns. Raises what it raises."""
    with subject.held():
        arguments = subject.arguments
        results = flatten_results(arguments.call(subject.function, arguments.arrays))
        mx.eval([array for _, array in results])
    return results


def begin_where_it_agrees(written: Written, subject: Subject, sizes: Sizes, bounded: Container[str]) -> Written:
    """`written` with the least size of each dim, if nobody gave its bounds, from which on graph and function agree.

    Below it the function takes nothing, or does something else: a window does not fit, a slice is cut short.
    """
    function = Function(written.graph, written.name_arrays(), _NO_CEILING)
    dims = []
    for dim in sizes.dims:
        least, example = dim.min, sizes.example[dim.name]
        agreeing = 0  # in a row
        while dim.name not in bounded and agreeing < _ENOUGH and least + agreeing < min(example, _MOST_TRIED):
            if _agrees(function, subject, {**sizes.example, dim.name: least + agreeing}):
                agreeing += 1
            else:
                least, agreeing = least + agreeing + 1, 0
        dims.append(Dim(dim.name, least, dim.max))
    return written.replace_dims(dims)


_ENOUGH: Final = 2
_MOST_TRIED: Final = 64


def _agrees(function: Function, subject: Subject, binding: Mapping[str, int]) -> bool:
    inputs = _resize(subject, binding)
    with subject.held():
        try:
            results = subject.compute(inputs)
            mx.eval(results)
            if any(result.size == 0 for result in results):  # of nothing anything is true
                return False
            return find_worst(results, function.call(inputs))[1].is_rounding
        except Exception:  # noqa: BLE001  the function's own, or the graph's no
            return False


def try_out(directory: Path, subject: Subject, example: Mapping[str, int], results: Sequence[mx.array]) -> float:
    """The greatest difference at the examples' sizes and at the least ones. Raises ExportRefused."""
    with settled(SEEDS[0]):  # both on the processor: another device rounds otherwise
        function = _load(directory)
        worst = _hold(function, subject.arguments.arrays, results, "")
        dims = function.graph.dims
        for binding in _list_bindings(dims, example):
            worst = max(worst, _try_at(function, subject, binding))
        grown = {name: size + 1 for name, size in example.items()}
        if not grown or any(item.max is not None and grown[item.name] > item.max for item in dims):
            return worst
        return max(worst, _try_grown(function, subject, grown))


def _list_bindings(dims: Sequence[Dim], example: Mapping[str, int]) -> list[dict[str, int]]:
    """Each dim at its least and one above, where an axis may be down to one element; and all at their least."""
    least = {item.name: item.min for item in dims}
    bindings = [{**example, name: size} for name, size in least.items()]
    bindings += [{**example, item.name: item.min + 1} for item in dims if item.max is None or item.min < item.max]
    bindings.append(least)
    tried: list[dict[str, int]] = [dict(example)]
    for binding in bindings:
        if binding not in tried:
            tried.append(binding)
    return tried[1:]


def _load(directory: Path) -> Function:
    """The way of everybody who gets the model."""
    try:
        graph = parse_graph((directory / GRAPH_FILE).read_bytes())
        contract = parse_contract((directory / CONTRACT_FILE).read_bytes())
        tensors: Any = mx.load(str(directory / TENSORS_FILE))
        if not isinstance(tensors, dict):
            raise ExportRefused(EXPORT_DIFFERS, "the tensors were not written as tensors by name")
        clause = find_disagreement(graph, contract)
        if clause is not None:
            raise ExportRefused(EXPORT_DIFFERS, f"the graph was written otherwise than its contract: {clause}")
        return Function(graph, tensors, _NO_CEILING)
    except IntakeRefused as error:
        raise ExportRefused(EXPORT_DIFFERS, f"the graph would not be let in: {error.message}") from error
    except GraphUnfit as error:
        raise ExportRefused(EXPORT_DIFFERS, f"the graph would not run: {error}") from error


def _hold(function: Function, inputs: Sequence[mx.array], results: Sequence[mx.array], at: str) -> float:
    try:
        given = function.call(inputs)
    except (InputUnfit, GraphUnfit) as error:
        raise ExportRefused(EXPORT_DIFFERS, f"the graph would not run{at}: {error}") from error
    number, difference = find_worst(results, given)
    if not difference.is_rounding:
        name = function.graph.outputs[number].name
        how = f"{difference.relative:.1e} of its greatest number" if difference.relative < 1 else "wholly"
        raise ExportRefused(EXPORT_DIFFERS, f"result '{name}' differs{at}: {how}")
    return difference.relative


def _try_at(function: Function, subject: Subject, binding: Mapping[str, int]) -> float:
    inputs = _resize(subject, binding)
    sizes = ", ".join(f"{name} {size}" for name, size in binding.items())
    with subject.held():
        try:
            results = subject.compute(inputs)
            mx.eval(results)
        except Exception as error:
            raise ExportRefused(
                EXPORT_SIZE,
                f"the function takes no inputs of {sizes}, which the bounds of its dims allow",
                hint=f"Say which it takes: bounds={{'{_name_changed(subject, binding)}': (least, greatest)}}.",
            ) from error
    try:
        return _hold(function, inputs, results, f" at {sizes}")
    except ExportRefused as error:
        raise ExportRefused(
            EXPORT_SIZE,
            f"{error.message}; it does not at the examples' sizes",
            hint=f"Say which it takes: bounds={{'{_name_changed(subject, binding)}': (least, greatest)}}; "
            "or leave the dim out.",
        ) from error


def _name_changed(subject: Subject, binding: Mapping[str, int]) -> str:
    """The first dim that is not as in the examples."""
    shapes = subject.shape_inputs(binding)
    for array, shape, axes in zip(subject.arguments.arrays, shapes, subject.axes, strict=True):
        for axis, name in axes.items():
            if shape[axis] != array.shape[axis]:
                return name
    return next(iter(binding))


def _try_grown(function: Function, subject: Subject, binding: Mapping[str, int]) -> float:
    """One size above the examples'."""
    try:
        return _try_at(function, subject, binding)
    except ExportRefused as error:
        if error.code == EXPORT_SIZE.name:  # such as an odd size where halves are taken; the graph has to say so
            return _expect_refusal(function, subject, binding)
        raise


def _expect_refusal(function: Function, subject: Subject, binding: Mapping[str, int]) -> float:
    try:
        function.find_plan(_resize(subject, binding))
    except InputUnfit:
        return 0.0
    sizes = ", ".join(f"{name} {size}" for name, size in binding.items())
    raise ExportRefused(
        EXPORT_SIZE,
        f"the function takes no inputs of {sizes}, and the graph could not say so",
        hint="Leave the dim out, so that its size is fixed, or let the function take every size.",
    )


def _resize(subject: Subject, binding: Mapping[str, int]) -> list[mx.array]:
    """The examples, repeated or cut to other sizes: values stay such as the function takes."""
    resized = []
    for array, shape in zip(subject.arguments.arrays, subject.shape_inputs(binding), strict=True):
        fitting = array
        for axis, size in enumerate(shape):
            if size != array.shape[axis]:
                fitting = mx.take(fitting, mx.arange(size) % array.shape[axis], axis=axis)
        resized.append(fitting)
    return resized
