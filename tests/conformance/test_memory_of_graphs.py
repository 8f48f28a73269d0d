"""What a graph takes at most, as it is told before, against what MLX took; and that less memory gives the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from graph_builder import GraphBuilder

from ostiary.graph.dtypes import Dtype

mx = pytest.importorskip("mlx.core")

from ostiary.interpreter.function import Budget, Function  # noqa: E402
from ostiary.interpreter.tensor_bytes import MLX_DTYPES  # noqa: E402
from ostiary.interpreter.unfit import InputUnfit  # noqa: E402

pytestmark = pytest.mark.mlx

F, H, B, I = Dtype.FLOAT32, Dtype.FLOAT16, Dtype.BFLOAT16, Dtype.INT32  # noqa: E741
Build = Callable[[GraphBuilder], int]
_SLACK_BYTES = 1 << 14
_PLENTY = Budget(1 << 40, 1 << 60)


def _one(op: str, sizes: tuple[int, ...], dtype: Dtype = F, **attributes: Any) -> Build:
    return lambda b: b.add(op, b.input(dtype, *sizes), **attributes)


def _two(op: str, left: tuple[int, ...], right: tuple[int, ...], dtype: Dtype = F, **attributes: Any) -> Build:
    return lambda b: b.add(op, b.input(dtype, *left), b.input(dtype, *right), **attributes)


def _mixed(op: str, left: Dtype, right: Dtype) -> Build:
    return lambda b: b.add(op, b.input(left, 256, 512), b.input(right, 256, 512))


def _conv(
    axes: int,
    side: int,
    channels: int,
    window: int,
    dtype: Dtype = F,
    *,
    stride: int = 1,
    spread: int = 1,
    groups: int = 1,
) -> Build:
    def build(b: GraphBuilder) -> int:
        x = b.input(dtype, 2, *(side,) * axes, channels)
        w = b.input(dtype, 32, *(window,) * axes, channels // groups)
        return b.add(
            "convolution", x, w, stride=(stride,) * axes, padding_low=(1,) * axes, padding_high=(1,) * axes,
            kernel_dilation=(1,) * axes, input_dilation=(spread,) * axes, groups=groups, flip=False,
        )  # fmt: skip

    return build


def _attention(dtype: Dtype) -> Build:
    def build(b: GraphBuilder) -> int:
        q, k, v = b.input(dtype, 2, 8, 64, 32), b.input(dtype, 2, 2, 256, 32), b.input(dtype, 2, 2, 256, 32)
        return b.add("attention", q, k, v, scale=0.5, causal=False)

    return build


def _repeated_product(b: GraphBuilder) -> int:
    wide = b.add("broadcast_to", b.input(F, 64, 1, 128), shape=(64, 128, 128))
    return b.add("matmul", wide, wide)


def _rope(b: GraphBuilder) -> int:
    return b.add("rope", b.input(F, 4, 64, 128), b.input(I), dims=128, traditional=False, base=1e4, scale=1.0)


def _scatter(b: GraphBuilder) -> int:
    return b.add("scatter", b.input(F, 512, 256), b.input(I, 512), b.input(F, 512, 1, 256), axes=(0,), reduce="sum")


def _transposed_product(b: GraphBuilder) -> int:
    x = b.input(H, 8, 128, 128)
    return b.add("matmul", b.add("transpose", x, axes=(0, 2, 1)), x)


def _random(width: int) -> Build:
    return lambda b: b.add("random_bits", b.input(Dtype.UINT32, 2), shape=(257, 513), width=width)


def _unpacked(bits: int) -> Build:
    def build(b: GraphBuilder) -> int:
        words, scales = b.input(Dtype.UINT32, 256, 8 * bits), b.input(B, 256, 4)
        return b.add("dequantize", words, scales, scales, group_size=64, bits=bits, mode="affine", dtype=B)

    return build


def _chosen(dtype: Dtype) -> Build:
    def build(b: GraphBuilder) -> int:
        left, right, places = b.input(dtype, 2, 64, 64), b.input(dtype, 2, 64, 64), b.input(Dtype.UINT32, 32)
        first = b.add("as_type", b.add("less", places, places), dtype=Dtype.UINT32)
        return b.add("gather_mm", left, right, first, first)

    return build


MATRICES = (4, 48, 48)
CASES: dict[str, Build] = {
    "convolution": _conv(2, 32, 16, 3),
    "convolution of half precision": _conv(2, 32, 16, 3, B),
    "convolution in groups": _conv(2, 32, 16, 3, groups=4),
    "convolution with strides": _conv(2, 32, 16, 5, stride=2),
    "convolution that spreads": _conv(2, 16, 16, 3, spread=2),
    "convolution along one axis": _conv(1, 256, 16, 3),
    "convolution along three axes": _conv(3, 10, 8, 3),
    "product": _two("matmul", (256, 256), (256, 256)),
    "product of half precision": _two("matmul", (256, 256), (256, 256), B),
    "product of what lies otherwise": _transposed_product,
    "product of what is repeated": _repeated_product,
    "attention": _attention(F),
    "attention of half precision": _attention(H),
    "rope": _rope,
    "layer_norm": _one("layer_norm", (256, 512), eps=1e-5),
    "layer_norm of half precision": _one("layer_norm", (256, 512), H, eps=1e-5),
    "rms_norm of half precision": _one("rms_norm", (256, 512), B, eps=1e-5),
    "sort": _one("sort", (256, 512), axis=0),
    "argpartition": _one("argpartition", (256, 512), axis=0, kth=7),
    "softmax": _one("softmax", (256, 512), H, precise=True),
    "sum of half precision": _one("sum", (256, 2, 512), H, axes=(1,), keepdims=False),
    "product along an axis of half precision": _one("prod", (256, 2, 512), B, axes=(1,), keepdims=False),
    "fft": _one("fft", (128, 512), axes=(0, 1), inverse=False, real=True, n=257),
    "scatter": _scatter,
    "inverse": _one("inverse", MATRICES, triangular=False, upper=False),
    "svd": _one("svd", MATRICES, vectors=True),
    "eigh": _one("eigh", MATRICES, upper=False, vectors=True),
    "eig": _one("eig", MATRICES, vectors=False),
    "qr": _one("qr", MATRICES),
    "comparison of two types": _mixed("equal", Dtype.INT16, Dtype.UINT16),
    "sum of two types": _mixed("add", H, B),
    "quotient of integers": _mixed("divide", Dtype.INT8, Dtype.INT64),
    "power of integers": _two("power", (256, 512), (512,), I),
    "random bits": _random(4),
    **{f"packed numbers of {bits} bits": _unpacked(bits) for bits in (3, 4, 5, 6)},
    "chosen products": _chosen(F),
    "chosen products of half precision": _chosen(B),
    "short random bits": _random(2),
}


def _draw(builder: GraphBuilder) -> list[Any]:
    key = mx.random.key(1)
    arrays = []
    for item in builder.graph.inputs:
        shape, dtype = item.type.shape, MLX_DTYPES[item.type.dtype]
        whole = item.type.dtype.is_integer
        arrays.append(mx.ones(shape, dtype) if whole else mx.random.normal(shape, key=key).astype(dtype))
    mx.eval(arrays)
    return arrays


@pytest.mark.parametrize("name", CASES)
def test_it_takes_no_more_than_was_said(name: str) -> None:
    builder = GraphBuilder()
    builder.output(CASES[name](builder))
    inputs = _draw(builder)
    plan = Function(builder.graph, {}, _PLENTY).find_plan(inputs)
    before = mx.get_active_memory()
    mx.reset_peak_memory()
    plan.run(inputs)
    assert mx.get_peak_memory() - before <= plan.schedule.peak_bytes + _SLACK_BYTES


def _network(b: GraphBuilder) -> int:
    """Forty steps, each of which needs the one before and the first."""
    x = b.input(F, 64, 64)
    index = b.input(I, 64)
    first = value = b.add("exp", x)
    for step in range(20):
        mixed = b.add("matmul", value, first)
        scaled = b.add("tanh", b.add("multiply", mixed, b.add("size_value", size=step + 1, dtype=F)))
        value = b.add("take", b.add("add", scaled, first), index, axis=0)
        value = b.add("transpose", value, axes=(1, 0))
    return value


def test_with_little_memory_it_pauses_and_gives_the_same() -> None:
    builder = GraphBuilder()
    builder.output(_network(builder))
    inputs = _draw(builder)
    plenty = Function(builder.graph, {}, _PLENTY).find_plan(inputs)
    little = Function(builder.graph, {}, Budget(300_000, 1 << 60)).find_plan(inputs)
    assert not plenty.schedule.pauses
    assert len(little.schedule.pauses) > 5
    assert little.schedule.peak_bytes <= 300_000 < plenty.schedule.peak_bytes
    (wanted,), before = plenty.run(inputs), mx.get_active_memory()
    for _ in range(2):
        mx.reset_peak_memory()
        (found,) = little.run(inputs)
        assert mx.get_peak_memory() - before <= little.schedule.peak_bytes + _SLACK_BYTES
        assert mx.array_equal(found, wanted).item()
        del found


def test_with_too_little_memory_nothing_is_computed() -> None:
    builder = GraphBuilder()
    builder.output(_network(builder))
    with pytest.raises(InputUnfit, match="bytes at once"):
        Function(builder.graph, {}, Budget(110_000, 1 << 60)).find_plan(_draw(builder))


def test_a_guard_that_says_no_before_a_pause_is_heard() -> None:
    builder = GraphBuilder()
    builder.output(_network(builder))
    x, index = _draw(builder)
    plan = Function(builder.graph, {}, Budget(300_000, 1 << 60)).find_plan([x, index])
    with pytest.raises(InputUnfit, match="an index is outside"):
        plan.run([x, index * 64])
