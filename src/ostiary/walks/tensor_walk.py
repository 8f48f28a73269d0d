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
_LONG_BYTES: Final = 1 << 20
"""Of outputs: looked at in a millisecond."""


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
        request = _hold_still(request, contract, cell)
        checked = check_tensors(request, contract, cell.limits.memory_bytes // _SHARES)
        ending.note_tensors(checked)
        place = enter(entrance, checked, on_ready)
    except BaseException as error:
        ending.raised(error)
        raise

    def begin(admitted: AdmittedRequest) -> CallInFlight:
        return cell.call(
            Operation.INFER.value,
            checked.body,
            checked.buffers,
            answer_bytes=sum(wanted.bytes for wanted in checked.outputs),
            deadline_seconds=admitted.timeout_seconds,
            on_ready=on_ready,
        )

    asked = TensorsInFlight(cell, place, begin, checked, ending)
    if not asked.is_waiting:
        asked.start()
    return asked


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
        begin: Callable[[AdmittedRequest], CallInFlight],
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
    def is_long(self) -> bool:
        """Whether to read the reply takes longer than an event loop may be held up."""
        return sum(wanted.bytes for wanted in self._checked.outputs) > _LONG_BYTES

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
