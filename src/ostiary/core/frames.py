"""How the cell, its fork server and its workers speak: frames of a header, a JSON object and a binary tail.

The header, little-endian: u32 bytes of the body, u32 bytes of the tail, u32 call id (0: none), u8 kind, 3 zeros.
Pure: bytes in, frames out. Whoever reads says which kinds may come; all else is malformed.
"""

from __future__ import annotations

import json
import mmap
import struct
from collections.abc import Iterator, Mapping
from contextlib import suppress
from enum import IntEnum, StrEnum
from typing import Final, TypeAlias

from ostiary.core.json_text import JsonValue, parse_json_object
from ostiary.core.limits import MAX_FRAME_BODY_BYTES, MAX_FRAME_TAIL_BYTES, MAX_FRAME_VALUES
from ostiary.core.values import dataclass
from ostiary.errors import IntakeRefused

JsonObject: TypeAlias = Mapping[str, JsonValue]
Tail: TypeAlias = bytes | memoryview

_HEADER: Final = struct.Struct("<IIIBBBB")
HEADER_BYTES: Final = _HEADER.size
_LARGE_BYTES: Final = 1 << 18
_HUGE_BYTES: Final = 4 << 20
LAST_CALL_ID: Final = (1 << 32) - 1


class ToWorker(IntEnum):
    """From the cell into the wall. First the model, then calls."""

    CONTENT = 1
    """One small file: `path` in the body, its bytes in the tail."""
    CONTENTS_DONE = 2
    WEIGHTS = 3
    """One weights file: `path` and `size`; its descriptor comes along."""
    FINISH = 4
    """All was sent."""
    CALL = 5
    """`operation` and `body`. `lent`, where it is there: where in the lent memory its data lies (`given`), and
    where that of its answer may be written (`room`), each as offset and length, or null.
    """
    CANCEL = 6
    """The call with this id is not wanted any more."""


class FromWorker(IntEnum):
    """Out of the wall. Nothing here is believed."""

    TAKEN = 17
    """One weights file was read wholly."""
    READY = 18
    """The model is loaded; the body says what it is."""
    PIECE = 19
    RESULT = 20
    ERROR = 21
    """`code` (ErrorName) and `sentence`. Call id 0: the model was not taken."""
    CANCELLED = 22
    USAGE = 23
    """`tokens`, `device_bytes`."""
    RESULT_LENT = 24
    """As RESULT; the data fills the room that the call was lent for it."""


class Control(IntEnum):
    """Between the application and its fork server, which never sees a model."""

    HELLO = 33
    """The fork server is there: what to watch and end it by comes along."""
    CONFIGURE = 34
    """Which engine, with what settings; what to notice the application's end by comes along."""
    PREPARED = 35
    """The engine is imported."""
    NOT_PREPARED = 36
    START = 37
    """A worker, with these limits and the wall in the tail; its end of the channel comes along."""
    FORKED = 38
    """It exists: what to watch and end it by comes along."""
    LOCKED = 39
    """Its wall is up: where denied calls are told comes along."""
    NOT_STARTED = 40
    KILL = 41
    GRANT = 42
    """So many `seconds` of processor time, in all."""
    ENDED = 43
    """How it ended, and what it used."""


class LimitName(StrEnum):
    """A bound of a model's contract that only its engine can hold, by the field that brings it along."""

    PROMPT = "prompt_limit"
    """Tokens of the prompt."""
    CONTEXT = "context_limit"
    """Tokens of prompt and answer together."""


class ErrorName(StrEnum):
    """What an engine may say went wrong. Each is a code of ours (docs/reference/errors.md); there are no others."""

    CALL_REFUSED = "WORKER_CALL_REFUSED"
    """The call does not fit the model."""
    ENGINE_FAILED = "WORKER_ENGINE_FAILED"
    """The engine failed on this call; the others are not affected."""
    OUT_OF_MEMORY = "WORKER_OUT_OF_MEMORY"
    """There was not enough memory, and the engine noticed in time."""
    LOAD_FAILED = "WORKER_LOAD_FAILED"
    """While loading only: the engine does not take this model."""
    ARCHITECTURE_NOT_ALLOWED = "CELL_ARCHITECTURE_NOT_ALLOWED"
    """While loading only: the engine does not know this architecture."""
    MEMORY_BUDGET = "CELL_MEMORY_BUDGET"
    """While loading only: the model does not fit its limits."""


class ReplyKind(StrEnum):
    """A call is answered by any number of pieces, then by exactly one result or error."""

    PIECE = "piece"
    RESULT = "result"
    ERROR = "error"


class FrameMalformed(ValueError):
    """The other side does not keep to the format. The text is ours alone."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame as it came. Its body is not read yet."""

    kind: int
    call_id: int
    body: bytes
    tail: Tail

    def encode(self) -> bytes:
        """As it came, to be passed on."""
        head = _HEADER.pack(len(self.body), len(self.tail), self.call_id, self.kind, 0, 0, 0)
        return head + self.body + bytes(self.tail)

    def parse_body(self) -> dict[str, JsonValue]:
        """The body, read strictly. An empty one is an object without members."""
        return _parse(self.body) if self.body else {}


def _parse(text: bytes) -> dict[str, JsonValue]:
    try:
        return parse_json_object(text, max_bytes=MAX_FRAME_BODY_BYTES, max_values=MAX_FRAME_VALUES)
    except IntakeRefused as error:
        raise FrameMalformed(error.message) from error


class FrameUnfit(ValueError):
    """What we were asked to send is larger than a frame, or is not JSON. The text is ours alone."""


def encode_frame(
    kind: int,
    call_id: int = 0,
    body: JsonObject | None = None,
    tail: Tail = b"",
    max_body_bytes: int = MAX_FRAME_BODY_BYTES,
) -> list[Tail]:
    """The buffers of one frame, in order. Raises FrameUnfit."""
    text = b""
    if body:
        try:
            text = _encode(body).encode()
        except (ValueError, TypeError, RecursionError) as error:  # UnicodeEncodeError is a ValueError
            raise FrameUnfit("it cannot be written as JSON") from error
    if len(text) > max_body_bytes:
        raise FrameUnfit(f"{len(text):,} bytes of JSON, the ceiling is {int(max_body_bytes):,}")
    try:
        view = memoryview(tail).cast("B") if isinstance(tail, memoryview) else memoryview(tail)
    except TypeError as error:
        raise FrameUnfit("its data is not bytes in one piece") from error
    if len(view) > MAX_FRAME_TAIL_BYTES:
        raise FrameUnfit(f"{len(view):,} bytes of data, the ceiling is {int(MAX_FRAME_TAIL_BYTES):,}")
    head = _HEADER.pack(len(text), len(view), call_id, kind, 0, 0, 0) + text
    return [head, view] if len(view) else [head]


def encode_call(
    call_id: int, operation: object, body: object, tail: Tail = b"", lent: JsonObject | None = None
) -> list[Tail]:
    """A call, which strangers have a part in. Raises FrameUnfit where its worker would not read it."""
    if not isinstance(operation, str) or not isinstance(body, Mapping):
        raise FrameUnfit("it is not an operation and an object")
    envelope: dict[str, JsonValue] = {"operation": operation, "body": dict(body)}
    if lent is not None:
        envelope["lent"] = dict(lent)
    buffers = encode_frame(ToWorker.CALL, call_id, envelope, tail)
    try:
        _parse(bytes(buffers[0])[HEADER_BYTES:])
    except FrameMalformed as error:
        raise FrameUnfit(str(error)) from error
    return buffers


_encode: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


class FrameReader:
    """Makes frames of a stream, however it is cut. Holds one frame at most that is not whole."""

    def __init__(self, kinds: type[IntEnum], max_body_bytes: int = MAX_FRAME_BODY_BYTES) -> None:
        self._max_body_bytes: Final = max_body_bytes
        self._kinds: Final = frozenset(int(kind) for kind in kinds)
        self._head = bytearray()
        self._wanted = (0, 0, 0, 0)
        """Of the frame whose header is whole: bytes of its body, of its tail, its call id, its kind."""
        self._tail: bytearray | mmap.mmap = bytearray()
        self._tail_bytes = 0

    @property
    def is_between_frames(self) -> bool:
        return not self._head

    def feed(self, data: Tail) -> Iterator[Frame]:
        """Every frame that `data` completes. Raises FrameMalformed; the stream has no meaning after that."""
        rest = memoryview(data)
        while rest:
            if len(self._head) < HEADER_BYTES:
                taken = HEADER_BYTES - len(self._head)
                self._head += rest[:taken]
                rest = rest[taken:]
                if len(self._head) < HEADER_BYTES:
                    return
                self._wanted = self._check_header()
            body_bytes, tail_bytes, call_id, kind = self._wanted
            taken = HEADER_BYTES + body_bytes - len(self._head)
            self._head += rest[:taken]
            rest = rest[taken:]
            if len(self._head) < HEADER_BYTES + body_bytes:
                return
            if tail_bytes:
                rest = self._fill_tail(rest, tail_bytes)
                if self._tail_bytes < tail_bytes:
                    return
            yield Frame(kind, call_id, bytes(self._head[HEADER_BYTES:]), self._take_tail())
            self._head = bytearray()

    def _check_header(self) -> tuple[int, int, int, int]:
        body_bytes, tail_bytes, call_id, kind, *padding = _HEADER.unpack(self._head)
        if kind not in self._kinds or any(padding):
            raise FrameMalformed("a frame of a kind that does not belong here")
        if body_bytes > self._max_body_bytes:
            raise FrameMalformed(f"a frame claims {body_bytes:,} bytes of JSON")
        if tail_bytes > MAX_FRAME_TAIL_BYTES:
            raise FrameMalformed(f"a frame claims {tail_bytes:,} bytes of data")
        return body_bytes, tail_bytes, call_id, kind

    def _fill_tail(self, rest: memoryview, wanted: int) -> memoryview:
        """A length that is only claimed costs addresses and no memory: pages come with the bytes that fill them."""
        if not self._tail_bytes:
            self._tail = bytearray(wanted) if wanted < _LARGE_BYTES else map_memory(wanted)
        taken = rest[: wanted - self._tail_bytes]
        end = self._tail_bytes + len(taken)
        self._tail[self._tail_bytes : end] = taken
        self._tail_bytes = end
        return rest[len(taken) :]

    def _take_tail(self) -> Tail:
        if not self._tail_bytes:
            return b""
        whole, self._tail, self._tail_bytes = self._tail, bytearray(), 0
        return memoryview(whole).toreadonly()


def map_memory(wanted: int) -> mmap.mmap:
    """Costs addresses; memory comes as it is filled."""
    mapped = mmap.mmap(-1, wanted, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    if wanted >= _HUGE_BYTES and hasattr(mmap, "MADV_HUGEPAGE"):
        with suppress(OSError):  # a kernel without huge pages
            mapped.madvise(mmap.MADV_HUGEPAGE)  # filling it takes a fifth of the time
    return mapped
