"""What the wall costs: to put up, while a model computes, and until a new worker answers.

    python bench/cell.py               all of it, about a minute
    python bench/cell.py --rounds 20   a quick look

Put up: a process like a fork server forks children as one does; each puts up the whole wall of this system, hands
its listener over, and tells how long that took.

While it computes: two cells run the same model in the same engine at the same time, one behind the whole wall, one
behind none. They are asked one at a time, in turns, each time in the other order. A pair is the quickest of six
turns of either, so that what else the machine does counts as little as can be; what is told is the median over the
pairs with the middle half beside it. Where that half is wide, the machine is too busy for the clock, and processor
time of the worker counts instead. The promise is on computing; the pieces of nothing show what speaking costs.

Until it answers: from the verified model (sealing, forking, wall, loading) to the end of the first answer: by a
fork server that has its engine imported, and by a process that starts and imports it itself.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from cell_models import open_model
from cell_soak.processes import find_children, read_pid

import ostiary
from ostiary._hazmat.wall import render_wall
from ostiary.cell.compile_wall import compile_wall
from ostiary.cell.fork_servers import close_fork_servers, find_fork_server
from ostiary.cell.limits import GIB, CellLimits
from ostiary.cell.plan import CellPlan
from ostiary.cell.probe import read_facts
from ostiary.cell.profile import choose_profile, required_layers
from ostiary.cell.program import WorkerProgram
from ostiary.cell.running import RunningCell
from ostiary.cell.start import start_cell
from ostiary.core.frames import JsonObject
from ostiary.core.tickets import SealedModel
from ostiary.record.events import Event

SOURCE: Final = Path(ostiary.__file__).resolve().parents[1]
WANTED_WALL_MS: Final = 2.0
WANTED_COST: Final = 0.01
WANTED_ANSWER_MS: Final = 100.0
CLEAR_SPREAD: Final = 3.0  # in percent: on a busier machine processor time says more than the clock
TURNS: Final = 6
LIMITS: Final = CellLimits(2 * GIB, 3_600, 600, 60, 16, 100_000, 32, 60)
SHAPES: Final = {"square": (512, 512), "column": (512, 1), "large": (4096, 4096)}


class Turn(NamedTuple):
    """One call, by the clock and in the worker's processor time."""

    seconds: float
    cpu_seconds: float


# name, engine, operation, what is asked
WORK: Final[tuple[tuple[str, str, str, JsonObject], ...]] = (
    ("matmul of 512 x 512", "arrays", "matmul", {"left": "square0", "right": "square0"}),
    ("sum of 64 MiB, copied", "arrays", "sum", {"name": "large0"}),
    ("300 pieces of nothing", "fake", "count", {"to": 300}),
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=60, help="pairs of each measurement (60)")
    options = parser.parse_args()
    missed = measure_putting_up(options.rounds)
    with tempfile.TemporaryDirectory(prefix="ostiary-bench-") as name:
        with open_model(Path(name) / "model", ignore, 1, SHAPES) as sealed:
            missed += measure_cost(sealed, options.rounds)
        missed += measure_answering(Path(name), max(5, options.rounds // 2))
    return 1 if missed else 0


def ignore(_event: Event) -> None:
    """Recording is measured in bench/record.py."""


def tell(name: str, values: Sequence[float], unit: str, wanted: float | None = None, digits: int = 2) -> int:
    """One line with median and middle half; 1 where the median is above what is wanted."""
    low, middle, high = statistics.quantiles(values, n=4)
    is_missed = wanted is not None and middle > wanted
    note = "" if wanted is None else f"; at most {wanted:g} {unit} wanted"
    print(
        f"{name:48} {middle:.{digits}f} {unit} ({low:.{digits}f} to {high:.{digits}f}{note})"
        f"{'  MISSED' if is_missed else ''}",
        flush=True,
    )
    return int(is_missed)


# --- put up ---


def measure_putting_up(rounds: int) -> int:
    """In a process as small as a fork server without an engine."""
    profile = choose_profile(read_facts(), LIMITS)
    print(f"the wall of this system: {', '.join(profile.names)}")
    program = WorkerProgram("fake")
    done = subprocess.run(
        [sys.executable, "-c", PUT_UP, str(rounds), str(SOURCE)],
        input=render_wall(compile_wall(profile, serial=os.getpid())),
        env=program.write_environment(tempfile.gettempdir()),
        stdout=subprocess.PIPE,
        check=True,
    )
    measured = [[int(word) / 1e6 for word in line.split()] for line in done.stdout.splitlines()][1:]
    tell("wall put up in a forked worker, processor time", [cpu for _, cpu in measured], "ms")
    return tell("wall put up in a forked worker", [clock for clock, _ in measured], "ms", WANTED_WALL_MS)


# As worker/fork_server.py and worker/run.py do it, and a clock around the one call that counts.
PUT_UP: Final = """
import gc, os, socket, sys, time
sys.path.insert(0, sys.argv[2])
from ostiary._hazmat.pass_descriptors import receive_with_descriptors, send_with_descriptors
from ostiary._hazmat.wall import apply_wall, parse_wall, prepare_for_children

def put_up(end, parent):
    def hand_over(listener):
        send_with_descriptors(end, [b"up"], () if listener is None else (listener,))
    began = time.perf_counter_ns(), time.process_time_ns()
    apply_wall(wall, keep=(end.fileno(),), parent=parent, hand_over=hand_over)
    now = time.perf_counter_ns(), time.process_time_ns()
    end.send(b"%20d%20d" % (now[0] - began[0], now[1] - began[1]))

text = sys.stdin.buffer.read()
wall = parse_wall(text)
prepare_for_children(wall)
gc.freeze()
parent = os.getpid()
for _ in range(int(sys.argv[1]) + 1):
    ours, theirs = socket.socketpair()
    child = os.fork()
    if not child:
        try:
            put_up(theirs, parent)
        finally:
            os._exit(0)
    theirs.close()
    buffer, told = bytearray(64), b""
    while len(told) < 42:
        received = receive_with_descriptors(ours, buffer, 1)
        if not received.size:
            sys.exit("the wall could not be put up")
        told += buffer[: received.size]
        for descriptor in received.descriptors:
            os.close(descriptor)
    os.waitpid(child, 0)
    ours.close()
    os.write(1, b"%d %d\\n" % (int(told[2:22]), int(told[22:])))
"""


# --- while it computes ---


def make_plan(sealed: SealedModel, engine: str, *, has_wall: bool = True, forks: bool = True) -> CellPlan:
    facts = read_facts()
    without = () if has_wall else required_layers(facts)
    return CellPlan(sealed, engine, LIMITS, choose_profile(facts, LIMITS, without), forks=forks)


def measure_cost(sealed: SealedModel, rounds: int) -> int:
    missed = 0
    for name, engine, operation, body in WORK:
        with ExitStack() as stack:
            asks = []
            for has_wall in (True, False):
                plan = make_plan(sealed, engine, has_wall=has_wall)
                cell = stack.enter_context(start_cell(plan, ignore, "bench"))
                asks.append(partial(ask, cell, find_worker(plan), operation, body))
            pairs = pair_up(asks[0], asks[1], rounds)
        tell(f"{name}: without a wall", [1000 * without.seconds for _, without in pairs], "ms")
        clock = [100 * (behind.seconds / without.seconds - 1) for behind, without in pairs]
        cpu = [100 * (behind.cpu_seconds / without.cpu_seconds - 1) for behind, without in pairs]
        wanted = 100 * WANTED_COST if engine == "arrays" else None
        is_told_by_clock = measure_spread(clock) <= CLEAR_SPREAD
        missed += tell(f"{name}: cost", clock, "%", wanted if is_told_by_clock else None)
        missed += tell(f"{name}: cost in processor time", cpu, "%", None if is_told_by_clock else wanted)
    close_fork_servers()
    return missed


def measure_spread(values: Sequence[float]) -> float:
    low, _, high = statistics.quantiles(values, n=4)
    return high - low


def ask(cell: RunningCell, pid: int, operation: str, body: JsonObject) -> Turn:
    began, used = time.perf_counter(), read_cpu_seconds(pid)
    for _reply in cell.call(operation, body):
        pass
    return Turn(time.perf_counter() - began, read_cpu_seconds(pid) - used)


def read_cpu_seconds(pid: int) -> float:
    """Of all threads that it has now, to the nanosecond."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9


def find_worker(plan: CellPlan) -> int:
    """The only one of its fork server."""
    process = find_fork_server(plan.program).process
    server = None if process is None else read_pid(process)
    (worker,) = [] if server is None else find_children(server)
    return worker


def pair_up(first: Callable[[], Turn], second: Callable[[], Turn], rounds: int) -> list[tuple[Turn, Turn]]:
    """Both in turns, each time in the other order; of each pair the quickest of either, by each clock."""
    pairs = []
    for number in range(rounds + 1):
        turns = []
        for turn in range(TURNS):
            if turn % 2:
                a, b = first(), second()
            else:
                b, a = second(), first()
            turns.append((a, b))
        if number:
            pairs.append((find_quickest(a for a, _ in turns), find_quickest(b for _, b in turns)))
    return pairs


def find_quickest(turns: Iterable[Turn]) -> Turn:
    seconds, cpu = zip(*turns, strict=True)
    return Turn(min(seconds), min(cpu))


# --- until it answers ---


def measure_answering(place: Path, rounds: int) -> int:
    """A model of 16 KiB, as the promise speaks of a small one."""
    warm, cold = [], []
    for number in range(rounds + 1):
        seconds = time_first_answer(place / "small", forks=True)
        if number:  # the first one starts the fork server
            warm.append(1000 * seconds)
    for _ in range(max(5, rounds // 3)):
        close_fork_servers()
        cold.append(1000 * time_first_answer(place / "small", forks=False))
    close_fork_servers()
    missed = tell("verified model to first answer, fork server", warm, "ms", WANTED_ANSWER_MS, 1)
    tell("verified model to first answer, cold", cold, "ms", digits=1)
    tell("cold / fork server", [each / statistics.median(warm) for each in cold], "times", digits=1)
    return missed


def time_first_answer(place: Path, *, forks: bool) -> float:
    with ExitStack() as stack:
        began = time.perf_counter()
        sealed = stack.enter_context(open_model(place, ignore))
        cell = stack.enter_context(start_cell(make_plan(sealed, "arrays", forks=forks), ignore, "bench"))
        list(cell.call("sum", {"name": "a0"}))
        return time.perf_counter() - began


if __name__ == "__main__":
    sys.exit(main())
