"""Cases of products, convolutions, transforms and factorisations."""

from __future__ import annotations

from typing import Any

import mlx.core as mx

from ostiary.graph.dtypes import Dtype
from primitive_cases.base import COMPLEX, ONE, Case


def _conv(axes: int, **options: Any) -> dict[str, Any]:
    one, none = (1,) * axes, (0,) * axes
    return {
        "stride": one,
        "padding_low": none,
        "padding_high": none,
        "kernel_dilation": one,
        "input_dilation": one,
        "groups": 1,
        "flip": False,
        **options,
    }


LINEAR = [
    Case("matmul", [(3, 4), (4, 5)], lambda a, b: a @ b, rounding=1e-5),
    Case("matmul", [(2, 3, 4), (4, 5)], lambda a, b: a @ b, rounding=1e-5),
    Case("matmul", [(4,), (2, 4, 5)], lambda a, b: a @ b, rounding=1e-5),
    Case("matmul", [(2, 1, 3, 4), (5, 4, 1)], lambda a, b: a @ b, rounding=1e-5),
    Case("matmul", [(3,), (3,)], lambda a, b: a @ b, rounding=1e-5),
    Case("matmul", [(0, 3), (3, 2)], lambda a, b: a @ b),
    Case("matmul", [(3, 4), (4, 5)], lambda a, b: a @ b, dtypes=COMPLEX, rounding=1e-5),
    Case(
        "addmm",
        [(3, 4), (4, 5), (5,)],
        lambda a, b, c: mx.addmm(c, a, b, 0.5, 2.0),
        {"alpha": 0.5, "beta": 2.0},
        rounding=1e-5,
    ),
    Case(
        "gather_mm",
        [(2, 3, 4), (3, 4, 5), (2, 2), (2, 2)],
        lambda a, b, _i, _j: mx.stack([mx.stack([a[1] @ b[2], a[0] @ b[0]]), mx.stack([a[0] @ b[1], a[1] @ b[1]])]),
        {},
        ONE,
        {2: Dtype.UINT32, 3: Dtype.UINT32},
        {2: [1, 0, 0, 1], 3: [2, 0, 1, 1]},
        rounding=1e-5,
    ),
    Case(
        "convolution",
        [(2, 7, 3), (4, 3, 3)],
        lambda x, w: mx.conv1d(x, w, 2, 1),
        _conv(1, stride=(2,), padding_low=(1,), padding_high=(1,)),
        rounding=1e-4,
    ),
    Case(
        "convolution",
        [(1, 7, 6, 4), (6, 3, 2, 2)],
        lambda x, w: mx.conv2d(x, w, (1, 2), (1, 0), (2, 1), groups=2),
        _conv(2, stride=(1, 2), padding_low=(1, 0), padding_high=(1, 0), kernel_dilation=(2, 1), groups=2),
        rounding=1e-4,
    ),
    Case(
        "convolution",
        [(1, 4, 5, 2), (3, 3, 3, 2)],
        lambda x, w: mx.conv_transpose2d(x, w, 2, 1),
        _conv(2, padding_low=(1, 1), padding_high=(1, 1), input_dilation=(2, 2), flip=True),
        rounding=1e-4,
    ),
    Case("convolution", [(1, 4, 5, 6, 2), (3, 2, 2, 2, 2)], mx.conv3d, _conv(3), rounding=1e-4),
    Case(
        "convolution",
        [(1, 5, 5, 4), (4, 3, 3, 1)],
        lambda x, w: mx.conv2d(x, w, groups=4),
        _conv(2, groups=4),
        rounding=1e-4,
    ),
    Case("hadamard_transform", [(3, 8)], lambda x: mx.hadamard_transform(x, 0.5), {"scale": 0.5}),
    Case("hadamard_transform", [(2, 12)], lambda x: mx.hadamard_transform(x, 1.0), {"scale": 1.0}),
    Case(
        "fft", [(3, 7)], mx.fft.fft, {"axes": (1,), "inverse": False, "real": False, "n": 7}, COMPLEX, rounding=1e-4
    ),
    Case(
        "fft",
        [(4, 6)],
        mx.fft.ifft2,
        {"axes": (0, 1), "inverse": True, "real": False, "n": 6},
        COMPLEX,
        rounding=1e-4,
    ),
    Case(
        "fft", [(4, 6)], mx.fft.rfft2, {"axes": (0, 1), "inverse": False, "real": True, "n": 4}, ONE, rounding=1e-4
    ),
    Case(
        "fft",
        [(2, 5)],
        lambda x: mx.fft.irfft(x, n=9),
        {"axes": (1,), "inverse": True, "real": True, "n": 9},
        COMPLEX,
        rounding=1e-4,
    ),
    Case(
        "inverse",
        [(2, 3, 3)],
        lambda x: mx.linalg.inv(x, stream=mx.cpu),
        {"triangular": False, "upper": False},
        ONE,
        rounding=1e-4,
    ),
    Case(
        "inverse",
        [(3, 3)],
        lambda x: mx.linalg.tri_inv(x, upper=True, stream=mx.cpu),
        {"triangular": True, "upper": True},
        ONE,
        values={0: [2, 1, 1, 0, 3, 1, 0, 0, 4]},
        rounding=1e-4,
    ),
    Case(
        "cholesky",
        [(2, 2)],
        lambda x: mx.linalg.cholesky(x, stream=mx.cpu),
        {"upper": False},
        ONE,
        values={0: [4, 1, 1, 3]},
    ),
    Case(
        "cholesky",
        [(2, 2)],
        lambda x: mx.linalg.cholesky(x, upper=True, stream=mx.cpu),
        {"upper": True},
        ONE,
        values={0: [4, 1, 1, 3]},
    ),
    Case("qr", [(4, 3)], lambda x: mx.linalg.qr(x, stream=mx.cpu), {}, ONE, rounding=1e-4),
    Case("svd", [(3, 4)], lambda x: mx.linalg.svd(x, stream=mx.cpu), {"vectors": True}, ONE, rounding=1e-4),
    Case(
        "svd",
        [(2, 3, 3)],
        lambda x: mx.linalg.svd(x, compute_uv=False, stream=mx.cpu),
        {"vectors": False},
        ONE,
        rounding=1e-4,
    ),
    Case(
        "eigh",
        [(3, 3)],
        lambda x: mx.linalg.eigh(x, stream=mx.cpu),
        {"upper": False, "vectors": True},
        ONE,
        rounding=1e-4,
    ),
    Case(
        "eigh",
        [(3, 3)],
        lambda x: mx.linalg.eigvalsh(x, UPLO="U", stream=mx.cpu),
        {"upper": True, "vectors": False},
        ONE,
        rounding=1e-4,
    ),
    Case("eig", [(3, 3)], lambda x: mx.linalg.eig(x, stream=mx.cpu), {"vectors": True}, ONE, rounding=1e-4),
    Case("eig", [(3, 3)], lambda x: mx.linalg.eigvals(x, stream=mx.cpu), {"vectors": False}, ONE, rounding=1e-4),
]
