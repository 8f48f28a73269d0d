"""MLX gives the types and shapes that inference says, for every sample that inference takes; nothing is computed."""

from __future__ import annotations

import pytest

mx = pytest.importorskip("mlx.core")

from graph_forge import valid_samples  # noqa: E402

from ostiary.graph.call import Call  # noqa: E402
from ostiary.graph.primitives import PRIMITIVES  # noqa: E402
from ostiary.graph.scope import Scope  # noqa: E402
from ostiary.graph.values import TensorType  # noqa: E402
from ostiary.interpreter.operations import OPERATIONS  # noqa: E402
from ostiary.interpreter.tensor_bytes import MLX_DTYPES  # noqa: E402

pytestmark = pytest.mark.mlx


@pytest.mark.parametrize("op", sorted(PRIMITIVES))
def test_mlx_gives_the_types_that_are_inferred(op: str) -> None:
    for sample, outputs in valid_samples():
        if sample.op != op:
            continue
        types = tuple(TensorType(dtype, shape) for dtype, shape in sample.inputs)
        run = OPERATIONS[op](Call(types, sample.attributes, Scope({})), outputs)
        made = run(*(mx.zeros(item.shape, MLX_DTYPES[item.dtype]) for item in types))
        arrays = made if isinstance(made, list | tuple) else [made]
        assert [(a.dtype, tuple(a.shape)) for a in arrays] == [(MLX_DTYPES[o.dtype], o.shape) for o in outputs], (
            sample
        )
