"""Hostile graphs and calls in a real worker behind the whole wall: each is refused or fails, and the worker goes on."""

from __future__ import annotations

import pytest
from cell_tools import LINUX_ONLY, Events, last_reply, make_sealed, open_cell
from graph_builder import make_call
from hostile_graphs import HOSTILE, Hostile
from hostile_graphs.base import End

from ostiary.errors import CallRefused, IntakeRefused, LoadFailed
from ostiary.graph.parse_graph import parse_graph

pytest.importorskip("mlx.core")
pytestmark = [pytest.mark.mlx, LINUX_ONLY]


@pytest.mark.parametrize("case", HOSTILE, ids=lambda case: case.name)
def test_a_hostile_graph_ends_where_it_should_and_never_the_worker(case: Hostile) -> None:
    builder, events = case.make(), Events()
    sealed = make_sealed(builder.contents, builder.weights)
    options = {"sealed": sealed, "memory_bytes": 1 << 29}
    if case.end is End.UNREADABLE:
        with pytest.raises(LoadFailed), open_cell(events, "function", **options):
            pytest.fail("it was loaded")
        with pytest.raises(IntakeRefused):
            parse_graph(builder.contents["graph.json"])
        return
    body, tail = make_call(builder, *case.inputs)
    with open_cell(events, "function", **options) as cell:
        for _ in range(2):  # the second time its plan is known
            match case.end:
                case End.CALL_REFUSED:
                    with pytest.raises(CallRefused):
                        last_reply(cell.call("infer", body, tail))
                case _:
                    assert "outputs" in last_reply(cell.call("infer", body, tail)).body
    assert events.causes == ["closed"]
