# ruff: noqa: E402 (the clients are imported once it is known that they are there)
"""The clients of OpenAI and of Anthropic meet a limit: as the error that they have for it, and asked again in time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

openai = pytest.importorskip("openai")
anthropic = pytest.importorskip("anthropic")

from cell_tools import LINUX_ONLY
from quota_tools import HandClocks, begin_server
from served_models import KEY, Served, serve_fake

from ostiary.admission.tenants import TenantLimits
from ostiary.testing import FakeEngine

pytestmark = LINUX_ONLY
HELLO: list[Any] = [{"role": "user", "content": "hello there"}]


@contextmanager
def limited(folder: Path, **limits: int) -> Iterator[tuple[Served, HandClocks]]:
    clocks = HandClocks()
    quotas = begin_server(folder / "usage", clocks, usual=TenantLimits(**limits))
    with FakeEngine(), serve_fake(folder, quotas=quotas) as served:
        yield served, clocks
    quotas.close()


def make_openai(served: Served, retries: int = 0) -> Any:
    return openai.OpenAI(base_url=served.openai, api_key=KEY, max_retries=retries, timeout=60)


def make_anthropic(served: Served, retries: int = 0) -> Any:
    return anthropic.Anthropic(base_url=served.url, api_key=KEY, max_retries=retries, timeout=60)


def ask_openai(client: Any, **more: Any) -> Any:
    return client.chat.completions.with_raw_response.create(model="honest", messages=HELLO, max_tokens=5, **more)


def ask_anthropic(client: Any, **more: Any) -> Any:
    return client.messages.with_raw_response.create(model="honest", messages=HELLO, max_tokens=5, **more)


def test_openai_sees_what_is_left_and_its_own_error(tmp_path: Path) -> None:
    with (
        limited(tmp_path, requests_per_minute=1, tokens_per_minute=500) as (served, _),
        make_openai(served) as client,
    ):
        answer = ask_openai(client)
        assert answer.headers["x-ratelimit-remaining-requests"] == "0"
        used = answer.parse().usage
        assert int(answer.headers["x-ratelimit-remaining-tokens"]) == 500 - used.total_tokens
        with pytest.raises(openai.RateLimitError) as error:
            ask_openai(client)
        assert error.value.code == "ADMISSION_QUOTA"
        assert error.value.type == "rate_limit_error"
        assert 1 <= int(error.value.response.headers["retry-after"]) <= 61
        assert error.value.response.headers["x-ratelimit-remaining-requests"] == "0"
        with pytest.raises(openai.RateLimitError):
            ask_openai(client, stream=True)


def test_anthropic_sees_what_is_left_and_its_own_error(tmp_path: Path) -> None:
    with (
        limited(tmp_path, requests_per_minute=1, tokens_per_minute=500) as (served, _),
        make_anthropic(served) as client,
    ):
        answer = ask_anthropic(client)
        assert answer.headers["anthropic-ratelimit-requests-remaining"] == "0"
        used = answer.parse().usage
        left = 500 - used.input_tokens - used.output_tokens
        assert int(answer.headers["anthropic-ratelimit-tokens-remaining"]) == left
        with pytest.raises(anthropic.RateLimitError) as error:
            ask_anthropic(client)
        assert error.value.body["error"]["type"] == "rate_limit_error"
        assert 1 <= int(error.value.response.headers["retry-after"]) <= 61


@pytest.mark.parametrize(("make", "ask"), [(make_openai, ask_openai), (make_anthropic, ask_anthropic)])
def test_a_client_waits_as_long_as_it_is_told_and_is_let_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Any, ask: Any
) -> None:
    with limited(tmp_path, requests_per_minute=1) as (served, clocks), make(served, retries=1) as client:
        ask(client)
        clocks.wait(20)
        slept: list[float] = []

        def sleep(seconds: float) -> None:
            slept.append(seconds)
            clocks.wait(seconds)

        monkeypatch.setattr(time, "sleep", sleep)
        ask(client)
        assert slept == [41.0]


@pytest.mark.parametrize(
    ("make", "ask", "kind"),
    [(make_openai, ask_openai, openai.RateLimitError), (make_anthropic, ask_anthropic, anthropic.RateLimitError)],
)
def test_a_client_does_not_ask_again_where_that_never_helps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Any, ask: Any, kind: type[Exception]
) -> None:
    naps: list[float] = []
    with limited(tmp_path, tokens_per_day=6) as (served, _), make(served, retries=3) as client:
        monkeypatch.setattr(time, "sleep", naps.append)
        with pytest.raises(kind, match="may come to"):
            ask(client)
        assert naps == []
