"""A request's way through the house, top to bottom: contract -> admission -> cell -> answer.

Whoever asks has parsed it before.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final

from ostiary.admission import Entrance, Place, enter
from ostiary.answer import Gathering, RequestEnding, RequestEndings
from ostiary.answer.endings import Progress
from ostiary.contract import TextContract, check_request, name_limit
from ostiary.core.frames import ReplyKind
from ostiary.core.requests import ParsedRequest, Piece
from ostiary.core.tickets import AdmittedRequest, Answer
from ostiary.errors import (
    HOUSE_INTERNAL,
    CallRefused,
    ContractRefused,
    InternalFault,
    SandboxViolation,
    WorkerCrashed,
)
from ostiary.walks.in_flight import InFlight
from ostiary.walks.placed_call import PlacedCall

if TYPE_CHECKING:
    from ostiary.cell.calls import CallInFlight, CellReply
    from ostiary.cell.group import CellGroup
    from ostiary.cell.running import RunningCell

_LISTS: Final = frozenset({"messages", "prompt", "stop", "text"})
_PLAIN: Final = (str, int, float)
_SHORT_ENTRIES: Final = 16
_SHORT_CHARACTERS: Final = 4_096


def ask_model(
    cell: RunningCell | CellGroup,
    contract: TextContract,
    endings: RequestEndings,
    request: ParsedRequest,
    *,
    on_ready: Callable[[], None] | None = None,
    correlation_id: str | None = None,
    entrance: Entrance | None = None,
) -> AnswerInFlight:
    """The request is on its way, or waits for its turn (`is_waiting`), when this returns.

    Raises the first room's no, which is in the record then.

    `on_ready` is called, from other threads, whenever there may be something to do: its turn came, or
    `AnswerInFlight.take` has something to give. `correlation_id`: what a door has told of the request already; else
    one is drawn. `entrance`: who shares the model with others; None: nobody does.
    """
    ending = endings.begin(request.operation, correlation_id)
    try:
        asked = _bring_to_gate(cell, contract, ending, request, on_ready=on_ready, entrance=entrance)
    except BaseException as error:
        ending.raised(error)
        raise
    if not asked.is_waiting:
        asked.start()
    return asked


def ask_model_at_once(
    cell: RunningCell | CellGroup,
    contract: TextContract,
    endings: RequestEndings,
    request: ParsedRequest,
    *,
    on_ready: Callable[[], None] | None = None,
    correlation_id: str | None = None,
    entrance: Entrance | None = None,
) -> AnswerInFlight | None:
    """As `ask_model`, for event loops: of what is short, and it may be that it still has to be started.

    None where that would take long, wait for a disk, or be refused: nothing happened then, and `ask_model` is to be
    asked.
    """
    ending = endings.begin_at_once(request.operation, correlation_id) if _is_short(request) else None
    if ending is None:
        return None
    try:
        asked = _bring_to_gate(cell, contract, ending, request, on_ready=on_ready, entrance=entrance)
    except BaseException as error:
        ending.withdraw()
        if isinstance(error, Exception):
            return None
        raise
    asked.start_at_once()
    return asked


def _bring_to_gate(
    cell: RunningCell | CellGroup,
    contract: TextContract,
    ending: RequestEnding,
    request: ParsedRequest,
    *,
    on_ready: Callable[[], None] | None,
    entrance: Entrance | None,
) -> AnswerInFlight:
    checked = check_request(request, contract)
    ending.note_request(checked)
    gathering = Gathering(checked, ending.started)
    ending.follow(lambda: Progress(gathering.completion_tokens, gathering.timings))
    place = enter(entrance, checked, on_ready)

    def begin(admitted: AdmittedRequest, waits: bool) -> CallInFlight | None:
        body = checked.body
        if admitted.answer_limit is not None:
            body = {**body, "answer_limit": min(checked.most_tokens, admitted.answer_limit)}
        return (cell.call if waits else cell.call_at_once)(
            checked.operation.value, body, deadline_seconds=admitted.timeout_seconds, on_ready=on_ready
        )

    return AnswerInFlight(
        cell,
        place,
        begin,
        gathering,
        ending,
        context_tokens=contract.context_tokens,
        is_shared=entrance is not None,
    )


def _is_short(request: ParsedRequest) -> bool:
    """Whether all of it is checked in a tenth of a millisecond: a text, or a few messages of nothing but text."""
    size = 0
    for name, value in request.fields.items():
        entries = value if isinstance(value, list) and name in _LISTS else [value]
        if len(entries) > _SHORT_ENTRIES:
            return False
        for entry in entries:
            parts = entry.values() if isinstance(entry, dict) and name == "messages" else (entry,)
            if not all(part is None or isinstance(part, _PLAIN) for part in parts):
                return False
            size += sum(len(part) for part in parts if isinstance(part, str))
    return size <= _SHORT_CHARACTERS


class AnswerInFlight(InFlight[Answer]):
    """An answer on its way. `abandon` may come from any thread, too."""

    def __init__(
        self,
        cell: RunningCell | CellGroup,
        place: Place,
        begin: Callable[[AdmittedRequest, bool], CallInFlight | None],
        gathering: Gathering,
        ending: RequestEnding,
        *,
        context_tokens: int | None = None,
        is_shared: bool = False,
    ) -> None:
        """`context_tokens`: no prompt has more. `is_shared`: whether others ask the same process."""
        estimate = place.claim.prompt_tokens
        placed = PlacedCall(place, begin, lambda: self._count_used(estimate, context_tokens))
        super().__init__(cell, placed, ending)
        self._gathering: Final = gathering
        self._may_begin_again = is_shared
        self._rest: Final[deque[Piece]] = deque()
        """Pieces that came with the end."""
        self._last: Answer | None = None
        """The end, which is told when they were taken."""

    @property
    def reasoning(self) -> str:
        """What the model thought before the first answer, as far as it came."""
        return self._gathering.reasoning

    @property
    def text(self) -> str:
        """Of the first answer, as far as it came."""
        return self._gathering.text

    @property
    def completion_tokens(self) -> int:
        """Of all answers, as far as they came."""
        return self._gathering.completion_tokens

    @property
    def is_cancelled(self) -> bool:
        """Whether somebody did not want the rest, or interrupted the waiting for it."""
        is_interrupted = self._error is not None and not isinstance(self._error, Exception)
        return self._is_cancelled or is_interrupted

    def __iter__(self) -> Iterator[Piece]:
        """Every piece, waiting for each. Raises what ended it instead of an answer."""
        while not self.is_over:
            piece = self.take(None)
            if piece is not None:
                yield piece
        self.conclude()

    def take(self, seconds: float | None = 0) -> Piece | None:
        """The next piece, waiting for it so long; None where none came or will come. Errors wait for `conclude`."""
        if self.is_over:
            return None
        if self._last is not None:
            return self._take_rest(self._last)
        try:
            reply = self._placed.take(seconds)
            return None if reply is None else self._read(reply)
        except StopIteration:
            self._error = InternalFault(HOUSE_INTERNAL, "an answer ended without an end")
        except WorkerCrashed as error:
            if not self._begin_again(error):
                self._error = error
        except BaseException as error:  # noqa: BLE001  an interrupt while waiting ends the request as well
            self._error = name_limit(error, self._gathering.request)
        finally:
            self._leave_if_over()
        return None

    def conclude(self) -> Answer:
        """How it ended is in the record when this returns, or raises what ended it. Any number of times."""
        if self._error is not None:
            self._ending.raised(self._error)
            raise self._error
        if self._answer is None:
            self.cancel()
            raise InternalFault(HOUSE_INTERNAL, "an answer was concluded before its end")
        self._ending.answered(self._answer)
        return self._answer

    def abandon(self) -> None:
        """From inside the garbage collector: nobody holds it any more."""
        self._is_cancelled = True
        self._placed.abandon()
        self._ending.abandoned()

    def _begin_again(self, error: WorkerCrashed) -> bool:
        """Once, where somebody outside ended the process before a word was said: whoever asked need not know."""
        is_untouched = self._gathering.prompt_tokens is None and not self._gathering.completion_tokens
        if not (self._may_begin_again and error.is_from_outside and is_untouched):
            return False
        self._may_begin_again = False
        return self._placed.begin_again()

    def _read(self, reply: CellReply) -> Piece | None:
        try:
            if reply.kind is ReplyKind.PIECE:
                return self._gathering.take_piece(reply.body, reply.tail)
            answer = self._gathering.take_result(reply.body, reply.tail)
            self._placed.note_prompt(answer.usage.prompt_tokens)
        except SandboxViolation as violation:
            self._object_to(violation)
            raise
        self._rest.extend(self._gathering.rest)
        self._last = answer
        piece = self._take_rest(answer)
        self._placed.let_go()  # its process has nothing more to say
        return piece

    def _take_rest(self, answer: Answer) -> Piece | None:
        if self._rest:
            return self._rest.popleft()
        self._answer = answer
        return None

    def _count_used(self, estimate: int, context_tokens: int | None) -> tuple[int, int]:
        """Of prompt and answer together, and of the answer: as the engine told, also where the end never came.

        The prompt as it was estimated, where that was before the first token; never more than the context, whatever
        a worker says. What the engine itself refuses costs nothing: nothing was computed.
        """
        if self._answer is None and isinstance(self._error, ContractRefused | CallRefused):
            return 0, 0
        told = self._gathering.prompt_tokens if self._answer is None else self._answer.usage.prompt_tokens
        prompt = estimate if told is None else told
        if context_tokens is not None:
            prompt = min(prompt, context_tokens)
        return prompt + self._gathering.completion_tokens, self._gathering.completion_tokens
