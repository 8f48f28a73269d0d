"""Long bodies go straight into the memory that the model's worker sees: nothing of one gets into another."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from importlib import import_module
from typing import BinaryIO

import door_tools
import pytest
from cell_tools import LINUX_ONLY
from door_tools import QUICK, RunningDoor, head, parse_answer, read_all
from function_models import BATCH, write_echo
from served_models import Served, serve

from ostiary.cell import lent
from ostiary.graph.function_contract import ContractDim, FunctionContract, TensorInput, TensorOutput
from ostiary.testing import FakeEngine, sign_model

pytestmark = LINUX_ONLY

ECHO = FunctionContract(
    "bytes",
    (ContractDim("batch", 1, None),),
    (TensorInput("x", "UINT8", (BATCH,)), TensorInput("z", "UINT8", (3,))),
    (TensorOutput("y", "UINT8", (BATCH,)), TensorOutput("w", "UINT8", (3,))),
)
SIZE = (3 << 20) + 77
ADDRESS = "/v2/models/bytes/infer"
PATIENCE = 30.0


@pytest.fixture(scope="module", params=["asyncio", "uvloop"])
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """With Python's own event loop, and with the one that `ostiary serve` runs."""
    folder = tmp_path_factory.mktemp("bytes")
    model = write_echo(folder / "bytes", ECHO)
    key = sign_model(model)
    server = replace(QUICK, body_time=2)
    with pytest.MonkeyPatch.context() as patch, FakeEngine():
        patch.setattr(door_tools.asyncio, "run", import_module(request.param).run)
        with serve(folder / "state", ("bytes", model, key), server=server) as running:
            yield running


def write(data: bytes, *more: str) -> tuple[bytes, bytes]:
    """The head of a request, and its body."""
    described = [
        {"name": name, "datatype": "UINT8", "shape": [len(part)], "parameters": {"binary_data_size": len(part)}}
        for name, part in (("x", data), ("z", b"end"))
    ]
    header = json.dumps({"inputs": described, "parameters": {"binary_data_output": True}}).encode()
    body = header + data + b"end"
    told = (f"inference-header-content-length: {len(header)}", f"content-length: {len(body)}", *more)
    return head("POST", ADDRESS, *told), body


def read_answer(answers: BinaryIO) -> bytes:
    """The binary data of the next one."""
    assert answers.readline() == b"HTTP/1.1 200 OK\r\n"
    told = dict(line.rstrip().split(b": ") for line in iter(answers.readline, b"\r\n"))
    body = answers.read(int(told[b"content-length"]))
    return body[int(told[b"inference-header-content-length"]) :]


def exchange(door: RunningDoor, data: bytes) -> bytes:
    with door.connect(PATIENCE) as connection, connection.makefile("rb") as answers:
        connection.sendall(b"".join(write(data)))
        return read_answer(answers)


@pytest.fixture
def copied(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """What is copied into or out of lent memory, in bytes."""
    found: list[int] = []
    copy = lent._copy

    def note(source: memoryview, target: memoryview) -> None:
        found.append(len(source))
        copy(source, target)

    monkeypatch.setattr(lent, "_copy", note)
    return found


def test_after_the_first_one_nothing_is_copied_on_the_way_in(served: Served, copied: list[int]) -> None:
    data = os.urandom(SIZE)
    for _ in range(3):
        assert exchange(served.door, data) == data + b"end"
        wait_for_place(served)
        copied.clear()
    assert exchange(served.door, data) == data + b"end"
    assert copied == [SIZE + 3], "its answer only"


def test_what_follows_a_long_body_is_the_next_request(served: Served) -> None:
    first, second = os.urandom(SIZE), os.urandom(SIZE)
    with served.door.connect(PATIENCE) as connection, connection.makefile("rb") as answers:
        sending = threading.Thread(
            target=connection.sendall, args=(b"".join((*write(first), *write(b"short"), *write(second))),)
        )
        sending.start()
        assert read_answer(answers) == first + b"end"
        assert read_answer(answers) == b"shortend"
        assert read_answer(answers) == second + b"end"
        sending.join(PATIENCE)


def test_clients_at_once_get_each_their_own(served: Served) -> None:
    def ask(number: int) -> bool:
        data = bytes([number]) * SIZE
        return all(exchange(served.door, data) == data + b"end" for _ in range(3))

    with ThreadPoolExecutor(4) as threads:
        assert all(threads.map(ask, range(4)))


def test_who_goes_away_within_a_long_body_gives_its_place_back(served: Served, copied: list[int]) -> None:
    data = b"\x01" * SIZE
    exchange(served.door, data)
    for size in (0, 1, SIZE // 2, SIZE - 1):
        wait_for_place(served)
        lines, body = write(data)
        with served.door.connect(PATIENCE) as connection:
            connection.sendall(lines + body[:size])
    other = b"\x02" * SIZE
    for _ in range(50):  # the server may hear of the last one only now
        wait_for_place(served)
        copied.clear()
        assert exchange(served.door, other) == other + b"end"
        if copied == [SIZE + 3]:
            return
    pytest.fail("nobody gave the place back")


def test_what_is_refused_gives_its_place_back(served: Served) -> None:
    exchange(served.door, b"\x01" * SIZE)
    lines, body = write(b"\x01" * SIZE)
    wrong = body.replace(b'"shape": [3]', b'"shape": [9]')
    for _ in range(3):
        wait_for_place(served)
        with served.door.connect(PATIENCE) as connection, connection.makefile("rb") as answers:
            connection.sendall(lines + wrong)
            assert answers.readline() == b"HTTP/1.1 400 Bad Request\r\n"
    wait_for_place(served)


def test_who_holds_a_place_and_sends_nothing_keeps_nobody_waiting(served: Served) -> None:
    data = b"\x03" * SIZE
    exchange(served.door, data)
    wait_for_place(served)
    lines, body = write(data)
    with served.door.connect(PATIENCE) as slow:
        slow.sendall(lines + body[:5])
        assert exchange(served.door, data) == data + b"end"
        answer = parse_answer(read_all(slow))
        assert (answer.status, answer.json["code"]) == (408, "GATEWAY_TOO_SLOW")


def test_what_is_still_sent_after_a_refusal_goes_nowhere(served: Served) -> None:
    data = b"\x04" * SIZE
    exchange(served.door, data)
    wait_for_place(served)
    lines, body = write(data)
    with served.door.connect(PATIENCE) as slow:
        slow.sendall(lines + body[:5])
        assert slow.recv(12) == b"HTTP/1.1 408"
        with pytest.raises(ConnectionError):
            send_for_ever(slow, body)
    other = b"\x05" * SIZE
    assert exchange(served.door, other) == other + b"end"


def test_a_claim_takes_no_memory(served: Served) -> None:
    (opened,) = (model.current.opened for model in served.door.door.models.by_name.values())
    given = opened._opened.cell._process.lent._given  # type: ignore[union-attr]
    before = given.most_bytes
    with served.door.connect(PATIENCE) as connection:
        connection.sendall(head("POST", ADDRESS, "content-length: 60000000", "inference-header-content-length: 9"))
        connection.sendall(b"{")
        assert exchange(served.door, b"short") == b"shortend"
    assert given.most_bytes == before


def send_for_ever(connection: socket.socket, data: bytes) -> None:
    while True:
        connection.sendall(data)


def wait_for_place(served: Served) -> None:
    """An answer is with its client a moment before the server has let go of the body."""
    (opened,) = (model.current.opened for model in served.door.door.models.by_name.values())
    deadline = time.monotonic() + PATIENCE
    ready = threading.Event()
    while opened.take_place(SIZE + (1 << 12)) is None:
        assert time.monotonic() < deadline, "nobody gave the place back"
        ready.wait(0.01)
