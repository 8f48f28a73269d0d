"""What a flood by one tenant does to another: time to the first token with and without it, in one run.

    python bench/fairness.py                            flood of 64 clients, prompts of 60, 500 and 1500 tokens
    python bench/fairness.py --flood 200 --size small
    python bench/fairness.py --cancel                   how soon a server is free again when a client goes away

A Llama of made-up weights is written, signed and served with the defaults, to two tenants with a key each. One asks
now and then; the flood of the other, in a process of its own, asks again as soon as it is answered. Measured in
turns, with and without the flood: the median, the 95th percentile, and their ratio; and how many tokens a second
the flood gets meanwhile.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from load_client import Heard, ask, render_request
from load_model import make_prompt, write_load_model
from load_servers import RunningServer, serving_ostiary

WANTED: Final = 1.5
WANTED_CANCEL_SECONDS: Final = 0.2
FLOOD_PROMPT, FLOOD_ANSWER = 300, 100
_numbers: Final = iter(range(1, 1 << 30))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--flood", type=int, default=64, help="clients of the tenant that floods")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--requests", type=int, default=8, help="of each round, with and without the flood")
    parser.add_argument("--prompts", type=int, nargs="+", default=[60, 500, 1500])
    parser.add_argument("--size", choices=["tiny", "small", "usual", "large"], default="usual")
    parser.add_argument("--cancel", action="store_true")
    parser.add_argument("--run-flood", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run_flood:
        return run_flood(json.loads(options.run_flood))
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        weights = write_load_model(folder / "load", options.size)
        print(f"{weights / 1e6:.0f} million weights, {os.cpu_count()} cores", flush=True)
        state = folder / "state"
        with serving_ostiary(
            str(folder / "load"), "--key", str(_sign(folder / "load")), "--state", str(state)
        ) as server:
            other = _make_key(state)
            if options.cancel:
                return measure_cancelling(server, state, options)
            return measure_flood(server, other, options)


def _sign(model: Path) -> Path:
    from ostiary.testing import sign_model

    return sign_model(model)


def _make_key(state: Path) -> str:
    command = [sys.executable, "-m", "ostiary", "keys", "create", "flood", "--state", str(state)]
    made = subprocess.run(command, check=True, capture_output=True, text=True)
    return made.stdout.strip()


def _body(prompt_tokens: int, answer_tokens: int, *, stream: bool = True) -> dict[str, Any]:
    prompt = make_prompt(prompt_tokens, os.getpid() + next(_numbers))
    return {"model": "load", "prompt": prompt, "max_tokens": answer_tokens, "temperature": 0, "stream": stream}


# --- a flood ---


def measure_flood(server: RunningServer, other: str, options: argparse.Namespace) -> int:
    seen: dict[tuple[int, bool], list[float]] = {}
    flooded: Counter[str] = Counter()
    speeds: list[float] = []
    asyncio.run(ask(server.port, _body(200, 8), server.key))  # to warm it up
    for _ in range(options.rounds):
        for prompt in options.prompts:
            seen.setdefault((prompt, False), []).extend(_ask_in_turn(server, prompt, options.requests))
        with _flooding(server.port, other, options.flood) as flood:
            for prompt in options.prompts:
                times = seen.setdefault((prompt, True), [])
                ask_all = partial(_extend, times, server, prompt, options.requests)
                speeds.append(flood.measure(ask_all))
        flooded.update(flood.counts)
    print(f"the flood of {options.flood} clients: {statistics.median(speeds):.0f} tokens/s; {dict(flooded)}")
    print(f"{'prompt':>8}{'alone, ms':>22}{'beside the flood, ms':>24}{'ratio of medians':>20}{'of p95':>10}")
    held = True
    for prompt in options.prompts:
        alone, beside = sorted(seen[prompt, False]), sorted(seen[prompt, True])
        ratio = statistics.median(beside) / statistics.median(alone)
        high = _p95(beside) / _p95(alone)
        held &= ratio < WANTED
        shown = [f"{statistics.median(times) * 1e3:.0f} (p95 {_p95(times) * 1e3:.0f})" for times in (alone, beside)]
        mark = "" if ratio < WANTED else f"   wanted: less than {WANTED}"
        print(f"{prompt:>8}{shown[0]:>22}{shown[1]:>24}{ratio:>20.2f}{high:>10.2f}{mark}")
    return 0 if held else 1


def _extend(times: list[float], server: RunningServer, prompt: int, requests: int) -> None:
    times += _ask_in_turn(server, prompt, requests)


def _p95(times: list[float]) -> float:
    return times[min(len(times) - 1, int(0.95 * len(times)))]


def _ask_in_turn(server: RunningServer, prompt: int, requests: int) -> list[float]:
    async def run() -> list[float]:
        seen = []
        for _ in range(requests):
            heard = await ask(server.port, _body(prompt, 4), server.key)
            if heard.first_seconds is None:
                raise RuntimeError(heard.problem)
            seen.append(heard.first_seconds)
            await asyncio.sleep(0.05)
        return seen

    return asyncio.run(run())


class Flood:
    """A process that tells how many tokens came so far, a number for each line that it is given."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.counts: Counter[str] = Counter()

    def measure(self, during: Callable[[], None]) -> float:
        """Tokens a second."""
        started, before = time.perf_counter(), self._count()
        during()
        return (self._count() - before) / (time.perf_counter() - started)

    def _count(self) -> int:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())


@contextmanager
def _flooding(port: int, key: str, clients: int) -> Iterator[Flood]:
    work = json.dumps({"port": port, "key": key, "clients": clients})
    with subprocess.Popen(
        [sys.executable, __file__, "--run-flood", work], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        time.sleep(4)  # until it is in full swing
        flood = Flood(process)
        yield flood
        told, _ = process.communicate("")
    flood.counts.update(json.loads(told))


def run_flood(work: dict[str, Any]) -> int:
    """Until standard input ends. For each line of it, how many tokens came."""
    counts: Counter[str] = Counter()
    asked: list[Heard] = []

    async def be_client() -> None:
        while True:
            asked.append(Heard())
            heard = await ask(work["port"], _body(FLOOD_PROMPT, FLOOD_ANSWER), work["key"], heard=asked[-1])
            counts[heard.problem or "answered"] += 1
            if heard.status in (429, 503):
                await asyncio.sleep(0.2)

    async def run() -> None:
        clients = [asyncio.create_task(be_client()) for _ in range(work["clients"])]
        while await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline):
            print(sum(heard.events for heard in asked), flush=True)
        for client in clients:
            client.cancel()
        await asyncio.gather(*clients, return_exceptions=True)

    asyncio.run(run())
    print(json.dumps(counts))
    return 0


# --- who goes away ---


def measure_cancelling(server: RunningServer, state: Path, options: argparse.Namespace) -> int:
    """From closing the connection until the request has its end in the record, and until another is answered."""
    asyncio.run(ask(server.port, _body(200, 8), server.key))
    held = True
    for stream in (True, False):
        for name, prompt, after in (("in its prompt", 1_900, 0.1), ("in its answer", 60, 0.5)):
            ends, frees = [], []
            for _ in range(options.requests):
                end, free = asyncio.run(_go_away(server, state, prompt, after, stream=stream))
                ends.append(end)
                frees.append(free)
            held &= max(ends) < WANTED_CANCEL_SECONDS
            kind = "streamed" if stream else "whole"
            print(
                f"{kind:9}{name:14} in the record after {_show(ends)} ms; "
                f"the first token of the next after {_show(frees)} ms",
                flush=True,
            )
    alone = [asyncio.run(ask(server.port, _body(60, 1), server.key)).first_seconds or 0 for _ in range(8)]
    print(f"the first token alone after {_show(alone)} ms")
    return 0 if held else 1


def _show(seconds: list[float]) -> str:
    return f"{statistics.median(seconds) * 1e3:.0f} ({min(seconds) * 1e3:.0f} to {max(seconds) * 1e3:.0f})"


async def _go_away(
    server: RunningServer, state: Path, prompt: int, after: float, *, stream: bool
) -> tuple[float, float]:
    before = _count_cancelled(state)
    _, writing = await asyncio.open_connection("127.0.0.1", server.port)
    writing.write(render_request(_body(prompt, 1_000 if prompt < 1_000 else 50, stream=stream), server.key))
    await asyncio.sleep(after)
    gone = time.perf_counter()
    writing.transport.abort()
    heard = await ask(server.port, _body(60, 1), server.key)
    free = heard.first_seconds or 0.0
    while True:
        told = _read_cancelled(state)
        if len(told) > before:
            return max(0.0, told[-1] - after), free
        if time.perf_counter() - gone > 10:
            return 10.0, free
        await asyncio.sleep(0.02)


def _read_cancelled(state: Path) -> list[float]:
    """Seconds from asking to the end of each request that was cancelled."""
    command = [sys.executable, "-m", "ostiary", "record", "query", "--state", str(state)]
    command += ["--json", "--kind", "request.cancelled"]
    told = subprocess.run(command, check=False, capture_output=True, text=True).stdout
    return [json.loads(line)["data"]["milliseconds"] / 1e3 for line in told.splitlines() if line.strip()]


def _count_cancelled(state: Path) -> int:
    return len(_read_cancelled(state))


if __name__ == "__main__":
    sys.exit(main())
