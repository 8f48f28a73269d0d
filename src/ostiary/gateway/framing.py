"""Where one request ends and the next begins, by the strict part of RFC 9112 alone. Pure.

Everything passes here before the server's own parser sees it: whatever two parsers could read differently, which is
what request smuggling lives on, is refused. That is: bare line feeds, folded headers, a space before a colon, more
than one length, a length with chunks, chunk extensions, trailers. What comes out is a request whose head was
judged, then its body, and then nothing more until `begin_next`.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import Final, NamedTuple

from ostiary.core.limits import MAX_CHUNK_LINE_BYTES, MAX_HEADER_BYTES, MAX_HEADERS, MAX_REQUEST_LINE_BYTES
from ostiary.core.text import quote_untrusted
from ostiary.errors import (
    GATEWAY_EXPECTATION,
    GATEWAY_FRAMING,
    GATEWAY_HEAD_TOO_LARGE,
    GATEWAY_HTTP_VERSION,
    GATEWAY_METHOD,
    GatewayRefused,
)

_END: Final = b"\r\n\r\n"
_BARE: Final = re.compile(rb"(?<!\r)\n|\r(?=[^\n])")
_REQUEST_LINE: Final = re.compile(rb"([A-Z]{1,16}) (/[!\"$-~]*) HTTP/(\d)\.(\d)")
_VERSION: Final = re.compile(rb"[^ ]* [^ ]* HTTP/(\d)\.(\d)")
_HEADER: Final = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\t -~\x80-\xff]*)")
_ADDRESS: Final = re.compile(rb"[!-~]{1,16} (/[!-~]{0,255})")
"""In whatever begins like a request: in whose words to say what is wrong with it."""
_AFTER_PATH: Final = re.compile(r"[?#]")
_BEGINNING_BYTES: Final = 300
_REMEMBERED_BYTES: Final = 2_048
"""What an idle connection may keep of the request before."""
_PERCENT: Final = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_LENGTH: Final = re.compile(rb"[0-9]{1,15}")
_CHUNK: Final = re.compile(rb"[0-9A-Fa-f]{1,8}")
_ONCE: Final = frozenset(
    b"authorization content-encoding content-length content-type expect host origin traceparent transfer-encoding "
    b"x-api-key x-request-id".split()
)
"""Headers of which a second would be taken for the first by somebody."""
_HOP: Final = frozenset({b"upgrade", b"http2-settings"})
"""Offers of other protocols, which are not taken: they go no further."""
_METHODS: Final = frozenset({b"DELETE", b"GET", b"HEAD", b"OPTIONS", b"PATCH", b"POST", b"PUT"})
_TAKEN: Final = ("GET", "HEAD", "OPTIONS", "POST")


class Phase(Enum):
    """What is expected next."""

    HEAD = "head"
    LENGTH = "body"
    CHUNK_SIZE = "chunk size"
    CHUNK_DATA = "chunk data"
    CHUNK_END = "end of a chunk"
    LAST = "end of the chunks"
    COMPLETE = "complete"


class _Judged(NamedTuple):
    """A head, and what was made of it."""

    head: bytes
    passed: bytes
    path: str
    left: int
    phase: Phase


class RequestFraming:
    """Of one connection."""

    def __init__(self) -> None:
        self.phase = Phase.HEAD
        self.path = ""
        """Of the request whose head was read last."""
        self._left = 0
        self._looked_at = 0
        self._before: _Judged | None = None
        """The last head that was let through, where it is short: who asks the same again sends the same head."""

    @property
    def is_at_head(self) -> bool:
        """Whether the next byte belongs to a head."""
        return self.phase is Phase.HEAD

    @property
    def is_complete(self) -> bool:
        """Whether the request was passed on to its end."""
        return self.phase is Phase.COMPLETE

    def begin_next(self) -> None:
        """The answer is sent: another request may follow."""
        self.phase = Phase.HEAD
        self.path = ""

    def take(self, buffer: bytearray) -> bytes:
        """Takes from the front of `buffer` what may be passed on; b"" where more must come first.

        Raises GatewayRefused: the connection is of no use then.
        """
        if self.phase is Phase.HEAD:
            begun = bytes(buffer[:_BEGINNING_BYTES])
            try:
                return self._take_head(buffer)
            except GatewayRefused:
                self.path = find_path(begun)
                raise
        if self.phase is Phase.CHUNK_SIZE:
            return self._take_chunk_size(buffer)
        if self.phase in (Phase.CHUNK_END, Phase.LAST):
            return self._take_line_end(buffer)
        if self.phase is Phase.COMPLETE:
            return b""
        taken = bytes(buffer[: self._left])
        del buffer[: len(taken)]
        self._left -= len(taken)
        if not self._left:
            self.phase = Phase.COMPLETE if self.phase is Phase.LENGTH else Phase.CHUNK_END
        return taken

    def pass_on(self, data: bytes) -> bool:
        """Whether all of this is of a body whose length was told, and may be passed on as it is."""
        if self.phase is not Phase.LENGTH or len(data) > self._left:
            return False
        self.skip(len(data))
        return True

    def skip(self, count: int) -> bool:
        """So many bytes of a body whose length was told went another way. Whether these were its last."""
        self._left -= count
        if not self._left:
            self.phase = Phase.COMPLETE
        return self.is_complete

    def _take_head(self, buffer: bytearray) -> bytes:
        if buffer and not 0x41 <= buffer[0] <= 0x5A:
            raise _unframed("it does not begin with a method")
        end = buffer.find(_END, max(0, self._looked_at - len(_END)))
        bare = _BARE.search(buffer, max(0, self._looked_at - 1), len(buffer) if end < 0 else end + len(_END))
        if bare is not None:
            raise _unframed("a line does not end in CR LF")
        self._looked_at = len(buffer)
        size = len(buffer) if end < 0 else end
        if size > MAX_REQUEST_LINE_BYTES + MAX_HEADER_BYTES:
            raise GatewayRefused(GATEWAY_HEAD_TOO_LARGE, f"the head has more than {size:,} bytes")
        if end < 0:
            if size > MAX_REQUEST_LINE_BYTES and b"\r\n" not in buffer:
                raise _too_large("the request line", MAX_REQUEST_LINE_BYTES, "bytes")
            return b""
        self._looked_at = 0
        head = bytes(buffer[:end])
        del buffer[: end + len(_END)]
        before = self._before
        if before is not None and before.head == head:  # nothing else is looked at: it would be judged alike
            self.path, self._left, self.phase = before.path, before.left, before.phase
            return before.passed
        passed = self._judge_head(head)
        is_kept = len(head) <= _REMEMBERED_BYTES
        self._before = _Judged(head, passed, self.path, self._left, self.phase) if is_kept else None
        return passed

    def _judge_head(self, head: bytes) -> bytes:
        first, *lines = head.split(b"\r\n")
        is_old = self._read_request_line(first)
        if len(lines) > MAX_HEADERS:
            raise _too_large("the head", MAX_HEADERS, "headers")
        if len(head) - len(first) > MAX_HEADER_BYTES:
            raise _too_large("the headers", MAX_HEADER_BYTES, "bytes together")
        passed = [first]
        singles: dict[bytes, bytes] = {}
        for line in lines:
            found = _HEADER.fullmatch(line)
            if found is None:
                raise _unframed("a header line is none, is folded, or holds control characters")
            name, value = found[1].lower(), found[2].strip(b" \t")
            if name in _ONCE:
                if name in singles:
                    raise _unframed(f"{name.decode()} stands there twice")
                singles[name] = value
            if name == b"connection":
                value = b", ".join(t for t in value.split(b",") if t.strip(b" \t").lower() not in _HOP)
            if name not in _HOP and (value or name != b"connection"):
                passed.append(name + b": " + value)
        self._begin_body(singles, is_old=is_old)
        return b"\r\n".join(passed) + _END

    def _read_request_line(self, line: bytes) -> bool:
        """Whether it is HTTP/1.0."""
        if len(line) > MAX_REQUEST_LINE_BYTES:
            raise _too_large("the request line", MAX_REQUEST_LINE_BYTES, "bytes")
        found = _REQUEST_LINE.fullmatch(line)
        version = _VERSION.fullmatch(line)
        if version is not None and (version[1] != b"1" or version[2] not in (b"0", b"1")):
            raise GatewayRefused(GATEWAY_HTTP_VERSION, "the request line names another version of HTTP")
        if found is None or _PERCENT.search(found[2]):
            raise _unframed("the request line is none, or its address does not begin with a slash")
        if found[1] not in _METHODS:
            raise GatewayRefused(
                GATEWAY_METHOD, "no address takes such a method", allow=("GET", "HEAD", "OPTIONS", "POST")
            )
        self.path = found[2].partition(b"?")[0].decode("ascii")
        return found[4] == b"0"

    def _begin_body(self, singles: dict[bytes, bytes], *, is_old: bool) -> None:
        if not singles.get(b"host"):
            raise _unframed("host is missing")
        length, coding = singles.get(b"content-length"), singles.get(b"transfer-encoding")
        if length is not None and coding is not None:
            raise _unframed("content-length and transfer-encoding exclude one another")
        expected = singles.get(b"expect")
        if expected is not None and (expected.lower() != b"100-continue" or is_old):
            raise GatewayRefused(GATEWAY_EXPECTATION, "the only expectation known here is 100-continue")
        if coding is not None:
            if coding.lower() != b"chunked" or is_old:
                raise _unframed("transfer-encoding is not chunked alone")
            self.phase = Phase.CHUNK_SIZE
        else:
            if length is not None and not _LENGTH.fullmatch(length):
                raise _unframed(f"content-length '{quote_untrusted(length.decode('latin-1'), 20)}' is no length")
            self._left = int(length or b"0")
            self.phase = Phase.LENGTH if self._left else Phase.COMPLETE

    def _take_chunk_size(self, buffer: bytearray) -> bytes:
        end = buffer.find(b"\r\n", 0, MAX_CHUNK_LINE_BYTES)
        line = bytes(buffer[: MAX_CHUNK_LINE_BYTES if end < 0 else end])
        if (
            end < 0
            and len(line) < MAX_CHUNK_LINE_BYTES
            and (not line or _CHUNK.fullmatch(line.removesuffix(b"\r")))
        ):
            return b""
        if end < 0 or not _CHUNK.fullmatch(line):
            raise _unframed("a chunk's size is none, or has an extension")
        del buffer[: end + 2]
        self._left = int(line, 16)
        self.phase = Phase.CHUNK_DATA if self._left else Phase.LAST
        return line + b"\r\n"

    def _take_line_end(self, buffer: bytearray) -> bytes:
        if not b"\r\n".startswith(buffer[:2]):
            raise _unframed("a chunk is longer than its size, or trailers follow the last")
        if len(buffer) < 2:
            return b""
        del buffer[:2]
        self.phase = Phase.CHUNK_SIZE if self.phase is Phase.CHUNK_END else Phase.COMPLETE
        return b"\r\n"


def find_path(begun: bytes) -> str:
    """Where something wants to go that may never become a request; "" where that cannot be told."""
    found = _ADDRESS.match(begun)
    return "" if found is None else _AFTER_PATH.split(found[1].decode("ascii"), maxsplit=1)[0]


def _unframed(what: str) -> GatewayRefused:
    return GatewayRefused(GATEWAY_FRAMING, what)


def _too_large(what: str, most: int, unit: str) -> GatewayRefused:
    return GatewayRefused(GATEWAY_HEAD_TOO_LARGE, f"{what} has more than {int(most):,} {unit}")
