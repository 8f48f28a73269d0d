"""What counting costs a request: all that is done for one that is let in, and for one that is refused at the door.

python bench/quotas.py [--rounds N]

Processor time and wall time for each, best and median of rounds that take turns; and what the slowest took while
the file was being synchronised and written anew.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from ostiary.admission import quotas as quotas_module
from ostiary.admission.quotas import TenantQuotas, open_quotas
from ostiary.admission.tenants import TenantLimits, TenantTable
from ostiary.core.callers import ANYBODY
from ostiary.errors import AdmissionRefused
from ostiary.gateway.rate_limits import render_rate_limits
from ostiary.gateway.route import Dialect

REQUESTS = 2_000
WIDE = TenantTable(TenantLimits(10**9, 10**12, 10**15, 10**4), {})
NARROW = TenantTable(TenantLimits(1), {})


def let_in(quotas: TenantQuotas) -> None:
    with quotas.counting(ANYBODY):
        quotas.reserve(ANYBODY, 1_000).settle(600, 200)
        render_rate_limits(quotas.tell(ANYBODY.tenant), Dialect.OPENAI, 0)


def refuse(quotas: TenantQuotas) -> None:
    try:
        with quotas.counting(ANYBODY):
            pass
    except AdmissionRefused:
        return


def measure(act: Callable[[TenantQuotas], None], quotas: TenantQuotas) -> tuple[float, float]:
    """Processor time and wall time of one, in microseconds."""
    wall, used = time.perf_counter(), time.process_time()
    for _ in range(REQUESTS):
        act(quotas)
    used, wall = time.process_time() - used, time.perf_counter() - wall
    return used / REQUESTS * 1e6, wall / REQUESTS * 1e6


def find_slowest(quotas: TenantQuotas, seconds: float) -> tuple[int, float, float]:
    """Requests, and their median and slowest in microseconds, while another thread flushes without end."""
    stop = threading.Event()
    flushes = 0

    def flush() -> None:
        nonlocal flushes
        while not stop.is_set():
            quotas.flush()
            flushes += 1

    thread = threading.Thread(target=flush)
    thread.start()
    took, until = [], time.perf_counter() + seconds
    while time.perf_counter() < until:
        begun = time.perf_counter()
        let_in(quotas)
        took.append((time.perf_counter() - begun) * 1e6)
    stop.set()
    thread.join()
    return flushes, statistics.median(took), max(took)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as directory:
        wide, narrow = open_quotas(WIDE, Path(directory) / "a"), open_quotas(NARROW, Path(directory) / "b")
        let_in(narrow)
        acts = {"let in": (let_in, wide), "refused": (refuse, narrow)}
        times: dict[str, list[tuple[float, float]]] = {name: [] for name in acts}
        for _ in range(rounds):
            for name, (act, quotas) in acts.items():
                times[name].append(measure(act, quotas))
        for name, found in times.items():
            used, wall = zip(*found, strict=True)
            print(
                f"{name:8}  processor {min(used):6.1f} us (median {statistics.median(used):6.1f})  "
                f"wall {min(wall):6.1f} us (median {statistics.median(wall):6.1f})"
            )
        for name, most in (("synchronised", 1 << 40), ("written anew", 0)):
            quotas_module.MAX_JOURNAL_BYTES = most  # type: ignore[assignment,attr-defined]
            flushes, median, slowest = find_slowest(wide, 3)
            print(f"{name} {flushes} times in 3 s: median {median:.0f} us, slowest {slowest / 1000:.1f} ms")
        wide.close()
        narrow.close()


if __name__ == "__main__":
    main()
