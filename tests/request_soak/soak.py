"""Asks one model thousands of things at once, mixed: answered, refused, cancelled, left early, abandoned.

    python tests/request_soak/soak.py --requests 10000                     with the fake engine
    python tests/request_soak/soak.py --requests 10000 --engine language   with MLX

Prints what application and worker hold after each tenth. Fails where a request has not exactly one ending, where a
descriptor, a call or an ending stays open, or where memory still grows in the second half.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import random
import sys
import tempfile
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import ostiary
from ostiary.record.begin import open_reader
from ostiary.record.entry import parse_entry
from ostiary.testing import FakeEngine, HostilePublisher

TASKS = 32
PARTS = 10
MOST_GROWTH_BYTES_PER_REQUEST = 200


@dataclass
class Seen:
    """What was held after each part."""

    application_bytes: list[int] = field(default_factory=list)
    worker_bytes: list[int] = field(default_factory=list)
    descriptors: list[int] = field(default_factory=list)
    open_calls: int = 0
    open_endings: int = 0
    asked: int = 0
    endings: Counter[str] = field(default_factory=Counter)
    ended_twice: int = 0


async def soak(model: ostiary.AsyncModel, seen: Seen, requests: int, dice: random.Random) -> None:
    slots = asyncio.Semaphore(TASKS)

    async def ask() -> None:
        async with slots:
            await _ask(model, dice)

    for _ in range(PARTS):
        await asyncio.gather(*(ask() for _ in range(requests // PARTS)))
        gc.collect()
        while model.read_usage().calls:
            await asyncio.sleep(0.01)
        seen.application_bytes.append(_read_memory())
        seen.worker_bytes.append(model.read_usage().memory_bytes or 0)
        seen.descriptors.append(sum(1 for _ in Path("/proc/self/fd").iterdir()))
        tell(f"application {seen.application_bytes[-1] >> 10:,} KiB, worker {seen.worker_bytes[-1] >> 10:,} KiB")
    model._opened._endings.tell_abandoned()
    seen.open_endings = len(model._opened._endings._open)
    seen.open_calls = model.read_usage().calls


async def _ask(model: ostiary.AsyncModel, dice: random.Random) -> None:
    choice = dice.random()
    if choice < 0.6:
        await model.generate("ab cd " * dice.randint(1, 4), max_tokens=dice.randint(1, 8))
    elif choice < 0.7:
        try:
            await model.generate("x", top_p=4)
        except ostiary.Refusal:
            return
    elif choice < 0.75:
        async with model.stream("a b c d e f g", max_tokens=7) as stream:
            await anext(stream)
    elif choice < 0.8:
        await anext(model.stream("a b c d e f g", max_tokens=7))
    elif choice < 0.9:
        task = asyncio.create_task(model.generate("a b c d e f g h", max_tokens=8))
        await asyncio.sleep(dice.random() / 100)
        task.cancel()
        await asyncio.wait([task])
    else:
        await model.chat([{"role": "user", "content": "hello"}], max_tokens=3)


def run(requests: int, engine: str, place: Path) -> Seen:
    seen = Seen()
    model = HostilePublisher(place).publish_honest()
    with ExitStack() as stack:
        if engine == "fake":
            fake = FakeEngine()
            fake.requests = _Counted(seen)  # type: ignore[misc]
            stack.enter_context(fake)

        async def open_and_soak() -> None:
            async with ostiary.open_async(model, unsafe_unsigned=True, state=place / "state") as opened:
                await soak(opened, seen, requests, random.Random(7))  # noqa: S311  which requests, not a secret

        asyncio.run(open_and_soak())
    _read_endings(place / "state", seen)
    return seen


class _Counted(list[object]):
    """A list that keeps nothing: thousands of requests would be the only thing that grows."""

    def __init__(self, seen: Seen) -> None:
        self._seen = seen

    def append(self, _request: object) -> None:
        self._seen.asked += 1


def _read_endings(state: Path, seen: Seen) -> None:
    ids: Counter[str] = Counter()
    with open_reader(state) as reader:
        size = reader.read_size()
        for start in range(0, size, 500):
            for number, body in reader.read_bodies(start, min(start + 500, size)):
                entry = parse_entry(body, number)
                if entry.kind.startswith("request."):
                    seen.endings[entry.kind] += 1
                    ids[entry.data["correlation_id"]] += 1
    seen.ended_twice = sum(count > 1 for count in ids.values())


def find_faults(seen: Seen, requests: int) -> list[str]:
    faults = []
    if seen.ended_twice:
        faults.append(f"{seen.ended_twice} requests ended twice")
    if seen.asked and seen.asked != seen.endings.total():
        faults.append(f"{seen.asked} requests, {seen.endings.total()} endings")
    if seen.open_calls or seen.open_endings:
        faults.append(f"{seen.open_calls} calls and {seen.open_endings} endings stayed open")
    if seen.descriptors[-1] > seen.descriptors[PARTS // 2]:
        faults.append("descriptors stayed open")
    for name, held in (("application", seen.application_bytes), ("worker", seen.worker_bytes)):
        grown = (held[-1] - held[PARTS // 2 - 1]) / (requests / 2)
        if grown > MOST_GROWTH_BYTES_PER_REQUEST and requests >= 5_000:
            faults.append(f"the {name} grew by {grown:,.0f} bytes for each request of the second half")
    return faults


def tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _read_memory() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--engine", choices=("fake", "language"), default="fake")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ostiary-soak-") as name:
        seen = run(options.requests, options.engine, Path(name))
    tell(str(dict(seen.endings)))
    faults = find_faults(seen, options.requests)
    tell("\n".join(faults) or "nothing leaked, and each request ended once")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
