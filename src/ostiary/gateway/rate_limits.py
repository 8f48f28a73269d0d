"""What is left of a tenant's limits, in the headers of OpenAI, and at Anthropic's addresses in its own. Pure."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from ostiary.gateway.route import Dialect

if TYPE_CHECKING:
    from ostiary.admission.standing import Allowance, Standing
    from ostiary.gateway.reply import Headers

_KINDS: Final = ("requests", "tokens")
_OPENAI: Final = tuple(f"x-ratelimit-{what}-{kind}" for kind in _KINDS for what in ("limit", "remaining", "reset"))
_ANTHROPIC: Final = tuple(
    f"anthropic-ratelimit-{kind}-{what}" for kind in _KINDS for what in ("limit", "remaining", "reset")
)
RATE_LIMIT_HEADERS: Final = (*_OPENAI, *_ANTHROPIC)
"""All that there may be: what pages of other origins may read."""


def render_rate_limits(standing: Standing, dialect: Dialect, now: float) -> Headers:
    """`now`: in seconds since 1970. Nothing of what has no limit."""
    headers: list[tuple[str, str]] = []
    for kind, allowance in (("requests", standing.requests), ("tokens", standing.tokens)):
        if allowance is not None:
            headers += (
                _render_anthropic(kind, allowance, now)
                if dialect is Dialect.ANTHROPIC
                else _render(kind, allowance)
            )
    return tuple(headers)


def _render(kind: str, allowance: Allowance) -> Headers:
    return (
        (f"x-ratelimit-limit-{kind}", str(allowance.limit)),
        (f"x-ratelimit-remaining-{kind}", str(allowance.remaining)),
        (f"x-ratelimit-reset-{kind}", render_duration(allowance.reset_seconds)),
    )


def _render_anthropic(kind: str, allowance: Allowance, now: float) -> Headers:
    reset = datetime.fromtimestamp(math.ceil(now + allowance.reset_seconds), UTC)
    return (
        (f"anthropic-ratelimit-{kind}-limit", str(allowance.limit)),
        (f"anthropic-ratelimit-{kind}-remaining", str(allowance.remaining)),
        (f"anthropic-ratelimit-{kind}-reset", reset.strftime("%Y-%m-%dT%H:%M:%SZ")),
    )


def render_duration(seconds: float) -> str:
    """As `1h2m3s`, rounded up: what OpenAI's clients are used to."""
    whole = math.ceil(seconds)
    hours, minutes = whole // 3_600, whole // 60 % 60
    text = f"{hours}h" if hours else ""
    text += f"{minutes}m" if hours or minutes else ""
    return f"{text}{whole % 60}s"
