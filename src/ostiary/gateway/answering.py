"""Sends what a handler gave back, or what went wrong, as one answer with the headers that every answer has."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping, Sequence
from contextlib import suppress
from typing import Any, Final, Protocol, TypeAlias

import msgspec

from ostiary.errors import GATEWAY_HTTP_VERSION, HOUSE_INTERNAL, GatewayRefused, InternalFault
from ostiary.gateway.errors import render_error, render_error_event
from ostiary.gateway.reply import BytesReply, EventsReply, Headers, JsonReply, Reply, ServerEvent, render_lines
from ostiary.gateway.request_ids import RequestIds
from ostiary.gateway.route import Dialect
from ostiary.gateway.sse import render_event

Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class WriteWhole(Protocol):
    """Writes a short answer at once, if it can."""

    def __call__(self, status: int, lines: bytes, body: bytes, *, closes: bool) -> bool:
        """False where nothing was written."""


_ALWAYS: Final[Headers] = (("cache-control", "no-store"), ("x-content-type-options", "nosniff"))
_STREAM: Final[Headers] = (("content-type", "text/event-stream; charset=utf-8"), ("x-accel-buffering", "no"))
_EVENTS_IN_A_ROW: Final = 8
_QUIET_SECONDS: Final = 15.0
"""Proxies close a connection on which nothing came for a minute; some for half of that."""
_COMMENT: Final = b": still at work\n\n"
"""What clients pass over."""
_SHORT_BYTES: Final = 1 << 16
"""Sooner copied than sent by themselves."""
_encoder: Final = msgspec.json.Encoder()


class Answering:
    """Of one request: once, or as a stream that has begun and is going on."""

    def __init__(self, send: Send, ids: RequestIds, write_whole: WriteWhole | None = None) -> None:
        """`write_whole`: of a connection that can."""
        self.dialect = Dialect.PROBLEM
        self.extra: Headers = ()
        """More headers for whatever answer there will be."""
        self.tell_limits: Callable[[], Headers] = tuple
        """Those that say, when the answer begins, what is left of the limits of whoever asks."""
        self.must_close = False
        """Whether there is more of the request than was read."""
        self.is_old = False
        """Whether it is HTTP/1.0, which has no streams."""
        self.is_begun = False
        self._is_over = False
        self._events = 0
        self._parts = 0
        self._send: Final = send
        self._ids: Final = ids
        self._write_whole: Final = write_whole

    async def send_reply(self, reply: Reply) -> None:
        if isinstance(reply, EventsReply):
            await self._send_events(reply)
        elif isinstance(reply, JsonReply):
            body = _encoder.encode(reply.value)
            await self._send_whole(reply.status, (("content-type", "application/json"), *reply.headers), body)
        else:
            assert isinstance(reply, BytesReply)  # noqa: S101  there is no other
            headers = (("content-type", reply.media_type), *reply.headers)
            await self._send_whole(reply.status, headers, reply.data, reply.more)

    async def send_nothing(self, status: int, headers: Headers) -> None:
        await self._send_whole(status, headers, b"")

    async def send_error(self, error: BaseException) -> None:
        """As an answer, or as the last event of a stream that has begun."""
        if self._is_over:
            return
        if self.is_begun:
            event = render_error_event(error, self.dialect, self._ids.correlation_id, self._events)
            await self._send_part(render_event(event), is_last=True)
            return
        rendered = render_error(error, self.dialect, self._ids.correlation_id)
        await self._send_whole(rendered.status, rendered.headers, rendered.body)

    async def _send_events(self, reply: EventsReply) -> None:
        events = reply.events
        try:
            if self.is_old:
                raise GatewayRefused(GATEWAY_HTTP_VERSION, "streams need HTTP/1.1")
            first = await _take_first(events)
            await self._begin(200, self._list_headers((*_STREAM, *reply.headers)))
            await self._send_part(render_event(first))
            self._events = 1
            keeping = asyncio.create_task(self._keep_alive())
            try:
                async for event in events:
                    await self._send_part(render_event(event))
                    self._events += 1
                    if not self._events % _EVENTS_IN_A_ROW:  # nothing above need have waited: others are due
                        await asyncio.sleep(0)
            finally:
                keeping.cancel()
            await self._send_part(b"", is_last=True)
        finally:
            close = getattr(events, "aclose", None)
            if close is not None:
                await close()

    async def _keep_alive(self) -> None:
        """Says now and then that there is more to come, while nothing does: a long prompt is being read, say."""
        while True:
            before = self._parts
            await asyncio.sleep(_QUIET_SECONDS)
            if self._parts == before:
                with suppress(Exception):  # whoever sends the next event notices, too
                    await self._send_part(_COMMENT)

    async def _send_whole(
        self, status: int, headers: Headers, body: bytes, more: Sequence[memoryview] = ()
    ) -> None:
        size = len(body) + sum(map(len, more))
        length = () if status == 204 else (("content-length", str(size)),)
        told = self._list_headers((*headers, *length))
        if size <= _SHORT_BYTES:
            body = b"".join((body, *more))
            more = ()
            if self._write_at_once(status, told, body):
                return
        await self._begin(status, told)
        if size - len(body) <= _SHORT_BYTES:
            await self._send_part(b"".join([body, *more]), is_last=True)
            return
        await self._send_part(body)
        for part in more[:-1]:
            await self._send_part(part)
        await self._send_part(more[-1], is_last=True)

    def _write_at_once(self, status: int, told: Headers, body: bytes) -> bool:
        write = self._write_whole
        if write is None or not write(status, render_lines(told), body, closes=self.must_close):
            return False
        self.is_begun = self._is_over = True
        return True

    def _list_headers(self, headers: Headers) -> Headers:
        told = (*headers, *_ALWAYS, *self._ids.headers(), *self.tell_limits(), *self.extra)
        return (*told, ("connection", "close")) if self.must_close else told

    async def _begin(self, status: int, told: Headers) -> None:
        raw = [(name.encode("ascii"), value.encode("ascii")) for name, value in told]
        self.is_begun = True
        await self._send({"type": "http.response.start", "status": status, "headers": raw})

    async def _send_part(self, data: bytes | memoryview, *, is_last: bool = False) -> None:
        self._is_over = is_last
        self._parts += 1
        await self._send({"type": "http.response.body", "body": data, "more_body": not is_last})


async def _take_first(events: AsyncIterator[ServerEvent]) -> ServerEvent:
    async for event in events:
        return event
    raise InternalFault(HOUSE_INTERNAL, "a stream without an event")
