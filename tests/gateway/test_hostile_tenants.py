"""One tenant does its worst with a good key: others are answered, and nothing of theirs is changed by it."""

from __future__ import annotations

import json
import select
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cell_tools import LINUX_ONLY, PATIENCE
from door_tools import QUICK, head, parse_answer, read_all, running_door
from keeper_tools import LIMIT, ask, keeping, publish, speaking
from quota_tools import HandClocks, begin_server, wait_for
from served_functions import INPUT, flat, request, serve_functions

from ostiary.admission.tenants import TenantLimits
from ostiary.gateway.asked import Asked
from ostiary.gateway.client_key import make_key
from ostiary.gateway.keys import ClientKeys
from ostiary.gateway.oip import rest
from ostiary.gateway.oip.read_infer import InferRequest, parse_infer
from ostiary.gateway.reply import JsonReply, Reply
from ostiary.gateway.route import Dialect, Route
from ostiary.testing import FakeEngine

pytestmark = LINUX_ONLY
NOW = 1_700_000_000
GREEDY, OTHER = make_key("greedy", NOW), make_key("other", NOW)
KEYS = ClientKeys([GREEDY[0], OTHER[0]])
PATIENT = replace(QUICK, head_time=120, body_time=120)
"""Nothing in here waits for a time to be over."""


class Letters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    text: str


async def measure(_asked: Asked, body: Letters) -> Reply:
    return JsonReply({"length": len(body.text)})


MEASURE = Route(method="POST", path="/measure", handle=measure, dialect=Dialect.PROBLEM, summary="", takes=Letters)


def post(key: str, body: bytes, claimed: int | None = None) -> bytes:
    told = len(body) if claimed is None else claimed
    lines = (
        f"authorization: Bearer {key}",
        "content-type: application/json",
        f"content-length: {told}",
        "connection: close",
    )
    return head("POST", "/measure", *lines) + body


def test_half_bodies_of_one_tenant_leave_connections_to_others() -> None:
    most = 32
    with running_door([MEASURE], keys=KEYS, server=replace(PATIENT, connections=most), connections=most) as door:
        with ExitStack() as stack:
            for _ in range(2 * most):
                half = stack.enter_context(door.connect(PATIENCE))
                half.sendall(post(GREEDY[1], b'{"te', 100))
            for _ in range(3):
                with door.connect(PATIENCE) as asking:
                    asking.sendall(post(OTHER[1], b'{"text":"four"}'))
                    assert parse_answer(read_all(asking)).json == {"length": 4}
        assert door.door.requests > most


def test_what_one_tenant_has_read_is_read_by_turns() -> None:
    """Long bodies are read one after the other: another's does not stand behind all of a crowd's."""
    entered, release = threading.Semaphore(0), threading.Event()
    order: list[str] = []

    class Slow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
        text: str

        def __post_init__(self) -> None:
            entered.release()
            assert release.wait(PATIENCE)

    async def note(asked: Asked, body: Slow) -> Reply:
        order.append(asked.caller.tenant)
        return JsonReply({"length": len(body.text)})

    slow = Route(method="POST", path="/measure", handle=note, dialect=Dialect.PROBLEM, summary="", takes=Slow)
    text = json.dumps({"text": "x" * 70_000}).encode()
    with running_door([slow], keys=KEYS, server=PATIENT) as door, ExitStack() as stack:
        crowd = [stack.enter_context(door.connect(PATIENCE)) for _ in range(6)]
        for connection in crowd:
            connection.sendall(post(GREEDY[1], text))
        assert entered.acquire(timeout=PATIENCE)
        wait_for(lambda: door.door.requests == len(crowd))
        other = stack.enter_context(door.connect(PATIENCE))
        other.sendall(post(OTHER[1], text))
        wait_for(lambda: door.door.long_work.tenants == 2)
        release.set()
        for connection in (*crowd, other):
            assert parse_answer(read_all(connection)).json == {"length": 70_000}
    assert order.index("other") <= 2


def test_what_one_tenant_asks_of_functions_is_read_by_turns_as_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entered, release = threading.Semaphore(0), threading.Event()
    order: list[str | None] = []

    def parse_slowly(*given: Any) -> InferRequest:
        entered.release()
        assert release.wait(PATIENCE)
        found = parse_infer(*given)
        order.append(found.id)
        return found

    def write(key: str, name: str) -> bytes:
        text = json.dumps(request({**INPUT, "data": flat()}, id=name)).encode() + b" " * 70_000
        told = (f"authorization: Bearer {key}", f"content-length: {len(text)}", "connection: close")
        return head("POST", "/v2/models/scaled/infer", *told) + text

    monkeypatch.setattr(rest, "parse_infer", parse_slowly)
    with FakeEngine(), serve_functions(tmp_path, keys=KEYS, server=PATIENT) as served, ExitStack() as stack:
        door = served.door
        crowd = [stack.enter_context(door.connect(PATIENCE)) for _ in range(6)]
        for connection in crowd:
            connection.sendall(write(GREEDY[1], "greedy"))
        assert entered.acquire(timeout=PATIENCE)
        wait_for(lambda: door.door.requests == len(crowd))
        other = stack.enter_context(door.connect(PATIENCE))
        other.sendall(write(OTHER[1], "other"))
        wait_for(lambda: door.door.long_work.tenants == 2)
        release.set()
        for connection in (*crowd, other):
            assert parse_answer(read_all(connection)).status == 200
    assert order.index("other") <= 2


CALLS = 16 + 64
"""That the server takes at once."""


@pytest.fixture(scope="module")
def functions(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port for gRPC."""
    folder: Path = tmp_path_factory.mktemp("functions")
    with (
        FakeEngine(),
        serve_functions(folder, has_grpc=True, keys=KEYS, server=replace(PATIENT, requests=16)) as served,
    ):
        yield served.door.grpc_port


def test_calls_without_a_message_leave_others_their_turn(functions: int) -> None:
    grpc = pytest.importorskip("grpc")
    method = "/inference.GRPCInferenceService/ServerMetadata"
    over = threading.Event()

    def say_nothing() -> Iterator[bytes]:
        over.wait(PATIENCE)
        yield from ()

    with ExitStack() as stack:
        stack.callback(over.set)
        crowd = []
        for _ in range(3):
            channel = stack.enter_context(
                grpc.insecure_channel(f"127.0.0.1:{functions}", options=[("grpc.use_local_subchannel_pool", 1)])
            )
            shown = [("authorization", f"Bearer {GREEDY[1]}")]
            crowd += [channel.stream_unary(method).future(say_nothing(), metadata=shown) for _ in range(40)]
        wait_for(lambda: sum(call.done() for call in crowd) >= len(crowd) - CALLS)
        own = stack.enter_context(grpc.insecure_channel(f"127.0.0.1:{functions}"))
        shown = [("authorization", f"Bearer {OTHER[1]}")]
        assert b"ostiary" in own.unary_unary(method)(b"", metadata=shown, timeout=PATIENCE)
        assert not all(call.done() for call in crowd), "the crowd is there yet"


def test_asking_what_a_function_takes_counts_as_it_may_load_the_model(tmp_path: Path) -> None:
    """Else who has no requests left could go on having models loaded, one in place of another."""
    quotas = begin_server(tmp_path / "usage", HandClocks(), usual=TenantLimits(requests_per_minute=2))
    with FakeEngine(), serve_functions(tmp_path, has_grpc=True, quotas=quotas) as served:
        for path in ("/v2/models/scaled", "/v2/models/scaled/versions/1"):
            assert served.door.get(path).status == 200
        assert served.door.get("/v2/models/scaled").code == "ADMISSION_QUOTA"
        assert served.door.get("/v2/models/scaled/ready").status == 200, "loads nothing"
        grpc = pytest.importorskip("grpc")
        with grpc.insecure_channel(f"127.0.0.1:{served.door.grpc_port}") as channel:
            asked = channel.unary_unary("/inference.GRPCInferenceService/ModelMetadata")
            with pytest.raises(grpc.RpcError) as caught:
                asked(b"\x0a\x06scaled", timeout=PATIENCE)
            assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    quotas.close()


def test_one_tenants_crowd_before_a_model_leaves_others_a_place_to_wait(tmp_path: Path) -> None:
    models = [publish(tmp_path, name) for name in ("busy", "crowded", "wanted")]
    slow = speaking(models[0], "slow", milliseconds=60_000)
    server = replace(PATIENT, requests=64)
    with keeping([slow, *models[1:]], memory=LIMIT, server=server, lets_in=KEYS) as kennel, ExitStack() as stack:

        def send(model: str, key: str) -> socket.socket:
            connection = stack.enter_context(kennel.door.connect(PATIENCE))
            shown = f"\r\nauthorization: Bearer {key}\r\n\r\n".encode()
            connection.sendall(ask(model, "who", 60, stream=True).replace(b"\r\n\r\n", shown, 1))
            return connection

        send("busy", GREEDY[1])
        wait_for(lambda: kennel.loaded == {"busy"})
        crowd = [send("crowded", GREEDY[1]) for _ in range(32)]
        wait_for(lambda: kennel.keeper.waiting == 28)
        refused = [one for one in crowd if select.select([one], [], [], 0)[0]]
        assert {parse_answer(read_all(one)).code for one in refused} <= {"GATEWAY_MODEL_LOADING"}
        send("wanted", OTHER[1])
        wait_for(lambda: kennel.keeper.waiting == 29)
        stack.close()
        wait_for(lambda: kennel.keeper.waiting == 0)
