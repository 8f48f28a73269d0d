"""mlx_lm.server and Ostiary in turns, on the same model: tokens a second, time to the first token, errors.

    python bench/serve.py                                   all of it, well over an hour
    python bench/serve.py --clients 1 16 --rounds 1         a look
    python bench/serve.py --size small --answer-tokens 16   on a slow machine
    python bench/serve.py --arithmetic plain                without what docs/speed.md does on Linux processors

A Llama of 17 million made-up weights is written, signed, and served by each, with its defaults. So many clients at
once ask for completions of prompts that no two share, one after the other, each over a connection of its own,
streamed and not. They are one process beside the server, the same for both, and look whether each answer is whole,
ends as it should and is counted right. Each round starts both servers anew, and the one that is first takes turns.
Told is the median over the rounds, with the least and the most beside it.
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
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from load_client import Heard, ask
from load_model import make_prompt, write_load_model
from load_servers import RunningServer, serving_mlx_lm, serving_ostiary

OURS, THEIRS = "ostiary", "mlx_lm.server"
WANTED_ALONE, WANTED_MANY, WANTED_FIRST = 1.0, 1.8, 3.0
"""Tokens a second beside theirs with one client, with 16 and more; and how much sooner the first token is at 64."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 4, 16, 64, 200])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--requests", type=int, default=0, help="of each run; 0: two of each client, 8 at least")
    parser.add_argument("--size", choices=["tiny", "small", "usual", "large"], default="usual")
    parser.add_argument("--prompt-tokens", type=int, default=64)
    parser.add_argument("--answer-tokens", type=int, default=32)
    parser.add_argument("--arithmetic", choices=["plain"], help="MLX's own, as mlx_lm.server has it, for ours too")
    parser.add_argument("--patience", type=float, default=120, metavar="SECONDS", help="of each client")
    parser.add_argument("--only", choices=[OURS, THEIRS])
    parser.add_argument("--streamed", choices=["both", "yes", "no"], default="both")
    parser.add_argument("--run-clients", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run_clients:
        return run_clients(json.loads(options.run_clients))
    told: dict[tuple[str, int, bool], list[dict[str, Any]]] = {}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        weights = write_load_model(folder / "load", options.size)
        key = _sign(folder / "load")
        print(f"{weights / 1e6:.0f} million weights, {os.cpu_count()} cores", flush=True)
        for number in range(options.rounds):
            names = [OURS, THEIRS] if number % 2 else [THEIRS, OURS]
            for name in names:
                if options.only not in (None, name):
                    continue
                more = ["--arithmetic", options.arithmetic] if options.arithmetic else []
                with _serve(name, folder / "load", ["--key", str(key), *more], folder / f"state{number}") as server:
                    measure_server(name, server, options, told)
    return tell(told, options)


def _sign(model: Path) -> Path:
    from ostiary.testing import sign_model

    return sign_model(model)


def _serve(name: str, model: Path, ours: Sequence[str], state: Path) -> AbstractContextManager[RunningServer]:
    if name == OURS:
        return serving_ostiary(str(model), *ours, "--state", str(state))
    return serving_mlx_lm(model)


def measure_server(
    name: str, server: RunningServer, options: argparse.Namespace, told: dict[tuple[str, int, bool], list[Any]]
) -> None:
    model = "load" if name == OURS else "default_model"
    common = {
        "port": server.port,
        "key": server.key,
        "model": model,
        "prompt_tokens": options.prompt_tokens,
        "answer_tokens": options.answer_tokens,
        "patience": options.patience,
    }
    run_apart({**common, "clients": 2, "requests": 4, "stream": True, "first": 1_000_000})  # to warm it up
    for clients in options.clients:
        for stream in {"both": (True, False), "yes": (True,), "no": (False,)}[options.streamed]:
            requests = max(options.requests, clients) if options.requests else max(2 * clients, 8)
            run = {"clients": clients, "requests": requests, "stream": stream, "first": 0 if stream else 100_000}
            seen = run_apart({**common, **run})
            told.setdefault((name, clients, stream), []).append(seen)
            shown = {key: round(value, 3) for key, value in seen.items() if isinstance(value, float)}
            print(
                f"{name:14}{clients:>4} {'streamed' if stream else 'whole':9}{shown} {seen['problems']}", flush=True
            )
            if server.process.poll() is not None:
                print(f"{name} ended with {server.process.returncode}", flush=True)
                return


def run_apart(work: dict[str, Any]) -> dict[str, Any]:
    """The clients, in a process of their own."""
    command = [sys.executable, __file__, "--run-clients", json.dumps(work)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    seen: dict[str, Any] = json.loads(done.stdout)
    return seen


def tell(told: dict[tuple[str, int, bool], list[dict[str, Any]]], options: argparse.Namespace) -> int:
    held = True
    print(f"\n{'':22}{OURS:>24}{THEIRS:>26}{'':10}")
    for clients in options.clients:
        for stream in (True, False):
            ours, theirs = (told.get((name, clients, stream), []) for name in (OURS, THEIRS))
            head = f"{clients:>4} {'streamed' if stream else 'whole':9}"
            for what, unit in (("rate", "tokens/s"), ("first_p50", "s, first"), ("first_p95", "s, first p95")):
                a, b = ([run[what] for run in runs if run.get(what)] for runs in (ours, theirs))
                if not a and not b:
                    continue
                ratios = _divide(a, b) if what == "rate" else _divide(b, a)
                ratio = statistics.median(ratios) if ratios else 0.0
                least = _find_least(what, clients)
                mark = "" if not ratios or least is None or ratio >= least else f"   wanted: {least}"
                held &= not mark
                print(f"{head}{unit:13}{_show(a):>24}{_show(b):>26}{_show(ratios):>24} times{mark}")
            for name, runs in ((OURS, ours), (THEIRS, theirs)):
                problems = sum((Counter(run["problems"]) for run in runs), Counter())
                if problems:
                    print(f"{head}{name}: {dict(problems)}")
                    held &= name != OURS
    return 0 if held else 1


def _find_least(what: str, clients: int) -> float | None:
    if what == "rate" and clients == 1:
        return WANTED_ALONE
    if what == "rate" and clients >= 16:
        return WANTED_MANY
    return WANTED_FIRST if what == "first_p95" and clients == 64 else None


def _divide(ours: Sequence[float], theirs: Sequence[float]) -> list[float]:
    """Round by round: what else the machine did then, it did to both."""
    return [a / b for a, b in zip(ours, theirs, strict=False)]


def _show(values: Sequence[float]) -> str:
    if not values:
        return "-"
    return f"{statistics.median(values):.3g} ({min(values):.3g} to {max(values):.3g})"


# --- the clients, in a process of their own ---


def run_clients(work: dict[str, Any]) -> int:
    heard: list[Heard] = []
    numbers = iter(range(work["first"], work["first"] + work["requests"]))
    answer_tokens, prompt_tokens = work["answer_tokens"], work["prompt_tokens"]

    async def be_client() -> None:
        for number in numbers:
            body = {"model": work["model"], "prompt": make_prompt(prompt_tokens, number), "stream": work["stream"]}
            body |= {"max_tokens": answer_tokens, "temperature": 0}
            if work["stream"]:
                body["stream_options"] = {"include_usage": True}
            one = await ask(work["port"], body, work["key"], seconds=work["patience"])
            if not one.problem:
                one.problem = find_problem(one, prompt_tokens, answer_tokens)
            heard.append(one)

    async def run() -> None:
        await asyncio.gather(*(be_client() for _ in range(work["clients"])))

    started = time.perf_counter()
    asyncio.run(run())
    seconds = time.perf_counter() - started
    firsts = sorted(one.first_seconds for one in heard if one.first_seconds is not None)
    tokens = sum(one.completion_tokens for one in heard if not one.problem)
    seen: dict[str, Any] = {"rate": tokens / seconds, "problems": Counter(o.problem for o in heard if o.problem)}
    seen["seconds"] = seconds
    if firsts:
        seen["first_p50"], seen["first_p95"] = (firsts[round((len(firsts) - 1) * p)] for p in (0.5, 0.95))
    sys.stdout.write(json.dumps(seen))
    return 0


def find_problem(one: Heard, prompt_tokens: int, answer_tokens: int) -> str:
    """Nothing, where the answer is whole: a word for each token, counted as the server counts."""
    if one.completion_tokens != answer_tokens or one.prompt_tokens != prompt_tokens:
        return f"counted {one.prompt_tokens} and {one.completion_tokens} tokens"
    if len(one.text.split()) != answer_tokens:
        return f"an answer of {len(one.text.split())} words"
    return ""


if __name__ == "__main__":
    sys.exit(main())
