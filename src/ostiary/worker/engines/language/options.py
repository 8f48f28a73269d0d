"""What a call may ask of generation. Values that were checked already; nothing here knows of JSON or of MLX."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ostiary.core.schema_rules import Schema
from ostiary.core.values import dataclass

USUAL_PENALTY_CONTEXT = 20
"""How many of the last tokens a penalty looks at, as in MLX-LM."""


@dataclass(frozen=True, slots=True)
class Penalties:
    """What is taken from tokens that appeared lately, prompt included. None: that penalty is off."""

    repetition: float | None = None
    repetition_context: int = USUAL_PENALTY_CONTEXT
    presence: float | None = None
    presence_context: int = USUAL_PENALTY_CONTEXT
    frequency: float | None = None
    frequency_context: int = USUAL_PENALTY_CONTEXT

    @property
    def longest_context(self) -> int:
        """How many of the last tokens have to be remembered."""
        return max(
            (
                context
                for penalty, context in (
                    (self.repetition, self.repetition_context),
                    (self.presence, self.presence_context),
                    (self.frequency, self.frequency_context),
                )
                if penalty
            ),
            default=0,
        )


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the next token is chosen. Temperature 0: the likeliest, whatever else is said."""

    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = 0
    min_p: float = 0.0
    seed: int | None = None
    """None: one is drawn, and told with the result."""
    bias: Mapping[int, float] | None = None
    penalties: Penalties = Penalties()


CONTRACT_LIMITS: Final = ("prompt_limit", "answer_limit", "context_limit")


@dataclass(frozen=True, slots=True)
class ContractLimits:
    """What the model's contract allows, in tokens, as far as only the engine can hold it; as CONTRACT_LIMITS."""

    prompt: int | None = None
    answer: int | None = None
    """Of each answer, where the call does not say how long it may be."""
    context: int | None = None
    """Of prompt and answer together."""


@dataclass(frozen=True, slots=True)
class Generation:
    """All that a call asks of generation, beside its prompt."""

    max_tokens: int | None = None
    """None: as many as there is room for."""
    sampling: Sampling = Sampling()
    stop: tuple[str, ...] = ()
    logprobs: int | None = None
    """How many of the likeliest tokens are told with each; 0: only the chosen one; None: no log-probabilities."""
    choices: int = 1
    tenant: str | None = None
    """Whose prompt cache may be used. None: no cache, nothing kept."""
    show_special: bool = False
    """Whether control tokens that the model writes appear in the text."""
    ignore_eos: bool = False
    schema: Schema | None = None
    """What the answer is held to, where it is JSON of a form."""
    limits: ContractLimits = ContractLimits()
