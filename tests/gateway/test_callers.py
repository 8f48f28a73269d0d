"""Who may do what, over every protocol: scopes, models, and a file of keys that changes while requests come."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from cell_tools import LINUX_ONLY
from door_tools import RunningDoor, head, parse_answer, read_all, running_door
from function_models import write_function
from served_models import Served, serve

from ostiary.core.callers import Scope
from ostiary.gateway.asked import Asked
from ostiary.gateway.client_key import ClientKey, make_key
from ostiary.gateway.keys import ClientKeys, open_keys
from ostiary.gateway.keys_file import change_keys
from ostiary.gateway.reply import JsonReply, Reply
from ostiary.gateway.route import Dialect, Route
from ostiary.testing import FakeEngine, HostilePublisher, sign_model

pytestmark = LINUX_ONLY

NOW = 2_000_000_000


async def tell(asked: Asked, _body: object) -> Reply:
    caller = asked.caller
    scopes = sorted(scope.value for scope in caller.scopes)
    return JsonReply({"id": caller.id, "tenant": asked.tenant, "scopes": scopes, "way": caller.way.value})


def route(path: str, right: Scope | None, *, is_open: bool = False) -> Route:
    return Route(
        method="GET", path=path, handle=tell, dialect=Dialect.PROBLEM, summary="", right=right, is_open=is_open
    )


ROUTES = (
    route("/infer", Scope.INFER),
    route("/admin", Scope.ADMIN),
    route("/metrics", Scope.METRICS),
    route("/any", None),
    route("/open", Scope.ADMIN, is_open=True),
)
KEYS = {scope: make_key(scope.value, NOW, scopes=frozenset({scope})) for scope in Scope}


def shown(key: str) -> str:
    return f"authorization: Bearer {key}"


def test_each_scope_opens_its_own_addresses_only() -> None:
    with running_door(ROUTES, keys=ClientKeys([kept for kept, _ in KEYS.values()])) as door:
        for scope, (kept, key) in KEYS.items():
            for path in ("/infer", "/admin", "/metrics"):
                answer = door.get(path, shown(key))
                expected = 200 if path == f"/{scope.value}" else 403
                assert answer.status == expected, (scope, path)
                assert expected == 200 or answer.code == "ADMISSION_FORBIDDEN"
            assert door.get("/any", shown(key)).json["id"] == kept.id
        for path in ("/infer", "/admin", "/metrics", "/any"):
            assert door.get(path).status == 401
        assert door.get("/open").json == {"id": "nobody", "tenant": None, "scopes": [], "way": "none"}


def test_where_keys_are_off_nobody_administers() -> None:
    with running_door(ROUTES) as door:
        assert door.get("/infer").json["tenant"] is None, "and nobody's earlier prompts are reused"
        for path in ("/admin", "/metrics"):
            assert door.get(path).code == "ADMISSION_FORBIDDEN"


def test_a_running_door_goes_by_the_file_as_it_is_now(tmp_path: Path) -> None:
    keys, first = open_keys(tmp_path)
    assert first is not None
    kept, key = make_key("alice", NOW, tenant="acme")

    def add(before: tuple[ClientKey, ...]) -> tuple[ClientKey, ...]:
        return (*before, kept)

    def revoke(before: tuple[ClientKey, ...]) -> tuple[ClientKey, ...]:
        return tuple(replace(one, revoked=NOW) if one.id == kept.id else one for one in before)

    with running_door(ROUTES, keys=keys) as door:
        assert door.get("/infer", shown(key)).code == "ADMISSION_UNAUTHENTICATED"
        change_keys(tmp_path, add)
        assert door.get("/infer", shown(key)).json["tenant"] == "acme"
        change_keys(tmp_path, revoke)
        assert door.get("/infer", shown(key)).code == "ADMISSION_REVOKED"
        assert door.get("/infer", shown(first)).status == 200


def test_what_was_asked_before_its_key_was_revoked_is_answered(tmp_path: Path) -> None:
    begun, may_end = threading.Event(), threading.Event()

    async def wait(_asked: Asked, _body: object) -> Reply:
        begun.set()
        await asyncio.to_thread(may_end.wait, 20)
        return JsonReply("done")

    keys, key = open_keys(tmp_path)
    assert key is not None
    waiting = Route(method="GET", path="/wait", handle=wait, dialect=Dialect.PROBLEM, summary="")
    with running_door((*ROUTES, waiting), keys=keys) as door, door.connect() as connection:
        connection.sendall(head("GET", "/wait", "connection: close", shown(key)))
        assert begun.wait(20)
        change_keys(tmp_path, lambda before: tuple(replace(one, revoked=NOW) for one in before))
        assert door.get("/infer", shown(key)).code == "ADMISSION_REVOKED"
        may_end.set()
        assert parse_answer(read_all(connection)).status == 200


# --- models ---

ALL, BOUND, NONE = (make_key(name, NOW, models=models) for name, models in
                    (("all", None), ("bound", frozenset({"one"})), ("none", frozenset({"gone"}))))  # fmt: skip


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Two language models, `one` and `two`, and the function `scaled`."""
    folder = tmp_path_factory.mktemp("served")
    model, function = HostilePublisher(folder).publish_honest(), write_function(folder / "scaled")
    language = (model, sign_model(model))
    keys = ClientKeys([kept for kept, _ in (ALL, BOUND, NONE)])
    with FakeEngine():
        models = (("one", *language), ("two", *language), ("scaled", function, sign_model(function)))
        with serve(folder / "state", *models, keys=keys) as running:
            yield running


def list_models(door: RunningDoor, key: str) -> list[str]:
    data = door.get("/v1/models", shown(key)).json["data"]
    assert isinstance(data, list)
    return [model["id"] for model in data]


def test_the_list_has_what_may_be_asked_and_no_more(served: Served) -> None:
    assert list_models(served.door, ALL[1]) == ["one", "two", "scaled"]
    assert list_models(served.door, BOUND[1]) == ["one"]
    assert list_models(served.door, NONE[1]) == []
    anthropic = served.door.get("/v1/models", shown(BOUND[1]), "anthropic-version: 2023-06-01").json
    assert (anthropic["first_id"], anthropic["last_id"]) == ("one", "one")


ADDRESSES = [
    ("GET", "/v1/models/{name}", None),
    ("POST", "/v1/completions", {"prompt": "a", "max_tokens": 1}),
    ("POST", "/v1/chat/completions", {"messages": [{"role": "user", "content": "a"}], "max_tokens": 1}),
    ("POST", "/v1/responses", {"input": "a", "max_output_tokens": 1}),
    ("POST", "/v1/embeddings", {"input": "a"}),
    ("POST", "/v1/messages", {"messages": [{"role": "user", "content": "a"}], "max_tokens": 1}),
    ("POST", "/v1/messages/count_tokens", {"messages": [{"role": "user", "content": "a"}]}),
    ("GET", "/v2/models/{name}", None),
    ("GET", "/v2/models/{name}/ready", None),
    ("GET", "/v2/models/{name}/versions/1", None),
    ("GET", "/v2/models/{name}/versions/1/ready", None),
    ("POST", "/v2/models/{name}/infer", {"inputs": []}),
    ("POST", "/v2/models/{name}/versions/1/infer", {"inputs": []}),
]


@pytest.mark.parametrize(("method", "path", "body"), ADDRESSES)
def test_a_model_that_one_may_not_ask_is_like_one_that_there_is_not(
    served: Served, method: str, path: str, body: dict[str, object] | None
) -> None:
    told = set()
    for name in ("two", "scaled", "nil"):
        at = path.format(name=name)
        header = shown(BOUND[1])
        if method == "GET":
            answer = served.door.get(at, header)
        else:
            named = body if "{name}" in path else {"model": name, **(body or {})}
            answer = served.door.post(at, json.dumps(named).encode(), header)
        text = answer.body.decode().replace(name, "NAME")
        for varying in ("x-correlation-id", "x-request-id"):
            text = text.replace(answer.headers[varying], "ID")
        told.add((answer.status, answer.code, text))
    ((status, code, _),) = told
    assert (status, code) == (404, "GATEWAY_MODEL_UNKNOWN")


def test_where_a_key_may_ask_one_model_it_need_not_name_it(served: Served) -> None:
    body = b'{"prompt":"a","max_tokens":1}'
    answer = served.door.post("/v1/completions", body, shown(BOUND[1]))
    assert (answer.status, answer.json.get("model")) == (200, "one")
    for key in (ALL[1], NONE[1]):
        assert served.door.post("/v1/completions", body, shown(key)).code == "CONTRACT_TYPE"


def test_what_everybody_may_see_of_health_names_no_model(served: Served) -> None:
    for path in ("/livez", "/readyz", "/v2/health/live", "/v2/health/ready"):
        answer = served.door.get(path)
        assert answer.status == 200
        assert not {b"one", b"two", b"scaled"} & set(answer.body.replace(b'"', b" ").split())


def test_over_grpc_it_is_the_same(tmp_path: Path) -> None:
    grpc = pytest.importorskip("grpc")
    function = write_function(tmp_path / "scaled")
    key = sign_model(function)
    models = (("one", function, key), ("two", function, key))
    ruling = make_key("ops", NOW, scopes=frozenset({Scope.ADMIN}))
    expired = make_key("old", NOW, expires=1)
    keys = ClientKeys([BOUND[0], ruling[0], expired[0]])
    with ExitStack() as stack:
        running = stack.enter_context(serve(tmp_path / "state", *models, keys=keys, has_grpc=True))
        channel = stack.enter_context(grpc.insecure_channel(f"127.0.0.1:{running.door.grpc_port}"))

        def call(method: str, name: str, shown_key: str) -> tuple[str, str]:
            ask = channel.unary_unary(f"/inference.GRPCInferenceService/{method}")
            metadata = (("authorization", f"Bearer {shown_key}"),)
            try:
                ask(b"\x0a" + bytes([len(name)]) + name.encode(), metadata=metadata, timeout=20)
            except grpc.RpcError as error:
                told = dict(error.trailing_metadata())
                return told["ostiary-code"], error.details().replace(name, "NAME")
            return "", ""

        for method in ("ModelMetadata", "ModelReady", "ModelInfer"):
            assert call(method, "two", BOUND[1]) == call(method, "nil", BOUND[1])
            assert call(method, "two", BOUND[1])[0] == "GATEWAY_MODEL_UNKNOWN"
            assert call(method, "one", ruling[1])[0] == "ADMISSION_FORBIDDEN"
            assert call(method, "one", expired[1])[0] == "ADMISSION_EXPIRED"
        assert call("ModelMetadata", "one", BOUND[1])[0] == ""
