"""Runs a graph from the files it was written to, beside the function that it was made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import mlx.core as mx

from ostiary.errors import EXPORT_DIFFERS, EXPORT_SIZE, ExportRefused, IntakeRefused
from ostiary.exporter.compare import find_worst
from ostiary.exporter.directory import CONTRACT, GRAPH, TENSORS
from ostiary.exporter.examples import flatten_results
from ostiary.exporter.request import Sizes
from ostiary.exporter.subject import Subject
from ostiary.graph.agreement import find_disagreement
from ostiary.graph.parse_contract import parse_contract
from ostiary.graph.parse_graph import parse_graph
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


def try_out(directory: Path, subject: Subject, sizes: Sizes, results: Sequence[mx.array]) -> float:
    """The greatest difference at the examples' sizes and at the least ones. Raises ExportRefused."""
    function = _load(directory)
    worst = _hold(function, subject.arguments.arrays, results, "")
    for binding in _list_bindings(sizes):
        worst = max(worst, _try_at(function, subject, binding))
    grown = {name: size + 1 for name, size in sizes.example.items()}
    return max(worst, _try_grown(function, subject, sizes, grown)) if grown else worst


def _list_bindings(sizes: Sizes) -> list[dict[str, int]]:
    """Each dim at its least and one above, where an axis may be down to one element; and all at their least."""
    least = {item.name: item.min for item in sizes.dims}
    bindings = [{**sizes.example, name: size} for name, size in least.items()]
    bindings += [
        {**sizes.example, item.name: item.min + 1} for item in sizes.dims if item.max is None or item.min < item.max
    ]
    bindings.append(least)
    tried: list[dict[str, int]] = [dict(sizes.example)]
    for binding in bindings:
        if binding not in tried:
            tried.append(binding)
    return tried[1:]


def _load(directory: Path) -> Function:
    """The way of everybody who gets the model."""
    try:
        graph = parse_graph((directory / GRAPH).read_bytes())
        contract = parse_contract((directory / CONTRACT).read_bytes())
        tensors: Any = mx.load(str(directory / TENSORS))
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
                hint="Say which sizes it takes: bounds={'name': (least, greatest)}.",
            ) from error
    try:
        return _hold(function, inputs, results, f" at {sizes}")
    except ExportRefused as error:
        raise ExportRefused(
            EXPORT_SIZE,
            f"{error.message}; it does not at the examples' sizes",
            hint="Say which sizes it takes: bounds={'name': (least, greatest)}; or leave the dim out.",
        ) from error


def _try_grown(function: Function, subject: Subject, sizes: Sizes, binding: Mapping[str, int]) -> float:
    """One size above the examples', where the bounds have it and the function takes it."""
    for item in sizes.dims:
        if item.max is not None and binding[item.name] > item.max:
            return 0.0
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
