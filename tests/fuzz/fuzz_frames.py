"""Fuzzes what a cell hears from its worker: any bytes are frames that fit where they stand, or one refusal.

The first byte says where the stream is cut: frames must not depend on it.
"""

from __future__ import annotations

import struct
import sys
import tempfile
import time
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["ostiary"]):
    from ostiary.cell.answers import parse_usage
    from ostiary.cell.call_book import CallBook
    from ostiary.cell.loading import Loading
    from ostiary.core.frames import Frame, FrameMalformed, FrameReader, FromWorker

from ostiary.core.frames import ErrorName


def _read(*pieces: bytes) -> tuple[list[Frame], str]:
    reader, frames = FrameReader(FromWorker), []
    try:
        for piece in pieces:
            frames += reader.feed(piece)
    except FrameMalformed as malformed:
        return frames, str(malformed)
    return frames, ""


def _judge(frames: list[Frame]) -> None:
    """As `CellProcess.take_frame` does."""
    book = CallBook(8, lambda _: None, lambda: None)
    loading = Loading("fake", 1)
    calls = [book.open(time.monotonic() + 60, 0, None) for _ in range(2)]
    for frame in frames:
        body = frame.parse_body()
        if frame.kind == FromWorker.USAGE:
            parse_usage(body)
        elif frame.call_id:
            book.take(frame, body)
        else:
            loading.take(frame, body)
    for call in calls:
        if call is not None:
            call.close()


def TestOneInput(data: bytes) -> None:  # noqa: N802  the name that fuzzers look for
    cut, stream = (data[0] if data else 0), data[1:]
    whole, pieces = _read(stream), _read(stream[:cut], stream[cut:])
    if [(f.kind, f.call_id, f.body, bytes(f.tail)) for f in whole[0]] != [
        (f.kind, f.call_id, f.body, bytes(f.tail)) for f in pieces[0]
    ] or whole[1] != pieces[1]:
        raise AssertionError((whole, pieces))
    try:
        _judge(whole[0])
    except FrameMalformed as malformed:
        if "\n" in str(malformed) or len(str(malformed)) > 1_000:
            raise AssertionError(malformed) from malformed


def _seed(kind: int, call_id: int, body: bytes, tail: bytes = b"") -> bytes:
    return b"\x05" + struct.pack("<IIIBBBB", len(body), len(tail), call_id, kind, 0, 0, 0) + body + tail


SEEDS = (
    _seed(FromWorker.PIECE, 1, b'{"text":"a"}') + _seed(FromWorker.RESULT, 1, b"{}", b"tail")[1:],
    _seed(FromWorker.ERROR, 2, f'{{"code":"{ErrorName.ENGINE_FAILED}","sentence":"x"}}'.encode()),
    _seed(FromWorker.ERROR, 0, f'{{"code":"{ErrorName.LOAD_FAILED}","sentence":"x"}}'.encode()),
    _seed(FromWorker.USAGE, 0, b'{"tokens":1,"device_bytes":null}'),
    _seed(FromWorker.READY, 0, b'{"engine":"fake","facts":{}}'),
    _seed(FromWorker.CANCELLED, 1, b""),
    _seed(FromWorker.TAKEN, 0, b""),
)

if __name__ == "__main__":
    place = Path(tempfile.mkdtemp(prefix="ostiary-fuzz-"))
    for number, seed in enumerate(SEEDS):
        (place / str(number)).write_bytes(seed)
    atheris.Setup([*sys.argv, str(place)], TestOneInput)
    atheris.Fuzz()
