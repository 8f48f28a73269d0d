"""Any graph that inference takes is harmless, whatever numbers go in: in a real worker, which goes on."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from cell_tools import LINUX_ONLY, Events
from graph_maker import GraphMaker
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from many_graphs.host import open_worker, run_graph

from ostiary.cell.running import RunningCell

pytest.importorskip("mlx.core")
pytestmark = [pytest.mark.mlx, LINUX_ONLY]

_SLACK_BYTES = 1 << 16
"""Single numbers that the interpreter makes itself."""


@dataclass
class Drawn:
    """Chance as hypothesis has it, so that what fails becomes small."""

    data: Any

    def below(self, end: int) -> int:
        return int(self.data.draw(st.integers(0, end - 1))) if end > 1 else 0


@dataclass
class Worker:
    cell: RunningCell
    events: Events
    ends: set[str] = field(default_factory=set)


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    events = Events()
    with open_worker(events) as cell:
        worker = Worker(cell, events)
        yield worker
    assert events.causes == ["closed"]
    assert worker.ends == {"answered", "refused", "failed"} or len(worker.ends) > 1, "nothing was tried"


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_a_generated_graph_is_answered_or_refused(worker: Worker, data: Any) -> None:
    maker = GraphMaker(Drawn(data))
    builder = maker.make(6)
    inputs = [(item.type.shape, maker.numbers(item.type)) for item in builder.graph.inputs]
    assert all(len(numbers) == math.prod(shape) for shape, numbers in inputs)
    found = run_graph(worker.cell, builder, *inputs)
    worker.ends.add(found["end"])
    assert found["end"] != "unreadable", found["told"]
    if found["end"] == "answered":
        assert found["measured"] <= found["estimated"] + _SLACK_BYTES
