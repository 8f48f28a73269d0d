"""Whatever call inference takes, MLX makes, and what comes out is what was inferred."""

from __future__ import annotations

from collections import Counter

import pytest

mx = pytest.importorskip("mlx.core")

from graph_forge import infer  # noqa: E402
from random_calls import Chance  # noqa: E402

from ostiary.graph.call import Call  # noqa: E402
from ostiary.graph.scope import Scope  # noqa: E402
from ostiary.graph.values import TensorType  # noqa: E402
from ostiary.interpreter.operations import OPERATIONS  # noqa: E402
from ostiary.interpreter.tensor_bytes import MLX_DTYPES  # noqa: E402

pytestmark = pytest.mark.mlx


@pytest.mark.parametrize("seed", range(4))
def test_what_is_taken_is_made(seed: int) -> None:
    chance = Chance(seed)
    seen: Counter[bool] = Counter()
    for _ in range(2_000):
        sample = chance.make()
        outputs = infer(sample)
        seen[outputs is not None] += 1
        if outputs is None or any(0 in item.shape for item in outputs):
            continue  # the interpreter asks MLX for nothing where nothing comes out
        types = tuple(TensorType(dtype, shape) for dtype, shape in sample.inputs)
        arrays = [mx.zeros(item.shape, MLX_DTYPES[item.dtype]) for item in types]
        made = OPERATIONS[sample.op](Call(types, sample.attributes, Scope({})), outputs)(*arrays)
        results = list(made) if isinstance(made, list | tuple) else [made]
        mx.eval(results)
        wanted = [(MLX_DTYPES[item.dtype], item.shape) for item in outputs]
        assert [(item.dtype, tuple(item.shape)) for item in results] == wanted, sample
    assert min(seen.values()) > 200
