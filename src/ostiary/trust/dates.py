"""Moments as signatures and policies spell them: RFC 3339, in UTC, whole seconds: `2026-11-21T09:30:00Z`."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from ostiary.core.text import quote_untrusted
from ostiary.errors import TRUST_EXPIRED, TRUST_NOT_YET_VALID, TrustRefused
from ostiary.trust.evidence import SignedStatement
from ostiary.trust.json_fields import malformed

_MOMENT: Final = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z", re.ASCII)
_DAY: Final = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_DURATION: Final = re.compile(r"([1-9][0-9]{0,5})([dwy])", re.ASCII)
_UNITS: Final = {"d": timedelta(days=1), "w": timedelta(weeks=1), "y": timedelta(days=365)}
_TOLERATED_SKEW: Final = timedelta(minutes=5)
"""How far a signer's clock may be ahead of this one."""


def parse_moment(text: str, where: str) -> datetime:
    if not _MOMENT.fullmatch(text):
        raise malformed(f"{where} is '{quote_untrusted(text)}', not a moment like 2026-11-21T09:30:00Z")
    try:
        return datetime.fromisoformat(text[:-1]).replace(tzinfo=UTC)
    except ValueError as error:
        raise malformed(f"{where} is '{quote_untrusted(text)}', which is no moment") from error


def parse_expiry(text: str, where: str, now: datetime) -> datetime:
    """As people write it: a moment, a day, which then is meant to its end, or how long from now: 90d, 12w, 1y."""
    try:
        duration = _DURATION.fullmatch(text)
        if duration is not None:
            return now + int(duration[1]) * _UNITS[duration[2]]
        if _DAY.fullmatch(text):
            return datetime.combine(date.fromisoformat(text), time(23, 59, 59), tzinfo=UTC)
        if _MOMENT.fullmatch(text):
            return parse_moment(text, where)
    except (ValueError, OverflowError) as error:
        raise malformed(f"{where} is '{quote_untrusted(text)}', which no calendar has") from error
    raise malformed(
        f"{where} is '{quote_untrusted(text)}', not a day (2027-12-31), a moment (2027-12-31T12:00:00Z) "
        "or how long from now (90d, 12w, 1y)"
    )


def render_moment(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def check_dates(statement: SignedStatement, now: datetime) -> None:
    """What a statement says of its own time: not from the future, and not past its end."""
    if statement.signed_at is not None and statement.signed_at > now + _TOLERATED_SKEW:
        raise TrustRefused(TRUST_NOT_YET_VALID, f"it says it was signed at {render_moment(statement.signed_at)}")
    if statement.expires_at is not None and statement.expires_at < now:
        raise TrustRefused(TRUST_EXPIRED, f"the signature ended at {render_moment(statement.expires_at)}")
