"""An answer as a program gets it: with what it cost, and with what let the model in that gave it."""

from __future__ import annotations

from ostiary.core.requests import Choice, FinishReason, Timings, TokenLogprob, Usage
from ostiary.core.tickets import Answer
from ostiary.core.values import dataclass
from ostiary.library.verdict import Verdict


@dataclass(frozen=True, slots=True)
class Result:
    """Nobody vouches for what a model says; `verdict` says who vouches for the model."""

    choices: tuple[Choice, ...]
    """As many as were asked for."""
    usage: Usage
    seed: int
    """Asked with it again, the same model on the same machine says the same."""
    timings: Timings
    verdict: Verdict
    correlation_id: str
    """Joins it to the record."""
    vector: bytes = b""
    """Of a text that was embedded: float32, little-endian, all finite. Then there are no choices."""

    @property
    def text(self) -> str:
        """Of the first answer, as are the following."""
        return self.choices[0].text

    @property
    def reasoning(self) -> str:
        """What the model thought before it answered. Empty where it did not, or not so that it could be told."""
        return self.choices[0].reasoning

    @property
    def tokens(self) -> tuple[int, ...]:
        return self.choices[0].tokens

    @property
    def finish_reason(self) -> FinishReason:
        return self.choices[0].finish_reason

    @property
    def logprobs(self) -> tuple[TokenLogprob, ...] | None:
        return self.choices[0].logprobs


def make_result(answer: Answer, verdict: Verdict, correlation_id: str) -> Result:
    return Result(answer.choices, answer.usage, answer.seed, answer.timings, verdict, correlation_id, answer.vector)
