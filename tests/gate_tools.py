"""What tests of the gate have in common: claims of a tenant, a clock that is turned by hand, a gate of a few rows."""

from __future__ import annotations

from ostiary.admission import Claim, Gate, Place, QueueBounds, Room
from ostiary.core.requests import Operation
from ostiary.core.tickets import CheckedRequest


class HandClock:
    """Goes on when somebody turns it."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Ledger:
    """Of reservations: how many were taken, and with what each was settled."""

    def __init__(self) -> None:
        self.taken = 0
        self.tokens = 1 << 62
        self.settled: list[tuple[int, int]] = []

    def reserve(self) -> Ledger:
        self.taken += 1
        return self

    def settle(self, used: int, answer: int = 0) -> None:
        self.settled.append((used, answer))


def make_checked(timeout: float | None = None, **body: object) -> CheckedRequest:
    return CheckedRequest(
        operation=Operation.GENERATE,
        body=body,  # type: ignore[arg-type]
        choices=1,
        most_tokens=10,
        token_ids=None,
        stop=(),
        logprobs=None,
        timeout_seconds=timeout,
    )


def make_claim(
    tenant: str = "anna",
    *,
    rows: int = 1,
    work: int = 10,
    need: int = 0,
    least: int = 0,
    is_serial: bool = False,
) -> Claim:
    return Claim(
        tenant=tenant,
        rows=rows,
        prompt_tokens=work,
        tokens=work,
        work=work,
        bytes=need,
        least_bytes=least,
        field="max_tokens",
        is_serial=is_serial,
    )


class Hall:
    """A gate, and those who come before it."""

    def __init__(
        self, rows: int = 1, size: int = 1_000, bounds: QueueBounds | None = None, serial: int = 3
    ) -> None:
        self.clock = HandClock()
        self.ledger = Ledger()
        self.heard: list[str] = []
        room = Room(rows=rows, bytes=size, largest_bytes=size, serial=serial)
        self.gate = Gate(room, bounds or QueueBounds(), clock=self.clock)

    def enter(
        self, claim: Claim | None = None, *, name: str = "", timeout: float | None = None, weight: int = 1
    ) -> Place:
        return self.gate.enter(
            make_checked(timeout),
            claim or make_claim(),
            weight=weight,
            reserve=self.ledger.reserve,
            on_change=lambda: self.heard.append(name),
        )
