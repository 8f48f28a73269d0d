"""A function call's way through the house: contract -> admission -> cell -> answer. No decisions here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from ostiary.admission import Entrance, Place, enter
from ostiary.answer import RequestEnding, RequestEndings, TensorGathering
from ostiary.contract import check_tensors
from ostiary.core.frames import ReplyKind
from ostiary.core.requests import Operation
from ostiary.core.tensors import ParsedTensors, Tensor
from ostiary.errors import HOUSE_INTERNAL, InternalFault, SandboxViolation
from ostiary.walks.in_flight import InFlight
from ostiary.walks.placed_call import PlacedCall

if TYPE_CHECKING:
    from ostiary.cell.calls import CallInFlight, CellReply
    from ostiary.cell.group import CellGroup
    from ostiary.cell.running import RunningCell
    from ostiary.core.tickets import AdmittedRequest, AnsweredTensors, CheckedTensors
    from ostiary.graph.function_contract import FunctionContract


_SHARES: Final = 4
"""Inputs lie in the process as they came and as arrays, and results beside them: what cannot fit would end it."""
_SHORT_BYTES: Final = 1 << 16
"""Of inputs: checked in a tenth of a millisecond. Of outputs: no memory has to be found for them."""


def ask_function(
    cell: RunningCell | CellGroup,
    contract: FunctionContract,
    endings: RequestEndings,
    request: ParsedTensors,
    *,
    on_ready: Callable[[], None] | None = None,
    correlation_id: str | None = None,
    entrance: Entrance | None = None,
) -> TensorsInFlight:
    """As `request_walk.ask_model`: on their way, or waiting for their turn, when this returns."""
    ending = endings.begin(Operation.INFER, correlation_id)
    try:
        asked = _bring_to_gate(cell, contract, ending, request, on_ready=on_ready, entrance=entrance)
    except BaseException as error:
        ending.raised(error)
        raise
    if not asked.is_waiting:
        asked.start()
    return asked


def ask_function_at_once(
    cell: RunningCell | CellGroup,
    contract: FunctionContract,
    endings: RequestEndings,
    request: ParsedTensors,
    *,
    on_ready: Callable[[], None] | None = None,
    correlation_id: str | None = None,
    entrance: Entrance | None = None,
) -> TensorsInFlight | None:
    """As `ask_function`, for event loops: of short inputs, and it may be that it still has to be started.

    None where that would take long, wait for a disk, or be refused: nothing happened then, and `ask_function` is to
    be asked.
    """
    ending = endings.begin_at_once(Operation.INFER, correlation_id) if _is_short(request) else None
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
    contract: FunctionContract,
    ending: RequestEnding,
    request: ParsedTensors,
    *,
    on_ready: Callable[[], None] | None,
    entrance: Entrance | None,
) -> TensorsInFlight:
    request = _hold_still(request, contract, cell)
    checked = check_tensors(request, contract, cell.limits.memory_bytes // _SHARES)
    ending.note_tensors(checked)
    place = enter(entrance, checked, on_ready)
    answer_bytes = sum(wanted.bytes for wanted in checked.outputs)

    def begin(admitted: AdmittedRequest, waits: bool) -> CallInFlight | None:
        if not waits and answer_bytes > _SHORT_BYTES:
            return None
        return (cell.call if waits else cell.call_at_once)(
            Operation.INFER.value,
            checked.body,
            checked.buffers,
            answer_bytes=answer_bytes,
            deadline_seconds=admitted.timeout_seconds,
            on_ready=on_ready,
        )

    return TensorsInFlight(cell, place, begin, checked, ending)


def _is_short(request: ParsedTensors) -> bool:
    """What is no tensor has to be packed first, which takes as long as it is."""
    tensors = [value for value in request.inputs.values() if isinstance(value, Tensor)]
    return len(tensors) == len(request.inputs) and sum(len(tensor.data) for tensor in tensors) <= _SHORT_BYTES


def _hold_still(request: ParsedTensors, contract: FunctionContract, cell: RunningCell | CellGroup) -> ParsedTensors:
    """So that what is checked is what is sent, whoever may still write to where it came from."""
    given = ((rule.name, request.inputs.get(rule.name)) for rule in contract.inputs)
    tensors = {name: tensor for name, tensor in given if isinstance(tensor, Tensor)}
    held = cell.hold_still([tensor.data for tensor in tensors.values()])
    if held is None:
        return request
    still = {name: replace(tensor, data=data) for (name, tensor), data in zip(tensors.items(), held, strict=True)}
    return replace(request, inputs={**request.inputs, **still})


class TensorsInFlight(InFlight["AnsweredTensors"]):
    """Outputs on their way."""

    def __init__(
        self,
        cell: RunningCell | CellGroup,
        place: Place,
        begin: Callable[[AdmittedRequest, bool], CallInFlight | None],
        checked: CheckedTensors,
        ending: RequestEnding,
    ) -> None:
        super().__init__(cell, PlacedCall(place, begin, lambda: (place.claim.work, 0)), ending)
        self._checked: Final = checked
        self._gathering: Final = TensorGathering(checked, ending.started)

    @property
    def input_bytes(self) -> int:
        return self._checked.bytes

    @property
    def is_answered(self) -> bool:
        """Whether `take` would have to wait for nothing."""
        call = self._placed.call
        return self.is_over or (call is not None and call.is_answered)

    def take(self, seconds: float | None = 0) -> bool:
        """Wait so long for the reply. Whether it is over; errors wait for `conclude`."""
        if self.is_over:
            return True
        try:
            reply = self._placed.take(seconds)
            if reply is not None:
                self._read(reply)
        except StopIteration:
            if not self._is_cancelled:  # else its end is told by `cancel`
                self._error = InternalFault(HOUSE_INTERNAL, "a call ended without an end")
        except BaseException as error:  # noqa: BLE001  an interrupt while waiting ends the request as well
            self._error = error
        finally:
            self._leave_if_over()
        return self.is_over

    def conclude(self) -> AnsweredTensors:
        """Wait for it. How it ended is in the record when this returns, or raises what ended it."""
        self.take(None)
        if self._error is not None:
            self._ending.raised(self._error)
            raise self._error
        if self._answer is None:
            raise InternalFault(HOUSE_INTERNAL, "a call was concluded that nobody wanted any more")
        self._ending.computed(self._checked, self._answer)
        return self._answer

    def _read(self, reply: CellReply) -> None:
        try:
            if reply.kind is ReplyKind.PIECE:
                self._gathering.refuse_piece()
            self._answer = self._gathering.take_result(reply.body, reply.tail)
        except SandboxViolation as violation:
            self._object_to(violation)
            raise
