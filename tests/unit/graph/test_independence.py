"""Which graphs keep the entries of a batch apart, and which may not be told to."""

from __future__ import annotations

import pytest
from graph_builder import GraphBuilder
from row_graphs import APART, MIXED, Build, columns, masked_by_shared

from ostiary.graph.independence import BatchAxes, find_batch_axes


def find(build: Build) -> BatchAxes | None:
    builder = GraphBuilder()
    build(builder, builder.dim("batch", 1, 8, is_batch=True))
    return find_batch_axes(builder.graph, "batch")


@pytest.mark.parametrize("build", APART, ids=lambda build: build.__name__)
def test_entries_that_stay_apart(build: Build) -> None:
    assert find(build) is not None


def test_where_the_entries_are() -> None:
    assert find(columns) == BatchAxes((1,), (0,))
    assert find(masked_by_shared) == BatchAxes((0, None), (0, None))


@pytest.mark.parametrize("build", MIXED, ids=lambda build: build.__name__)
def test_entries_that_could_meet(build: Build) -> None:
    assert find(build) is None
