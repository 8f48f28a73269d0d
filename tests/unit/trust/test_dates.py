"""Moments, as formats spell them and as people write them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from ostiary.errors import TrustRefused
from ostiary.trust.dates import parse_expiry, parse_moment, render_moment

NOW = datetime(2026, 2, 28, 9, 30, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("2027-12-31", datetime(2027, 12, 31, 23, 59, 59, tzinfo=UTC)),
        ("2028-02-29", datetime(2028, 2, 29, 23, 59, 59, tzinfo=UTC)),
        ("2027-12-31T12:00:00Z", datetime(2027, 12, 31, 12, tzinfo=UTC)),
        ("1d", NOW + DAY),
        ("90d", NOW + 90 * DAY),
        ("12w", NOW + 84 * DAY),
        ("1y", NOW + 365 * DAY),
    ],
)
def test_an_end_as_people_write_it(text: str, end: datetime) -> None:
    assert parse_expiry(text, "--expires", NOW) == end


NO_DURATIONS = "tomorrow 90 d 0d 00d -1d +1d 1.5d 90D 3m 1y2d ٣d 9999999d 9000y".split()
NO_DAYS = "2027-13-01 2027-02-29 2027-12-31T25:00:00Z 2027-12-31T12:00Z 2027-12-31T12:00:00+01:00 20271231".split()


@pytest.mark.parametrize(
    "text", [*NO_DURATIONS, *NO_DAYS, "", "1 d", "90d ", " 90d", "90d\n", "2027-12-31 12:00:00Z", "٢٠٢٧-12-31"]
)
def test_what_is_no_end(text: str) -> None:
    with pytest.raises(TrustRefused) as refused:
        parse_expiry(text, "--expires", NOW)
    assert refused.value.code == "TRUST_MALFORMED"
    assert refused.value.message.startswith("--expires is '")
    assert refused.value.message.isprintable()


def test_a_moment_is_written_as_it_is_read() -> None:
    assert parse_moment(render_moment(NOW), "x") == NOW
    for text in ("90d", "2027-12-31", "٢٠٢٧-12-31T12:00:00Z"):
        with pytest.raises(TrustRefused):
            parse_moment(text, "x")
