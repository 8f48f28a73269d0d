"""The one reply to a call of a function, until it is an answer. Pure, but for the clock."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Final

from ostiary.answer.read_reply import ReplyMalformed
from ostiary.answer.read_tensors import read_tensors, refuse_unsound
from ostiary.core.frames import Tail
from ostiary.core.json_text import JsonValue
from ostiary.core.tickets import AnsweredTensors, CheckedTensors
from ostiary.errors import WORKER_MALFORMED_ANSWER, SandboxViolation


class TensorGathering:
    """For one request. Its worker is hostile by definition: what no honest engine says ends the worker."""

    def __init__(
        self, request: CheckedTensors, started: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`started`: when somebody asked, on that clock."""
        self._request: Final = request
        self._started: Final = started
        self._clock: Final = clock

    def refuse_piece(self) -> None:
        """Functions answer at once. Raises SandboxViolation(WORKER_MALFORMED_ANSWER)."""
        raise _malformed("a piece, where the answer comes whole")

    def take_result(self, body: Mapping[str, JsonValue], tail: Tail) -> AnsweredTensors:
        """Raises SandboxViolation(WORKER_MALFORMED_ANSWER), or AnswerRefused where the worker did its part."""
        try:
            outputs = read_tensors(body, tail, self._request.outputs)
        except ReplyMalformed as error:
            raise _malformed(str(error)) from error
        refuse_unsound(outputs, self._request.outputs)
        return AnsweredTensors(outputs, self._clock() - self._started)


def _malformed(reason: str) -> SandboxViolation:
    return SandboxViolation(WORKER_MALFORMED_ANSWER, f"the worker's answer is not one: {reason}")
