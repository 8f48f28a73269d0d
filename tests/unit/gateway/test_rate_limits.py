"""What is left, as headers: in whose words, and in which."""

from __future__ import annotations

import pytest

from ostiary.admission.standing import Allowance, Standing
from ostiary.errors import (
    ADMISSION_QUOTA,
    ADMISSION_UNAUTHENTICATED,
    GATEWAY_BUSY,
    AdmissionRefused,
    GatewayRefused,
)
from ostiary.gateway.errors import render_error, render_error_status
from ostiary.gateway.rate_limits import RATE_LIMIT_HEADERS, render_duration, render_rate_limits
from ostiary.gateway.route import Dialect

STANDING = Standing(Allowance(60, 59, 0.4), Allowance(1_000, 0, 3_723.2))


def test_openais_words_are_for_all_but_anthropics_addresses() -> None:
    for dialect in Dialect:
        names = {name for name, _ in render_rate_limits(STANDING, dialect, 0)}
        prefix = "anthropic-ratelimit-" if dialect is Dialect.ANTHROPIC else "x-ratelimit-"
        assert len(names) == 6
        assert all(name.startswith(prefix) for name in names)
        assert names <= set(RATE_LIMIT_HEADERS)


def test_values() -> None:
    told = dict(render_rate_limits(STANDING, Dialect.OPENAI, 0))
    assert told["x-ratelimit-limit-requests"] == "60"
    assert told["x-ratelimit-remaining-tokens"] == "0"
    assert (told["x-ratelimit-reset-requests"], told["x-ratelimit-reset-tokens"]) == ("1s", "1h2m4s")
    told = dict(render_rate_limits(STANDING, Dialect.ANTHROPIC, 1_900_000_000))
    assert told["anthropic-ratelimit-tokens-reset"] == "2030-03-17T18:48:44Z"


def test_nothing_is_told_of_what_has_no_limit() -> None:
    assert render_rate_limits(Standing(None, None), Dialect.OPENAI, 0) == ()
    assert len(render_rate_limits(Standing(STANDING.requests, None), Dialect.ANTHROPIC, 0)) == 3


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (0.01, "1s"), (59, "59s"), (60, "1m0s"), (3_600, "1h0m0s"), (86_400, "24h0m0s")],
)
def test_durations(seconds: float, text: str) -> None:
    assert render_duration(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (None, {"x-should-retry": "false"}),
        (0.2, {"retry-after": "1"}),
        (59.1, {"retry-after": "60"}),
        (61, {"retry-after": "61", "x-should-retry": "false"}),
    ],
)
def test_when_to_ask_again(seconds: float | None, told: dict[str, str]) -> None:
    error = AdmissionRefused(ADMISSION_QUOTA, "secret", retry_after_seconds=seconds, public_detail="yours")
    for dialect in Dialect:
        rendered = render_error(error, dialect, "id")
        found = {name: text for name, text in rendered.headers if name in {"retry-after", "x-should-retry"}}
        assert (rendered.status, found) == (429, told)
        assert b"yours" in rendered.body
        assert b"secret" not in rendered.body
    status = render_error_status(error, "id")
    assert status.status == 8
    assert {name: text for name, text in status.metadata if not name.startswith("ostiary-")} == told


def test_other_errors_are_told_as_before() -> None:
    names = {
        name
        for name, _ in render_error(AdmissionRefused(ADMISSION_UNAUTHENTICATED, ""), Dialect.OPENAI, "").headers
    }
    assert "retry-after" not in names
    assert "x-should-retry" not in names
    assert ("retry-after", "1") in render_error(GatewayRefused(GATEWAY_BUSY, ""), Dialect.OPENAI, "").headers
