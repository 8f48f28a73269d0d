"""Answers calls, step by step: between two steps the channel is looked at, without work it is waited for."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Final

from ostiary.core.frames import (
    ErrorName,
    Frame,
    FrameUnfit,
    FromWorker,
    JsonObject,
    LimitName,
    ReplyKind,
    Tail,
    ToWorker,
)
from ostiary.worker.channel import CellChannel
from ostiary.worker.engines.contract import Call, CallUnfit, Engine, EngineUsage, Reply
from ostiary.worker.lent import LentMemory, find_places

_USAGE_SECONDS: Final = 0.1
_KINDS: Final = {
    ReplyKind.PIECE: FromWorker.PIECE,
    ReplyKind.RESULT: FromWorker.RESULT,
    ReplyKind.ERROR: FromWorker.ERROR,
}


def serve(channel: CellChannel, engine: Engine, lent: LentMemory | None = None) -> None:
    """Until the cell is gone (CellGone)."""
    service = _Service(channel, engine, lent)
    while True:
        service.turn()


class _Service:
    def __init__(self, channel: CellChannel, engine: Engine, lent: LentMemory | None) -> None:
        self._channel: Final = channel
        self._engine: Final = engine
        self._lent: Final = lent
        self._in_flight: Final[dict[int, memoryview | None]] = {}
        """With the room that each is lent for its answer."""
        self._told = EngineUsage()
        self._tell_next = 0.0

    def turn(self) -> None:
        """Take what came, work one step, answer."""
        for frame in self._channel.receive(wait=not self._engine.has_work):
            if frame.kind == ToWorker.CALL:
                self._submit(frame)
            elif frame.kind == ToWorker.CANCEL:
                self._cancel(frame.call_id)
        if self._engine.has_work:
            self._answer(self._step())
        if self._in_flight and not self._engine.has_work:  # an engine that forgot a call: nobody shall wait for it
            self._fail_all("the engine forgot the call")
        self._tell_usage()

    def _submit(self, frame: Frame) -> None:
        call_id = frame.call_id
        self._in_flight[call_id] = None
        try:
            envelope = frame.parse_body()
            places = find_places(self._lent, envelope.get("lent"))
            self._in_flight[call_id] = places.room
            self._engine.submit(_make_call(call_id, envelope, frame.tail if places.given is None else places.given))
        except CallUnfit as error:
            self._fail(call_id, ErrorName.CALL_REFUSED, str(error), error.limit)
        except MemoryError:
            self._fail(call_id, ErrorName.OUT_OF_MEMORY, "there was not enough memory for the call")
        except BaseException as error:  # noqa: BLE001  tokenizers panic with what is no Exception
            self._fail(call_id, ErrorName.ENGINE_FAILED, f"the engine raised {type(error).__name__}")

    def _cancel(self, call_id: int) -> None:
        if call_id in self._in_flight:
            self._engine.cancel(call_id)
            del self._in_flight[call_id]
            self._channel.send(FromWorker.CANCELLED, call_id)

    def _step(self) -> Sequence[Reply]:
        try:
            return self._engine.step()
        except MemoryError:
            self._fail_all("there was not enough memory", ErrorName.OUT_OF_MEMORY)
        except BaseException as error:  # noqa: BLE001
            self._fail_all(f"the engine raised {type(error).__name__}")
        return ()

    def _answer(self, replies: Sequence[Reply]) -> None:
        for reply in replies:
            if reply.call_id not in self._in_flight:
                continue
            room = None
            if reply.kind is not ReplyKind.PIECE:
                room = self._in_flight.pop(reply.call_id)
            try:
                if room is not None and reply.kind is ReplyKind.RESULT and _fill(room, reply.tail):
                    self._channel.send(FromWorker.RESULT_LENT, reply.call_id, reply.body)
                else:
                    self._channel.send(_KINDS[reply.kind], reply.call_id, reply.body, reply.tail)
            except FrameUnfit as error:
                self._engine.cancel(reply.call_id)
                self._fail(reply.call_id, ErrorName.ENGINE_FAILED, f"the engine's answer: {error}")

    def _fail(self, call_id: int, name: ErrorName, sentence: str, limit: LimitName | None = None) -> None:
        self._in_flight.pop(call_id, None)
        reply = Reply.failed(call_id, name, sentence, limit)
        self._channel.send(FromWorker.ERROR, call_id, reply.body)

    def _fail_all(self, sentence: str, name: ErrorName = ErrorName.ENGINE_FAILED) -> None:
        for call_id in sorted(self._in_flight):
            self._engine.cancel(call_id)
            self._fail(call_id, name, sentence)

    def _tell_usage(self) -> None:
        now = time.monotonic()
        if now < self._tell_next and self._engine.has_work:
            return
        usage = self._engine.read_usage()
        if usage != self._told:
            self._told = usage
            self._channel.send(FromWorker.USAGE, body={"tokens": usage.tokens, "device_bytes": usage.device_bytes})
        self._tell_next = now + _USAGE_SECONDS


def _fill(room: memoryview, tail: Tail) -> bool:
    """Whether it fits exactly. Where it does not, the cell will say what is wrong with it."""
    data = memoryview(tail).cast("B")
    if len(data) != len(room):
        return False
    room[:] = data
    return True


def _make_call(call_id: int, envelope: JsonObject, tail: Tail) -> Call:
    body = envelope["body"]
    if not isinstance(body, dict):
        raise CallUnfit("the body of a call is an object")
    return Call(call_id, str(envelope["operation"]), body, tail)
