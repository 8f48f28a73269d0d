"""Where a request ends: what is let through, what is refused, and that it does not matter how the bytes arrive."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ostiary.errors import GatewayRefused
from ostiary.gateway.framing import Phase, RequestFraming

HEAD = b"POST /v1/x HTTP/1.1\r\nhost: h\r\n"
GOOD = {
    "no body": b"GET /a?b=c%20d HTTP/1.1\r\nHost: h\r\n\r\n",
    "empty body": HEAD + b"content-length: 0\r\n\r\n",
    "body": HEAD + b"content-length: 5\r\n\r\nhello",
    "chunks": HEAD + b"transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n00A\r\n0123456789\r\n0\r\n\r\n",
    "no chunks": HEAD + b"Transfer-Encoding: Chunked\r\n\r\n0\r\n\r\n",
    "old": b"GET / HTTP/1.0\r\nHost: h\r\n\r\n",
    "body of a GET": b"GET / HTTP/1.1\r\nhost: h\r\ncontent-length: 3\r\n\r\nabc",
    "expecting": HEAD + b"content-length: 1\r\nexpect: 100-continue\r\n\r\nx",
    "odd but well-formed header": b"GET / HTTP/1.1\r\nhost: h\r\nx_y!#$%&'*+.^`|~: \t a \xe9 b\t \r\nempty:\r\n\r\n",
    "as many headers as there may be": b"GET / HTTP/1.1\r\nhost: h\r\n" + b"a: b\r\n" * 63 + b"\r\n",
}
BAD = {
    "GATEWAY_FRAMING": {
        "two lengths": HEAD + b"content-length: 5\r\ncontent-length: 5\r\n\r\nhello",
        "two different lengths": HEAD + b"content-length: 5\r\nContent-Length: 6\r\n\r\nhello",
        "list of lengths": HEAD + b"content-length: 5, 5\r\n\r\nhello",
        "signed length": HEAD + b"content-length: +5\r\n\r\nhello",
        "negative length": HEAD + b"content-length: -5\r\n\r\nhello",
        "hexadecimal length": HEAD + b"content-length: 0x5\r\n\r\nhello",
        "length in other digits": HEAD + b"content-length: \xd9\xa5\r\n\r\nhello",
        "empty length": HEAD + b"content-length:\r\n\r\n",
        "endless length": HEAD + b"content-length: 9999999999999999\r\n\r\n",
        "length and chunks": HEAD + b"content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        "chunks and length": HEAD + b"transfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n0\r\n\r\n",
        "chunked twice": HEAD + b"transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n",
        "another coding": HEAD + b"transfer-encoding: gzip, chunked\r\n\r\n",
        "identity": HEAD + b"transfer-encoding: identity\r\n\r\n",
        "hidden chunked": HEAD + b"transfer-encoding: \x0bchunked\r\n\r\n",
        "chunked in HTTP/1.0": b"POST / HTTP/1.0\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n",
        "space before colon": HEAD + b"content-length : 5\r\n\r\nhello",
        "folded": HEAD + b"x: a\r\n b\r\n\r\n",
        "folded with a tab": HEAD + b"x: a\r\n\tb\r\n\r\n",
        "folded first": b"GET / HTTP/1.1\r\n host: h\r\n\r\n",
        "bare line feed": b"GET / HTTP/1.1\nhost: h\n\n",
        "bare line feed in the end": b"GET / HTTP/1.1\r\nhost: h\r\n\n",
        "bare carriage return": b"GET / HTTP/1.1\r\nhost: h\rx: y\r\n\r\n",
        "null": b"GET / HTTP/1.1\r\nhost: h\x00\r\n\r\n",
        "no colon": HEAD + b"x\r\n\r\n",
        "no name": HEAD + b": x\r\n\r\n",
        "no host": b"GET / HTTP/1.1\r\n\r\n",
        "empty host": b"GET / HTTP/1.1\r\nhost:\r\n\r\n",
        "two hosts": b"GET / HTTP/1.1\r\nhost: h\r\nhost: i\r\n\r\n",
        "two keys": HEAD + b"authorization: Bearer a\r\nauthorization: Bearer b\r\n\r\n",
        "two types": HEAD + b"content-type: application/json\r\ncontent-type: text/plain\r\n\r\n",
        "small letters": b"get / HTTP/1.1\r\nhost: h\r\n\r\n",
        "empty line first": b"\r\nGET / HTTP/1.1\r\nhost: h\r\n\r\n",
        "handshake of TLS": b"\x16\x03\x01\x02\x00\x01",
        "address with a host": b"GET http://h/ HTTP/1.1\r\nhost: h\r\n\r\n",
        "no address": b"OPTIONS * HTTP/1.1\r\nhost: h\r\n\r\n",
        "connect": b"CONNECT h:443 HTTP/1.1\r\nhost: h\r\n\r\n",
        "fragment": b"GET /a#b HTTP/1.1\r\nhost: h\r\n\r\n",
        "space in address": b"GET /a b HTTP/1.1\r\nhost: h\r\n\r\n",
        "two spaces": b"GET  / HTTP/1.1\r\nhost: h\r\n\r\n",
        "half a percent escape": b"GET /%2 HTTP/1.1\r\nhost: h\r\n\r\n",
        "address beyond ASCII": b"GET /\xc3\xa9 HTTP/1.1\r\nhost: h\r\n\r\n",
        "no version": b"GET /\r\nhost: h\r\n\r\n",
        "chunk extension": HEAD + b"transfer-encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\n\r\n",
        "chunk of a length in words": HEAD + b"transfer-encoding: chunked\r\n\r\nfive\r\n",
        "empty chunk size": HEAD + b"transfer-encoding: chunked\r\n\r\n\r\n",
        "signed chunk": HEAD + b"transfer-encoding: chunked\r\n\r\n+5\r\nhello\r\n",
        "huge chunk": HEAD + b"transfer-encoding: chunked\r\n\r\nfffffffff\r\n",
        "long chunk size": HEAD + b"transfer-encoding: chunked\r\n\r\n" + b"0" * 100,
        "chunk longer than it says": HEAD + b"transfer-encoding: chunked\r\n\r\n3\r\nhello\r\n0\r\n\r\n",
        "chunk size with a bare line feed": HEAD + b"transfer-encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n",
        "trailers": HEAD + b"transfer-encoding: chunked\r\n\r\n0\r\nx: y\r\n\r\n",
    },
    "GATEWAY_METHOD": {
        "a method that nobody knows": b"BREW / HTTP/1.1\r\nhost: h\r\n\r\n",
        "a method that sends back what it got": b"TRACE / HTTP/1.1\r\nhost: h\r\ncontent-length: 1\r\n\r\nx",
        "a method of another protocol": b"PROPFIND / HTTP/1.1\r\nhost: h\r\n\r\n",
    },
    "GATEWAY_HTTP_VERSION": {
        "HTTP/2 by its preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "HTTP/1.2": b"GET / HTTP/1.2\r\nhost: h\r\n\r\n",
        "HTTP/0.9": b"GET / HTTP/0.9\r\nhost: h\r\n\r\n",
    },
    "GATEWAY_HEAD_TOO_LARGE": {
        "too many headers": b"GET / HTTP/1.1\r\nhost: h\r\n" + b"a: b\r\n" * 64 + b"\r\n",
        "long header": b"GET / HTTP/1.1\r\nhost: h\r\na: " + b"b" * 17_000 + b"\r\n\r\n",
        "long header without an end": b"GET / HTTP/1.1\r\nhost: h\r\na: " + b"b" * 25_000,
        "long address": b"GET /" + b"a" * 9_000 + b" HTTP/1.1\r\nhost: h\r\n\r\n",
        "long address without an end": b"GET /" + b"a" * 9_000,
    },
    "GATEWAY_EXPECTATION": {
        "another expectation": HEAD + b"content-length: 1\r\nexpect: 200-ok\r\n\r\nx",
        "an expectation of HTTP/1.0": b"POST / HTTP/1.0\r\nhost: h\r\nexpect: 100-continue\r\n\r\n",
    },
}
CASES = [(code, what) for code, cases in BAD.items() for what in cases]


def feed(parts: list[bytes]) -> tuple[bytes, RequestFraming, bytearray]:
    framing, buffer, passed = RequestFraming(), bytearray(), b""
    for part in parts:
        buffer.extend(part)
        passed += drain(framing, buffer)
    return passed, framing, buffer


def drain(framing: RequestFraming, buffer: bytearray) -> bytes:
    passed = b""
    while taken := framing.take(buffer):
        passed += taken
    return passed


@pytest.mark.parametrize("what", GOOD)
def test_a_whole_request_passes(what: str) -> None:
    whole, framing, rest = feed([GOOD[what]])
    assert framing.phase is Phase.COMPLETE
    assert not rest
    single, framing, _ = feed([bytes([byte]) for byte in GOOD[what]])
    assert (single, framing.phase) == (whole, Phase.COMPLETE)


@pytest.mark.parametrize(("code", "what"), CASES)
def test_what_could_be_read_in_two_ways_is_refused(code: str, what: str) -> None:
    for parts in ([BAD[code][what]], [bytes([byte]) for byte in BAD[code][what]]):
        with pytest.raises(GatewayRefused) as caught:
            feed(parts)
        assert caught.value.code == code


def test_nothing_of_the_next_request_passes_before_this_one_is_answered() -> None:
    both = GOOD["body"] + GOOD["no body"]
    passed, framing, rest = feed([both])
    assert passed.endswith(b"hello")
    assert bytes(rest) == GOOD["no body"]
    framing.begin_next()
    assert framing.take(rest).startswith(b"GET /a?b=c%20d HTTP/1.1\r\nhost: h\r\n")


def test_offers_of_other_protocols_go_no_further() -> None:
    offer = b"connection: Upgrade, HTTP2-Settings, keep-alive\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABk\r\n"
    passed, framing, _ = feed([HEAD + offer + b"content-length: 2\r\n\r\nhi"])
    assert framing.phase is Phase.COMPLETE
    assert b"upgrade" not in passed.lower()
    assert b"http2" not in passed.lower()
    assert b"connection: keep-alive\r\n" in passed.replace(b"connection:  ", b"connection: ")


def test_header_names_become_small_and_values_lose_the_space_around_them() -> None:
    passed, _, _ = feed([b"GET / HTTP/1.1\r\nHost:\th \t\r\nX-Y:z\r\n\r\n"])
    assert passed == b"GET / HTTP/1.1\r\nhost: h\r\nx-y: z\r\n\r\n"


@given(st.lists(st.binary(max_size=40), max_size=8))
def test_any_bytes_are_a_request_or_a_refusal(parts: list[bytes]) -> None:
    try:
        feed([HEAD + b"transfer-encoding: chunked\r\n\r\n", *parts])
        feed(parts)
    except GatewayRefused:
        pass


@given(st.data())
def test_how_the_bytes_arrive_does_not_matter(data: st.DataObject) -> None:
    request = data.draw(st.sampled_from([*GOOD.values()]))
    cuts = sorted(data.draw(st.sets(st.integers(0, len(request)), max_size=6)))
    edges = [0, *cuts, len(request)]
    parts = [request[a:b] for a, b in pairwise(edges)]
    assert feed(parts)[0] == feed([request])[0]


@pytest.mark.parametrize(
    ("data", "path"),
    [
        (HEAD + b"a: b\nc: d\r\n\r\n", "/v1/x"),
        (HEAD + b"a" * 30_000, "/v1/x"),
        (HEAD + b"a : b\r\n\r\n", "/v1/x"),
        (b"GET /v1/" + b"a" * 10_000, "/v1/" + "a" * 252),
        (b"TRACE /v1/x?y HTTP/1.1\r\nhost: h\r\n\r\n", "/v1/x"),
        (b"GET /v1/x#y HTTP/1.1\r\nhost: h\r\n\r\n", "/v1/x"),
        (b"GET /v1/x HTTP/3.0\r\nhost: h\r\n\r\n", "/v1/x"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", ""),
        (b"\x16\x03\x01", ""),
    ],
)
def test_where_a_head_that_is_refused_wanted_to_go(data: bytes, path: str) -> None:
    """So that it is refused in the words of that address."""
    framing = RequestFraming()
    with pytest.raises(GatewayRefused):
        framing.take(bytearray(data))
    assert framing.path == path


def test_the_same_head_again_is_let_through_alike_and_has_its_own_body() -> None:
    request = b"POST /v1/x?y HTTP/1.1\r\nHost:h\r\ncontent-length: 5\r\n\r\n"
    framing, buffer = RequestFraming(), bytearray(request + b"hello" + request + b"world" + request)
    passed = []
    for _ in range(2):
        passed.append((framing.take(buffer), framing.path, framing.phase, framing.take(buffer)))
        assert framing.is_complete
        framing.begin_next()
        assert framing.path == ""
    head = b"POST /v1/x?y HTTP/1.1\r\nhost: h\r\ncontent-length: 5\r\n\r\n"
    assert passed == [(head, "/v1/x", Phase.LENGTH, body) for body in (b"hello", b"world")]
    assert framing.take(buffer) == head
    assert framing.take(buffer) == b""


@pytest.mark.parametrize(("code", "what"), CASES)
def test_what_is_refused_is_refused_behind_a_request_that_was_good_and_again(code: str, what: str) -> None:
    framing, buffer = RequestFraming(), bytearray(GOOD["no body"])
    assert framing.take(buffer)
    for _ in range(2):
        framing.phase = Phase.HEAD
        with pytest.raises(GatewayRefused) as caught:
            drain(framing, bytearray(BAD[code][what]))
        assert caught.value.code == code


def test_another_head_of_the_same_length_is_another_head() -> None:
    framing, buffer = RequestFraming(), bytearray(HEAD + b"content-length: 1\r\n\r\nx")
    drain(framing, buffer)
    framing.begin_next()
    buffer.extend(HEAD + b"content-length: 2\r\n\r\nxyz")
    assert framing.take(buffer).endswith(b"content-length: 2\r\n\r\n")
    assert framing.take(buffer) == b"xy"
    assert buffer == b"z"
