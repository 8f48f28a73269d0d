"""Every code through every transport and dialect: the right shape, and nothing in it that a stranger must not see."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, MutableMapping
from typing import Any

import pytest

import ostiary
from ostiary import errors
from ostiary.errors import CODES, Code, OstiaryError
from ostiary.gateway.app import Door
from ostiary.gateway.asked import Asked
from ostiary.gateway.connection import _render_answer
from ostiary.gateway.errors import render_error, render_error_status
from ostiary.gateway.origins import choose_origins
from ostiary.gateway.reply import EventsReply, Reply, ServerEvent
from ostiary.gateway.route import Dialect, Route
from ostiary.gateway.served import ServedModels
from ostiary.gateway.settings import Server
from ostiary.gateway.tally import RefusalTally

SECRETS = (
    "/srv/models/secret",
    "0x7ffd41",
    "10.11.12.13",
    "/home/",
    "Traceback",
    ".py",
    ostiary.__version__,
    "0.32.4",
    "What is the meaning of",
    "ost_0123",
)
LEAK = " ".join(SECRETS)


def classes(cls: type[OstiaryError]) -> list[type[OstiaryError]]:
    return [cls, *(found for sub in cls.__subclasses__() for found in classes(sub))]


def make_error(code: Code) -> OstiaryError:
    """As the house raises it, with all that it must not tell; where a message is for strangers, in its cause."""
    every = classes(OstiaryError)
    exact = [cls for cls in every if code.name in cls.codes.split()]
    prefixed = [c for c in every if any(p.endswith("_") and code.name.startswith(p) for p in c.codes.split())]
    cls = (exact or prefixed)[0]
    error = cls(code, "temperature is too hot" if cls.is_for_strangers else LEAK, hint=LEAK)
    error.__cause__ = ValueError(LEAK)
    error.correlation_id = LEAK
    return error


class Call:
    """One request, straight to the application."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.body = b""

    async def send(self, message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {name.decode(): value.decode() for name, value in message["headers"]}
        else:
            self.body += message["body"]

    async def receive(self) -> MutableMapping[str, Any]:
        if self.body or self.status:
            await asyncio.sleep(60)
        return {"type": "http.request", "body": b"", "more_body": False}


def ask(error: BaseException, dialect: Dialect, *, within_stream: bool) -> Call:
    async def handle(_asked: Asked, _body: bytes) -> Reply:
        async def events() -> AsyncIterator[ServerEvent]:
            yield ServerEvent({"piece": 1})
            raise error

        if within_stream:
            return EventsReply(events())
        raise error

    route = Route(method="POST", path="/x", handle=handle, dialect=dialect, summary="")
    server = Server()
    door = Door(
        [route],
        ServedModels(()),
        server=server,
        origins=choose_origins(server.host, (), ()),
        authenticators=None,
        tally=RefusalTally(lambda _: None, ""),
    )
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "POST",
        "path": "/x",
        "raw_path": b"/x",
        "query_string": b"",
        "headers": [(b"host", b"127.0.0.1"), (b"x-request-id", b"mine-1"), (b"traceparent", TRACE)],
    }
    call = Call()
    asyncio.run(door(scope, call.receive, call.send))
    return call


PROBLEMS = (Dialect.PROBLEM, Dialect.INFERENCE)
"""With the code beside the rest."""
TRACE = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def check_shape(value: dict[str, Any], dialect: Dialect, code: Code, call: Call) -> None:
    inner = value if dialect in PROBLEMS else value["error"]
    assert inner["code"] == code.name
    if dialect is Dialect.ANTHROPIC:
        assert value["type"] == "error"
        assert value["request_id"] == call.headers["x-correlation-id"]
        assert code.public.removesuffix(".") in inner["message"]
    elif dialect in PROBLEMS:
        assert (inner["status"], inner["title"]) == (code.http, code.public)
        assert ("error" in inner) == (dialect is Dialect.INFERENCE)
    else:
        assert set(inner) == {"message", "type", "param", "code", "correlation_id"}
        assert code.public.removesuffix(".") in inner["message"]


@pytest.mark.parametrize("dialect", Dialect)
@pytest.mark.parametrize("name", CODES)
def test_an_answer_tells_the_code_and_no_secret(name: str, dialect: Dialect) -> None:
    code = CODES[name]
    call = ask(make_error(code), dialect, within_stream=False)
    assert call.status == code.http
    assert 400 <= call.status < 600
    check_shape(json.loads(call.body), dialect, code, call)
    told = call.body.decode() + repr(call.headers)
    assert not [secret for secret in SECRETS if secret in told.replace("urn:ostiary", "")]
    assert call.headers["x-request-id"] == "mine-1"
    assert call.headers["traceparent"].startswith("00-0af7651916cd43dd8448eb211c80319c-")


@pytest.mark.parametrize("name", CODES)
def test_a_status_of_grpc_tells_the_code_and_no_secret(name: str) -> None:
    told = render_error_status(make_error(CODES[name]), "an-id")
    assert dict(told.metadata)["ostiary-code"] == name
    assert told.message.startswith(CODES[name].public.removesuffix("."))
    assert 0 < told.status <= 16
    shown = told.message + repr(told.metadata)
    assert not [secret for secret in SECRETS if secret in shown]
    assert shown.isascii()


@pytest.mark.parametrize("dialect", Dialect)
@pytest.mark.parametrize("name", CODES)
def test_a_stream_tells_the_code_and_no_secret(name: str, dialect: Dialect) -> None:
    code = CODES[name]
    call = ask(make_error(code), dialect, within_stream=True)
    assert call.status == 200
    first, last, rest = call.body.decode().split("\n\n")
    assert (first, rest) == ('data: {"piece":1}', "")
    lines = last.split("\n")
    value = json.loads(lines[-1].removeprefix("data: "))
    assert lines[0] == "event: error" or dialect is Dialect.OPENAI
    if dialect is Dialect.RESPONSES:
        assert (value["type"], value["code"], value["sequence_number"]) == ("error", name, 1)
    else:
        check_shape(value, dialect, code, call)
    assert not [secret for secret in SECRETS if secret in call.body.decode()]


@pytest.mark.parametrize("name", CODES)
def test_a_connection_that_never_had_a_request_is_told_the_same(name: str) -> None:
    told = _render_answer(make_error(CODES[name]), "/v1/chat/completions", {}).decode()
    assert told.startswith(f"HTTP/1.1 {CODES[name].http} ")
    assert json.loads(told.partition("\r\n\r\n")[2])["error"]["code"] == name
    assert not [secret for secret in SECRETS if secret in told]


@pytest.mark.parametrize("within_stream", [False, True])
def test_what_nobody_foresaw_tells_nothing(within_stream: bool) -> None:
    call = ask(RuntimeError(LEAK), Dialect.OPENAI, within_stream=within_stream)
    assert b"HOUSE_INTERNAL" in call.body
    assert not [secret for secret in SECRETS if secret in call.body.decode()]


def test_who_shows_no_key_hears_how_to() -> None:
    rendered = render_error(make_error(errors.ADMISSION_UNAUTHENTICATED), Dialect.OPENAI, "id")
    assert ("www-authenticate", 'Bearer realm="ostiary"') in rendered.headers


@pytest.mark.parametrize("dialect", Dialect)
def test_who_used_all_it_may_hears_when_there_is_more(dialect: Dialect) -> None:
    for seconds, told in ((0.2, "1"), (6.5, "7")):
        error = errors.AdmissionRefused(errors.ADMISSION_QUOTA, "all is used", retry_after_seconds=seconds)
        assert dict(render_error(error, dialect, "id").headers)["retry-after"] == told
    error = errors.AdmissionRefused(errors.ADMISSION_QUOTA, "it never fits")
    headers = dict(render_error(error, dialect, "id").headers)
    assert "retry-after" not in headers
    assert headers["x-should-retry"] == "false"


def test_who_may_come_again_hears_when() -> None:
    for code in (errors.GATEWAY_BUSY, errors.GATEWAY_DRAINING, errors.RECORD_DISK_FULL):
        assert "retry-after" in dict(render_error(make_error(code), Dialect.OPENAI, "id").headers)
    assert "retry-after" not in dict(render_error(make_error(errors.CONTRACT_TYPE), Dialect.OPENAI, "id").headers)


def test_a_field_that_does_not_fit_is_named_with_its_limit() -> None:
    error = errors.ContractRefused(errors.CONTRACT_RANGE, "top_p must be at most 1", field="top_p")
    told = json.loads(render_error(error, Dialect.OPENAI, "id").body)["error"]
    assert told["param"] == "top_p"
    assert "top_p must be at most 1" in told["message"]
    assert json.loads(render_error(error, Dialect.PROBLEM, "id").body)["field"] == "top_p"


@pytest.mark.parametrize("dialect", Dialect)
def test_a_rule_of_the_contract_is_named_with_what_it_allows(dialect: Dialect) -> None:
    """By the place in the contract, the same in every dialect; without a rule there is nothing of it."""
    error = errors.ContractRefused(
        errors.CONTRACT_RANGE,
        "top_p must be from 0 to 0.5",
        field="top_p",
        rule="parameters.top_p.range",
        limit=(0, 0.5),
    )
    told = json.loads(render_error(error, dialect, "id").body)
    inner = told if dialect in PROBLEMS else told["error"]
    assert (inner["rule"], inner["limit"]) == ("parameters.top_p.range", [0, 0.5])
    plain = json.loads(render_error(errors.ContractRefused(errors.CONTRACT_TYPE, "x"), dialect, "id").body)
    assert not {"rule", "limit"} & (plain if dialect in PROBLEMS else plain["error"]).keys()
