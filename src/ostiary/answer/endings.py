"""Each request ends exactly once in the record: answered, refused, failed or cancelled, also where nobody waits."""

from __future__ import annotations

import json
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Final, TypedDict

from ostiary.core.json_text import JsonValue
from ostiary.core.requests import Operation, Timings
from ostiary.core.tensors import Tensor
from ostiary.core.tickets import Answer, AnsweredTensors, CheckedRequest, CheckedTensors
from ostiary.core.values import dataclass
from ostiary.errors import CELL_CLOSED, HOUSE_INTERNAL, AnswerRefused, ContractRefused, Limit, OstiaryError, Refusal
from ostiary.record.events import Content, Emit, Event
from ostiary.record.request_events import (
    RequestAnswered,
    RequestCancelled,
    RequestComputed,
    RequestFailed,
    RequestRefused,
)

_ASKED: Final = ("prompt", "messages", "tools", "documents", "text")


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an answer came."""

    completion_tokens: int
    timings: Timings


class _Common(TypedDict):
    correlation_id: str
    opened: str
    root: str
    operation: str
    milliseconds: int
    prompt: Content | None


class RequestEndings:
    """All requests to one opened model. Any number of threads may use it."""

    def __init__(self, emit: Emit, opened: str, root: str, *, has_content: bool = False) -> None:
        """`opened`: the correlation id of the opening. `has_content`: salted hashes of prompts and answers, too."""
        self._emit: Final = emit
        self._opened: Final = opened
        self._root: Final = root
        self._has_content: Final = has_content
        self._lock: Final = threading.Lock()
        self._open: Final[dict[RequestEnding, None]] = {}
        self._abandoned: Final[deque[RequestEnding]] = deque()
        self._untold: Final[deque[Event]] = deque()
        """Ends that the record would not take."""
        self._is_foreign = False

    def begin(self, operation: Operation, correlation_id: str | None = None) -> RequestEnding:
        """A request that is to end. What was abandoned meanwhile is told first, and what could not be told before.

        `correlation_id`: what a door already told of it; what it asks of a model in several parts has one id. None:
        one is drawn. Raises what the record says: what must be recorded and is not lets nothing more happen.
        """
        self.tell_abandoned()
        self._tell_rest()
        return self._begin(operation, correlation_id)

    def begin_at_once(self, operation: Operation, correlation_id: str | None = None) -> RequestEnding | None:
        """As `begin`, for event loops: None where something is still to be told, which may wait for a disk."""
        if self._abandoned or self._untold:
            return None
        return self._begin(operation, correlation_id)

    def _begin(self, operation: Operation, correlation_id: str | None) -> RequestEnding:
        ending = RequestEnding(self, operation, correlation_id or secrets.token_hex(8))
        with self._lock:
            self._open[ending] = None
        return ending

    def withdraw(self, ending: RequestEnding) -> None:
        """It never began: whoever asked asks once more, and begins another."""
        with self._lock:
            self._open.pop(ending, None)

    def tell_abandoned(self) -> None:
        while self._abandoned:
            self._abandoned.popleft().cancelled()

    def close(self) -> None:
        """The model is closed: what is still open ends now. Raises what the record says, when all was tried."""
        failure: Exception | None = None
        while True:
            with self._lock:
                ending = next(iter(self._open), None)
            if ending is None:
                break
            try:
                if ending in self._abandoned:
                    ending.cancelled()
                else:
                    ending.closed()
            except Exception as error:  # noqa: BLE001  the others are tried as well
                failure = failure or error
        try:
            self._tell_rest()
        except Exception as error:  # noqa: BLE001
            failure = failure or error
        if failure is not None:
            raise failure

    def _tell_rest(self) -> None:
        while self._untold and not self._is_foreign:
            event = self._untold.popleft()
            try:
                self._emit(event)
            except Exception:
                self._untold.appendleft(event)
                raise

    def forget(self) -> None:
        """In a forked child: these requests are the parent's, and so is their record. Takes no lock."""
        self._is_foreign = True

    def abandon(self, ending: RequestEnding) -> None:
        """From inside the garbage collector: takes no lock, tells nothing yet."""
        self._abandoned.append(ending)

    def tell(self, ending: RequestEnding, make: Callable[[_Common], Event]) -> None:
        """The first end counts; it is in the record when this returns. Raises what the record says; then it is told
        before the next request begins, or when the model is closed.
        """
        if self._is_foreign:
            return
        with self._lock:
            if ending not in self._open:
                return
            del self._open[ending]
        event = make(
            {
                "correlation_id": ending.correlation_id,
                "opened": self._opened,
                "root": self._root,
                "operation": ending.operation.value,
                "milliseconds": ending.count_milliseconds(),
                "prompt": self._hide(ending.asked),
            }
        )
        try:
            self._emit(event)
        except Exception:
            self._untold.append(event)
            raise

    def hide_answer(self, answer: Answer) -> Content | None:
        return self._hide([choice.written for choice in answer.choices])

    def hide_tensors(self, tensors: Iterable[Tensor | memoryview]) -> Content | None:
        """Their bytes, end to end, in the order of the contract."""
        if not self._has_content:
            return None
        return Content(b"".join(item.data if isinstance(item, Tensor) else item for item in tensors))

    def _hide(self, value: JsonValue | Mapping[str, JsonValue] | list[str] | Content | None) -> Content | None:
        if isinstance(value, Content):
            return value
        if not self._has_content or not value:
            return None
        return Content(json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode())


class RequestEnding:
    """Of one request. The first of these words counts, whoever says it."""

    def __init__(self, endings: RequestEndings, operation: Operation, correlation_id: str) -> None:
        self.correlation_id: Final = correlation_id
        self.operation: Final = operation
        self.asked: Mapping[str, JsonValue] | Content | None = None
        """What a hash is taken of, where the application wants that."""
        self._endings: Final = endings
        self.started: Final = time.monotonic()
        self._read_progress: Callable[[], Progress] = lambda: Progress(0, Timings(0.0, None))

    def withdraw(self) -> None:
        """It never began, and needs no end."""
        self._endings.withdraw(self)

    def note_request(self, request: CheckedRequest) -> None:
        self.asked = {name: request.body[name] for name in _ASKED if name in request.body}

    def note_tensors(self, request: CheckedTensors) -> None:
        self.asked = self._endings.hide_tensors(request.buffers)

    def follow(self, read_progress: Callable[[], Progress]) -> None:
        """Who can tell how far the answer came."""
        self._read_progress = read_progress

    def count_milliseconds(self) -> int:
        return round((time.monotonic() - self.started) * 1000)

    def answered(self, answer: Answer) -> None:
        first = answer.timings.first_token_seconds
        self._endings.tell(
            self,
            lambda common: RequestAnswered(
                **common,
                finish=tuple(choice.finish_reason.value for choice in answer.choices),
                prompt_tokens=answer.usage.prompt_tokens,
                cached_tokens=answer.usage.cached_tokens,
                completion_tokens=answer.usage.completion_tokens,
                first_milliseconds=round((first or 0.0) * 1000),
                answer=self._endings.hide_answer(answer),
            ),
        )

    def computed(self, request: CheckedTensors, answer: AnsweredTensors) -> None:
        self._endings.tell(
            self,
            lambda common: RequestComputed(
                **common,
                input_bytes=request.bytes,
                output_bytes=answer.bytes,
                answer=self._endings.hide_tensors(answer.outputs.values()),
            ),
        )

    def raised(self, error: BaseException) -> None:
        """A refusal, a fault, or somebody who does not want to wait (an interrupt, a cancelled task)."""
        if isinstance(error, OstiaryError):
            error.correlation_id = self.correlation_id
        if isinstance(error, Refusal):
            self._endings.tell(self, lambda common: _make_refused(common, error))
        elif isinstance(error, Exception):
            self._fail(error.code if isinstance(error, OstiaryError) else HOUSE_INTERNAL.name)
        else:
            self.cancelled()

    def cancelled(self) -> None:
        self._endings.tell(
            self,
            lambda common: RequestCancelled(
                **common, completion_tokens=self._tokens, first_milliseconds=self._first_milliseconds
            ),
        )

    def closed(self) -> None:
        """The model it was for is closed."""
        self._fail(CELL_CLOSED.name)

    def abandoned(self) -> None:
        """From inside the garbage collector."""
        self._endings.abandon(self)

    def _fail(self, code: str) -> None:
        self._endings.tell(
            self,
            lambda common: RequestFailed(
                **common, code=code, completion_tokens=self._tokens, first_milliseconds=self._first_milliseconds
            ),
        )

    @property
    def _tokens(self) -> int:
        return self._read_progress().completion_tokens

    @property
    def _first_milliseconds(self) -> int | None:
        first = self._read_progress().timings.first_token_seconds
        return None if first is None else round(first * 1000)


def _spell_limit(limit: Limit | None) -> str:
    if limit is None or isinstance(limit, str):
        return limit or ""
    return str(limit) if isinstance(limit, int | float) else ", ".join(map(str, limit))


def _make_refused(common: _Common, error: Refusal) -> RequestRefused:
    if not isinstance(error, ContractRefused | AnswerRefused):
        return RequestRefused(**common, code=error.code)
    return RequestRefused(
        **common,
        code=error.code,
        field=error.field or None,
        rule=error.rule or None,
        limit=_spell_limit(error.limit) or None,
    )
