"""What the door judges before a handler is asked, in which order, and which headers every answer has."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator
from dataclasses import replace

import msgspec
import pytest
from door_tools import QUICK, RunningDoor, head, parse_answer, running_door

from ostiary.gateway.asked import Asked
from ostiary.gateway.client_key import ClientKey, compute_hash
from ostiary.gateway.keys import ClientKeys
from ostiary.gateway.reply import JsonReply, Reply
from ostiary.gateway.route import Dialect, Route

SHOWN = "ost_0123456789ab_" + "k" * 43
KEYS = ClientKeys(
    [ClientKey(id="0123456789ab", name="alice", tenant="acme", sha256=compute_hash(SHOWN), created=0)]
)
KEY = f"authorization: Bearer {SHOWN}"
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class Said(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    text: str


async def tell(asked: Asked, _body: object) -> Reply:
    told = {"tenant": asked.tenant, "path": dict(asked.path), "query": dict(asked.query)}
    return JsonReply({**told, "id": asked.correlation_id, "request": asked.request_id})


async def break_down(_asked: Asked, _body: object) -> Reply:
    raise ZeroDivisionError("at /srv/secret")


ROUTES = (
    Route(method="POST", path="/v1/tell", handle=tell, dialect=Dialect.OPENAI, summary="", takes=Said),
    Route(method="POST", path="/v1/messages", handle=tell, dialect=Dialect.ANTHROPIC, summary="", takes=Said),
    Route(method="POST", path="/raw", handle=tell, dialect=Dialect.PROBLEM, summary="", most_body_bytes=10),
    Route(method="GET", path="/named/{name:path}", handle=tell, dialect=Dialect.PROBLEM, summary="", queries=("a", "b")),
    Route(method="GET", path="/open", handle=tell, dialect=Dialect.PROBLEM, summary="", is_open=True),
    Route(method="GET", path="/broken", handle=break_down, dialect=Dialect.PROBLEM, summary=""),
)  # fmt: skip
SERVER = replace(QUICK, origins=("https://app.example",), hosts=("models.example",))


@pytest.fixture(scope="module")
def door() -> Iterator[RunningDoor]:
    with running_door(ROUTES, server=SERVER, keys=KEYS) as running:
        yield running


def test_who_has_a_key_is_the_tenant(door: RunningDoor) -> None:
    assert door.post("/v1/tell", b'{"text":""}', KEY).json["tenant"] == "acme"
    assert door.post("/v1/tell", b'{"text":""}', f"x-api-key: {SHOWN}").status == 200
    assert door.get("/open").json["tenant"] is None


@pytest.mark.parametrize("key", ["", "authorization: Bearer nothing", f"authorization: Basic {SHOWN}"])
def test_without_a_key_the_body_is_not_even_asked_for(door: RunningDoor, key: str) -> None:
    given = [key] if key else []
    sent = head("POST", "/v1/tell", "expect: 100-continue", "content-length: 1000000", *given)
    answer = parse_answer(door.exchange(sent))
    assert (answer.status, answer.code) == (401, "ADMISSION_UNAUTHENTICATED")
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert answer.headers["connection"] == "close"


@pytest.mark.parametrize(
    "kind", ["application/json", "application/json; charset=utf-8", "Application/JSON;charset=UTF-8"]
)
def test_json_is_json_by_its_usual_names(door: RunningDoor, kind: str) -> None:
    assert door.post("/v1/tell", b'{"text":""}', KEY, f"content-type: {kind}").status == 200


@pytest.mark.parametrize(
    "headers",
    [
        ("content-type: text/plain",),
        ("content-type: application/x-www-form-urlencoded",),
        ("content-type: application/json; charset=latin-1",),
        ("content-type: application/json", "content-encoding: gzip"),
        ("content-type: application/json", "content-encoding: identity, gzip"),
    ],
)
def test_other_kinds_of_bodies_are_refused(door: RunningDoor, headers: tuple[str, ...]) -> None:
    answer = door.post("/v1/tell", b'{"text":""}', KEY, *headers)
    assert (answer.status, answer.code) == (415, "GATEWAY_MEDIA_TYPE")


def test_a_page_may_ask_only_from_an_origin_that_was_set(door: RunningDoor) -> None:
    answer = door.post("/v1/tell", b'{"text":""}', KEY, "origin: https://app.example")
    assert answer.headers["access-control-allow-origin"] == "https://app.example"
    assert answer.headers["vary"] == "Origin"
    refused = door.post("/v1/tell", b'{"text":""}', KEY, "origin: https://evil.example")
    assert (refused.status, refused.code) == (403, "GATEWAY_ORIGIN")
    assert "access-control-allow-origin" not in refused.headers
    assert door.get("/open", "origin: null").status == 403
    failing = door.post("/v1/tell", b"{", KEY, "origin: https://app.example")
    assert failing.headers["access-control-allow-origin"] == "https://app.example", "pages can read errors, too"


def test_a_preflight_is_answered_without_a_key(door: RunningDoor) -> None:
    asked = ("access-control-request-method: POST", "connection: close")
    sent = head("OPTIONS", "/v1/tell", "origin: https://app.example", *asked)
    answer = parse_answer(door.exchange(sent))
    assert answer.status == 204
    assert "POST" in answer.headers["access-control-allow-methods"]
    assert "authorization" in answer.headers["access-control-allow-headers"]
    assert (
        parse_answer(door.exchange(head("OPTIONS", "/v1/tell", "origin: https://x.example", *asked))).status == 403
    )


def test_another_name_of_the_server_is_known_where_it_was_set(door: RunningDoor) -> None:
    assert (
        parse_answer(door.exchange(head("GET", "/open", "connection: close", host="models.example:443"))).status
        == 200
    )
    answer = parse_answer(door.exchange(head("GET", "/open", "connection: close", host="rebound.example")))
    assert (answer.status, answer.code) == (421, "GATEWAY_HOST")


def test_named_parts_and_queries(door: RunningDoor) -> None:
    answer = door.get("/named/acme%2Ftiny/x%20y?a=1&b=%C3%A9", KEY)
    assert (answer.json["path"], answer.json["query"]) == ({"name": "acme/tiny/x y"}, {"a": "1", "b": "\xe9"})
    for query in ("c=1", "a=1&a=2", "&", "a=1&c=2"):
        assert door.get(f"/named/x?{query}", KEY).code == "GATEWAY_QUERY"
    assert door.get("/named/x?a=1&c=2", KEY).json["field"] == "c"
    assert door.get("/named/" + "x" * 300, KEY).code == "GATEWAY_NO_ROUTE"
    assert door.get("/named/%00", KEY).status == 200, "it is a name like any other, and leads nowhere"


@pytest.mark.parametrize(
    "path", ["/v1/tell/", "//v1/tell", "/v1/./tell", "/v1/x/../tell", "/V1/tell", "/v1%2ftell", "/v1/%74ell"]
)
def test_an_address_is_what_it_is_and_nothing_like_it(door: RunningDoor, path: str) -> None:
    assert door.post(path, b"{}", KEY).code == "GATEWAY_NO_ROUTE"


def test_errors_speak_the_dialect_of_the_address(door: RunningDoor) -> None:
    assert "error" in door.post("/v1/none", b"{}", KEY).json
    assert door.post("/v1/messages", b"{", KEY).json["type"] == "error"
    assert door.post("/v1/messages/none", b"{}", KEY).json["type"] == "error"
    problem = door.post("/none", b"{}", KEY)
    assert problem.headers["content-type"] == "application/problem+json"
    assert problem.json["status"] == 404


def test_a_route_may_have_a_ceiling_of_its_own(door: RunningDoor) -> None:
    assert door.post("/raw", b"x" * 10, KEY).status == 200
    assert door.post("/raw", b"x" * 11, KEY).code == "GATEWAY_BODY_TOO_LARGE"


def test_ids_go_in_and_out(door: RunningDoor) -> None:
    answer = door.get("/open", "x-request-id: mine-7", f"traceparent: {TRACE}")
    own = answer.headers["x-correlation-id"]
    assert (answer.json["id"], answer.json["request"]) == (own, "mine-7")
    assert answer.headers["x-request-id"] == "mine-7"
    assert answer.headers["traceparent"] == f"00-0af7651916cd43dd8448eb211c80319c-{own}-01"


@pytest.mark.parametrize("claimed", ["a b", "<script>", "\xe9", "x" * 129, "", "-x", "a\tb"])
def test_what_is_no_id_does_not_come_back(door: RunningDoor, claimed: str) -> None:
    answer = door.get("/open", f"x-request-id: {claimed}", "traceparent: 00-0-0-0")
    assert answer.headers["x-request-id"] == answer.headers["x-correlation-id"]
    assert "traceparent" not in answer.headers


def test_what_nobody_foresaw_is_told_to_the_operator_alone(door: RunningDoor) -> None:
    answer = door.get("/broken", KEY)
    assert (answer.status, answer.code) == (500, "HOUSE_INTERNAL")
    assert b"secret" not in answer.body
    assert [type(failure) for failure in door.failures] == [ZeroDivisionError]


def test_every_answer_says_that_it_is_not_to_be_kept(door: RunningDoor) -> None:
    for answer in (door.get("/open"), door.get("/none"), door.post("/v1/tell", b"{")):
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "server" not in answer.headers


def test_what_nobody_awaited_is_noted_and_never_written_out(capfd: pytest.CaptureFixture[str]) -> None:
    """asyncio would write it to standard error, with its text, and wait for whoever reads that."""

    async def break_alone() -> None:
        raise ZeroDivisionError("at /srv/secret")

    async def forget() -> None:
        asyncio.get_running_loop().call_soon(_fail)
        task = asyncio.create_task(break_alone())
        await asyncio.wait({task})
        del task
        gc.collect()

    with running_door(ROUTES) as door:
        door.run(forget())
        assert [type(failure) for failure in door.failures] == [KeyError, ZeroDivisionError]
    told = capfd.readouterr()
    assert (told.out, told.err) == ("", "")


def _fail() -> None:
    raise KeyError("/srv/secret")
