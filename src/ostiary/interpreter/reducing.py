"""Calls to MLX that work along axes: sums and their like, orders, running sums."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

import mlx.core as mx

from ostiary.graph.call import Call
from ostiary.graph.values import TensorType
from ostiary.interpreter.operation import Make, Run, plainly

Types = tuple[TensorType, ...]
_Function = Callable[..., Any]


def _reduction(function: _Function) -> Make:
    def make(call: Call, _outputs: Types) -> Run:
        return partial(function, axis=call.integers("axes"), keepdims=call.flag("keepdims"))

    return make


def _position(function: _Function) -> Make:
    def make(call: Call, _outputs: Types) -> Run:
        return partial(function, axis=call.integer("axis"), keepdims=call.flag("keepdims"))

    return make


def _order(function: _Function) -> Make:
    return lambda call, _outputs: partial(function, axis=call.integer("axis"))


def _partition(function: _Function) -> Make:
    return lambda call, _outputs: partial(function, kth=call.integer("kth"), axis=call.integer("axis"))


def _scan(function: _Function) -> Make:
    def make(call: Call, _outputs: Types) -> Run:
        reverse, inclusive = call.flag("reverse"), call.flag("inclusive")
        return partial(function, axis=call.integer("axis"), reverse=reverse, inclusive=inclusive)

    return make


def _make_softmax(call: Call, _outputs: Types) -> Run:
    return partial(mx.softmax, axis=-1, precise=call.flag("precise"))


REDUCING: Final[Mapping[str, Make]] = {
    "sum": _reduction(mx.sum),
    "prod": _reduction(mx.prod),
    "min": _reduction(mx.min),
    "max": _reduction(mx.max),
    "all": _reduction(mx.all),
    "any": _reduction(mx.any),
    "argmin": _position(mx.argmin),
    "argmax": _position(mx.argmax),
    "sort": _order(mx.sort),
    "argsort": _order(mx.argsort),
    "partition": _partition(mx.partition),
    "argpartition": _partition(mx.argpartition),
    "cumsum": _scan(mx.cumsum),
    "cumprod": _scan(mx.cumprod),
    "cummax": _scan(mx.cummax),
    "cummin": _scan(mx.cummin),
    "logcumsumexp": _scan(mx.logcumsumexp),
    "softmax": _make_softmax,
    "logsumexp": plainly(partial(mx.logsumexp, axis=-1, keepdims=True)),
}
