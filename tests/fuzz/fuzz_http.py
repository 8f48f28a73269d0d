"""Any bytes on a connection: a request or a refusal, and what is let through is the same to another parser."""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["ostiary"]):
    from ostiary.errors import GatewayRefused
    from ostiary.gateway.framing import RequestFraming

try:
    import httptools
except ImportError:  # the server's own parser; without it nobody is asked
    httptools = None


BEGINNINGS = (
    b"",
    b"GET /v1/models HTTP/1.1\r\nhost: h\r\n",
    b"POST /v1/x HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n",
    b"POST /v1/x HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n",
    b"POST /v1/x HTTP/1.1\r\nhost: h\r\ncontent-length: 9\r\n",
)


class _Judge:
    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.ended = 0

    def on_body(self, body: bytes) -> None:
        self.bodies.append(body)

    def on_message_complete(self) -> None:
        self.ended += 1


def TestOneInput(data: bytes) -> None:  # noqa: N802  the name that fuzzers look for
    begun = BEGINNINGS[data[0] % len(BEGINNINGS)] if data else b""
    framing, buffer, passed = RequestFraming(), bytearray(begun + data[1:]), b""
    try:
        while taken := framing.take(buffer):
            passed += taken
    except GatewayRefused:
        return
    if httptools is None or not framing.is_complete:
        return
    judge = _Judge()
    httptools.HttpRequestParser(judge).feed_data(passed)  # raises where it would not have it
    if judge.ended != 1:
        raise AssertionError("another parser sees another number of requests")


if __name__ == "__main__":
    atheris.Setup(sys.argv, TestOneInput)
    atheris.Fuzz()
