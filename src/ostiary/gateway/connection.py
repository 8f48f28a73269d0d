"""One connection: uvicorn's protocol behind our own reading of where requests begin and end, and behind our clocks.

uvicorn sees a request only once its head was judged, and the next one only when this one is answered; so nothing is
queued that nobody waits for. What it has no bound for, this has: the time of a head and of a body, a client that
does not take its answer, the number of connections.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Final, cast

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from ostiary.core.limits import MAX_LINGER_BYTES, MAX_LINGER_MS, MAX_PIPELINED_BYTES
from ostiary.core.values import dataclass
from ostiary.errors import GATEWAY_BUSY, GATEWAY_FRAMING, GATEWAY_TOO_SLOW, GatewayRefused, OstiaryError
from ostiary.gateway.authenticators import NO_PEER, Peer
from ostiary.gateway.dialects import choose_dialect
from ostiary.gateway.errors import render_error
from ostiary.gateway.framing import Phase, RequestFraming, find_path
from ostiary.gateway.receive_direct import DirectReceiver
from ostiary.gateway.reply import render_lines
from ostiary.gateway.request_ids import read_request_ids


@dataclass(frozen=True, slots=True)
class ConnectionBounds:
    """In seconds, but for the number of connections."""

    connections: int
    head_time: float
    body_time: float
    write_time: float
    note: Callable[[OstiaryError], None]
    """Hears of what is refused here."""


class LingeringTransport:
    """A connection that is closed so that its last words arrive.

    Closing while the other side still sends makes the system throw away what was not received yet, our answer with
    it. So we say that we are done, and look away from what comes for a moment. Where a connection is encrypted the
    end of our words ends both ways: there the answer's own length has to say that we are done.
    """

    def __init__(self, transport: asyncio.Transport, has_more_to_come: Callable[[], bool]) -> None:
        self._transport: Final = transport
        self._has_more_to_come: Final = has_more_to_come
        self._is_lingering = False

    def write(self, data: bytes) -> None:
        if not self._is_lingering:
            self._transport.write(data)

    def close(self) -> None:
        if self._is_lingering or self._transport.is_closing():
            return
        if not self._has_more_to_come():
            self._transport.close()
            return
        self._is_lingering = True
        self._transport.resume_reading()
        end = self._transport.close
        if self._transport.can_write_eof():
            self._transport.write_eof()
            end = self._transport.abort
        asyncio.get_running_loop().call_later(MAX_LINGER_MS / 1000, end)

    def abort(self) -> None:
        self._transport.abort()

    def is_closing(self) -> bool:
        return self._is_lingering or self._transport.is_closing()

    def pause_reading(self) -> None:
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        self._transport.resume_reading()

    def give_to(self, protocol: asyncio.BaseProtocol) -> None:
        """From here on it hears of what comes."""
        if not self._transport.is_closing():
            self._transport.pause_reading()
            self._transport.set_protocol(protocol)
            self._transport.resume_reading()

    def get_extra_info(self, name: str, default: object = None) -> object:
        return self._transport.get_extra_info(name, default)


class DoorConnection(HttpToolsProtocol):
    """What the server makes of each connection."""

    def __init__(self, bounds: ConnectionBounds, **given: Any) -> None:
        super().__init__(**given)
        self._bounds: Final = bounds
        self._framing: Final = RequestFraming()
        self._buffer: Final = bytearray()
        self._timer: asyncio.TimerHandle | None = None
        self._write_timer: asyncio.TimerHandle | None = None
        self._spare_since: float | None = None
        """Since when, on the loop's clock, it is open without a whole head, or for its last answer to be read; None
        where it has asked something.
        """
        self.peer: Peer = NO_PEER
        """Set before the connection is made, where it is encrypted."""
        self._is_over = False
        self._is_paused = False
        self._ignored = 0
        self._whole: memoryview | None = None
        self._whole_bytes = 0
        self._on_gone: Callable[[], None] | None = None

    # --- asyncio's side ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        lingering = LingeringTransport(cast("asyncio.Transport", transport), self._has_more_to_come)
        super().connection_made(lingering)  # type: ignore[arg-type]
        if len(self.connections) > self._bounds.connections and not self._take_place():
            self._refuse(GatewayRefused(GATEWAY_BUSY, "there are as many connections as there may be"))
        else:
            self._spare_since = self.loop.time()
            self._set_timer(self._bounds.head_time)

    def data_received(self, data: bytes) -> None:
        if self._is_over:
            self._ignore(len(data))
            return
        is_beginning = not self._buffer and self._framing.is_at_head
        if is_beginning:
            self._unset_keepalive_if_required()
        elif not self._buffer and self._framing.pass_on(data):
            if self._framing.is_complete:
                self._set_timer(None)
            super().data_received(data)
            return
        self._buffer.extend(data)
        self._pass_on()
        if is_beginning and self._framing.is_at_head and not self._is_over:
            self._set_timer(self._bounds.head_time)

    def connection_lost(self, exc: Exception | None) -> None:
        self._is_over = True
        self._spare_since = None
        self._buffer.clear()
        self._set_timer(None)
        self.resume_writing()
        super().connection_lost(exc)
        self._tell_gone()

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._write_timer is None:
            self._write_timer = self.loop.call_later(self._bounds.write_time, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None

    # --- uvicorn's side ---

    def send_400_response(self, msg: str) -> None:
        """Its parser objects to what ours let through, which no test has seen: the answer is the same."""
        del msg
        self._refuse(GatewayRefused(GATEWAY_FRAMING, "the request cannot be read"))

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        self._whole = None
        scope: Any = self.scope
        scope["ostiary.receive_whole"] = self._receive_whole
        scope["ostiary.peer"] = self.peer
        scope["ostiary.when_gone"] = self._hear_when_gone
        scope["ostiary.write_whole"] = self._write_whole

    def on_body(self, body: bytes) -> None:
        if self._whole is None:
            super().on_body(body)
        elif not self.cycle.response_complete:
            self._fill_whole(body)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._framing.is_complete and not self._is_over and not self.transport.is_closing():
            self._framing.begin_next()
            self._spare_since = self.loop.time()
            if self._is_paused:
                self._is_paused = False
                self.transport.resume_reading()
            if self._buffer:
                self._unset_keepalive_if_required()
                self._set_timer(self._bounds.head_time)
                self._pass_on()
        else:  # answered before its end: what is still sent of it cannot be told from a next request
            self._is_over = True
            self._spare_since = self.loop.time()
            self._set_timer(None)
            self.transport.close()

    # --- ours ---

    async def _receive_whole(self, place: memoryview) -> memoryview | None:
        """A long body of which nothing was received by `receive`, straight into `place`: as long as was told and
        judged. None where the client went away.
        """
        cycle: Any = self.cycle
        self._whole, self._whole_bytes = place, 0
        self._fill_whole(cycle.body)
        cycle.body = bytearray()
        if cycle.waiting_for_100_continue and not cycle.transport.is_closing():
            cycle.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            cycle.waiting_for_100_continue = False
        self.flow.resume_reading()
        transport: Any = self.transport
        if cycle.more_body and not self._buffer and not self._is_over:
            receiver = DirectReceiver(place[self._whole_bytes :], self._note_direct, self)
            transport.give_to(receiver)
        try:
            while cycle.more_body and not cycle.disconnected:
                cycle.message_event.clear()
                await cycle.message_event.wait()
        finally:
            self._whole = None
        return place.toreadonly() if self._whole_bytes == len(place) else None

    def _write_whole(self, status: int, lines: bytes, body: bytes, *, closes: bool) -> bool:
        """A short answer, head and body, in one write: two cost a call of the system, and wake the client for half
        of it. `lines`: of its head, whole. False where nothing went, as uvicorn has more to think of.
        """
        cycle: Any = self.cycle
        if cycle.disconnected or cycle.response_started or cycle.scope["method"] == "HEAD":
            return False
        if cast("Any", self.flow).write_paused:
            return False
        cycle.response_started = cycle.response_complete = True
        cycle.waiting_for_100_continue = False
        if closes:
            cycle.keep_alive = False
        elif not cycle.keep_alive:
            lines += b"connection: close\r\n"
        always = b"".join([b"%b: %b\r\n" % header for header in cycle.default_headers])
        self.transport.write(b"".join((STATUS_LINE[status], always, lines, b"\r\n", body)))
        cycle.message_event.set()
        if not cycle.keep_alive:
            self.transport.close()
        self.on_response_complete()
        return True

    def _hear_when_gone(self, on_gone: Callable[[], None] | None) -> None:
        """Told once if the client goes away before the request that is being answered has its answer; soon, if it
        did so already. None: nobody wants to hear it any more.
        """
        self._on_gone = on_gone
        if on_gone is not None:
            cast("Any", self.flow).resume_reading()  # else nobody would see it go
            if cast("Any", self.cycle).disconnected:
                self.loop.call_soon(self._tell_gone)

    def _tell_gone(self) -> None:
        on_gone, self._on_gone = self._on_gone, None
        if on_gone is not None and not cast("Any", self.cycle).response_complete:
            on_gone()

    def _fill_whole(self, part: bytes | bytearray) -> None:
        assert self._whole is not None  # noqa: S101  whoever calls it looked
        end = self._whole_bytes + len(part)
        self._whole[self._whole_bytes : end] = part
        self._whole_bytes = end

    def _note_direct(self, count: int) -> None:
        """So many bytes of the body came, past the parsers."""
        if self._is_over:
            self._ignore(count)
            return
        self._whole_bytes += count
        if not self._framing.skip(count):
            return
        self._set_timer(None)
        self.parser = _make_parser(self)  # the one that was at work waits for a body that it will never see
        transport: Any = self.transport
        transport.give_to(self)
        self.cycle.more_body = False
        self.cycle.message_event.set()

    def _ignore(self, count: int) -> None:
        self._ignored += count
        if self._ignored > MAX_LINGER_BYTES:
            self.transport.abort()

    def _pass_on(self) -> None:
        framing = self._framing
        try:
            while self._buffer and not framing.is_complete:
                is_head = framing.is_at_head
                passed = framing.take(self._buffer)
                if not passed:
                    break
                if is_head:
                    self._spare_since = None
                if framing.phase is Phase.COMPLETE:
                    self._set_timer(None)
                elif is_head:
                    self._set_timer(self._bounds.body_time)
                super().data_received(passed)
                if self._is_over:
                    return
        except GatewayRefused as refusal:
            self._refuse(refusal)
            return
        if len(self._buffer) > MAX_PIPELINED_BYTES and framing.is_complete and not self._is_paused:
            self._is_paused = True
            self.transport.pause_reading()

    def _take_place(self) -> bool:
        """Of the connection that was told its last, or has asked nothing, for longest: crowds of those keep nobody
        out who asks.
        """
        spare: list[tuple[bool, float, DoorConnection]] = []
        for other in self.connections:
            if isinstance(other, DoorConnection) and other._spare_since is not None:
                spare.append((not other._is_over, other._spare_since, other))
        if not spare:
            return False
        min(spare, key=lambda found: found[:2])[2].give_up()
        return True

    def give_up(self) -> None:
        """Somebody else takes its place."""
        self._spare_since = None
        self._is_over = True
        self._buffer.clear()
        self._set_timer(None)
        self.transport.abort()

    def _has_more_to_come(self) -> bool:
        return self._is_over or not (self._framing.is_at_head or self._framing.is_complete)

    def _refuse(self, error: OstiaryError) -> None:
        """The connection ends with this."""
        self._is_over = True
        self._spare_since = self.loop.time()
        self._buffer.clear()
        self._set_timer(None)
        self._unset_keepalive_if_required()
        self._bounds.note(error)
        cycle: Any = self.cycle  # None before the first request
        is_waiting = cycle is not None and not cycle.response_complete
        is_answering = is_waiting and cycle.response_started
        if is_waiting:
            cycle.disconnected = True
            cycle.message_event.set()
        if not is_answering:
            told = cycle.scope["headers"] if is_waiting else ()
            headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in told}
            self.transport.write(_render_answer(error, self._framing.path, headers))
        self.transport.close()
        self._tell_gone()

    def _set_timer(self, seconds: float | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None if seconds is None else self.loop.call_later(seconds, self._run_out)

    def _run_out(self) -> None:
        self._timer = None
        if self._framing.is_at_head and not self._buffer:
            self.transport.close()  # nobody asked anything
        else:
            what = "the head" if self._framing.is_at_head else "the body"
            if self._framing.is_at_head:
                self._framing.path = find_path(bytes(self._buffer))
            self._refuse(GatewayRefused(GATEWAY_TOO_SLOW, f"{what} did not arrive in time"))


def _make_parser(connection: DoorConnection) -> httptools.HttpRequestParser:
    """As uvicorn makes its own."""
    parser = httptools.HttpRequestParser(connection)
    parser.set_dangerous_leniencies(lenient_data_after_close=True)
    return parser


def _render_answer(error: OstiaryError, path: str, headers: Mapping[str, str]) -> bytes:
    """An answer to what never became a request. `headers`: of its head, where that was read."""
    ids = read_request_ids(headers)
    rendered = render_error(error, choose_dialect(path), ids.correlation_id)
    told = (
        *rendered.headers,
        *ids.headers(),
        ("content-length", str(len(rendered.body))),
        ("connection", "close"),
    )
    return STATUS_LINE[rendered.status] + render_lines(told) + b"\r\n" + rendered.body
