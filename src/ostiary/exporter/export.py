"""`ostiary.export`. MLX is imported when it is called: who only checks models does not have it."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ostiary.core.text import quote_untrusted
from ostiary.errors import EXTRA_MISSING, USAGE, Misuse

if TYPE_CHECKING:
    from ostiary.exporter.card import Card
    from ostiary.exporter.contract import Range
    from ostiary.exporter.examples import Examples
    from ostiary.exporter.exported import Exported
    from ostiary.exporter.request import Bounds, Dims


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

    `examples`: its arguments: an array, a tuple of them in order, or a mapping from names of parameters. What is no
    array among them is fixed. `name`: of the model; else that of the directory.
    `dims`: which sizes vary from call to call: the name of every input's first axis, or by input the name of its
    first axis, of axes by number, or of all axes in order. `bounds`: the greatest size of a dim, or both ends.
    `batch`: the dim along which calls may be computed together; one called batch is, where that is sure.
    `outputs`: names of the results in order. `ranges`, `allowed`, `finite`: what inputs may hold, by their names.
    `card`: what you say of the model. `when`: its time, else SOURCE_DATE_EPOCH or none.
    `overwrite`: replace an earlier export.

    The graph is run from its files before it takes its place, and must give what the function gives.
    Raises ExportRefused with what stands against it and where, and Misuse.
    """
    if not callable(function):
        raise Misuse(USAGE, "what is exported is a function or a module, something to be called")
    try:
        import_module("mlx.core")
    except ImportError as error:
        missing = quote_untrusted((error.name or "mlx").partition(".")[0])
        hint = "Install it: pip install 'ostiary[mlx]'."
        raise Misuse(EXTRA_MISSING, f"exporting needs {missing}, which is not installed", hint=hint) from error
    from ostiary.exporter.contract import Wishes  # noqa: PLC0415  the rest imports MLX
    from ostiary.exporter.write_export import Order, write_export  # noqa: PLC0415

    order = Order(
        function=function,
        examples=examples,
        place=Path(path),
        name=name,
        dims=dims,
        bounds=bounds,
        outputs=outputs,
        wishes=Wishes(batch, ranges or {}, allowed or {}, finite),
        card=card,
        when=when,
        overwrite=overwrite,
    )
    return write_export(order)
