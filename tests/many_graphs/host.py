"""Gives graphs to a worker, one after another, and says how each ended."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cell_tools import Events, last_reply, make_sealed, open_cell
from graph_builder import GraphBuilder, make_call

from ostiary.cell.running import RunningCell

SCRIPT = str(Path(__file__).parent / "worker.py")


@contextmanager
def open_worker(events: Events) -> Iterator[RunningCell]:
    limits = {"cpu_seconds": 3_600, "wall_seconds": 60, "memory_bytes": 1 << 29}
    with open_cell(events, "many", sealed=make_sealed({"config.json": b"{}"}, {}), script=SCRIPT, **limits) as cell:
        yield cell


def run_graph(cell: RunningCell, builder: GraphBuilder, *inputs: tuple[tuple[int, ...], Any]) -> dict[str, Any]:
    body, tail = make_call(builder, *inputs)
    parts = [*builder.contents.values(), *(builder.weights.values() if builder.data else [b""])]
    told = {"sizes": [len(part) for part in parts], "call": body}
    return dict(last_reply(cell.call("run", told, b"".join(parts) + tail)).body)
