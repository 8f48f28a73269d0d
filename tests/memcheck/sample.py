"""Runs hostile graphs that are taken, and graphs of chance, in this process: for valgrind to watch.

With `control`, does one of them without its guard: valgrind has to see that.
"""

from __future__ import annotations

import random
import sys
from contextlib import suppress
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import mlx.core as mx
from graph_builder import GraphBuilder, pack
from graph_maker import GraphMaker
from hostile_graphs import HOSTILE
from hostile_graphs.base import End, Tensors

from ostiary.graph.dtypes import Dtype
from ostiary.interpreter.function import Budget, Function
from ostiary.interpreter.tensor_bytes import array_from_bytes
from ostiary.interpreter.unfit import InputUnfit

_GRAPHS = 300
_SLOW = {"many arrays one after another", "five thousand operations in a chain"}


class Seeded:
    """Chance, the same each time."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311

    def below(self, end: int) -> int:
        return self._random.randrange(end) if end > 1 else 0


def run(builder: GraphBuilder, inputs: Tensors) -> None:
    tensors = {name: array_from_bytes(data, dtype, shape) for name, (dtype, shape, data) in builder.data.items()}
    function = Function(builder.graph, tensors, Budget(1 << 24, 1 << 24))
    arrays = [
        array_from_bytes(pack(item.type.dtype, numbers), item.type.dtype, shape)
        for item, (shape, numbers) in zip(builder.graph.inputs, inputs, strict=True)
    ]
    with suppress(InputUnfit, RuntimeError):
        function.call(arrays)


def main() -> None:
    mx.disable_compile()
    if sys.argv[1:] == ["control"]:
        table = array_from_bytes(bytes(48), Dtype.FLOAT32, (4, 3))
        mx.eval(mx.take(table, mx.array([6]), axis=0))
        return
    cases = [case for case in HOSTILE if case.end is not End.UNREADABLE and case.name not in _SLOW]
    for case in cases:
        run(case.make(), case.inputs)
    for seed in range(_GRAPHS):
        maker = GraphMaker(Seeded(seed))
        builder = maker.make(10)
        run(builder, [(item.type.shape, maker.numbers(item.type)) for item in builder.graph.inputs])
    print(f"{len(cases)} hostile graphs and {_GRAPHS} of chance")  # noqa: T201


if __name__ == "__main__":
    main()
