"""What a worker says of errors and of what it uses, judged field by field. Pure."""

from __future__ import annotations

from typing import Final

from ostiary.core.call_sentences import tell_strangers
from ostiary.core.frames import ErrorName, FrameMalformed, JsonObject, LimitName
from ostiary.core.limits import MAX_READING_MS, MAX_USAGE_FRAMES
from ostiary.core.text import quote_untrusted
from ostiary.errors import (
    CELL_ARCHITECTURE_NOT_ALLOWED,
    CELL_MEMORY_BUDGET,
    WORKER_CALL_REFUSED,
    WORKER_ENGINE_FAILED,
    WORKER_LOAD_FAILED,
    WORKER_OUT_OF_MEMORY,
    CallRefused,
    CellRefused,
    EngineFailed,
    LoadFailed,
    OstiaryError,
    WorkerOutOfMemory,
)

_ON_A_CALL: Final = frozenset({ErrorName.CALL_REFUSED, ErrorName.ENGINE_FAILED, ErrorName.OUT_OF_MEMORY})
_WHILE_LOADING: Final = frozenset(ErrorName) - {ErrorName.CALL_REFUSED, ErrorName.ENGINE_FAILED}
_LAST_COUNT: Final = 1 << 62
_USAGE_FRAMES_PER_SECOND: Final = 20
_READING_SHARE: Final = 0.25


def parse_error(body: JsonObject, *, is_loading: bool) -> OstiaryError:
    """The error that the application is told. Raises FrameMalformed for any that is not one of ours."""
    code, sentence = body.get("code"), body.get("sentence")
    if set(body) - {"limit"} != {"code", "sentence"} or not isinstance(sentence, str):
        raise FrameMalformed("an error that is not one")
    allowed = _WHILE_LOADING if is_loading else _ON_A_CALL
    name = next((name for name in allowed if name.value == code), None)
    told = f"the engine says: {quote_untrusted(sentence)}"
    limit = _read_limit(body, name)
    match name:
        case ErrorName.CALL_REFUSED:
            return CallRefused(WORKER_CALL_REFUSED, told, limit=limit, public_detail=tell_strangers(sentence))
        case ErrorName.ENGINE_FAILED:
            return EngineFailed(WORKER_ENGINE_FAILED, told)
        case ErrorName.OUT_OF_MEMORY:
            return WorkerOutOfMemory(WORKER_OUT_OF_MEMORY, told)
        case ErrorName.LOAD_FAILED:
            return LoadFailed(WORKER_LOAD_FAILED, told)
        case ErrorName.ARCHITECTURE_NOT_ALLOWED:
            return CellRefused(CELL_ARCHITECTURE_NOT_ALLOWED, told)
        case ErrorName.MEMORY_BUDGET:
            return CellRefused(CELL_MEMORY_BUDGET, told)
        case None:
            raise FrameMalformed("an error of a kind that does not belong here")


def _read_limit(body: JsonObject, name: ErrorName | None) -> str:
    """Which bound of the model's contract refuses a call; nothing else can name one."""
    if "limit" not in body:
        return ""
    limit = next((known.value for known in LimitName if known.value == body["limit"]), None)
    if limit is None or name is not ErrorName.CALL_REFUSED:
        raise FrameMalformed("an error that is not one")
    return limit


def parse_usage(body: JsonObject) -> tuple[int, int | None]:
    """Tokens, and bytes on the device where there is one."""
    tokens, device_bytes = body.get("tokens"), body.get("device_bytes")
    if set(body) != {"tokens", "device_bytes"} or not _is_count(tokens):
        raise FrameMalformed("counts that are none")
    if device_bytes is not None and not _is_count(device_bytes):
        raise FrameMalformed("counts that are none")
    return int(str(tokens)), None if device_bytes is None else int(str(device_bytes))


class UsageAllowance:
    """How often a worker may say what it uses: as honest ones do, and no flood that keeps us busy."""

    def __init__(self, now: float) -> None:
        self._left = float(MAX_USAGE_FRAMES)
        self._since = now

    def take(self, now: float) -> None:
        """Raises FrameMalformed where it is used up."""
        self._left = min(MAX_USAGE_FRAMES, self._left + (now - self._since) * _USAGE_FRAMES_PER_SECOND)
        self._since = now
        if self._left < 1:
            raise FrameMalformed("a flood of reports")
        self._left -= 1

    def note_answer(self) -> None:
        """Each answer may be followed by a report."""
        self._left = min(MAX_USAGE_FRAMES, self._left + 1)


class ReadingTime:
    """Our own processor time that goes into what one worker says. Where it is used up, the worker has to wait."""

    def __init__(self, now: float) -> None:
        self._left = MAX_READING_MS / 1000
        self._since = now

    def note(self, seconds: float) -> None:
        self._left -= seconds

    def is_left(self, now: float) -> bool:
        self._left = min(MAX_READING_MS / 1000, self._left + (now - self._since) * _READING_SHARE)
        self._since = now
        return self._left > 0


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _LAST_COUNT
