"""What tests of quotas have in common: a clock that is turned by hand, a server's life, and what is in its file."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from ostiary.admission.quotas import TenantQuotas, open_quotas
from ostiary.admission.steady_clock import SteadyClock
from ostiary.admission.tenants import TenantLimits, TenantTable
from ostiary.admission.usage_file import read_usage
from ostiary.core.callers import ANYBODY, Caller

NOON = 1_900_000_000.0


class HandClocks:
    """The one that goes on steadily, and the one on the wall that people set."""

    def __init__(self, wall: float = NOON) -> None:
        self.steady = 1_000.0
        self.wall = wall

    def wait(self, seconds: float) -> None:
        self.steady += seconds
        self.wall += seconds

    def make(self) -> SteadyClock:
        return SteadyClock(lambda: self.steady, lambda: self.wall)


def name_caller(tenant: str) -> Caller:
    return replace(ANYBODY, id=f"key-of-{tenant}", tenant=tenant)


def make_table(*, usual: TenantLimits | None = None, **limits: TenantLimits) -> TenantTable:
    return TenantTable(usual or TenantLimits(), limits)


def begin_server(state: Path, clocks: HandClocks, *, usual: TenantLimits | None = None) -> TenantQuotas:
    return open_quotas(make_table(usual=usual), state, clocks.make())


def kill(quotas: TenantQuotas) -> None:
    """As `kill -9` does: nothing more is written, and the operating system takes the lock away."""
    file = quotas._file
    if file._descriptor is not None:
        os.close(file._descriptor)
        file._descriptor = None
    file.close()


def sum_usage(state: Path, tenant: str | None = None) -> tuple[int, int, int, int]:
    """Requests, tokens of prompts, of answers, and those of requests that were cut off."""
    rows = [used for (_, name), used in read_usage(state).days.items() if tenant in (None, name)]
    return (
        sum(used.requests for used in rows),
        sum(used.prompt_tokens for used in rows),
        sum(used.answer_tokens for used in rows),
        sum(used.cut_tokens for used in rows),
    )


def wait_for(is_so: Callable[[], bool]) -> None:
    for _ in range(6_000):
        if is_so():
            return
        threading.Event().wait(0.01)
    raise AssertionError("it never was")
