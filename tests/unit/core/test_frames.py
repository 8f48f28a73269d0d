"""Frames: written, cut anywhere, read; and what is none."""

from __future__ import annotations

import struct

import pytest

from ostiary.core import frames
from ostiary.core.frames import (
    HEADER_BYTES,
    Control,
    Frame,
    FrameMalformed,
    FrameReader,
    FrameUnfit,
    FromWorker,
    ToWorker,
    encode_frame,
)
from ostiary.core.limits import MAX_FRAME_BODY_BYTES, MAX_FRAME_TAIL_BYTES, MAX_FRAME_VALUES

TAILS = [b"", b"\0", b"x" * 100, bytes(range(256)) * 2048, b"y" * (5 << 20)]


def _join(*frames: list[bytes | memoryview]) -> bytes:
    return b"".join(bytes(buffer) for buffers in frames for buffer in buffers)


def _plain(found: list[Frame]) -> list[tuple[int, int, object, bytes]]:
    return [(frame.kind, frame.call_id, frame.parse_body(), bytes(frame.tail)) for frame in found]


@pytest.mark.parametrize("tail", TAILS, ids=len)
@pytest.mark.parametrize("piece", [1, 15, 16, 17, 4096, 1 << 30])
def test_what_was_written_is_read_however_it_is_cut(tail: bytes, piece: int) -> None:
    stream = _join(
        encode_frame(FromWorker.PIECE, 7, {"a": "ä\n", "b": [1, None]}),
        encode_frame(FromWorker.RESULT, 0xFFFFFFFF, {}, tail),
        encode_frame(FromWorker.TAKEN),
    )
    if len(stream) // piece > 100_000:
        stream, tail = stream[: len(stream) - len(tail)][:0] + _join(encode_frame(FromWorker.TAKEN)), b""
    reader, found = FrameReader(FromWorker), []
    for start in range(0, len(stream), piece):
        found += reader.feed(memoryview(stream)[start : start + piece])
    assert reader.is_between_frames
    assert found[-1] == Frame(FromWorker.TAKEN, 0, b"", b"")
    if len(found) == 3:
        assert _plain(found)[:2] == [
            (FromWorker.PIECE, 7, {"a": "ä\n", "b": [1, None]}, b""),
            (FromWorker.RESULT, 0xFFFFFFFF, {}, tail),
        ]


def test_a_tail_that_was_read_can_be_neither_changed_nor_reused() -> None:
    reader = FrameReader(FromWorker)
    (first,) = reader.feed(_join(encode_frame(FromWorker.RESULT, 1, {}, b"first")))
    (second,) = reader.feed(_join(encode_frame(FromWorker.RESULT, 2, {}, b"again")))
    assert bytes(first.tail) == b"first"
    assert isinstance(second.tail, memoryview)
    assert second.tail.readonly


def test_a_view_of_numbers_is_written_as_its_bytes() -> None:
    numbers = memoryview(struct.pack("<3f", 1, 2, 3)).cast("f")
    (frame,) = FrameReader(ToWorker).feed(_join(encode_frame(ToWorker.CALL, 1, {}, numbers)))
    assert bytes(frame.tail) == numbers.tobytes()


def test_a_frame_that_was_read_is_passed_on_as_it_came() -> None:
    stream = _join(encode_frame(Control.START, 3, {"limits": {}}, b"wall"))
    (frame,) = FrameReader(Control).feed(stream)
    assert frame.encode() == stream


def _header(
    body: int = 0, tail: int = 0, kind: int = FromWorker.RESULT, padding: tuple[int, ...] = (0, 0, 0)
) -> bytes:
    return struct.pack("<IIIBBBB", body, tail, 1, kind, *padding)


@pytest.mark.parametrize(
    ("stream", "reason"),
    [
        (_header(kind=0), "kind"),
        (_header(kind=ToWorker.CALL), "kind"),
        (_header(kind=Control.START), "kind"),
        (_header(kind=255), "kind"),
        (_header(padding=(0, 0, 1)), "kind"),
        (_header(body=MAX_FRAME_BODY_BYTES + 1), "bytes of JSON"),
        (_header(tail=MAX_FRAME_TAIL_BYTES + 1), "bytes of data"),
        (_header(body=0xFFFFFFFF, tail=0xFFFFFFFF), "bytes of JSON"),
    ],
)
def test_a_header_that_is_none_is_refused_as_soon_as_it_is_whole(stream: bytes, reason: str) -> None:
    reader = FrameReader(FromWorker)
    assert list(reader.feed(stream[: HEADER_BYTES - 1])) == []
    with pytest.raises(FrameMalformed, match=reason):
        list(reader.feed(stream[HEADER_BYTES - 1 :]))


def test_frames_before_a_malformed_one_are_given_out() -> None:
    stream = _join(encode_frame(FromWorker.PIECE, 1, {"a": 1})) + _header(kind=99)
    found = []

    def read() -> None:
        found.extend(FrameReader(FromWorker).feed(stream))

    reader = FrameReader(FromWorker).feed(stream)
    assert next(reader).call_id == 1
    with pytest.raises(FrameMalformed):
        next(reader)
    with pytest.raises(FrameMalformed):
        read()


def test_lengths_that_are_only_claimed_take_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    monkeypatch.setattr(frames, "map_memory", lambda wanted: asked.append(wanted) or bytearray(10))  # type: ignore[func-returns-value]
    reader = FrameReader(FromWorker)
    assert list(reader.feed(_header(body=MAX_FRAME_BODY_BYTES, tail=MAX_FRAME_TAIL_BYTES))) == []
    assert asked == []
    assert list(reader.feed(b"{" * 1000)) == []
    assert asked == []  # not before the first byte of the tail


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[]",
        b'"text"',
        b"1",
        b"null",
        b'{"a":NaN}',
        b'{"a":1e999}',
        b'{"a":1,"a":1}',
        b'{"a":"\xff"}',
        b'{"a":"\\ud800"}',
        b"\xef\xbb\xbf{}",
        b"{} {}",
        b'{"a":' + b"[" * 300 + b"]" * 300 + b"}",
        b'{"a":[' + b"0," * MAX_FRAME_VALUES + b"0]}",
        b'{"a":99999999999999999999999}',
    ],
)
def test_a_body_that_is_no_object_of_ours(body: bytes) -> None:
    with pytest.raises(FrameMalformed) as caught:
        Frame(FromWorker.RESULT, 1, body, b"").parse_body()
    assert "\n" not in str(caught.value)


def test_an_empty_body_is_an_object_without_members() -> None:
    assert Frame(FromWorker.TAKEN, 0, b"", b"").parse_body() == {}


@pytest.mark.parametrize(
    "body", [{"a": float("inf")}, {"a": object()}, {"a": "\ud800"}, {"a": "x" * MAX_FRAME_BODY_BYTES}, {1j: 1}]
)
def test_what_cannot_be_written_is_said_before_a_byte_is(body: object) -> None:
    with pytest.raises(FrameUnfit):
        encode_frame(ToWorker.CALL, 1, body)  # type: ignore[arg-type]


def test_a_body_that_contains_itself() -> None:
    body: dict[str, object] = {}
    body["a"] = body
    with pytest.raises(FrameUnfit):
        encode_frame(ToWorker.CALL, 1, body)  # type: ignore[arg-type]


def test_a_tail_above_the_ceiling(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames, "MAX_FRAME_TAIL_BYTES", 3)
    with pytest.raises(FrameUnfit, match="4 bytes of data"):
        encode_frame(ToWorker.CALL, 1, {}, b"1234")


def test_kinds_of_different_sides_never_share_a_number() -> None:
    kinds = [int(kind) for side in (ToWorker, FromWorker, Control) for kind in side]
    assert len(set(kinds)) == len(kinds)
    assert all(0 < kind < 256 for kind in kinds)
