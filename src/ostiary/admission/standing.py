"""What a tenant may and what is left of it, as rate-limit headers tell it. Pure."""

from __future__ import annotations

from typing import Final

from ostiary.admission.accounts import Account
from ostiary.admission.tenants import TenantLimits
from ostiary.admission.windows import DAY_SECONDS, MINUTE_SECONDS, RollingWindow
from ostiary.core.values import dataclass

SOON_SECONDS: Final = 1.0
"""When others may be over: nobody knows."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """Of requests, or of tokens."""

    limit: int
    remaining: int
    reset_seconds: float
    """Until all of it is there again, if nothing more is used."""


@dataclass(frozen=True, slots=True)
class Standing:
    """None: no limit."""

    requests: Allowance | None
    tokens: Allowance | None
    """Where there are several limits, the one of which the least is left."""


NO_STANDING: Final = Standing(None, None)
"""Of who has no limits."""


@dataclass(frozen=True, slots=True)
class TokenLimit:
    """One limit on tokens, and what counts against it."""

    most: int
    window: RollingWindow
    held: int
    span: str
    span_seconds: int

    def count(self, now: float) -> int:
        """Used and held."""
        return self.window.count(now) + self.held

    def wait_for(self, tokens: int, now: float) -> float:
        """Seconds until so many may fit; where those that are held are in the way, a guess."""
        room = self.most - tokens - self.held
        return SOON_SECONDS if room < 0 else self.window.wait_until(now, room)

    def tell(self, now: float) -> Allowance:
        reset = self.span_seconds if self.held else self.window.wait_until(now, 0)
        return Allowance(self.most, max(0, self.most - self.count(now)), reset)


def list_token_limits(limits: TenantLimits, account: Account) -> list[TokenLimit]:
    found = []
    if limits.tokens_per_minute is not None:
        found.append(TokenLimit(limits.tokens_per_minute, account.minute, account.held, "a minute", MINUTE_SECONDS))
    if limits.tokens_per_day is not None:
        found.append(TokenLimit(limits.tokens_per_day, account.day, account.held, "a day", DAY_SECONDS))
    return found


def tell_standing(limits: TenantLimits, account: Account, now: float) -> Standing:
    most = limits.requests_per_minute
    requests = None
    if most is not None:
        left = max(0, most - account.requests.count(now))
        requests = Allowance(most, left, account.requests.wait_until(now, 0))
    tokens = [limit.tell(now) for limit in list_token_limits(limits, account)]
    return Standing(requests, min(tokens, key=lambda told: told.remaining, default=None))
