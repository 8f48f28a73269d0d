"""The door as an ASGI application, top to bottom: who asks, from where, what for, in which form; then the handler.

Everything cheap is judged before anything dear: a body is received only from somebody who may ask, for an address
that takes one. Nothing that is raised gets past `Door.__call__`; `errors.py` alone says it to the client.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeAlias
from urllib.parse import parse_qsl

import msgspec

from ostiary.core.callers import ANYBODY, NOBODY, Caller
from ostiary.core.callers import Scope as Right
from ostiary.core.text import quote_untrusted
from ostiary.errors import (
    ADMISSION_FORBIDDEN,
    GATEWAY_DRAINING,
    GATEWAY_FRAMING,
    GATEWAY_HOST,
    GATEWAY_MEDIA_TYPE,
    GATEWAY_METHOD,
    GATEWAY_NO_ROUTE,
    GATEWAY_ORIGIN,
    GATEWAY_QUERY,
    AdmissionRefused,
    GatewayRefused,
    OstiaryError,
)
from ostiary.gateway.addresses import Addresses
from ostiary.gateway.answering import Answering, Send
from ostiary.gateway.asked import Asked
from ostiary.gateway.authenticators import NO_PEER, Authenticators, Peer
from ostiary.gateway.body import parse_body
from ostiary.gateway.dialects import choose_dialect
from ostiary.gateway.long_work import SHORT_BYTES, LongWork
from ostiary.gateway.origins import Origins, choose_origins
from ostiary.gateway.places import Places
from ostiary.gateway.rate_limits import render_rate_limits
from ostiary.gateway.receive import BodyBudget, ClientGone, Held, Receive, receive_body
from ostiary.gateway.reply import Headers, Reply
from ostiary.gateway.request_ids import RequestIds, read_request_ids
from ostiary.gateway.route import Dialect, Route
from ostiary.gateway.served import Holding, ServedModels
from ostiary.gateway.settings import Server
from ostiary.gateway.tally import RefusalTally

if TYPE_CHECKING:
    from ostiary.admission.quotas import TenantQuotas

Scope: TypeAlias = dict[str, Any]
WhenGone: TypeAlias = Callable[[Callable[[], None] | None], None]
_Headers: TypeAlias = Mapping[str, str]

_JSON: Final = frozenset({"application/json", "application/json; charset=utf-8", "application/json;charset=utf-8"})
_QUERY_FIELDS: Final = 16


class Door:
    """Of one event loop."""

    def __init__(
        self,
        routes: Sequence[Route],
        models: ServedModels,
        *,
        server: Server,
        origins: Origins,
        authenticators: Authenticators | None,
        tally: RefusalTally,
        quotas: TenantQuotas | None = None,
        on_failure: Callable[[BaseException], None] = lambda _: None,
    ) -> None:
        """`authenticators`: None lets everybody in who gets here. `quotas`: None counts nothing. `on_failure` hears
        of what nobody foresaw.
        """
        self.is_draining = False
        self.requests = 0
        """That came so far."""
        self.models: Final = models
        self.quotas: Final = quotas
        self._server = server
        self._origins = origins
        self._authenticators: Final = authenticators
        self._tally: Final = tally
        self._on_failure: Final = on_failure
        self._budget: Final = BodyBudget(server.buffers)
        self._places: Final = Places(server.requests)
        self._coming: Final = Places(server.connections)
        """Bodies that are not there yet: each keeps a connection from everybody else."""
        self.long_work: Final = LongWork()
        self._addresses: Final = Addresses(routes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":  # nothing else is offered
            return
        self.requests += 1
        headers = _read_headers(scope["headers"])
        ids = read_request_ids(headers)
        answering = Answering(send, ids, scope.get("ostiary.write_whole"))
        answering.dialect = choose_dialect(scope["path"])
        answering.is_old = scope["http_version"] == "1.0"
        answering.must_close = headers.get("content-length", "0") != "0" or "transfer-encoding" in headers
        scope["ostiary"] = _Visit(headers, ids, answering)
        try:
            self._judge_sender(scope["method"], headers, answering)
            await self._answer_at(scope, receive)
        except ClientGone:
            pass
        except asyncio.CancelledError:
            if not self.is_draining:
                raise
            await answering.send_error(GatewayRefused(GATEWAY_DRAINING, "the server was stopped meanwhile"))
        except BaseException as error:
            self.note(error)
            await answering.send_error(error)
            if not isinstance(error, Exception):
                raise

    def _judge_sender(self, method: str, headers: _Headers, answering: Answering) -> None:
        if not self._origins.is_own_host(headers.get("host", "")):
            raise GatewayRefused(GATEWAY_HOST, "the Host header names none of this server's names")
        origin = headers.get("origin")
        if origin is not None:
            if not self._origins.is_own_origin(origin):
                raise GatewayRefused(GATEWAY_ORIGIN, "the Origin header names none that may ask")
            is_preflight = method == "OPTIONS" and "access-control-request-method" in headers
            cors = self._origins.preflight_headers if is_preflight else self._origins.cors_headers
            answering.extra = cors(origin)

    def change(self, server: Server) -> None:
        """What of the settings may change while it runs."""
        self._server = server
        self._origins = choose_origins(server.host, server.hosts, server.origins)
        self._places.change(server.requests)

    # --- for every protocol ---

    def admit(self, headers: _Headers, peer: Peer = NO_PEER, *, right: Right | None = Right.INFER) -> Caller:
        """Who asks, before anything is received of the body. Raises AdmissionRefused, and GatewayRefused."""
        caller = ANYBODY if self._authenticators is None else self._authenticators.find(headers, peer)
        if right is not None and not caller.may(right):
            raise AdmissionRefused(ADMISSION_FORBIDDEN, f"this needs the scope {right.value}")
        if self.is_draining:
            raise GatewayRefused(GATEWAY_DRAINING, "no new requests are taken")
        self._places.judge(caller.tenant)
        return caller

    def hold_place(self, caller: Caller) -> AbstractContextManager[None]:
        """Of as many requests as there may be, from when one is there as a whole: who sends half of one and waits
        is bounded by the time that bodies have, and takes nobody's place. Raises GatewayRefused.
        """
        return self._places.take(caller.tenant)

    def count(self, caller: Caller, dialect: Dialect) -> AbstractContextManager[None]:
        """One request to a model, while it is answered. Raises AdmissionRefused, and QuotaFailed."""
        if self.quotas is None:
            return nullcontext()
        return self.quotas.counting(caller, takes_tokens=dialect is not Dialect.INFERENCE)

    def tell_limits(self, caller: Caller, dialect: Dialect) -> Headers:
        """What is left of what whoever asks may use."""
        if self.quotas is None:
            return ()
        return render_rate_limits(self.quotas.tell(caller.tenant), dialect, time.time())

    def hold_body(self, caller: Caller) -> Held:
        """Of what all requests together may have in memory while they are received."""
        return self._budget.hold(caller.tenant)

    def note(self, error: BaseException) -> None:
        """A request was refused, or failed."""
        self._tally.note(error)
        if not isinstance(error, OstiaryError):
            self._on_failure(error)

    # --- for HTTP ---

    async def _answer_at(self, scope: Scope, receive: Receive) -> None:
        address, parts = self._addresses.find(scope["path"])
        if not address.is_spelled_by(scope["raw_path"]):
            raise GatewayRefused(GATEWAY_NO_ROUTE, "the address is spelled in a way of its own")
        visit: _Visit = scope["ostiary"]
        answering = visit.answering
        method = scope["method"]
        route = address.by_method.get("GET" if method == "HEAD" else method)
        if method != "POST" and answering.must_close and (route is not None or method == "OPTIONS"):
            raise GatewayRefused(GATEWAY_FRAMING, f"a body does not go with {method}")
        if method == "OPTIONS":
            await answering.send_nothing(204, (("allow", ", ".join(address.methods)),))
            return
        if route is None:
            raise GatewayRefused(GATEWAY_METHOD, "another method is taken here", allow=address.methods)
        answering.dialect = route.dialect
        if route.is_open:
            await self._handle(route, parts, scope, receive, NOBODY)
            return
        caller = self.admit(visit.headers, _find_peer(scope), right=route.right)
        answering.tell_limits = lambda: self.tell_limits(caller, route.dialect)
        with self.count(caller, route.dialect) if route.is_counted else nullcontext():
            await self._handle(route, parts, scope, receive, caller)

    async def _handle(
        self, route: Route, parts: Mapping[str, str], scope: Scope, receive: Receive, caller: Caller
    ) -> None:
        visit: _Visit = scope["ostiary"]
        with Holding(self.models, caller.tenant) as holding:
            asked = Asked(
                correlation_id=visit.ids.correlation_id,
                request_id=visit.ids.request_id,
                caller=caller,
                method=scope["method"],
                path=parts,
                query=_read_query(scope["query_string"], route.queries),
                headers=visit.headers,
                models=self.models,
                holding=holding,
                quotas=self.quotas,
                long_work=self.long_work,
            )
            if route.method == "POST":
                await self._receive(route, asked, scope, receive)
            elif route.is_open:
                await visit.answering.send_reply(await route.handle(asked, b""))
            else:
                with self.hold_place(caller):
                    await visit.answering.send_reply(await route.handle(asked, b""))

    async def _receive(self, route: Route, asked: Asked, scope: Scope, receive: Receive) -> None:
        visit: _Visit = scope["ostiary"]
        _judge_media_type(route, visit.headers)
        claimed = visit.headers.get("content-length")
        usual = self._server.tensor_body if route.is_raw else self._server.body
        most = usual if route.most_body_bytes is None else route.most_body_bytes
        with self.hold_body(asked.caller) as held:
            whole = scope.get("ostiary.receive_whole") if route.is_raw else None
            size = None if claimed is None else int(claimed)
            place = partial(route.find_place, asked)
            with self._coming.take(asked.caller.tenant):
                data = await receive_body(receive, size, most, held, receive_whole=whole, find_place=place)
            visit.answering.must_close = False
            with self.hold_place(asked.caller), _WhileWanted(scope.get("ostiary.when_gone", _never)):
                await self._answer(route, asked, data, visit.answering)

    async def _answer(self, route: Route, asked: Asked, data: bytes | memoryview, answering: Answering) -> None:
        body: object = data
        if route.takes is not None and not route.is_raw:
            body = await self._read_body(bytes(data), route.takes, asked.caller.tenant)
            del data
        reply: Reply = await route.handle(asked, body)
        await answering.send_reply(reply)

    async def _read_body(self, data: bytes, form: type[msgspec.Struct], tenant: str) -> msgspec.Struct:
        if len(data) <= SHORT_BYTES:
            return parse_body(data, form)
        return await self.long_work.do(tenant, partial(parse_body, data, form))


class _Visit:
    """What is known of a request from its head."""

    __slots__ = ("answering", "headers", "ids")

    def __init__(self, headers: _Headers, ids: RequestIds, answering: Answering) -> None:
        self.headers = headers
        self.ids = ids
        self.answering = answering


def _find_peer(scope: Scope) -> Peer:
    """What the connection put there, where it vouches for somebody."""
    peer = scope.get("ostiary.peer")
    return peer if isinstance(peer, Peer) else NO_PEER


def _read_headers(raw: Sequence[tuple[bytes, bytes]]) -> _Headers:
    """By lower-case name; of those that may come more than once, all in one."""
    headers: dict[str, str] = {}
    for name, value in raw:
        key, text = name.decode("latin-1"), value.decode("latin-1")
        headers[key] = f"{headers[key]}, {text}" if key in headers else text
    return headers


def _read_query(raw: bytes, taken: Collection[str]) -> Mapping[str, str]:
    if not raw:
        return {}
    try:
        pairs = parse_qsl(
            raw.decode("ascii"), keep_blank_values=True, strict_parsing=True, max_num_fields=_QUERY_FIELDS
        )
    except ValueError as error:
        raise GatewayRefused(GATEWAY_QUERY, "the query cannot be read") from error
    query = dict(pairs)
    for name in query:
        if name not in taken:
            raise GatewayRefused(GATEWAY_QUERY, "this name is not taken here", field=quote_untrusted(name, 40))
    if len(query) != len(pairs):
        raise GatewayRefused(GATEWAY_QUERY, "the query has a name twice")
    return query


def _judge_media_type(route: Route, headers: _Headers) -> None:
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise GatewayRefused(GATEWAY_MEDIA_TYPE, "the body is encoded", field="content-encoding")
    if route.takes is not None and not route.is_raw and headers.get("content-type", "").lower() not in _JSON:
        raise GatewayRefused(GATEWAY_MEDIA_TYPE, "the body is not application/json", field="content-type")


def _never(_on_gone: Callable[[], None] | None) -> None:
    """Of a connection that does not say when its other end goes away."""


class _WhileWanted:
    """The task that does what is in it is cancelled as soon as the client is gone. Raises ClientGone then."""

    __slots__ = ("_is_gone", "_task", "_when_gone")

    def __init__(self, when_gone: WhenGone) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101  this is for coroutines
        self._task: Final = task
        self._when_gone: Final = when_gone
        self._is_gone = False

    def __enter__(self) -> None:
        self._when_gone(self._cancel)

    def __exit__(self, _kind: object, raised: BaseException | None, _traceback: object) -> None:
        self._when_gone(None)
        if self._is_gone and isinstance(raised, asyncio.CancelledError):
            self._task.uncancel()
            raise ClientGone from None

    def _cancel(self) -> None:
        self._is_gone = True
        self._task.cancel()
