"""Cases of the operations that give the same elements in another shape."""

from __future__ import annotations

import mlx.core as mx

from ostiary.graph.dtypes import Dtype
from primitive_cases.base import ALL, ONE, Case

SHAPE = [
    Case("broadcast_to", [(3, 1)], lambda x: mx.broadcast_to(x, (2, 3, 4)), {"shape": (2, 3, 4)}, ALL),
    Case("reshape", [(3, 4)], lambda x: x.reshape(2, 1, 6), {"shape": (2, 1, 6)}, ALL),
    Case("reshape", [(1, 1)], lambda x: x.reshape(()), {"shape": ()}),
    Case("reshape", [(0, 4)], lambda x: x.reshape(2, 0), {"shape": (2, 0)}),
    Case("transpose", [(2, 3, 4)], lambda x: x.transpose(2, 0, 1), {"axes": (2, 0, 1)}, ALL),
    Case("transpose", [()], lambda x: x, {"axes": ()}),
    Case("expand_dims", [(2, 3)], lambda x: x[None, :, None], {"axes": (0, 2)}),
    Case("squeeze", [(1, 2, 1)], lambda x: x.squeeze((0, 2)), {"axes": (0, 2)}),
    Case("slice", [(5, 7)], lambda x: x[1:4, 6:0:-2], {"start": (1, 6), "stop": (4, 0), "step": (1, -2)}, ALL),
    Case("slice", [(5,)], lambda x: x[::-1], {"start": (4,), "stop": (-1,), "step": (-1,)}),
    Case("slice", [(5,)], lambda x: x[2:2], {"start": (2,), "stop": (2,), "step": (1,)}),
    Case("slice", [()], lambda x: x, {"start": (), "stop": (), "step": ()}),
    Case("concatenate", [(2, 3), (2, 0), (2, 4)], lambda *x: mx.concatenate(list(x), 1), {"axis": 1}, ALL),
    Case("split", [(2, 7)], lambda x: mx.split(x, [2, 2, 5], 1), {"axis": 1, "at": (2, 2, 5)}, ALL),
    Case("split", [(2, 7)], lambda x: [x], {"axis": 0, "at": ()}),
    Case(
        "pad",
        [(2, 3), ()],
        lambda x, f: mx.pad(x, [(1, 0), (2, 3)], constant_values=f),
        {"before": (1, 2), "after": (0, 3)},
        ALL,
    ),
    Case("pad", [(2, 3), ()], lambda x, _: x, {"before": (0, 0), "after": (0, 0)}),
    Case(
        "as_strided",
        [(3, 4)],
        lambda x: mx.as_strided(x, (3, 2), (2, 3), 1),
        {"shape": (3, 2), "strides": (2, 3), "offset": 1},
        ALL,
    ),
    Case(
        "as_strided",
        [(8,)],
        lambda x: mx.stack([x[i : i + 3] for i in range(6)]),
        {"shape": (6, 3), "strides": (1, 1), "offset": 0},
    ),
    Case(
        "arange", [], lambda: mx.arange(2, 17, 3), {"start": 2.0, "step": 3.0, "size": 5, "dtype": Dtype.INT32}, ONE
    ),
    Case(
        "arange",
        [],
        lambda: mx.arange(1.0, 0.0, -0.1, mx.float16),
        {"start": 1.0, "step": -0.1, "size": 10, "dtype": Dtype.FLOAT16},
        ONE,
    ),
    Case("arange", [], lambda: mx.zeros((0,)), {"start": 0.0, "step": 1.0, "size": 0, "dtype": Dtype.FLOAT32}, ONE),
    Case(
        "number_of_elements",
        [(3, 4, 5)],
        lambda _: mx.array(15.0),
        {"axes": (0, 2), "inverted": False, "dtype": Dtype.FLOAT32},
    ),
    Case(
        "number_of_elements",
        [(3, 4)],
        lambda _: mx.array(0.25),
        {"axes": (1,), "inverted": True, "dtype": Dtype.FLOAT32},
    ),
    Case("size_value", [], lambda: mx.array(7, mx.uint16), {"size": 7, "dtype": Dtype.UINT16}, ONE),
]
