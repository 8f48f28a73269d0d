"""The gate behind a real door: who waits, who is refused with which answer, and that each request ends once."""

from __future__ import annotations

import json
import socket
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cell_tools import LINUX_ONLY
from door_tools import Answer, head, parse_answer, read_all
from quota_tools import wait_for
from served_models import Served, serve

from ostiary.admission import Gate, QueueBounds, Room
from ostiary.admission.room import Costs
from ostiary.core.callers import Caller, Scope, Way
from ostiary.gateway.authenticators import Shown
from ostiary.record.begin import open_reader
from ostiary.record.entry import parse_entry
from ostiary.testing import FakeEngine, HostilePublisher, sign_model

pytestmark = LINUX_ONLY


class ByName:
    """Whoever shows a name has that tenant."""

    def find(self, shown: Shown) -> Caller | None:
        return Caller(id=shown.secret, tenant=shown.secret, scopes=frozenset({Scope.INFER}), way=Way.KEY)


class Bench:
    """A door with one row behind it."""

    def __init__(self, served: Served, state: Path) -> None:
        self.served = served
        self.state = state
        self.gate = self.put_gate(Room(rows=1, bytes=1 << 30, largest_bytes=1 << 30))

    def put_gate(self, room: Room, bounds: QueueBounds | None = None) -> Gate:
        """In place of the one that is there, before anybody asks."""
        model = self.served.door.door.models.by_name["honest"].current
        assert model is not None
        self.gate = model.gate = Gate(room, bounds)  # type: ignore[misc]
        return self.gate

    def render(self, tenant: str, path: str = "/v1/completions", *headers: str, **more: object) -> bytes:
        messages = [{"role": "user", "content": "x"}]
        asked = {"prompt": "one two"} if path == "/v1/completions" else {"messages": messages}
        body = json.dumps({"model": "honest", "max_tokens": 4, **asked, **more}).encode()
        length = f"content-length: {len(body)}"
        shown = f"authorization: Bearer {tenant}"
        return (
            head("POST", path, "connection: close", "content-type: application/json", length, shown, *headers)
            + body
        )

    def send(self, tenant: str, **more: object) -> socket.socket:
        """A request whose answer nobody reads yet."""
        connection = self.served.door.connect()
        connection.sendall(self.render(tenant, **more))
        return connection

    def ask(self, tenant: str, path: str = "/v1/completions", *headers: str, **more: object) -> Answer:
        return parse_answer(self.served.door.exchange(self.render(tenant, path, *headers, **more)))

    def wait_for(self, *, inside: int, waiting: int) -> None:
        wait_for(lambda: (self.gate.load.inside, self.gate.load.waiting) == (inside, waiting))

    def ends(self) -> Counter[str]:
        """What the record says of requests: the kind, or the code where it has one."""
        with open_reader(self.state) as reader:
            entries = [parse_entry(body, number) for number, body in reader.read_bodies(0, reader.read_size())]
        ends = [entry for entry in entries if entry.kind.startswith("request.")]
        return Counter(str(entry.data.get("code", entry.kind)) for entry in ends)


@contextmanager
def bench(folder: Path, bounds: QueueBounds | None = None, **engine: object) -> Iterator[Bench]:
    """An engine that says nothing, unless it is told otherwise."""
    model = HostilePublisher(folder).publish_honest()
    key = sign_model(model)
    settings = engine or {"failure": "WORKER_SILENT"}
    with FakeEngine(**settings), serve(folder / "state", ("honest", model, key), keys=ByName()) as served:  # type: ignore[arg-type]
        made = Bench(served, folder / "state")
        if bounds is not None:
            made.gate.change_bounds(bounds)
        yield made


def test_who_goes_away_lets_in_the_next_streamed_or_not(tmp_path: Path) -> None:
    with bench(tmp_path) as door:
        first = door.send("anna", stream=True)
        door.wait_for(inside=1, waiting=0)
        second = door.send("ben")
        door.wait_for(inside=1, waiting=1)
        third = door.send("carl", stream=True)
        door.wait_for(inside=1, waiting=2)
        first.close()
        door.wait_for(inside=1, waiting=1)
        second.close()
        door.wait_for(inside=1, waiting=0)
        third.close()
        door.wait_for(inside=0, waiting=0)
        wait_for(lambda: door.ends() == {"request.cancelled": 3})


def test_who_goes_away_as_its_turn_comes_is_not_forgotten(tmp_path: Path) -> None:
    with bench(tmp_path) as door:
        for number in range(1, 11):
            held = []
            for inside, tenant in enumerate(("anna", "ben", "carl")):
                held.append(door.send(tenant, stream=bool(number % 2)))
                door.wait_for(inside=1, waiting=inside)
            for connection in held:
                connection.close()
            wait_for(lambda: door.ends() == {"request.cancelled": 3 * number})  # noqa: B023  it is called here
            door.wait_for(inside=0, waiting=0)


def test_who_goes_away_while_waiting_frees_the_place_in_the_queue(tmp_path: Path) -> None:
    with bench(tmp_path) as door:
        first = door.send("anna")
        door.wait_for(inside=1, waiting=0)
        second = door.send("anna", stream=True)
        door.wait_for(inside=1, waiting=1)
        second.close()
        door.wait_for(inside=1, waiting=0)
        first.close()
        wait_for(lambda: door.ends() == {"request.cancelled": 2})


@pytest.mark.parametrize(
    ("path", "kind"), [("/v1/completions", "rate_limit_error"), ("/v1/messages", "rate_limit_error")]
)
def test_too_many_of_one_tenant_are_told_when_to_come_again(tmp_path: Path, path: str, kind: str) -> None:
    with bench(tmp_path, QueueBounds(places=2)) as door:
        first = door.send("anna")
        door.wait_for(inside=1, waiting=0)
        second = door.send("anna")
        door.wait_for(inside=1, waiting=1)
        refused = door.ask("anna", path)
        assert refused.status == 429
        assert 1 <= int(refused.headers["retry-after"]) <= 600
        error = refused.json["error"]
        assert isinstance(error, dict)
        assert (error["type"], error["code"]) == (kind, "ADMISSION_QUEUE_FULL")
        other = door.send("ben")
        door.wait_for(inside=1, waiting=2)
        for connection in (first, second, other):
            connection.close()
        wait_for(lambda: door.ends() == {"request.cancelled": 3, "ADMISSION_QUEUE_FULL": 1})


def test_nobody_waits_longer_than_the_operator_says(tmp_path: Path) -> None:
    with bench(tmp_path, QueueBounds(seconds=0.3)) as door:
        first = door.send("anna")
        door.wait_for(inside=1, waiting=0)
        refused = door.ask("ben", stream=True)
        assert (refused.status, "retry-after" in refused.headers) == (503, True)
        assert "ADMISSION_OVERLOADED" in refused.body.decode()
        first.close()
        wait_for(lambda: door.ends() == {"request.cancelled": 1, "ADMISSION_OVERLOADED": 1})


def test_the_time_that_a_client_has_runs_while_it_waits(tmp_path: Path) -> None:
    with bench(tmp_path) as door:
        first = door.send("anna")
        door.wait_for(inside=1, waiting=0)
        refused = door.ask("ben", "/v1/completions", "ostiary-timeout: 0.3")
        assert refused.status == 504
        assert b"ADMISSION_DEADLINE" in refused.body
        for text in ("soon", "-1", "0", "1e9", "nan"):
            wrong = door.ask("ben", "/v1/completions", f"ostiary-timeout: {text}")
            assert wrong.status == 400
            error = wrong.json["error"]
            assert isinstance(error, dict)
            assert error["param"] == "timeout"
        first.close()
        door.wait_for(inside=0, waiting=0)


def test_the_time_that_a_client_has_runs_while_it_is_answered(tmp_path: Path) -> None:
    with bench(tmp_path) as door:
        assert b"WORKER_SILENT" in door.ask("ben", "/v1/completions", "ostiary-timeout: 0.3").body
        door.wait_for(inside=0, waiting=0)


def test_what_never_fits_is_refused_at_once_with_its_field(tmp_path: Path) -> None:
    with bench(tmp_path) as door:
        costs = Costs(per_token=1 << 20, at_most=100 << 20, context_tokens=100)
        door.put_gate(Room(rows=1, bytes=1 << 20, largest_bytes=2 << 20, costs=costs))
        refused = door.ask("anna", max_tokens=50)
        error = refused.json["error"]
        assert isinstance(error, dict)
        assert (refused.status, error["code"], error["param"]) == (413, "ADMISSION_TOO_LARGE", "max_tokens")
        assert "retry-after" not in refused.headers
        assert door.gate.load.inside == 0
        wait_for(lambda: door.ends() == {"ADMISSION_TOO_LARGE": 1})


def test_a_request_whose_worker_fails_frees_its_place(tmp_path: Path) -> None:
    with bench(tmp_path, failure="WORKER_ENGINE_FAILED") as door:
        for _ in range(3):
            assert door.ask("anna").status == 500
        assert (door.gate.load.inside, door.gate.load.rows) == (0, 0)
        assert door.ends() == {"WORKER_ENGINE_FAILED": 3}


def test_requests_that_wait_are_all_answered(tmp_path: Path) -> None:
    with bench(tmp_path, token_milliseconds=1) as door:
        connections = [door.send(tenant) for tenant in ("anna", "anna", "ben", "carl", "anna", "ben") * 2]
        for connection in connections:
            answer = parse_answer(read_all(connection))
            assert (answer.status, connection.close()) == (200, None)
        assert (door.gate.load.inside, door.gate.load.waiting) == (0, 0)
        assert door.ends() == {"request.answered": 12}
