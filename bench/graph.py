"""Functions behind the wall beside the functions that they were exported from: how long a call takes.

    python bench/graph.py                    three networks, about three minutes
    python bench/graph.py --rounds 3         a look

Four ways to compute the same, which take turns, so that a busy moment hits all alike:

    original    the module of MLX that was exported, called in this process
    graph       its graph, by the interpreter, in this process: its guards and no contract
    embedded    ostiary.embed.load_function: the same, with its contract: each number is looked at
    walled      ostiary.open: the same in a process behind the wall, with both ways there, and an entry in the
                record that is on the disk before the outputs are given out

All multiply with the same library on a Linux processor, the one that a worker takes (docs/speed.md): without it the
original would be many times slower, which would say nothing of graphs. A ratio is the median over the rounds of the
time beside the original's, with the least and the most.

Then calls that come at once: so many one after the other, and as many awaited together, which share runs.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from ostiary.worker.engines.fast_cpu.arithmetic import take_arithmetic

ARITHMETIC: Final = take_arithmetic()  # before MLX multiplies anything

import mlx.core as mx  # noqa: E402
from mlx import nn  # noqa: E402

import ostiary  # noqa: E402
from ostiary import embed  # noqa: E402
from ostiary.testing import sign_model  # noqa: E402

WANTED: Final = 1.05
AT_ONCE: Final = 64
CALLS: Final = 20
"""In a row for each time that is taken: the fastest counts, as other programs may have a part in all others."""


class Perceptron(nn.Module):
    """Three layers of a thousand numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = [nn.Linear(784, 1024), nn.Linear(1024, 1024), nn.Linear(1024, 10)]

    def __call__(self, x: mx.array) -> mx.array:
        for layer in self.layers[:-1]:
            x = nn.relu(layer(x))
        return mx.softmax(self.layers[-1](x), axis=-1)


class Convolutions(nn.Module):
    """Images of 32 by 32 points; four layers, normalised."""

    def __init__(self) -> None:
        super().__init__()
        widths = (3, 16, 32, 32, 64)
        self.convolve = [
            nn.Conv2d(a, b, 3, stride=1 + n % 2, padding=1) for n, (a, b) in enumerate(pairwise(widths))
        ]
        self.normalise = [nn.BatchNorm(width) for width in widths[1:]]
        self.head = nn.Linear(64, 10)

    def __call__(self, x: mx.array) -> mx.array:
        for convolve, normalise in zip(self.convolve, self.normalise, strict=True):
            x = nn.relu(normalise(convolve(x)))
        return self.head(x.mean(axis=(1, 2)))


class Encoder(nn.Module):
    """A transformer encoder of four layers over 64 tokens."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Linear(16, 256)
        self.encode = nn.TransformerEncoder(4, 256, num_heads=8, mlp_dims=512)
        self.head = nn.Linear(256, 1)

    def __call__(self, x: mx.array) -> mx.array:
        return self.head(self.encode(self.embed(x), None).mean(axis=1))


NETWORKS: Final[Mapping[str, tuple[Callable[[], nn.Module], tuple[int, ...]]]] = {
    "mlp": (Perceptron, (64, 784)),
    "convolution": (Convolutions, (8, 32, 32, 3)),
    "transformer": (Encoder, (8, 64, 16)),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--networks", nargs="*", choices=NETWORKS, default=list(NETWORKS))
    options = parser.parse_args()
    mx.disable_compile()
    print(f"products by {ARITHMETIC.name}; the median of {options.rounds} rounds, of each the fastest of {CALLS}")
    is_kept = True
    with tempfile.TemporaryDirectory(prefix="ostiary-bench-") as name:
        for network in options.networks:
            is_kept &= measure(network, Path(name), options.rounds)
    print(f"\na graph within {WANTED:.2f} of the original: {'yes' if is_kept else 'no'}")
    return 0


def measure(network: str, place: Path, rounds: int) -> bool:
    mx.random.seed(0)
    make, shape = NETWORKS[network]
    module = make()
    module.eval()
    mx.eval(module.parameters())
    x = mx.random.normal(shape)
    path = place / network
    ostiary.export(module, (x,), path, name=network, dims="batch", outputs="y", finite=True)
    key = sign_model(path)
    with ExitStack() as stack:
        embedded = embed.load_function(path, key=key, state=place / "state")
        walled = stack.enter_context(ostiary.open(path, key=key, state=place / "state"))
        name = walled.inputs[0].name
        ways: dict[str, Callable[[], Any]] = {
            "original": lambda: mx.eval(module(x)),
            "graph": lambda: embedded._function.call([x]),
            "embedded": lambda: embedded({name: x}),
            "walled": lambda: walled({name: x}),
        }
        times = take_turns(ways, rounds)
        size = " x ".join(map(str, shape))
        print(f"\n{network}: {size} FP32, {sum(v.size for _, v in _flat(module)):,} parameters")
        for way, taken in times.items():
            ratios = [mine / theirs for mine, theirs in zip(taken, times["original"], strict=True)]
            print(
                f"  {way:<10} {statistics.median(taken) * 1000:8.2f} ms   "
                f"{statistics.median(ratios):5.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
            )
        added = statistics.median(w - e for w, e in zip(times["walled"], times["embedded"], strict=True))
        print(f"  the wall and the record add {added * 1000:.2f} ms to a call")
        one = x[:1]
        together = [compare_at_once(path, key, place, name, one) for _ in range(3)]
        print(
            f"  {AT_ONCE} calls of one row: {statistics.median(together):.2f} times as many a second at once as "
            f"in turn ({min(together):.2f} to {max(together):.2f})"
        )
    ratios = [mine / theirs for mine, theirs in zip(times["graph"], times["original"], strict=True)]
    return statistics.median(ratios) <= WANTED


def take_turns(ways: Mapping[str, Callable[[], Any]], rounds: int) -> dict[str, list[float]]:
    """Seconds of the fastest call of each round."""
    times: dict[str, list[float]] = {way: [] for way in ways}
    for call in ways.values():
        call()
    for _ in range(rounds):
        for way, call in ways.items():
            times[way].append(min(take_time(call) for _ in range(CALLS)))
    return times


def take_time(call: Callable[[], Any]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def compare_at_once(path: Path, key: Path, place: Path, name: str, x: mx.array) -> float:
    """How many times as many calls a second, where they come at once."""

    async def ask() -> float:
        async with ostiary.open_async(path, key=key, state=place / "state") as model:
            await model({name: x})
            started = time.perf_counter()
            for _ in range(AT_ONCE):
                await model({name: x})
            in_turn = time.perf_counter() - started
            started = time.perf_counter()
            await asyncio.gather(*(model({name: x}) for _ in range(AT_ONCE)))
            return in_turn / (time.perf_counter() - started)

    return asyncio.run(ask())


def _flat(module: nn.Module) -> Iterator[tuple[str, mx.array]]:
    from mlx.utils import tree_flatten

    yield from tree_flatten(module.parameters())


if __name__ == "__main__":
    sys.exit(main())
