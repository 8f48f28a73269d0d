"""How fast the record is, beside plain SQLite inserts in the same run: python bench/record.py [--entries 1000000]

Every number on the left is a median of several runs, taken in turn with the plain ones so that both meet the same
disk and the same neighbours. "Durable" means that the call returned after fsync.
"""

from __future__ import annotations

import argparse
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ostiary.record.begin import open_log, open_reader
from ostiary.record.events import Event, ModelInspected
from ostiary.record.proof import prove_entry

GROUP = 500
THREADS = 8
RUNS = 9


def make_event(number: int) -> Event:
    return ModelInspected(
        name="Qwen3-0.6B-4bit",
        root=f"{number:064x}",
        files=9,
        bytes=351_400_000 + number,
        format="safetensors",
        architecture="qwen3",
        findings={"config.unknown-key": 3, "tree.readme": 1},
        correlation_id=f"{number:016x}",
    )


class Plain:
    """What one would write without a record: the same bytes in a table, in the same SQLite mode."""

    def __init__(self, path: Path) -> None:
        self.connection = sqlite3.connect(path, isolation_level=None)
        self.connection.execute("PRAGMA journal_mode = WAL")
        self.connection.execute("PRAGMA synchronous = FULL")
        self.connection.execute("CREATE TABLE entry (n INTEGER PRIMARY KEY, body BLOB)")
        self.body = b"x" * 385

    def append(self, count: int) -> None:
        self.connection.execute("BEGIN IMMEDIATE")
        self.connection.executemany("INSERT INTO entry (body) VALUES (?)", [(self.body,)] * count)
        self.connection.execute("COMMIT")


def measure_rate(append: Callable[[int], object], group: int, total: int) -> float:
    started = time.perf_counter()
    for _ in range(total // group):
        append(group)
    return total / (time.perf_counter() - started)


def compare(
    name: str, ours: Callable[[int], object], plain: Callable[[int], object], group: int, total: int
) -> None:
    measure_rate(ours, group, total // 4)
    measure_rate(plain, group, total // 4)
    pairs = [(measure_rate(ours, group, total), measure_rate(plain, group, total)) for _ in range(RUNS)]
    ratio = statistics.median(mine / theirs for mine, theirs in pairs)
    mine, theirs = zip(*pairs, strict=True)
    print(f"{name:<42} {render_rates(mine)}   plain SQLite {render_rates(theirs)}   ratio {ratio:.2f}")


def render_rates(rates: Sequence[float]) -> str:
    """The median, and from the slowest to the fastest run."""
    return f"{statistics.median(rates):>7,.0f}/s ({min(rates):,.0f} to {max(rates):,.0f})"


def median_ms(work: Callable[[], object], runs: int) -> float:
    times = []
    for _ in range(runs):
        started = time.perf_counter()
        work()
        times.append((time.perf_counter() - started) * 1000)
    return statistics.median(times)


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure the record beside plain SQLite.")
    parser.add_argument("--entries", type=int, default=1_000_000, help="size of the large log")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        state = Path(place) / "state"
        plain = Plain(Path(place) / "plain.db")

        def plain_singly(count: int) -> None:
            for _ in range(count):
                plain.append(1)

        event = make_event(1)
        with open_log(state) as log:

            def append(count: int) -> None:
                if count == 1:
                    log.emit(event)
                else:
                    log.append_many([make_event(i) for i in range(count)])

            compare("durable events, one by one", append, plain.append, 1, 1_500)
            threads = ThreadPoolExecutor(THREADS)

            def append_from_threads(count: int) -> None:
                list(threads.map(lambda _: [log.emit(event) for _ in range(count // THREADS)], range(THREADS)))

            compare(f"  the same from {THREADS} threads at once", append_from_threads, plain_singly, 2_000, 2_000)
            threads.shutdown()
            compare(f"durable events, groups of {GROUP}", append, plain.append, GROUP, 20_000)
            done = log.append(event) + 1
            started = time.perf_counter()
            while done < options.entries:
                append(min(4_000, options.entries - done))
                done = min(done + 4_000, options.entries)
            print(f"filled to {options.entries:,} entries in {time.perf_counter() - started:.0f} s")
        database = state / "record" / "log.db"
        print(f"{'bytes an entry, all included':<42} {database.stat().st_size / options.entries:>10.0f}")
        plain_bytes = (Path(place) / "plain.db").stat().st_size
        rows = plain.connection.execute("SELECT max(n) FROM entry").fetchone()[0]
        print(f"{'  (plain SQLite, the bytes alone)':<42} {plain_bytes / rows:>10.0f}")

        def reopen() -> None:
            with open_log(state):
                pass

        print(f"{'open and close for writing':<42} {median_ms(reopen, 15):>10.2f} ms")
        print(f"{'open and close for reading':<42} {median_ms(lambda: open_reader(state).close(), 15):>10.2f} ms")
        with open_reader(state) as reader:
            latest = reader.read_latest_checkpoint()
            if latest is None:
                raise SystemExit("no checkpoint")
            size, note = latest
            indices = iter(range(size - 1, 0, -size // 400))
            proof_ms = median_ms(lambda: prove_entry(reader, next(indices), note), 200)
        print(f"{'proof of an entry (tlog-proof)':<42} {proof_ms:>10.3f} ms")


if __name__ == "__main__":
    main()
