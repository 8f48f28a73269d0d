"""Cases of the operations whose inputs say where to read or write."""

from __future__ import annotations

from collections.abc import Callable

import mlx.core as mx

from ostiary.graph.dtypes import Dtype
from primitive_cases.base import ALL, FLOAT, ONE, Case


def _scattered(how: str) -> Callable[..., mx.array]:
    def run(x: mx.array, i: mx.array, values: mx.array) -> mx.array:
        y = mx.array(x)
        if how == "none":
            y[i] = values[:, 0]
            return y
        return getattr(x.at[i], {"sum": "add", "prod": "multiply", "max": "maximum", "min": "minimum"}[how])(
            values[:, 0]
        )

    return run


def _updated(how: str) -> Callable[..., mx.array]:
    def run(x: mx.array, values: mx.array) -> mx.array:
        y = mx.array(x)
        if how == "none":
            y[1:3, ::2] = values
            return y
        place = (slice(1, 3), slice(None, None, 2))
        return getattr(x.at[place], {"sum": "add", "prod": "multiply", "max": "maximum", "min": "minimum"}[how])(
            values
        )

    return run


def _gathered(x: mx.array, i: mx.array, j: mx.array) -> mx.array:
    return (
        mx.expand_dims(x[:, i, :, j], (3, 5))
        if False
        else mx.stack(
            [
                mx.stack([x[:, a, :, b] for a, b in zip(p, q, strict=True)])
                for p, q in zip(i.tolist(), j.tolist(), strict=True)
            ]
        ).reshape(2, 2, 2, 1, 4, 1)
    )


def _masked(x: mx.array, mask: mx.array, values: mx.array) -> mx.array:
    rows = []
    for row in range(x.shape[0]):
        y = mx.array(x[row])
        chosen = [place for place, is_chosen in enumerate(mask[row].reshape(-1).tolist()) if is_chosen]
        flat = mx.array(y.reshape(-1))
        if chosen:
            flat[mx.array(chosen)] = values[row, : len(chosen)]
        rows.append(flat.reshape(y.shape))
    return mx.stack(rows)


_INDEX_TYPES = (
    Dtype.INT32,
    Dtype.UINT32,
    Dtype.INT64,
    Dtype.INT8,
    Dtype.UINT8,
    Dtype.INT16,
    Dtype.UINT16,
    Dtype.UINT64,
)
INDEX = [
    *[
        Case(
            "take",
            [(3, 4), (2, 3)],
            lambda x, i: mx.take(x, i, axis=1),
            {"axis": 1},
            ONE,
            {1: kind},
            {1: [0, 3, 1, 2, 2, 0]},
        )
        for kind in _INDEX_TYPES
    ],
    *[
        Case(
            "searchsorted",
            [(4,), (2, 3)],
            lambda s, v, side=side: mx.searchsorted(s, v, side=side),
            {"right": side == "right"},
            FLOAT,
            values={0: [1, 2, 2, 5], 1: [0, 2, 5, 1, 7, 3]},
        )
        for side in ("left", "right")
    ],
    Case("take", [(5,), ()], lambda x, _i: x[4], {"axis": 0}, ALL, {1: Dtype.INT32}, {1: [-1]}),
    Case("take", [(5, 2), (0,)], lambda x, _i: mx.zeros((0, 2), x.dtype), {"axis": 0}, FLOAT, {1: Dtype.INT32}),
    *[
        Case(
            "take_along_axis",
            [(3, 4), (3, 2)],
            lambda x, i: mx.take_along_axis(x, i, axis=1),
            {"axis": 1},
            FLOAT,
            {1: kind},
            {1: [0, 3, 1, 2, 2, 0]},
        )
        for kind in (Dtype.INT32, Dtype.UINT32, Dtype.INT64, Dtype.UINT8)
    ],
    Case(
        "put_along_axis",
        [(3, 4), (3, 2), (3, 2)],
        lambda x, i, v: mx.put_along_axis(x, i, v, axis=1),
        {"axis": 1, "reduce": "none"},
        ALL,
        {1: Dtype.INT32},
        {1: [0, -1, 1, 2, 2, 0]},
    ),
    Case(
        "put_along_axis",
        [(4, 3), (2, 3), (2, 3)],
        lambda x, i, v: x.at[i, mx.array([[0, 1, 2]])].add(v),
        {"axis": 0, "reduce": "sum"},
        (Dtype.FLOAT32, Dtype.INT32),
        {1: Dtype.INT32},
        {1: [0, 3, 0, 0, 2, 0]},
    ),
    Case(
        "gather", [(3, 4), (2,)], lambda x, i: x[i][:, None, :], {"axes": (0,)}, ALL, {1: Dtype.INT32}, {1: [2, -3]}
    ),
    Case(
        "gather",
        [(3, 4), (2,)],
        lambda x, i: x[:, i].T[:, :, None],
        {"axes": (1,)},
        FLOAT,
        {1: Dtype.UINT32},
        {1: [2, 3]},
    ),
    Case(
        "gather",
        [(2, 3, 4, 5), (2, 1), (2,)],
        lambda x, i, j: _gathered(x, mx.broadcast_to(i, (2, 2)), mx.broadcast_to(j, (2, 2))),
        {"axes": (1, 3)},
        FLOAT,
        {1: Dtype.INT32, 2: Dtype.INT32},
        {1: [2, 0], 2: [4, 1]},
    ),
    *[
        Case(
            "scatter",
            [(4, 3), (2,), (2, 1, 3)],
            _scattered(how),
            {"axes": (0,), "reduce": how},
            (Dtype.FLOAT32, Dtype.FLOAT16, Dtype.INT32),
            {1: Dtype.INT32},
            {1: [3, 1]},
        )
        for how in ("none", "sum", "prod", "max", "min")
    ],
    Case(
        "scatter",
        [(4, 3), (2,), (2, 4, 1)],
        lambda x, i, v: x.at[:, i].add(v[:, :, 0].T),
        {"axes": (1,), "reduce": "sum"},
        FLOAT,
        {1: Dtype.INT32},
        {1: [2, 2]},
    ),
    Case(
        "scatter",
        [(4, 3), (2,), (2,), (2, 1, 1)],
        lambda x, i, j, v: x.at[i, j].add(v[:, 0, 0]),
        {"axes": (0, 1), "reduce": "sum"},
        FLOAT,
        {1: Dtype.INT32, 2: Dtype.UINT32},
        {1: [3, -1], 2: [2, 1]},
    ),
    *[
        Case(
            "slice_update",
            [(4, 5), (2, 3)],
            _updated(how),
            {"start": (1, 0), "stop": (3, 5), "step": (1, 2), "reduce": how},
            (Dtype.FLOAT32, Dtype.FLOAT16, Dtype.INT32),
        )
        for how in ("none", "sum", "prod", "max", "min")
    ],
    Case(
        "slice_update",
        [(4,), ()],
        lambda x, v: mx.concatenate([x[:1], mx.stack([v] * 2), x[3:]]),
        {"start": (2,), "stop": (0,), "step": (-1,), "reduce": "none"},
    ),
    Case(
        "slice_update", [(4,), (1,)], lambda x, _: x, {"start": (2,), "stop": (2,), "step": (1,), "reduce": "none"}
    ),
    *[
        Case(
            "dynamic_slice",
            [(4, 5), (2,)],
            lambda x, _s: x[1:3, 2:5],
            {"axes": (0, 1), "sizes": (2, 3)},
            FLOAT,
            {1: kind},
            {1: [1, 2]},
        )
        for kind in (Dtype.INT32, Dtype.UINT32, Dtype.INT64, Dtype.UINT8)
    ],
    Case(
        "dynamic_slice_update",
        [(4, 5), (2, 5), (1,)],
        lambda x, v, _s: mx.concatenate([x[:2], v]),
        {"axes": (0,)},
        ALL,
        {2: Dtype.INT32},
        {2: [2]},
    ),
    Case(
        "masked_scatter",
        [(2, 3, 2), (2, 3, 2), (2, 4)],
        _masked,
        {},
        ALL,
        {1: Dtype.BOOL},
        {1: [1, 0, 0, 1, 1, 1, 0, 0, 0, 0, 1, 0]},
    ),
]
