"""Cases of the operations along axes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import mlx.core as mx

from ostiary.graph.dtypes import Dtype
from primitive_cases.base import ALL, FLOAT, INTEGER, Case


def _along(
    names: str,
    function: Callable[[str], Callable[..., Any]],
    options: Mapping[str, Any],
    dtypes: Sequence[Dtype],
    **more: Any,
) -> list[Case]:
    return [Case(name, [(3, 4, 5)], function(name), options, dtypes, **more) for name in names.split()]


REDUCTION = [
    *_along(
        "sum prod",
        lambda n: lambda x: getattr(mx, n)(x, axis=(0, 2)),
        {"axes": (0, 2), "keepdims": False},
        ALL,
        low=0.5,
        high=1.5,
        rounding=1e-4,
    ),
    *_along(
        "min max",
        lambda n: lambda x: getattr(mx, n)(x, axis=1, keepdims=True),
        {"axes": (1,), "keepdims": True},
        ALL,
    ),
    *_along(
        "all any",
        lambda n: lambda x: getattr(mx, n)(x, axis=(0, 1, 2)),
        {"axes": (0, 1, 2), "keepdims": False},
        ALL,
    ),
    *_along(
        "argmin argmax",
        lambda n: lambda x: getattr(mx, n)(x, axis=1),
        {"axis": 1, "keepdims": False},
        (*FLOAT, *INTEGER),
    ),
    *_along(
        "argmin argmax",
        lambda n: lambda x: getattr(mx, n)(x, axis=0, keepdims=True),
        {"axis": 0, "keepdims": True},
        (*FLOAT, *INTEGER),
    ),
    *_along("sort argsort", lambda n: lambda x: getattr(mx, n)(x, axis=1), {"axis": 1}, (*FLOAT, *INTEGER)),
    *_along(
        "partition argpartition",
        lambda n: lambda x: getattr(mx, n)(x, 2, axis=1),
        {"axis": 1, "kth": 2},
        (*FLOAT, *INTEGER),
    ),
    *[
        Case(
            name,
            [(3, 4)],
            lambda x, n=name, r=reverse, i=inclusive: getattr(mx, n)(x, axis=1, reverse=r, inclusive=i),
            {"axis": 1, "reverse": reverse, "inclusive": inclusive},
            (*FLOAT, Dtype.INT32, Dtype.UINT8),
            low=0.5,
            high=1.5,
        )
        for name in ("cumsum", "cumprod", "cummax", "cummin")
        for reverse in (False, True)
        for inclusive in (False, True)
    ],
    Case(
        "logcumsumexp",
        [(3, 4)],
        lambda x: mx.logcumsumexp(x, axis=0),
        {"axis": 0, "reverse": False, "inclusive": True},
    ),
    Case("softmax", [(3, 5)], lambda x: mx.softmax(x, axis=-1), {"precise": False}),
    Case("softmax", [(7,)], lambda x: mx.softmax(x, axis=-1, precise=True), {"precise": True}),
    Case("logsumexp", [(3, 5)], lambda x: mx.logsumexp(x, axis=-1, keepdims=True)),
]
