"""A worker that does what no honest one would, at the moment that its settings name. Started by tests only.

What it writes goes past everything that an honest worker would check.
"""

from __future__ import annotations

import ctypes
import json
import mmap
import os
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress

from ostiary._hazmat.blocks import find_address
from ostiary.core.frames import FromWorker
from ostiary.worker import run
from ostiary.worker.begin import begin
from ostiary.worker.channel import CellChannel
from ostiary.worker.engines.contract import (
    Call,
    CallUnfit,
    EngineLimits,
    ErrorName,
    JsonObject,
    MakeEngine,
    ModelUnfit,
    Reply,
    ReplyKind,
)
from ostiary.worker.engines.fake import FakeEngine
from ostiary.worker.lent import LentMemory, map_lent

_sockets: list[socket.socket] = []
_lent: list[LentMemory] = []


class _OpenChannel(CellChannel):
    def __init__(self, sock: socket.socket) -> None:
        super().__init__(sock)
        _sockets.append(sock)


def _write(data: bytes) -> None:
    _sockets[0].sendall(data)


def _frame(kind: int, call_id: int, body: object = None, tail: bytes = b"", *, text: bytes | None = None) -> bytes:
    text = (b"" if body is None else json.dumps(body).encode()) if text is None else text
    return struct.pack("<IIIBBBB", len(text), len(tail), call_id, kind, 0, 0, 0) + text + tail


def _map_lent(descriptors: Sequence[int], size: int) -> LentMemory:
    _lent.append(map_lent(descriptors, size))
    return _lent[0]


def _find_given() -> int:
    """Its address."""
    return find_address(_lent[0].given)


def _write_to_given() -> None:
    ctypes.memset(_find_given(), 0xEE, 1)


def _make_given_writable() -> None:
    """Behind the wall as well: mprotect(2) is let through, and says no."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    if libc.mprotect(_find_given(), mmap.PAGESIZE, mmap.PROT_READ | mmap.PROT_WRITE):
        raise CallUnfit(os.strerror(ctypes.get_errno()))


def _map_it_again() -> None:
    """It has no descriptor of it; so it asks for any that can be mapped."""
    for descriptor in range(3, 32):
        with suppress(OSError):
            os.lseek(descriptor, 0, os.SEEK_CUR)
            raise CallUnfit("a file is open")
    raise CallUnfit("no file is open")


def _scribble() -> None:
    room = _lent[0].room
    room[: 4 << 20] = b"z" * (4 << 20)


def _hang() -> None:
    while True:
        time.sleep(1)


def _answer_and_exit() -> None:
    _write(_frame(FromWorker.RESULT, 1, {"last": "words"}))
    os._exit(0)


def _flood(data: bytes) -> None:
    while True:
        _write(data)


def _flood_from_a_thread() -> None:
    usage = _frame(FromWorker.USAGE, 0, {"tokens": 1, "device_bytes": None})
    threading.Thread(target=_flood, args=(usage,), daemon=True).start()


def _spin() -> None:
    while True:
        pass


def _half_a_frame() -> None:
    _write(_frame(FromWorker.PIECE, 1, {"a": 1})[:19])
    _hang()


def _close_channel() -> None:
    _sockets[0].close()
    _hang()


def _shut_channel() -> None:
    _sockets[0].shutdown(socket.SHUT_WR)
    _hang()


def _allocate() -> None:
    kept = []
    while True:
        kept.append(bytearray(1 << 20))


def _refuse(name: ErrorName) -> None:
    raise ModelUnfit(name, "as its settings say")


_WRITTEN: Mapping[str, bytes] = {
    "answer an unknown call": _frame(FromWorker.RESULT, 999, {}),
    "answer call 0": _frame(FromWorker.RESULT, 0, {}),
    "end a call twice": _frame(FromWorker.RESULT, 1, {}) * 2,
    "error on an unknown call": _frame(FromWorker.ERROR, 7, {"code": "WORKER_ENGINE_FAILED", "sentence": ""}),
    "claim a huge body": struct.pack("<IIIBBBB", 1 << 31, 0, 1, FromWorker.RESULT, 0, 0, 0),
    "claim a huge tail": struct.pack("<IIIBBBB", 0, 1 << 31, 1, FromWorker.RESULT, 0, 0, 0),
    "a kind that only the cell sends": _frame(5, 1, {}),
    "a kind of the fork server": _frame(43, 1, {"status": 0}),
    "a kind that does not exist": _frame(200, 1, {}),
    "padding": struct.pack("<IIIBBBB", 0, 0, 1, FromWorker.RESULT, 1, 0, 0),
    "not JSON": _frame(FromWorker.RESULT, 1, text=b"{"),
    "not an object": _frame(FromWorker.RESULT, 1, text=b"[]"),
    "not UTF-8": _frame(FromWorker.RESULT, 1, text=b'{"a":"\xff"}'),
    "not a number": _frame(FromWorker.RESULT, 1, text=b'{"a":NaN}'),
    "the same key twice": _frame(FromWorker.RESULT, 1, text=b'{"a":1,"a":2}'),
    "deep JSON": _frame(FromWorker.RESULT, 1, text=b'{"a":' + b"[" * 5000 + b"]" * 5000 + b"}"),
    "many values": _frame(FromWorker.RESULT, 1, text=b'{"a":[' + b"0," * 600_000 + b"0]}"),
    "half a surrogate": _frame(FromWorker.RESULT, 1, text=b'{"a":"\\ud800"}'),
    "an error of the house": _frame(FromWorker.ERROR, 1, {"code": "HOUSE_INTERNAL", "sentence": "x"}),
    "an error of loading": _frame(FromWorker.ERROR, 1, {"code": "WORKER_LOAD_FAILED", "sentence": "x"}),
    "an error with more": _frame(FromWorker.ERROR, 1, {"code": "WORKER_ENGINE_FAILED", "sentence": "", "x": 1}),
    "an error without words": _frame(FromWorker.ERROR, 1, {"code": "WORKER_ENGINE_FAILED", "sentence": 5}),
    "let go unasked": _frame(FromWorker.CANCELLED, 1),
    "ready again": _frame(FromWorker.READY, 0, {"engine": "hostile", "facts": {}}),
    "weights taken again": _frame(FromWorker.TAKEN, 0),
    "negative usage": _frame(FromWorker.USAGE, 0, {"tokens": -1, "device_bytes": None}),
    "boolean usage": _frame(FromWorker.USAGE, 0, {"tokens": True, "device_bytes": None}),
    "usage of another kind": _frame(FromWorker.USAGE, 0, {"tokens": 1}),
    "be ready too soon": _frame(FromWorker.READY, 0, {"engine": "hostile", "facts": {}}),
    "be another engine": _frame(FromWorker.READY, 0, {"engine": "language", "facts": {}}),
    "answer in memory that was not lent": _frame(FromWorker.RESULT_LENT, 1, {}),
    "answer in lent memory and beside it": _frame(FromWorker.RESULT_LENT, 1, {}, b"more"),
    "too many pieces": _frame(FromWorker.PIECE, 1, {}) * 3_000,
}

ACTIONS: Mapping[str, Callable[[], None]] = {
    **{name: lambda data=data: _write(data) for name, data in _WRITTEN.items()},  # type: ignore[misc]
    "abort": os.abort,
    "allocate": _allocate,
    "look for the descriptor of lent memory": _map_it_again,
    "make what is given writable": _make_given_writable,
    "scribble in the room": _scribble,
    "write to what is given": _write_to_given,
    "answer and exit": _answer_and_exit,
    "close the channel": _close_channel,
    "exit 0": lambda: os._exit(0),
    "exit 3": lambda: os._exit(3),
    "flood": lambda: _flood(_frame(FromWorker.PIECE, 1, {"a": "x" * 1000})),
    "flood of garbage": lambda: _flood(b"\xff" * 65536),
    "flood of usage": lambda: _flood(_frame(FromWorker.USAGE, 0, {"tokens": 1, "device_bytes": None})),
    "flood of usage from a thread": _flood_from_a_thread,
    "allocate in a thread": lambda: threading.Thread(target=_allocate, daemon=True).start(),
    "spin in a thread": lambda: threading.Thread(target=_spin, daemon=True).start(),
    "half a frame": _half_a_frame,
    "does not know the architecture": lambda: _refuse(ErrorName.ARCHITECTURE_NOT_ALLOWED),
    "finds its limits too small": lambda: _refuse(ErrorName.MEMORY_BUDGET),
    "hang": _hang,
    "shut the channel": _shut_channel,
    "send a descriptor": lambda: socket.send_fds(_sockets[0], [b"x"], [_sockets[0].fileno()]) and None,
    "": lambda: None,
}
WRITTEN = tuple(_WRITTEN)


class HostileEngine(FakeEngine):
    name = "hostile"

    def __init__(self, limits: EngineLimits, settings: JsonObject) -> None:
        super().__init__(limits, {})
        self._settings = settings
        self._meet("make")

    def _meet(self, moment: str) -> None:
        if self._settings.get("at") == moment:
            ACTIONS[str(self._settings["do"])]()

    def read_contents(self, contents: Mapping[str, bytes]) -> None:
        self._meet("contents")
        super().read_contents(contents)

    def read_weights(self, path: str, descriptor: int, size: int) -> None:
        self._meet("weights")
        super().read_weights(path, descriptor, size)

    def finish_load(self) -> JsonObject:
        self._meet("finish")
        return super().finish_load()

    def submit(self, call: Call) -> None:
        self._meet("submit")
        if call.operation == "do":
            self._running[call.id] = self._start(call, _do(call))
        else:
            super().submit(call)

    def cancel(self, call_id: int) -> None:
        self._meet("cancel")
        super().cancel(call_id)

    @staticmethod
    def _start(call: Call, steps: Iterator[Reply | None]) -> object:
        from ostiary.worker.engines.fake import _Running

        return _Running(call, steps)


def _do(call: Call) -> Iterator[Reply | None]:
    ACTIONS[str(call.body["what"])]()
    yield Reply(call.id, ReplyKind.RESULT, {})


def prepare_engine(settings: JsonObject) -> MakeEngine:
    if settings.get("at") == "prepare":
        ACTIONS[str(settings["do"])]()
    if settings.get("missing"):
        raise ModuleNotFoundError("no such module", name=str(settings["missing"]))
    if settings.get("broken"):
        raise OSError(5, "a library that does not load")
    if settings.get("threads"):
        threading.Thread(target=_hang, daemon=True).start()
    return lambda limits: HostileEngine(limits, settings)


if "command" in globals():
    run.CellChannel = _OpenChannel  # type: ignore[misc]
    run.map_lent = _map_lent
    begin(globals()["command"], {"hostile": prepare_engine})
