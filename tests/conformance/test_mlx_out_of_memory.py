"""An allocation of MLX's that fails is a segmentation fault; the cell still says that it was memory."""

from __future__ import annotations

import pytest
from cell_models import pack_safetensors
from cell_tools import LINUX_ONLY, Events, last_reply, make_sealed, open_cell

from ostiary.core.frames import JsonObject
from ostiary.errors import WorkerOutOfMemory
from ostiary.record.events import CellEnded

pytest.importorskip("mlx.core")
pytestmark = [pytest.mark.mlx, LINUX_ONLY]

SMALL_BYTES = 600 << 20
MODEL = make_sealed(
    {"config.json": b"{}"},
    {"model.safetensors": pack_safetensors({"wide": (1, 64), "narrow": (1, 8)})},
)


def _outer(rows: int, name: str) -> tuple[JsonObject, bytes]:
    return {"rows": rows, "columns": 1, "right": name}, bytes(4 * rows)


def _check_end(events: Events) -> None:
    ended = events.wait_for(CellEnded)
    assert ended.cause == "memory"
    assert ended.signal == 11


def test_more_at_once_than_there_may_ever_be() -> None:
    events = Events()
    with open_cell(events, "arrays", sealed=MODEL, memory_bytes=SMALL_BYTES) as cell:
        body, tail = _outer(1 << 22, "wide")  # a result of 1 GiB
        with pytest.raises(WorkerOutOfMemory, match="memory limit of 600 MiB"):
            last_reply(cell.call("matmul", body, tail))
        _check_end(events)
        body, tail = _outer(1 << 10, "wide")
        assert last_reply(cell.call("matmul", body, tail)).body == {"shape": [1 << 10, 64]}  # a new process


def test_python_gets_a_memory_error_and_the_worker_goes_on() -> None:
    events = Events()
    with open_cell(events, "fake", memory_bytes=SMALL_BYTES) as cell:
        for _ in range(3):
            with pytest.raises(WorkerOutOfMemory, match="MemoryError"):
                last_reply(cell.call("end", {"how": "ask for all memory"}))
        assert last_reply(cell.call("echo", {"still": "there"})).body == {"still": "there"}
    assert events.wait_for(CellEnded).cause == "closed"
