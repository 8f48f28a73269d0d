"""MLX computes behind the whole wall, on weights that arrive there as descriptors, and opens nothing."""

from __future__ import annotations

import struct
import threading

import pytest
from cell_tools import LINUX_ONLY, PATIENCE, Events, last_reply, make_sealed, open_cell

from ostiary.cell.probe import read_facts
from ostiary.cell.profile import Layer, required_layers
from ostiary.errors import CallRefused, LoadFailed
from ostiary.testing import safetensors_file

pytest.importorskip("mlx.core")
pytestmark = [pytest.mark.mlx, LINUX_ONLY]

ROWS, INNER, COLUMNS = 5, 64, 48


def _values(rows: int, columns: int) -> list[list[float]]:
    return [[float((row * columns + column) % 11 - 5) for column in range(columns)] for row in range(rows)]


def _pack(values: list[list[float]]) -> bytes:
    flat = [number for row in values for number in row]
    return struct.pack(f"<{len(flat)}f", *flat)


LEFT, RIGHT = _values(ROWS, INNER), _values(INNER, COLUMNS)
PRODUCT = [
    [sum(LEFT[row][i] * RIGHT[i][column] for i in range(INNER)) for column in range(COLUMNS)] for row in range(ROWS)
]
MODEL = make_sealed(
    {"config.json": b"{}"},
    {
        "model-1.safetensors": safetensors_file({"left": ((ROWS, INNER), _pack(LEFT))}, "F32"),
        "model-2.safetensors": safetensors_file({"right": ((INNER, COLUMNS), _pack(RIGHT))}, "F32"),
    },
)


def _unpack(tail: bytes | memoryview) -> list[float]:
    return list(struct.unpack(f"<{len(tail) // 4}f", tail))


def test_mlx_multiplies_behind_the_whole_wall() -> None:
    """Every file that it opened after the wall went up would have ended it: none of the calls is let through."""
    events = Events()
    with open_cell(events, "arrays", sealed=MODEL) as cell:
        assert set(cell.layers) == {layer.value for layer in required_layers(read_facts())}
        assert Layer.SECCOMP.value in cell.layers
        assert cell.facts["tensors"] == 2
        reply = last_reply(cell.call("matmul", {"left": "left", "right": "right"}))
        assert reply.body == {"shape": [ROWS, COLUMNS]}
        assert _unpack(reply.tail) == [number for row in PRODUCT for number in row]
        body = {"rows": ROWS, "columns": INNER, "right": "right"}
        assert bytes(last_reply(cell.call("matmul", body, _pack(LEFT))).tail) == bytes(reply.tail)
        total = _unpack(last_reply(cell.call("sum", {"name": "right"})).tail)
        assert total == [sum(number for row in RIGHT for number in row)]
    assert events.kinds == ["cell.started", "cell.ended"]


def test_each_worker_of_one_fork_server_has_its_own_arrays() -> None:
    other = make_sealed({}, {"model.safetensors": safetensors_file({"x": ((1, 2), _pack([[3.0, 4.0]]))}, "F32")})
    with open_cell(Events(), "arrays", sealed=MODEL) as one, open_cell(Events(), "arrays", sealed=other) as two:
        assert set(last_reply(one.call("names")).body["shapes"]) == {"left", "right"}
        assert set(last_reply(two.call("names")).body["shapes"]) == {"x"}
        assert _unpack(last_reply(two.call("sum", {"name": "x"})).tail) == [7.0]


def test_many_threads_use_one_model() -> None:
    sums: list[float] = []
    with open_cell(Events(), "arrays", sealed=MODEL) as cell:

        def ask() -> None:
            sums.extend(_unpack(last_reply(cell.call("sum", {"name": "left"})).tail))

        threads = [threading.Thread(target=ask) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE)
    assert len(sums) == 8
    assert len(set(sums)) == 1


def test_without_forking_the_same() -> None:
    events = Events()
    with open_cell(events, "arrays", sealed=MODEL, forks=False) as cell:
        reply = last_reply(cell.call("matmul", {"left": "left", "right": "right"}))
        assert _unpack(reply.tail) == [number for row in PRODUCT for number in row]
    assert events.causes == ["closed"]


@pytest.mark.parametrize(
    ("operation", "body", "tail"),
    [
        ("sum", {"name": "nobody"}, b""),
        ("sum", {}, b""),
        ("matmul", {"left": "right", "right": "left"}, b""),
        ("matmul", {"rows": 1, "columns": INNER, "right": "right"}, b"1234"),
        ("matmul", {"rows": -1, "columns": -1, "right": "right"}, b"1234"),
        ("matmul", {"rows": 1 << 40, "columns": 1, "right": "right"}, b"1234"),
        ("exp", {"name": "left"}, b""),
    ],
)
def test_calls_that_do_not_fit_are_refused_before_mlx_sees_them(operation: str, body: dict, tail: bytes) -> None:
    events = Events()
    with open_cell(events, "arrays", sealed=MODEL) as cell, pytest.raises(CallRefused):
        list(cell.call(operation, body, tail))
    assert events.causes == ["closed"]


@pytest.mark.parametrize("data", [b"", b"\0" * 8, b"\xff" * 64, struct.pack("<Q", 1 << 40) + b"{}"])
def test_weights_that_mlx_does_not_take(data: bytes) -> None:
    events = Events()
    with (
        pytest.raises(LoadFailed),
        open_cell(events, "arrays", sealed=make_sealed({}, {"model.safetensors": data})),
    ):
        pass
    assert events.kinds == ["cell.refused"]


def test_the_same_tensor_twice_is_not_taken() -> None:
    file = safetensors_file({"x": ((1,), _pack([[3.0]]))}, "F32")
    with (
        pytest.raises(LoadFailed, match="stands in two files"),
        open_cell(Events(), "arrays", sealed=make_sealed({}, {"a.safetensors": file, "b.safetensors": file})),
    ):
        pass
