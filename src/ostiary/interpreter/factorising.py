"""Calls to MLX that take matrices apart. It does so on the processor only, wherever the rest is computed."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Final

import mlx.core as mx

from ostiary.graph.call import Call
from ostiary.graph.values import TensorType
from ostiary.interpreter.operation import Make, Run, plainly

Types = tuple[TensorType, ...]


def _make_inverse(call: Call, _outputs: Types) -> Run:
    if call.flag("triangular"):
        return partial(mx.linalg.tri_inv, upper=call.flag("upper"), stream=mx.cpu)
    return partial(mx.linalg.inv, stream=mx.cpu)


def _make_cholesky(call: Call, _outputs: Types) -> Run:
    return partial(mx.linalg.cholesky, upper=call.flag("upper"), stream=mx.cpu)


def _make_svd(call: Call, _outputs: Types) -> Run:
    return partial(mx.linalg.svd, compute_uv=call.flag("vectors"), stream=mx.cpu)


def _make_eigh(call: Call, _outputs: Types) -> Run:
    half = "U" if call.flag("upper") else "L"
    return partial(mx.linalg.eigh if call.flag("vectors") else mx.linalg.eigvalsh, UPLO=half, stream=mx.cpu)


def _make_eig(call: Call, _outputs: Types) -> Run:
    return partial(mx.linalg.eig if call.flag("vectors") else mx.linalg.eigvals, stream=mx.cpu)


FACTORISING: Final[Mapping[str, Make]] = {
    "inverse": _make_inverse,
    "cholesky": _make_cholesky,
    "qr": plainly(partial(mx.linalg.qr, stream=mx.cpu)),
    "svd": _make_svd,
    "eigh": _make_eigh,
    "eig": _make_eig,
}
