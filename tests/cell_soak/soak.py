"""Kills, stops, freezes and starves workers at every step, again and again, and checks each time what is left.

    python tests/cell_soak/soak.py --rounds 10000

Each round starts a cell, does one thing to it at one step, asks it something and closes it. Whatever happens, the
caller gets an answer or one of our errors; every cell.started has exactly one cell.ended; a model that did not start
is told once; where the thing done has only one cause, that is the one recorded. After the round no worker is left.
Every fifty rounds this process and the fork server have the descriptors and threads that they had at the start, and
at the end the memory, too. In some rounds the application itself is killed: nothing of it may live on.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).parents[1]))

from cell_models import open_model

from cell_soak.processes import (
    count_descriptors,
    find_children,
    find_highest_descriptor,
    find_marked,
    read_memory_bytes,
    read_pid,
    wait_until,
)
from cell_soak.steps import STEPS, Tripwire
from ostiary.cell.ending import Cause
from ostiary.cell.fork_servers import close_fork_servers, find_fork_server
from ostiary.cell.limits import MIB, CellLimits
from ostiary.cell.plan import CellPlan
from ostiary.cell.probe import read_facts
from ostiary.cell.profile import choose_profile
from ostiary.cell.running import RunningCell
from ostiary.cell.start import start_cell
from ostiary.core.frames import JsonObject
from ostiary.core.tickets import SealedModel
from ostiary.errors import OstiaryError
from ostiary.record.events import CellEnded, CellRefusedToStart, CellStarted, Event, ModelFailed, ModelRefused

LIMITS: Final = CellLimits(
    memory_bytes=256 * MIB,
    cpu_seconds=1,
    wall_seconds=5,
    load_seconds=1,
    threads=8,
    tokens=10_000,
    descriptors=32,
    restarts=50,
)
CHECK_EVERY: Final = 50
GROWTH_BYTES: Final = 8 * MIB

TESTS: Final = Path(__file__).resolve().parents[1]
APPLICATION: Final = """
import sys, tempfile
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from cell_soak import soak
tempfile.tempdir = sys.argv[2]
with soak.open_model(Path(sys.argv[2], "model"), lambda _: None, 2) as sealed:
    with soak.start_cell(soak.make_plan(sealed), lambda _: None, "x") as cell:
        while True:
            for _ in cell.call("count", {"to": 20}):
                sys.stdout.write(".")
                sys.stdout.flush()
"""


class Broken(AssertionError):
    """What must never be."""


def make_plan(sealed: SealedModel) -> CellPlan:
    return CellPlan(sealed, "fake", LIMITS, choose_profile(read_facts(), LIMITS))


class Soak:
    """One application and one fork server, which outlive all their cells but where they are themselves harmed."""

    def __init__(self, place: Path, sealed: SealedModel, events: list[Event], seed: int) -> None:
        self._place = place
        self._dice = random.Random(seed)  # noqa: S311
        self._plan = make_plan(sealed)
        self._wire = Tripwire()
        self._events = events
        """Of the round, what the vault says included."""
        self._is_deaf = False
        self._harms: dict[str, tuple[float, Callable[[str], Cause | None]]] = {
            "nothing": (2, self._do_nothing),
            "kill": (22, self._kill),
            "terminate": (8, self._terminate),
            "fault": (8, self._fault),
            "freeze": (8, self._freeze),
            "kill at some time": (16, self._kill_at_some_time),
            "end by itself": (14, self._end_by_itself),
            "starve of memory": (6, self._starve_of_memory),
            "starve of time": (0.3, self._starve_of_time),
            "freeze and wait": (0.3, self._freeze_and_wait),
            "starve of descriptors": (8, self._starve_of_descriptors),
            "kill the fork server": (2, self._kill_server),
            "stop the fork server": (2, self._stop_server),
            "deafen the record": (3, self._deafen),
            "kill the application": (0.7, self._kill_application),
        }
        self.done: Counter[str] = Counter()
        self.causes: Counter[str] = Counter()
        self._baseline: tuple[int, int, int] | None = None
        self.memory: list[tuple[int, int]] = []

    def close(self) -> None:
        self._wire.remove()
        close_fork_servers()

    # --- one round ---

    def run_round(self) -> None:
        names = [*self._harms]
        (name,) = self._dice.choices(names, [self._harms[name][0] for name in names])
        self.run_named(name, self._dice.choice(STEPS))

    def run_named(self, name: str, step: str) -> None:
        self._events.clear()
        self._is_deaf = False
        expected = self._harms[name][1](step)
        self._wire.set("", lambda: None)
        self.done[name] += 1
        self._check_events(f"{name} at {step}", expected)
        self._is_deaf = False
        if not wait_until(lambda: not self._workers(), 5):
            raise Broken(f"{name} at {step}: a worker lives on")
        if self.done.total() % CHECK_EVERY == 0:
            self.check_holdings()

    def _run_cell(
        self, operation: str = "count", body: JsonObject | None = None, deadline_seconds: float = 2.0
    ) -> None:
        """Start, ask, close; whatever is raised must be ours."""
        with suppress(OstiaryError), start_cell(self._plan, self._take, "soak") as cell:
            with suppress(OstiaryError):
                for _ in cell.call(operation, body or {"to": 3}, deadline_seconds=deadline_seconds):
                    self._wire.reach("answer")
            if self._dice.random() < 0.1:
                self._ask_again(cell)

    def _ask_again(self, cell: RunningCell) -> None:
        """One that ended is started anew."""
        with suppress(OstiaryError):
            list(cell.call("echo", {"x": 1}, deadline_seconds=2))

    def _take(self, event: Event) -> None:
        if self._is_deaf:
            raise OSError("no record")
        self._events.append(event)

    # --- what is done to it; each says the one cause that it must have, if there is only one ---

    def _do_nothing(self, _step: str) -> Cause | None:
        self._run_cell()
        return Cause.CLOSED

    def _kill(self, step: str) -> Cause | None:
        return self._signal(step, signal.SIGKILL, Cause.KILLED)

    def _terminate(self, step: str) -> Cause | None:
        return self._signal(step, signal.SIGTERM, Cause.KILLED)

    def _fault(self, step: str) -> Cause | None:
        return self._signal(step, signal.SIGSEGV, Cause.CRASH)

    def _signal(self, step: str, number: int, cause: Cause) -> Cause | None:
        self._wire.set(step, lambda: self._send_signal(number))
        self._run_cell("count", {"to": 3_000})  # more than it can have answered by then
        return cause if step in {"ask", "answer"} else None

    def _freeze(self, step: str) -> Cause | None:
        """Frozen while it loads, it would be waited for a second: see `_freeze_and_wait`."""
        at = step if STEPS.index(step) >= STEPS.index("tell") else "ask"
        self._wire.set(at, lambda: self._send_signal(signal.SIGSTOP))
        self._run_cell(deadline_seconds=0.03)
        return None

    def _freeze_and_wait(self, step: str) -> Cause | None:
        self._wire.set(step, lambda: self._send_signal(signal.SIGSTOP))
        with suppress(OstiaryError), start_cell(self._plan, self._take, "soak") as cell:
            self._ask_again(cell)
            pids = self._workers()
            if step == "ask" and not wait_until(lambda: pids != self._workers(), 4):
                raise Broken("a frozen worker is not ended")
        return Cause.WALL_TIME if step == "ask" else None

    def _kill_at_some_time(self, _step: str) -> Cause | None:
        late = self._dice.random() * 0.03
        killer = threading.Timer(late, lambda: self._send_signal(signal.SIGKILL))
        killer.start()
        self._run_cell("sleep", {"milliseconds": 5})
        killer.join()
        return None

    def _end_by_itself(self, _step: str) -> Cause | None:
        how, cause = self._dice.choice(
            [
                ("abort", Cause.CRASH),
                ("address", Cause.CRASH),
                ("exit", Cause.CRASH),
                ("forbidden", Cause.VIOLATION),
                ("raise", Cause.CLOSED),
                ("panic", Cause.CLOSED),
                ("recurse", Cause.CLOSED),
            ]
        )
        self._run_cell("end", {"how": how, "status": self._dice.randrange(3)})
        return cause

    def _starve_of_memory(self, _step: str) -> Cause | None:
        self._run_cell("grow", {"bytes": 1 << 30})
        return None

    def _starve_of_time(self, _step: str) -> Cause | None:
        self._run_cell("spin", deadline_seconds=4.0)
        return Cause.CPU

    def _starve_of_descriptors(self, _step: str) -> Cause | None:
        with _few_descriptors(self._dice.randrange(12)):
            self._run_cell()
        return None

    def _kill_server(self, step: str) -> Cause | None:
        self._wire.set(step, lambda: self._signal_server(signal.SIGKILL))
        self._run_cell()
        return None

    def _stop_server(self, step: str) -> Cause | None:
        """And let it go on."""

        def stop() -> None:
            self._signal_server(signal.SIGSTOP)
            pid = self._server
            threading.Timer(0.02, lambda: _send(pid, signal.SIGCONT)).start()

        self._wire.set(step, stop)
        self._run_cell()
        return None

    def _deafen(self, step: str) -> Cause | None:
        def deafen() -> None:
            self._is_deaf = True

        self._wire.set(step, deafen)
        with suppress(OSError):
            self._run_cell()
        return None

    def _kill_application(self, _step: str) -> Cause | None:
        with tempfile.TemporaryDirectory(dir=self._place) as place:
            application = subprocess.Popen(
                [sys.executable, "-c", APPLICATION, str(TESTS), place],
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
            if self._dice.random() < 0.7 and application.stdout is not None:
                application.stdout.read(self._dice.randrange(1, 20))
            else:
                time.sleep(self._dice.random() * 0.5)
            application.kill()
            application.communicate()
            if not wait_until(lambda: not find_marked(f"{place}/ostiary-"), 5):
                raise Broken("something outlived its application")
        return None

    # --- to whom ---

    @property
    def _server(self) -> int | None:
        process = find_fork_server(self._plan.program).process
        return None if process is None else read_pid(process)

    def _workers(self) -> list[int]:
        server = self._server
        return [] if server is None else find_children(server)

    def _send_signal(self, number: int) -> None:
        for pid in self._workers():
            _send(pid, number)

    def _signal_server(self, number: int) -> None:
        _send(self._server, number)

    # --- what is left ---

    def _check_events(self, what: str, expected: Cause | None) -> None:
        started = Counter(event.cell for event in self._events if isinstance(event, CellStarted))
        ended = Counter(event.cell for event in self._events if isinstance(event, CellEnded))
        refused = sum(isinstance(event, CellRefusedToStart | ModelRefused | ModelFailed) for event in self._events)
        # What the record did not take did not happen: then its end is not told either. And an end waits for it.
        untold = started - ended if self._is_deaf else Counter()
        if started - untold != ended or set(started.values()) - {1}:
            raise Broken(f"{what}: {started} and {ended}")
        causes = [event.cause for event in self._events if isinstance(event, CellEnded)]
        self.causes.update(causes or (["did not start"] if refused else []))
        if expected is not None and causes[:1] != [expected]:
            told = [event.detail for event in self._events if isinstance(event, CellRefusedToStart)]
            raise Broken(f"{what}: {causes} and not {expected}; {told}")
        may_be_silent = self._is_deaf or what.partition(" at ")[0] == "kill the application"
        if not started and not refused and not may_be_silent:
            raise Broken(f"{what}: the record knows nothing of it")

    def check_holdings(self) -> None:
        """Descriptors and threads are those of the start; memory is noted."""
        self._run_cell()
        server = self._server
        if server is None:
            raise Broken("there is no fork server")

        def read() -> tuple[int, int, int]:
            return count_descriptors(os.getpid()), threading.active_count(), count_descriptors(server)

        baseline = self._baseline or read()
        if not wait_until(lambda: read() == baseline, 3):
            raise Broken(f"descriptors, threads, descriptors of the fork server: {read()}, {baseline} at the start")
        self._baseline = baseline
        self.memory.append((read_memory_bytes(os.getpid()), read_memory_bytes(server)))

    def check_growth(self) -> tuple[int, int]:
        """From a fifth of the way to the end. A new fork server begins anew: it is never larger than the first."""
        first = self.memory[len(self.memory) // 5]
        growth = self.memory[-1][0] - first[0], max(size for _, size in self.memory) - first[1]
        if max(growth) > GROWTH_BYTES:
            raise Broken(f"memory grew by {growth} bytes, in this process and in the fork server")
        return growth


def _send(pid: int | None, number: int) -> None:
    if pid is not None:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


@contextmanager
def _few_descriptors(more: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (find_highest_descriptor() + more, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def main() -> int:
    parser = argparse.ArgumentParser(description="Harm cells at every step, and check what is left.")
    parser.add_argument("--rounds", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=None)
    options = parser.parse_args()
    seed = random.SystemRandom().randrange(1 << 30) if options.seed is None else options.seed
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="cell-soak-") as name:
        place = Path(name)
        tempfile.tempdir = name
        events: list[Event] = []
        with open_model(place / "model", events.append, 2) as sealed:
            soak = Soak(place, sealed, events, seed)
            try:
                soak.check_holdings()
                for _ in range(options.rounds):
                    soak.run_round()
                soak.check_holdings()
                growth = soak.check_growth()
            except Exception as error:  # noqa: BLE001  whatever it is, it is told with its round
                traceback.print_exc()
                sys.stderr.write(f"round {soak.done.total()} of seed {seed}: {error!r}\n")
                return 1
            finally:
                soak.close()
        left = find_marked(f"{name}/ostiary-")
        directories = [entry.name for entry in place.iterdir() if entry.name.startswith("ostiary-")]
    if left or directories:
        sys.stderr.write(f"left behind: processes {left}, directories {directories} (seed {seed})\n")
        return 1
    seconds = time.monotonic() - began
    for title, counts in (("done", soak.done), ("ended", soak.causes)):
        sys.stdout.write(f"{title}: {', '.join(f'{name} {count}' for name, count in sorted(counts.items()))}\n")
    sys.stdout.write(
        f"{options.rounds} rounds in {seconds:.0f} s: one end each, no orphan, no descriptor; memory grew by "
        f"{growth[0] >> 10} KiB here and {growth[1] >> 10} KiB in the fork server (seed {seed})\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
