"""Functions behind the door when their process is slow, dies, or nobody waits any more; of the real engine."""

from __future__ import annotations

import json
import signal
import struct
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
from cell_tools import LINUX_ONLY, PATIENCE, signal_worker
from door_tools import Answer, head
from served_functions import ask, binary_input, request, serve_functions, split
from served_models import Served

from ostiary.cell.running import RunningCell
from ostiary.gateway.oip.wire import write_bytes, write_packed, write_text

pytest.importorskip("mlx.core")
pytestmark = [LINUX_ONLY, pytest.mark.mlx]
BINARY = {"binary_data_output": True}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    pytest.importorskip("grpc")
    with serve_functions(tmp_path_factory.mktemp("functions"), has_grpc=True) as running:
        yield running


def find_cell(served: Served) -> RunningCell:
    return served.door.door.models.by_name["scaled"].current.opened._opened.cell


def ask_row(served: Served, number: int) -> Answer:
    told = request(binary_input(12, shape=[1, 3]), id=str(number), parameters=BINARY)
    return ask(served, told, struct.pack("<3f", number % 10, 1, 2))


def wait_until(is_so: Any) -> None:
    for _ in range(1_000):
        if is_so():
            return
        threading.Event().wait(0.01)
    pytest.fail("it never was")


def count_calls(served: Served) -> int:
    """That its process was sent."""
    process = find_cell(served)._process
    assert process is not None
    return sum(call.is_sent for call in process._calls._in_flight.values())


def pending(served: Served, threads: ThreadPoolExecutor, count: int) -> list[Future[Answer]]:
    """Requests that a stopped worker holds up."""
    calls = [threads.submit(ask_row, served, number) for number in range(count)]
    wait_until(lambda: count_calls(served) == count)
    return calls


def test_calls_that_wait_together_are_each_answered_with_their_own(served: Served) -> None:
    assert served.door.door.models.by_name["scaled"].current.opened.claimed_facts["joins_calls"] is True
    with ThreadPoolExecutor(32) as threads:
        signal_worker(find_cell(served), signal.SIGSTOP)
        calls = pending(served, threads, 32)
        signal_worker(find_cell(served), signal.SIGCONT)
        for number, call in enumerate(calls):
            told, data = split(call.result(PATIENCE))
            assert told["id"] == str(number)
            assert struct.unpack("<3f", data) == (number % 10, 2, 6)


def test_a_worker_that_dies_fails_what_it_computes_and_the_next_call_works(served: Served) -> None:
    with ThreadPoolExecutor(4) as threads:
        signal_worker(find_cell(served), signal.SIGSTOP)
        calls = pending(served, threads, 4)
        signal_worker(find_cell(served))
        for call in calls:
            answer = call.result(PATIENCE)
            assert (answer.status, answer.code) == (502, "WORKER_CRASHED")
            assert isinstance(answer.json["error"], str)
    assert ask_row(served, 3).status == 200


def test_over_grpc_a_worker_that_dies_is_an_internal_error(served: Served) -> None:
    grpc = pytest.importorskip("grpc")
    told = write_text(1, "x") + write_text(2, "FP32") + write_packed(3, [1, 3])
    message = b"".join(
        [write_text(1, "scaled"), *write_bytes(5, told), *write_bytes(7, struct.pack("<3f", 1, 1, 1))]
    )
    with grpc.insecure_channel(f"127.0.0.1:{served.door.grpc_port}") as channel:
        infer = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
        assert infer(message, timeout=PATIENCE).endswith(struct.pack("<3f", 1, 2, 3))
        signal_worker(find_cell(served), signal.SIGSTOP)
        call = infer.future(message, timeout=PATIENCE)
        wait_until(lambda: count_calls(served) == 1)
        signal_worker(find_cell(served))
        assert dict(call.trailing_metadata())["ostiary-code"] == "WORKER_CRASHED"
        assert infer(message, timeout=PATIENCE).endswith(struct.pack("<3f", 1, 2, 3))
        signal_worker(find_cell(served), signal.SIGSTOP)
        call = infer.future(message, timeout=PATIENCE)
        wait_until(lambda: count_calls(served) == 1)
        call.cancel()
        wait_until(lambda: served.door.door._places.taken == 0)
        signal_worker(find_cell(served), signal.SIGCONT)
        assert infer(message, timeout=PATIENCE).endswith(struct.pack("<3f", 1, 2, 3))


def test_who_goes_away_is_forgotten(served: Served) -> None:
    signal_worker(find_cell(served), signal.SIGSTOP)
    body = json.dumps(request({"name": "x", "datatype": "FP32", "shape": [1, 3], "data": [1, 2, 3]})).encode()
    with served.door.connect() as connection:
        connection.sendall(head("POST", "/v2/models/scaled/infer", f"content-length: {len(body)}") + body)
        wait_until(lambda: count_calls(served) == 1)
    wait_until(lambda: served.door.door._places.taken == 0)
    signal_worker(find_cell(served), signal.SIGCONT)
    assert ask_row(served, 1).status == 200
