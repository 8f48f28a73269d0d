"""No operation takes more memory than the estimate says, however its inputs lie."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

mx = pytest.importorskip("mlx.core")

from graph_cases import Sample, convolution  # noqa: E402

from ostiary.graph.call import Call  # noqa: E402
from ostiary.graph.dtypes import Dtype  # noqa: E402
from ostiary.graph.estimate import count_bytes, count_scratch  # noqa: E402
from ostiary.graph.infer_graph import infer_node  # noqa: E402
from ostiary.graph.primitives import PRIMITIVES  # noqa: E402
from ostiary.graph.scope import Scope  # noqa: E402
from ostiary.graph.values import Node, TensorType  # noqa: E402
from ostiary.interpreter.operations import OPERATIONS  # noqa: E402
from ostiary.interpreter.tensor_bytes import MLX_DTYPES  # noqa: E402

pytestmark = pytest.mark.mlx

F32, F16, I32, U32, C64, BOOL = (
    Dtype.FLOAT32,
    Dtype.FLOAT16,
    Dtype.INT32,
    Dtype.UINT32,
    Dtype.COMPLEX64,
    Dtype.BOOL,
)
N = (192, 256)
ROUNDED_BYTES = 64 << 10  # by the page, for each of a few arrays, and some of a few numbers


def _sample(op: str, *inputs: tuple[Dtype, tuple[int, ...]], **attributes: Any) -> Sample:
    return Sample(op, inputs, attributes)


def _list_samples() -> Iterator[Sample]:
    for op in ("add", "divide", "logical_and", "logical_or", "maximum", "nan_equal", "power", "remainder"):
        yield _sample(op, (F32, N), (F32, N))
    for op in ("erf", "exp", "log1p", "rsqrt", "sigmoid", "sign", "tanh"):
        yield _sample(op, (F32, N))
    yield _sample("select", (BOOL, N), (F32, N), (F32, N))
    for dtype in (F32, F16):
        for axis in (0, 1):
            yield _sample("sum", (dtype, N), axes=(axis,), keepdims=False)
            yield _sample("argmax", (dtype, N), axis=axis, keepdims=False)
            yield _sample("argsort", (dtype, N), axis=axis)
            yield _sample("partition", (dtype, N), axis=axis, kth=9)
            for op in ("cumsum", "logcumsumexp"):
                yield _sample(op, (dtype, N), axis=axis, reverse=axis == 0, inclusive=axis == 1)
        yield _sample("softmax", (dtype, N), precise=True)
        yield _sample("logsumexp", (dtype, N))
        yield _sample("matmul", (dtype, N), (dtype, (256, 192)))
        yield _sample("addmm", (dtype, N), (dtype, (256, 192)), (dtype, (192,)), alpha=0.5, beta=2.0)
        image = (dtype, (2, 48, 48, 16))
        yield _sample(
            "convolution", image, (dtype, (16, 3, 3, 16)), **convolution(padding_low=(1, 1), padding_high=(1, 1))
        )
        yield _sample("convolution", image, (dtype, (16, 3, 3, 8)), **convolution(groups=2))
        yield _sample("convolution", image, (dtype, (16, 3, 3, 16)), **convolution(input_dilation=(2, 2)))
        yield _sample("convolution", (dtype, (4, 999, 16)), (dtype, (16, 9, 16)), **convolution(axes=1))
        yield _sample("convolution", (dtype, (2, 12, 12, 12, 8)), (dtype, (8, 3, 3, 3, 8)), **convolution(axes=3))
        yield _sample("rms_norm", (dtype, N), (dtype, (256,)), eps=1e-5)
        yield _sample("layer_norm", (dtype, N), (dtype, (256,)), (dtype, (256,)), eps=1e-5)
        for traditional in (False, True):
            turn = {"dims": 64, "traditional": traditional, "base": 1e4, "scale": 1.0}
            yield _sample("rope", (dtype, (2, 4, 128, 64)), (I32, ()), **turn)
        for rows, columns, shared in ((128, 128, 2), (128, 128, 8), (1, 999, 2)):
            queries, keys = (dtype, (2, 8, rows, 64)), (dtype, (2, shared, columns, 64))
            yield _sample("attention", queries, keys, keys, scale=0.5, causal=False)
        for mode, group, bits in (
            ("affine", 64, 4),
            ("affine", 64, 3),
            ("mxfp4", 32, 4),
            ("mxfp8", 32, 8),
            ("nvfp4", 16, 4),
        ):
            packing = {"group_size": group, "bits": bits, "mode": mode}
            words = (U32, (192, 256 * bits // 32))
            affine = mode == "affine"
            scales = [(dtype if affine else Dtype.UINT8, (192, 256 // group))] * (2 if affine else 1)
            yield _sample("quantize", (dtype, N), **packing)
            yield _sample("dequantize", words, *scales, **packing, dtype=dtype)
            yield _sample("quantized_matmul", (dtype, (32, 256)), words, *scales, **packing, transpose=True)
        yield _sample("hadamard_transform", (dtype, N), scale=0.5)
    yield _sample("fft", (C64, N), axes=(0, 1), inverse=False, real=False, n=256)
    yield _sample("fft", (F32, N), axes=(1,), inverse=False, real=True, n=129)
    for op, attributes in (
        ("cholesky", {"upper": False}),
        ("eig", {"vectors": True}),
        ("eigh", {"upper": False, "vectors": True}),
        ("inverse", {"triangular": False, "upper": False}),
        ("qr", {}),
        ("svd", {"vectors": True}),
    ):
        yield _sample(op, (F32, (8, 48, 48)), **attributes)
    yield _sample("take", (F32, N), (I32, (300,)), axis=1)
    yield _sample("take_along_axis", (F32, N), (I32, N), axis=1)
    yield _sample("put_along_axis", (F32, N), (I32, N), (F32, N), axis=1, reduce="sum")
    yield _sample("scatter", (F32, N), (I32, (100,)), (F32, (100, 1, 256)), axes=(0,), reduce="sum")
    yield _sample("masked_scatter", (F32, N), (BOOL, N), (F32, N))
    yield _sample("gather_mm", (F32, (4, 64, 64)), (F32, (8, 64, 64)), (U32, (16,)), (U32, (16,)))
    yield _sample("reshape", (F32, N), shape=(384, 128))
    yield _sample("concatenate", (F32, N), (F32, N), axis=0)
    yield _sample("view", (F32, N), dtype=Dtype.UINT8)
    yield _sample("random_bits", (U32, (2,)), shape=(255, 255), width=4)


def _make_array(sample: Sample, item: TensorType, layout: str) -> Any:
    dtype = MLX_DTYPES[item.dtype]
    array = mx.ones(item.shape, dtype) if item.dtype.is_inexact else mx.zeros(item.shape, dtype)
    if PRIMITIVES[sample.op].family == "factorisation":
        return mx.broadcast_to(mx.eye(item.shape[-1]), item.shape)
    if sample.op in {"floor_divide", "remainder", "divmod"}:
        array = mx.ones(item.shape, dtype)
    axes = tuple(reversed(range(len(item.shape))))
    if layout == "turned" and len(axes) > 1:
        return mx.transpose(mx.contiguous(mx.transpose(array, axes)), axes)
    if layout == "stretched" and axes and item.dtype is not U32:
        return mx.broadcast_to(array[(slice(0, 1),) * len(axes)], item.shape)
    return array


@pytest.mark.parametrize("layout", ["plain", "turned", "stretched"])
def test_no_operation_takes_more_than_its_estimate(layout: str) -> None:
    device = mx.default_device()
    mx.set_default_device(mx.cpu)  # a GPU's kernels need less than what they fall back to
    try:
        beyond = [told for sample in _list_samples() if (told := _measure(sample, layout))]
    finally:
        mx.set_default_device(device)
    assert beyond == []


def _measure(sample: Sample, layout: str) -> str:
    types = tuple(TensorType(*item) for item in sample.inputs)
    outputs = infer_node(Node(sample.op, (), (), sample.attributes), types, Scope({}))
    call = Call(types, sample.attributes, Scope({}))
    estimate = sum(map(count_bytes, outputs)) + count_scratch(Node(sample.op, (), outputs, sample.attributes), call)
    arrays = [_make_array(sample, item, layout) for item in types]
    mx.eval(arrays)
    mx.clear_cache()
    before = mx.get_active_memory()
    mx.reset_peak_memory()
    made = OPERATIONS[sample.op](call, outputs)(*arrays)
    mx.eval(made)
    peak = mx.get_peak_memory() - before
    return "" if peak <= estimate + ROUNDED_BYTES else f"{sample.op} {sample.inputs} {peak:,} > {estimate:,}"
