"""Generated requests tried: in the contract room, and where wanted with the model at work behind its wall."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from ostiary.contract import Sample, TextContract, check_request
from ostiary.core.requests import Operation, ParsedRequest
from ostiary.core.values import dataclass
from ostiary.errors import ContractRefused, Limit, OstiaryError

if TYPE_CHECKING:
    from ostiary.library.opening import Opened


@dataclass(frozen=True, slots=True)
class Trial:
    """One request, what should have become of it, and what did."""

    name: str
    expected: str | None
    """The rule that must refuse it; None where it must fit."""
    outcome: str | None
    """The rule that refused it, or the code of another error; None where it did fit."""
    limit: Limit | None = None
    ran: bool = False
    """Whether the model itself was asked."""
    detail: str = ""
    """What was said, where it was neither an answer nor a rule."""

    @property
    def is_as_said(self) -> bool:
        return self.expected == self.outcome


def try_samples(samples: Iterable[Sample], contract: TextContract) -> Iterator[Trial]:
    """In the contract room, with no model. What only the engine can tell is left out."""
    for sample in samples:
        if not sample.asks_engine:
            yield _try(sample, contract)


def run_samples(samples: Iterable[Sample], opened: Opened) -> Iterator[Trial]:
    """With the model: what fits is asked, for one token."""
    for sample in samples:
        request = sample.request
        if request.operation in {Operation.GENERATE, Operation.CHAT}:
            request = ParsedRequest(request.operation, {"max_tokens": 1, **request.fields})
        try:
            asked = opened.ask(request)
            for _ in asked:
                pass
            asked.conclude()
        except ContractRefused as refusal:
            yield Trial(sample.name, sample.rule, refusal.rule, refusal.limit, ran=True)
        except OstiaryError as error:
            yield Trial(sample.name, sample.rule, error.code, ran=True, detail=error.message)
        else:
            yield Trial(sample.name, sample.rule, None, ran=True)


def _try(sample: Sample, contract: TextContract) -> Trial:
    try:
        check_request(sample.request, contract)
    except ContractRefused as refusal:
        return Trial(sample.name, sample.rule, refusal.rule, refusal.limit)
    return Trial(sample.name, sample.rule, None)
