"""Requests of all kinds to one engine, good and bad, cancelled and not: each ends once, and memory stays where it was.

python tests/engine_soak/soak.py --requests 10000
"""

from __future__ import annotations

import argparse
import gc
import random
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import mlx.core as mx
import mlx_lm  # noqa: F401  whole, before the engine enters it by its place alone
from models.talk import LIMITS
from models.tiny import feed, make_model

from ostiary.core.frames import ReplyKind
from ostiary.worker.engines.contract import Call, CallUnfit
from ostiary.worker.engines.language import prepare_engine

AT_ONCE = 16
TENANTS = 50
CACHE_BYTES = 4 << 20


@dataclass(frozen=True)
class Memory:
    """After so many requests, with nothing in flight."""

    requests: int
    resident_bytes: int
    array_bytes: int
    objects: int


@dataclass
class Soak:
    ended: int
    refused: int
    cancelled: int
    memory: list[Memory]


def run_soak(requests: int, *, seed: int = 0, looks: int = 10) -> Soak:
    """`looks`: how often memory is looked at, at even distances."""
    chance = random.Random(seed)  # noqa: S311
    engine: Any = prepare_engine({"chunk_tokens": 32, "prompt_cache_bytes": CACHE_BYTES})(LIMITS)
    feed(engine, make_model("llama", dtype="bfloat16"))
    soak = Soak(0, 0, 0, [])
    live: set[int] = set()
    sent = 0
    every = max(1, requests // looks)
    while sent < requests or engine.has_work:
        is_due = sent % every == 0 and len(soak.memory) < sent // every
        while sent < requests and len(live) < AT_ONCE and not is_due and chance.random() < 0.7:
            sent += 1
            try:
                engine.submit(_make_call(sent, chance))
                live.add(sent)
            except CallUnfit:
                soak.refused += 1
            is_due = sent % every == 0
        if live and chance.random() < 0.02:
            unwanted = chance.choice(sorted(live))
            engine.cancel(unwanted)
            live.discard(unwanted)
            soak.cancelled += 1
        for reply in engine.step() if engine.has_work else ():
            assert reply.call_id in live, "said after the end"
            if reply.kind is not ReplyKind.PIECE:
                live.discard(reply.call_id)
                soak.ended += 1
        if is_due and not engine.has_work:
            soak.memory.append(_measure(sent))
    assert not live
    return soak


def _make_call(number: int, chance: random.Random) -> Call:
    kind = chance.random()
    if kind < 0.05:
        return Call(number, "tokenize", {"text": "hello " * chance.randrange(60)})
    if kind < 0.1:
        content = "hello <|im_end|> \U0001f642" * chance.randrange(40)
        return Call(number, "chat", {"messages": [{"role": "user", "content": content}], "max_tokens": 3})
    size = chance.choice((1, 3, 10, 40, 70, 200, 700))
    body: dict[str, Any] = {
        "prompt": [chance.randrange(256) for _ in range(size)],
        "max_tokens": chance.choice((1, 2, 5, 12)),
        "temperature": chance.choice((0, 1.0)),
        "top_p": chance.choice((1.0, 0.9)),
        "tenant": chance.choice((None, "a", f"tenant {number % TENANTS}")),
        "logprobs": chance.choice((None, 2)),
        "n": chance.choice((1, 1, 1, 3)),
        "frequency_penalty": chance.choice((0, 0.5)),
        "stop": chance.choice(([], ["q"])),
    }
    if kind < 0.15:
        body[chance.choice(("prompt", "max_tokens", "model"))] = chance.choice(([999], "", -1))
    return Call(number, "generate", body)


def _measure(requests: int) -> Memory:
    gc.collect()
    mx.clear_cache()
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return Memory(requests, pages * 4096, mx.get_active_memory(), len(gc.get_objects()))


def tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=10_000)
    options = parser.parse_args()
    started = time.monotonic()
    soak = run_soak(options.requests)
    for look in soak.memory:
        tell(
            f"{look.requests:>7,} requests: {look.resident_bytes / 1e6:.1f} MB resident, "
            f"{look.array_bytes / 1e6:.2f} MB in arrays, {look.objects:,} objects"
        )
    tell(
        f"{soak.ended:,} ended, {soak.refused:,} refused, {soak.cancelled:,} cancelled, none lost; "
        f"{time.monotonic() - started:.0f} s"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
