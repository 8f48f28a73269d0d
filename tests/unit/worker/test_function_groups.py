"""Which calls of a function are computed together."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from ostiary.graph.independence import BatchAxes
from ostiary.worker.engines.function.group import pick_group
from ostiary.worker.engines.function.infer_call import InferCall
from ostiary.worker.engines.function.settings import Settings, parse_settings

AXES = BatchAxes((0, None), (0,))


def call(number: int, rows: int, columns: int = 3, shared: bytes = b"s", *, is_alone: bool = False) -> InferCall:
    data = memoryview(bytes(rows * columns))
    return InferCall(number, ((rows, columns), (1,)), (data, memoryview(shared)), is_alone)


def pick(waiting: Sequence[InferCall], most: int = 10, axes: BatchAxes | None = AXES) -> list[int]:
    return [item.id for item in pick_group(waiting, axes, most)]


def test_calls_that_differ_in_rows_only_go_together() -> None:
    assert pick([call(1, 2), call(2, 1), call(3, 4)]) == [1, 2, 3]


def test_as_many_rows_as_may_be() -> None:
    assert pick([call(1, 4), call(2, 4), call(3, 4), call(4, 2), call(5, 1)]) == [1, 2, 4]
    assert pick([call(1, 12), call(2, 1)]) == [1], "larger alone than a group may be: for the contract to judge"


def test_others_wait_for_their_turn() -> None:
    assert pick([call(1, 2), call(2, 2, columns=4), call(3, 2, shared=b"t"), call(4, 2)]) == [1, 4]


def test_where_the_rows_do_not_stay_apart_each_goes_alone() -> None:
    assert pick([call(1, 2), call(2, 1)], axes=None) == [1]


def test_what_failed_together_goes_alone() -> None:
    assert pick([call(1, 2, is_alone=True), call(2, 1)]) == [1]
    assert pick([call(1, 2), call(2, 1, is_alone=True), call(3, 1)]) == [1, 3]


def test_calls_without_rows_go_alone() -> None:
    assert pick([call(1, 0), call(2, 1)]) == [1]
    no_axis = InferCall(1, ((), (1,)), (memoryview(b""), memoryview(b"s")))
    assert pick([no_axis, call(2, 1)]) == [1]
    two = BatchAxes((0, 0), (0,))
    different = InferCall(1, ((2, 3), (1,)), (memoryview(bytes(6)), memoryview(b"s")))
    assert pick([different, different], axes=two) == [1]


def test_settings_are_closed() -> None:
    assert parse_settings({}) == Settings()
    assert parse_settings({"rows": 1, "threads": 2, "work": 3}) == Settings(rows=1, threads=2, work=3)
    for wrong in ({"row": 1}, {"rows": 0}, {"rows": True}, {"threads": "2"}, {"work": 1 << 63}, {"adapter": "a"}):
        with pytest.raises(ValueError, match=r"function engine|must be a number"):
            parse_settings(wrong)
