"""From a function to a model directory, step by step; docs/export.md tells it to whoever exports."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from ostiary.core.function_files import CARD_FILE, GRAPH_FILE, TENSORS_FILE
from ostiary.core.terms.values import CONTRACT_FILE
from ostiary.core.text import quote_untrusted
from ostiary.core.values import dataclass
from ostiary.errors import EXPORT_DIFFERS, EXPORT_OPERATION, USAGE, ExportRefused, Misuse, OstiaryError
from ostiary.exporter.card import Card, make_card
from ostiary.exporter.contract import Wishes, make_contract
from ostiary.exporter.directory import (
    check_place,
    write_file,
    written_whole,
)
from ostiary.exporter.examples import Examples, read_examples
from ostiary.exporter.exported import Exported
from ostiary.exporter.make_graph import Names, explained, make_graph
from ostiary.exporter.parts import find_parts
from ostiary.exporter.request import Bounds, Dims, check_input, name_inputs, name_outputs, read_dims
from ostiary.exporter.subject import Subject
from ostiary.exporter.tensors import write_tensors
from ostiary.exporter.translate_kernels import RULES as KERNELS
from ostiary.exporter.try_out import begin_where_it_agrees, compute_examples, try_out
from ostiary.graph.fields import NAME
from ostiary.graph.render_contract import render_contract
from ostiary.graph.render_graph import render_graph

_ONE_AT_A_TIME: Final = threading.RLock()
"""While one is traced, names in MLX lead elsewhere."""


@dataclass(frozen=True, slots=True)
class Order:
    """The arguments of `ostiary.export`, which explains them."""

    function: Callable[..., Any]
    examples: Examples
    place: Path
    name: str | None
    dims: Dims | None
    bounds: Bounds | None
    outputs: str | Sequence[str] | None
    wishes: Wishes
    card: Card | None
    when: datetime | str | None
    overwrite: bool


def write_export(order: Order) -> Exported:
    """Step by step, one at a time. Raises ExportRefused, Misuse, OutputUnwritable, or what the function raises."""
    with _ONE_AT_A_TIME:
        return _write_export(order)


def _write_export(order: Order) -> Exported:
    place, function = order.place, order.function
    title = _read_name(order.name, place)
    check_place(place, overwrite=order.overwrite)
    arguments = read_examples(function, order.examples)
    sizes = read_dims(order.dims, order.bounds, arguments)
    for what, asked in order.wishes.list_inputs():
        check_input(asked, arguments, what)
    described = make_card(title, function, order.card, order.when)
    subject = Subject(function, arguments, find_parts(function), sizes.axes)
    with explained(subject, [sizes.example]):
        results = compute_examples(subject)
    names = Names(title, name_inputs(arguments), name_outputs([item for item, _ in results], order.outputs))
    wishes = order.wishes.rename(dict(zip(arguments.names, names.inputs, strict=True)))

    def write(subject: Subject) -> Exported:
        written = begin_where_it_agrees(make_graph(subject, sizes, names), subject, sizes, order.bounds or {})
        contract = make_contract(written.graph, wishes)
        with written_whole(place, overwrite=order.overwrite) as draft:
            write_file(draft / GRAPH_FILE, render_graph(written.graph))
            write_file(draft / CONTRACT_FILE, render_contract(contract))
            write_file(draft / CARD_FILE, described)
            write_tensors(draft / TENSORS_FILE, written.name_arrays())
            difference = try_out(draft, subject, sizes.example, [array for _, array in results])
        parameters = sum(array.size for array in written.arrays)
        return Exported(place, written.graph, contract, parameters, difference)

    try:
        return write(subject)
    except ExportRefused as error:
        if error.code not in {EXPORT_OPERATION.name, EXPORT_DIFFERS.name} and error.operation not in KERNELS:
            raise
    except OstiaryError:
        raise
    except Exception:  # noqa: BLE001, S110  what the function raised; if it was not for the kernels, it does again
        pass
    return write(Subject(function, arguments, subject.parts, sizes.axes, keeps_whole=False))


def _read_name(name: str | None, place: Path) -> str:
    title = place.name if name is None else name
    if NAME.fullmatch(title) is None:
        raise Misuse(
            USAGE,
            f"'{quote_untrusted(title)}' is no name for a function",
            hint="Pass name=: letters, digits, '_', '-' and '.', a letter first.",
        )
    return title
