"""Generated requests tried: in the contract room, and where wanted with the model at work behind its wall."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING

from ostiary.contract import Sample, TensorSample, TextContract, check_request, check_tensors
from ostiary.core.requests import Operation, ParsedRequest
from ostiary.core.values import dataclass
from ostiary.errors import ContractRefused, Limit, OstiaryError

if TYPE_CHECKING:
    from ostiary.core.tensors import ParsedTensors
    from ostiary.graph.function_contract import FunctionContract
    from ostiary.library.opening import Opened
    from ostiary.walks.tensor_walk import TensorsInFlight


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
            yield _try(sample, partial(check_request, sample.request, contract))


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


def try_tensors(samples: Iterable[TensorSample], contract: FunctionContract) -> Iterator[Trial]:
    """In the contract room, with no model."""
    for sample in samples:
        yield _try(sample, partial(check_tensors, sample.request, contract))


def run_tensors(samples: Iterable[TensorSample], opened: Opened, contract: FunctionContract) -> Iterator[Trial]:
    """With the function: it computes what fits. What must not fit never comes so far, and is tried without it."""
    for sample in samples:
        if sample.rule is None:
            yield _run(sample, opened.ask_function)
        else:
            yield _try(sample, partial(check_tensors, sample.request, contract))


def _run(sample: TensorSample, ask: Callable[[ParsedTensors], TensorsInFlight]) -> Trial:
    try:
        ask(sample.request).conclude()
    except ContractRefused as refusal:
        return Trial(sample.name, sample.rule, refusal.rule, refusal.limit, ran=True, detail=refusal.message)
    except OstiaryError as error:
        return Trial(sample.name, sample.rule, error.code, ran=True, detail=error.message)
    return Trial(sample.name, sample.rule, None, ran=True)


def _try(sample: Sample | TensorSample, check: Callable[[], object]) -> Trial:
    try:
        check()
    except ContractRefused as refusal:
        return Trial(sample.name, sample.rule, refusal.rule, refusal.limit)
    return Trial(sample.name, sample.rule, None)
