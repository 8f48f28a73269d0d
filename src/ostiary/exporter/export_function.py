"""From a function to a model directory, step by step; docs/export.md tells it to whoever exports."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import mlx.core as mx

from ostiary.core.text import quote_untrusted
from ostiary.core.values import dataclass
from ostiary.errors import EXPORT_DIFFERS, EXPORT_OPERATION, USAGE, ExportRefused, Misuse, OstiaryError
from ostiary.exporter.card import Card, make_card
from ostiary.exporter.contract import Range, Wishes, make_contract
from ostiary.exporter.directory import (
    CARD,
    CONTRACT,
    GRAPH,
    TENSORS,
    check_place,
    write_file,
    written_whole,
)
from ostiary.exporter.examples import Examples, read_examples
from ostiary.exporter.make_graph import Names, explained, make_graph
from ostiary.exporter.parts import find_parts
from ostiary.exporter.request import Bounds, Dims, check_input, name_inputs, name_outputs, read_dims
from ostiary.exporter.subject import Subject
from ostiary.exporter.tensors import write_tensors
from ostiary.exporter.try_out import compute_examples, try_out
from ostiary.exporter.writer import Written
from ostiary.graph.fields import NAME
from ostiary.graph.function_contract import FunctionContract, TensorInput, TensorOutput
from ostiary.graph.render_contract import render_contract
from ostiary.graph.render_graph import render_graph
from ostiary.graph.values import Graph


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written, and how near it comes to the function."""

    path: Path
    graph: Graph
    contract: FunctionContract
    parameters: int
    """How many numbers its tensors hold."""
    difference: float
    """The greatest between a result of the graph and of the function, as a part of the result's greatest number."""

    def __repr__(self) -> str:
        inputs = ", ".join(_tell_tensor(item) for item in self.contract.inputs)
        outputs = ", ".join(_tell_tensor(item) for item in self.contract.outputs)
        return f"<{self.graph.name}: {inputs} -> {outputs}; {self.parameters:,} numbers>"


def export(
    function: Callable[..., Any],
    examples: Examples,
    path: str | os.PathLike[str],
    *,
    name: str | None = None,
    dims: Dims | None = None,
    bounds: Bounds | None = None,
    batch: str | None = None,
    outputs: str | Sequence[str] | None = None,
    ranges: Mapping[str, Range] | None = None,
    allowed: Mapping[str, Sequence[float]] | None = None,
    finite: bool | Collection[str] = False,
    card: Card | None = None,
    when: datetime | str | None = None,
    overwrite: bool = False,
) -> Exported:
    """Writes a function of MLX, or an `nn.Module`, as a model directory that can be signed, checked and run.

    `examples` are its arguments: an array, a tuple of them in order, or a mapping from names of parameters. What
    is no array among them is fixed. `dims` names the sizes that vary from call to call, and `bounds` their ends.
    Raises ExportRefused with what stands against it and where, and Misuse.
    """
    if not callable(function):
        raise Misuse(USAGE, "what is exported is a function or a module, something to be called")
    place = Path(path)
    title = _read_name(name, place)
    check_place(place, overwrite=overwrite)
    arguments = read_examples(function, examples)
    sizes = read_dims(dims, bounds, arguments)
    wishes = Wishes(batch, ranges or {}, allowed or {}, finite)
    for what, asked in wishes.list_inputs():
        check_input(asked, arguments, what)
    described = make_card(title, function, card, when)
    subject = Subject(function, arguments, find_parts(function), sizes.axes)
    with explained(subject, [sizes.example]):
        results = compute_examples(subject)
    names = Names(title, name_inputs(arguments), name_outputs([item for item, _ in results], outputs))
    wishes = wishes.rename(dict(zip(arguments.names, names.inputs, strict=True)))

    def write(subject: Subject) -> Exported:
        written = make_graph(subject, sizes, names)
        contract = make_contract(written.graph, wishes)
        with written_whole(place, overwrite=overwrite) as draft:
            write_file(draft / GRAPH, render_graph(written.graph))
            write_file(draft / CONTRACT, render_contract(contract))
            write_file(draft / CARD, described)
            write_tensors(draft / TENSORS, _name_tensors(written))
            difference = try_out(draft, subject, sizes, [array for _, array in results])
        parameters = sum(array.size for array in written.arrays)
        return Exported(place, written.graph, contract, parameters, difference)

    try:
        return write(subject)
    except ExportRefused as error:
        if error.code not in {EXPORT_OPERATION.name, EXPORT_DIFFERS.name}:
            raise
    except OstiaryError:
        raise
    except Exception:  # noqa: BLE001, S110  what the function raised; if it was not for the kernels, it does again
        pass
    return write(Subject(function, arguments, subject.parts, sizes.axes, keeps_whole=False))


def _tell_tensor(item: TensorInput | TensorOutput) -> str:
    return f"{item.name} {item.datatype}[{', '.join(map(str, item.shape))}]"


def _name_tensors(written: Written) -> dict[str, mx.array]:
    return {item.tensor: array for item, array in zip(written.graph.constants, written.arrays, strict=True)}


def _read_name(name: str | None, place: Path) -> str:
    title = place.name if name is None else name
    if NAME.fullmatch(title) is None:
        raise Misuse(
            USAGE,
            f"'{quote_untrusted(title)}' is no name for a function",
            hint="Pass name=: letters, digits, '_', '-' and '.', a letter first.",
        )
    return title
