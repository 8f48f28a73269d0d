"""One request, as its handler sees it: who asks what under which ids, and the way to the model."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Final, TypeVar

from ostiary.admission import Entrance
from ostiary.core.callers import Way
from ostiary.core.values import dataclass
from ostiary.library.async_model import AsyncStream
from ostiary.library.async_tensors import ask_tensors

if TYPE_CHECKING:
    from ostiary.admission import Quotas
    from ostiary.core.callers import Caller
    from ostiary.core.requests import ParsedRequest
    from ostiary.core.tensors import ParsedTensors
    from ostiary.core.tickets import AnsweredTensors
    from ostiary.gateway.long_work import LongWork
    from ostiary.gateway.served import Holding, ServedModel, ServedModels


TIMEOUT_HEADER: Final = "ostiary-timeout"
"""In seconds: how long the client waits for the end of its answer."""
_SECONDS: Final = re.compile(r"[0-9]{1,7}(?:\.[0-9]{1,6})?", re.ASCII)
_T = TypeVar("_T")
_Request = TypeVar("_Request", "ParsedRequest", "ParsedTensors")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Where the client goes away, the task that handles it is cancelled: nothing needs to look for that."""

    correlation_id: str
    """Ours: of the record, of logs, and in every answer."""
    request_id: str
    """As the client calls it, where it does and may; else the same."""
    caller: Caller
    """Who asks. At an address that is open to all: NOBODY, who may ask no model."""
    method: str
    path: Mapping[str, str]
    """The named parts of the address, decoded."""
    query: Mapping[str, str]
    """Of names that the route takes."""
    headers: Mapping[str, str]
    """By lower-case name. One that came several times is refused before, where that matters."""
    models: ServedModels
    holding: Holding
    """Lets go of the models that were chosen for it when its answer is over."""
    long_work: LongWork
    quotas: Quotas | None = None
    """Of all tenants; None: nobody has any."""

    @property
    def tenant(self) -> str | None:
        """Whose earlier prompts may be reused. None where nobody knows who asks: then nobody's are."""
        return None if self.caller.way is Way.NONE else self.caller.tenant

    def ask(self, model: ServedModel, request: ParsedRequest) -> AsyncStream:
        """Its answer, in pieces as they come:

            async with asked.ask(model, parsed) as stream:  # on its way, once its turn came; or a refusal
                async for piece in stream: ...              # takes the next when it is wanted: that is backpressure
                result = stream.result                      # finish reasons, usage, seed

        Leaving the `async with` early, or being cancelled, cancels it.
        """
        bounded = self._bound(request)
        return AsyncStream(model.opened, model.threads, bounded, self.correlation_id, self._enter(model))

    async def ask_function(self, model: ServedModel, request: ParsedTensors) -> AnsweredTensors:
        """Its outputs. Being cancelled cancels it."""
        entrance = self._enter(model)
        bounded = self._bound(request)
        answer, _ = await ask_tensors(model.opened, model.threads, bounded, self.correlation_id, entrance)
        return answer

    def _bound(self, request: _Request) -> _Request:
        """Within the time that the client says it has; what is no number is refused by the contract."""
        text = self.headers.get(TIMEOUT_HEADER)
        if text is None:
            return request
        seconds: object = float(text) if _SECONDS.fullmatch(text) else text
        return replace(request, timeout_seconds=seconds)

    async def work_long(self, act: Callable[[], _T]) -> _T:
        """In a thread, when it is the turn of whoever asks."""
        return await self.long_work.do(self.caller.tenant, act)

    def judge_tokens(self, tokens: int) -> None:
        """Of a request in several parts, before the first is asked. Raises AdmissionRefused where not all fit."""
        if self.quotas is not None:
            self.quotas.judge(self.caller, tokens)

    def _enter(self, model: ServedModel) -> Entrance:
        return Entrance(model.gate, self.caller, self.quotas)
