"""A machine's clock that is set back and forward while the server runs: requests go on, nobody gets more than is his."""

from __future__ import annotations

import asyncio
import time
from datetime import datetime, timedelta, tzinfo
from pathlib import Path

import pytest
from cell_tools import LINUX_ONLY, PATIENCE
from load_client import Heard, ask
from quota_tools import make_table, sum_usage
from served_models import serve_fake

from ostiary.admission.quotas import open_quotas
from ostiary.admission.tenants import TenantLimits
from ostiary.record import log
from ostiary.record.begin import open_reader
from ostiary.record.entry import parse_entry
from ostiary.testing import FakeEngine

pytestmark = LINUX_ONLY

DAY = 86_400.0
STEPS = (0.0, -3 * DAY, 4 * DAY, 3_600.0, -3_600.0)


def test_requests_go_on_and_the_record_says_when_it_was_set_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = tmp_path / "state"
    with FakeEngine():
        quotas = open_quotas(make_table(usual=TenantLimits(requests_per_minute=10)), state)
        with serve_fake(tmp_path, quotas=quotas) as served:
            for stream, step in enumerate(STEPS):
                set_clock(monkeypatch, step)
                heard = ask_once(served.door.port, is_stream=stream % 2 == 0)
                assert (heard.status, heard.text, heard.problem) == (200, "one two three", "")
                assert heard.headers["x-ratelimit-remaining-requests"] == str(9 - stream)
            for _ in range(5):
                assert ask_once(served.door.port).status == 200
            set_clock(monkeypatch, 30 * DAY)
            refused = ask_once(served.door.port)
            assert (refused.status, refused.code) == (429, "ADMISSION_QUOTA")
            assert 1 <= int(refused.headers["retry-after"]) <= 61
        quotas.close()
    set_clock(monkeypatch, 0.0)
    assert sum_usage(state)[:3] == (10, 30, 30)
    with open_reader(state) as reader:
        kinds = [parse_entry(body, number).kind for number, body in reader.read_bodies(0, reader.read_size())]
    assert kinds.count("request.answered") == 10
    assert kinds.count("record.clock_stepped_back") >= 2


def ask_once(port: int, *, is_stream: bool = False) -> Heard:
    asked: dict[str, object] = {"model": "honest", "prompt": "one two three", "max_tokens": 3, "stream": is_stream}
    return asyncio.run(ask(port, asked, seconds=PATIENCE))


def set_clock(monkeypatch: pytest.MonkeyPatch, step: float) -> None:
    """The one on the wall, for all in this process that looks at it."""
    read = time.clock_gettime

    class SteppedDatetime(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
            return datetime.now(tz) + timedelta(seconds=step)

    monkeypatch.setattr(time, "time", lambda: read(time.CLOCK_REALTIME) + step)
    monkeypatch.setattr(log, "datetime", SteppedDatetime)
