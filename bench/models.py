"""Models that come and go: how long a first request waits, what a reload costs those who ask, and a killed process.

    python bench/models.py                     a Llama of 17 million weights
    python bench/models.py --size tiny --rounds 10

The same model is served under two names, on demand, with room for one at a time; all of it is real but the weights.
Each line: the median of all rounds, and the least and the most.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from cell_tools import signal_worker
from door_tools import QUICK
from keeper_tools import Kennel, keeping, make_to_serve, wait_for
from load_model import write_load_model

from ostiary.cell.limits_file import NO_RULES
from ostiary.gateway.memory_budget import derive_budget
from ostiary.gateway.to_serve import ToServe
from ostiary.library.engines import choose_engine, choose_function_engine
from ostiary.testing import sign_model

PROMPT: Final = "one two three"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--size", choices=["tiny", "small", "usual", "large"], default="usual")
    options = parser.parse_args()
    told: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        os.environ["OSTIARY_STATE_DIR"] = str(folder / "state")
        weights = write_load_model(folder / "load", options.size)
        print(f"{weights / 1e6:.0f} million weights, {os.cpu_count()} cores", flush=True)
        model = _make(folder / "load", folder / "state")
        for number in range(options.rounds):
            # A state of its own each: processes that are killed on purpose must not end in quarantine.
            options_of_round = replace(model.options, state=folder / f"state-{number}")
            models = [replace(model, name=name, options=options_of_round) for name in ("one", "two")]
            with keeping(models, memory=derive_budget(), server=replace(QUICK, load_time=600)) as kennel:
                for what, milliseconds in _run(kennel):
                    told.setdefault(what, []).append(milliseconds)
    for what, times in told.items():
        print(f"{what}: {statistics.median(times):.0f} ms ({min(times):.0f} to {max(times):.0f})")
    return 0


def _make(path: Path, state: Path) -> ToServe:
    model = make_to_serve("one", path, sign_model(path), state)
    engines = {"engine": choose_engine(), "function_engine": choose_function_engine()}
    return replace(model, options=replace(model.options, rules=NO_RULES, **engines))


def _run(kennel: Kennel) -> list[tuple[str, float]]:
    told = [("a first request, nothing loaded", _time(lambda: _ask(kennel, "one")))]
    needed = kennel.keeper.budget.taken_bytes
    kennel.keeper.budget.change(needed)
    told.append(("a first request, another stays a while and goes", _time(lambda: _ask(kennel, "two"))))
    kennel.kept("two").stays_until = 0.0
    _ask(kennel, "one")
    kennel.kept("one").stays_until = 0.0
    told.append(("a first request, another goes for it", _time(lambda: _ask(kennel, "two"))))
    told.append(("a request", _time(lambda: _ask(kennel, "two"))))
    told.append(("a reload", _time(lambda: kennel.reload("two"))))
    told.append(("the slowest request during a reload", _time_during_reload(kennel)))
    current = kennel.kept("two").served.current
    assert current is not None
    signal_worker(current.opened._opened.cell)
    told.append(("the request after its process was killed", _time(lambda: _ask(kennel, "two"))))
    return told


def _time_during_reload(kennel: Kennel) -> float:
    slowest, is_over = [0.0], threading.Event()

    def go_on() -> None:
        while not is_over.is_set():
            slowest.append(_time(lambda: _ask(kennel, "two")))

    asking = threading.Thread(target=go_on)
    asking.start()
    wait_for(lambda: len(slowest) > 2)
    slowest[:] = [0.0]
    kennel.reload("two")
    wait_for(lambda: len(slowest) > 1)
    is_over.set()
    asking.join()
    return max(slowest)


def _ask(kennel: Kennel, name: str) -> None:
    answer = kennel.ask(name, PROMPT, 4)
    assert answer.status == 200, answer.body


def _time(act: Callable[[], object]) -> float:
    before = time.monotonic()
    act()
    return (time.monotonic() - before) * 1000


if __name__ == "__main__":
    raise SystemExit(main())
