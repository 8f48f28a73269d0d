"""Cases of the operations on each element."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import mlx.core as mx

from ostiary.graph.dtypes import Dtype
from primitive_cases.base import ALL, COMPLEX, FLOAT, INTEGER, Case


def _unary(names: str, dtypes: Sequence[Dtype], **options: Any) -> list[Case]:
    shapes: list[tuple[int, ...]] = [(3, 5), (), (1,), (2, 1, 7)]
    return [
        Case(name, [shape], getattr(mx, name), dtypes=dtypes, **options)
        for name in names.split()
        for shape in shapes
    ]


def _binary(names: str, dtypes: Sequence[Dtype], **options: Any) -> list[Case]:
    shapes: list[list[tuple[int, ...]]] = [[(3, 5), (3, 5)], [(3, 1), (5,)], [(), (4,)], [(0, 3), (3,)]]
    return [
        Case(
            name,
            pair,
            options.get("reference") or getattr(mx, name),
            dtypes=dtypes,
            **{key: value for key, value in options.items() if key != "reference"},
        )
        for name in names.split()
        for pair in shapes
    ]


def _nan_equal(a: mx.array, b: mx.array) -> mx.array:
    return mx.where(mx.isnan(a), mx.isnan(b), a == b)


ELEMENTWISE = [
    *_unary("abs square", ALL),
    *_unary("negative", tuple(d for d in Dtype if d is not Dtype.BOOL)),
    *_unary("sign round", tuple(d for d in Dtype if d is not Dtype.COMPLEX64)),
    *_unary("floor ceil", (*FLOAT, *INTEGER, Dtype.BOOL)),
    *_unary("logical_not", ALL),
    *_unary("bitwise_invert", (*INTEGER, Dtype.BOOL, Dtype.UINT64)),
    *_unary("real imag", COMPLEX),
    *_unary("conjugate", COMPLEX),
    *_unary("sqrt rsqrt log log2 log10 log1p", (*FLOAT, Dtype.INT32), low=0.5),
    *_unary("exp sin cos tan sinh cosh tanh", (*FLOAT, Dtype.COMPLEX64, Dtype.UINT8)),
    *_unary("expm1 arctan arcsinh erf sigmoid", FLOAT),
    *_unary("arcsin arccos arctanh erfinv", FLOAT, low=-0.9, high=0.9),
    *_unary("arccosh", FLOAT, low=1.1, high=3.0),
    *_binary(
        "add subtract multiply maximum minimum", (*FLOAT, *INTEGER, Dtype.COMPLEX64, Dtype.BOOL, Dtype.UINT64)
    ),
    *_binary("divide logaddexp", (*FLOAT, Dtype.INT32, Dtype.UINT8)),
    *_binary("arctan2", FLOAT),
    *_binary("floor_divide", INTEGER, low=1, high=9),
    *_binary("remainder divmod", (*INTEGER, *FLOAT), low=1, high=9),
    *_binary("power", (*FLOAT, *INTEGER), low=0.5, high=4),
    *_binary("equal not_equal less less_equal greater greater_equal", (*FLOAT, *INTEGER, Dtype.BOOL)),
    *_binary("nan_equal", FLOAT, reference=_nan_equal),
    *_binary("logical_and logical_or", (Dtype.BOOL, Dtype.FLOAT32, Dtype.INT32)),
    *_binary("bitwise_and bitwise_or bitwise_xor", (*INTEGER, Dtype.BOOL)),
    *_binary("left_shift right_shift", INTEGER, low=0, high=7),
    Case("select", [(3, 1), (3, 4), (4,)], mx.where, dtypes=ALL, fixed={0: Dtype.BOOL}),
    *[
        Case(
            "as_type",
            [(2, 3)],
            lambda x, d=d: x.astype(getattr(mx, d.value if d is not Dtype.BOOL else "bool_")),
            {"dtype": d},
            (Dtype.FLOAT32, Dtype.INT32, Dtype.BOOL, Dtype.COMPLEX64, Dtype.BFLOAT16),
            low=0,
            high=100,
        )
        for d in Dtype
    ],
    Case(
        "view",
        [(2, 6)],
        lambda x: mx.view(x, mx.uint8),
        {"dtype": Dtype.UINT8},
        (Dtype.FLOAT32, Dtype.INT64, Dtype.FLOAT16),
    ),
    Case("view", [(2, 8)], lambda x: mx.view(x, mx.float32), {"dtype": Dtype.FLOAT32}, (Dtype.UINT8, Dtype.UINT16)),
]
