"""What every tenant uses now and has used, in memory. Pure; whoever holds it sees to locks, clocks and files."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ostiary.admission.windows import RollingWindow, make_day, make_minute
from ostiary.core.limits import MAX_COUNTED_TENANTS, MAX_USAGE_DAYS, MAX_USAGE_ROWS
from ostiary.core.values import dataclass

SECONDS_OF_DAY: Final = 86_400
_SWEEP_SECONDS: Final = 1


@dataclass(frozen=True, slots=True)
class DayUsage:
    """Of one tenant on one day, of the calendar of UTC."""

    requests: int = 0
    prompt_tokens: int = 0
    answer_tokens: int = 0
    cut_tokens: int = 0
    """Reserved by requests that the end of the server cut off: nobody knows how many of them were used."""

    @property
    def tokens(self) -> int:
        return self.prompt_tokens + self.answer_tokens

    def add(self, requests: int = 0, prompt: int = 0, answer: int = 0, cut: int = 0) -> DayUsage:
        return DayUsage(
            self.requests + requests,
            self.prompt_tokens + prompt,
            self.answer_tokens + answer,
            self.cut_tokens + cut,
        )


NO_USAGE: Final = DayUsage()


class Account:
    """Of one tenant, as far as limits look back."""

    __slots__ = ("day", "held", "in_flight", "minute", "requests")

    def __init__(self) -> None:
        self.requests: Final[RollingWindow] = make_minute()
        self.minute: Final[RollingWindow] = make_minute()
        """Tokens."""
        self.day: Final[RollingWindow] = make_day()
        self.in_flight = 0
        self.held = 0
        """Tokens that requests in flight may come to use."""

    def is_idle(self, now: float) -> bool:
        counted = self.requests.count(now) + self.minute.count(now) + self.day.count(now)
        return not (self.in_flight or self.held or counted)

    def list_windows(self) -> Iterator[tuple[str, RollingWindow]]:
        """By the names that they have in the file."""
        yield "requests", self.requests
        yield "minute", self.minute
        yield "day", self.day


class TooManyTenants(Exception):
    """More use the server within a day than are counted."""


class Accounts:
    """Everybody's."""

    def __init__(self) -> None:
        self.by_tenant: Final[dict[str, Account]] = {}
        self.days: Final[dict[tuple[int, str], DayUsage]] = {}
        """By the day's number since 1970 and the tenant."""
        self.open: Final[dict[int, tuple[str, int]]] = {}
        """Tenant and tokens of what is reserved and not settled."""
        self._swept = float("-inf")
        self._tidied: int | None = None

    def admit(self, tenant: str, now: float) -> Account:
        """Of one that asks for something new. Raises TooManyTenants."""
        if tenant not in self.by_tenant and len(self.by_tenant) >= MAX_COUNTED_TENANTS:
            self._sweep(now)
        return self.find(tenant)

    def find(self, tenant: str) -> Account:
        account = self.by_tenant.get(tenant)
        if account is None:
            account = self.by_tenant[tenant] = Account()
        return account

    def count(self, tenant: str, now: float, day: int) -> None:
        """One request more."""
        self.find(tenant).requests.add(now, 1)
        self._add_to_day(day, tenant, requests=1)

    def reserve(self, number: int, tenant: str, tokens: int) -> None:
        self.find(tenant).held += tokens
        self.open[number] = (tenant, tokens)

    def settle(self, number: int, used: int, answer: int, now: float, day: int) -> None:
        """`answer`: how many of those used were the answer's."""
        tenant, tokens = self.open.pop(number)
        account = self.find(tenant)
        account.held -= tokens
        account.minute.add(now, used)
        account.day.add(now, used)
        self._add_to_day(day, tenant, prompt=used - answer, answer=answer)

    def cut(self, tenant: str, tokens: int, now: float, day: int) -> None:
        """Reserved when the server ended, and never settled: all of it counts."""
        account = self.find(tenant)
        account.minute.add(now, tokens)
        account.day.add(now, tokens)
        self._add_to_day(day, tenant, cut=tokens)

    def forget_old(self, day: int) -> None:
        """Days that nobody asks for any more, and the oldest where there are too many rows: once a day."""
        if day == self._tidied:
            return
        self._tidied = day
        for key in [key for key in self.days if key[0] < day - MAX_USAGE_DAYS]:
            del self.days[key]
        if len(self.days) > MAX_USAGE_ROWS:
            for key in sorted(self.days)[: len(self.days) - MAX_USAGE_ROWS]:
                del self.days[key]

    def _add_to_day(self, day: int, tenant: str, **amounts: int) -> None:
        self.days[day, tenant] = self.days.get((day, tenant), NO_USAGE).add(**amounts)

    def _sweep(self, now: float) -> None:
        if now - self._swept >= _SWEEP_SECONDS:
            self._swept = now
            for tenant in [name for name, account in self.by_tenant.items() if account.is_idle(now)]:
                del self.by_tenant[tenant]
        if len(self.by_tenant) >= MAX_COUNTED_TENANTS:
            raise TooManyTenants
