"""What a request wants of a model, as far as it can be told before it starts, and what its tenant may."""

from __future__ import annotations

from typing import Protocol

from ostiary.core.callers import Caller
from ostiary.core.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """For one request. Estimates are on the large side; the engine counts exactly, and holds its own budget."""

    tenant: str
    rows: int
    """Answers that are written at once."""
    prompt_tokens: int
    """Exact where the prompt came as token ids, else estimated."""
    characters: int = 0
    """From which they were estimated; 0: they are exact."""
    tokens: int
    """Of prompt and answers together, as many as were asked for: for quotas, until it is over. 0: none count."""
    work: int
    """As many as are expected, in tokens: for whose turn it is. What it really was is told when it is over."""
    bytes: int
    """That it may come to need in the model's process."""
    least_bytes: int
    """That it needs for certain if it gets all it asks for: what is beyond the room can never be let in."""
    most_tokens: int = 0
    """As many as there may be where nobody said how many: what its tenant has left bounds the answer then."""
    field: str = ""
    """What would have to be less for it to fit."""
    is_serial: bool = False
    """Whether the engine works on such requests one after the other only."""


class Reservation(Protocol):
    """What one request holds of its tenant's quotas."""

    @property
    def tokens(self) -> int:
        """So many it may come to."""

    def settle(self, used: int, answer: int = 0) -> None:
        """It is over, and used so many tokens, of which so many were the answer's. The first time counts.

        Never raises.
        """


class Quotas(Protocol):
    """How much each tenant may ask. Any number of threads may use it; it never calls back."""

    def reserve(self, caller: Caller, tokens: int, most: int = 0) -> Reservation:
        """`tokens`, or more of what is left, up to `most`. Raises AdmissionRefused, and QuotaFailed."""

    def judge(self, caller: Caller, tokens: int) -> None:
        """Whether so many are left, before the first of several parts takes any. Holds nothing. Raises
        AdmissionRefused.
        """

    def weight_of(self, tenant: str) -> int:
        """Its priority: of two tenants that wait, one with twice the weight gets twice the work done."""
