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


class _Judge:
    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.ended = 0

    def on_body(self, body: bytes) -> None:
        self.bodies.append(body)

    def on_message_complete(self) -> None:
        self.ended += 1


def TestOneInput(data: bytes) -> None:  # noqa: N802  as atheris calls it
    framing, buffer, passed = RequestFraming(), bytearray(data), b""
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
