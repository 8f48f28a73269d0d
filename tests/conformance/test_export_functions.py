"""Common functions of MLX, each exported alone: the graph gives what the function gives."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import pytest

mx = pytest.importorskip("mlx.core")

from ostiary.exporter.compare import compare  # noqa: E402
from ostiary.exporter.examples import flatten_results, read_examples  # noqa: E402
from ostiary.exporter.make_graph import Names, make_graph  # noqa: E402
from ostiary.exporter.parts import find_parts  # noqa: E402
from ostiary.exporter.request import read_dims  # noqa: E402
from ostiary.exporter.subject import Subject  # noqa: E402
from ostiary.graph.parse_graph import parse_graph  # noqa: E402
from ostiary.graph.render_graph import render_graph  # noqa: E402
from ostiary.interpreter.function import Budget, Function  # noqa: E402

pytestmark = pytest.mark.mlx

CPU: Final = mx.cpu
mx.random.seed(5)
X: Final = mx.random.normal((4, 6))
Y: Final = mx.random.normal((4, 6)) + 3.0
POSITIVE: Final = mx.abs(X) + 0.1
UNIT: Final = mx.sigmoid(X) * 1.8 - 0.9
WHOLE: Final = mx.array([[5, -7, 2], [1, 9, -3]])
ROWS: Final = mx.array([3, 0, -1])
SQUARE: Final = X[:, :4] @ X[:, :4].T + 3.0 * mx.eye(4)
KEY: Final = mx.random.key(9)
mx.eval(X, Y, POSITIVE, UNIT, SQUARE, KEY)


@dataclass(frozen=True)
class Case:
    name: str
    function: Callable[..., Any]
    arrays: tuple[mx.array, ...]
    dims: Mapping[str, Any] = field(default_factory=dict)


def _each(names: str, array: mx.array) -> list[Case]:
    """Functions of one array, at any number of rows."""
    return [Case(name, getattr(mx, name), (array,), {"x": {0: "n"}}) for name in names.split()]


def _both(names: str, *arrays: mx.array) -> list[Case]:
    return [Case(name, getattr(mx, name), arrays) for name in names.split()]


def _replace(x: mx.array, where: Any, value: Any) -> mx.array:
    x = mx.array(x)
    x[where] = value
    return x


def _quantized(mode: str) -> Callable[..., Any]:
    def multiply(x: mx.array) -> mx.array:
        packed = mx.quantize(mx.ones((32, 64)) * mx.arange(64), mode=mode)
        mx.eval(packed)
        return mx.quantized_matmul(x, *packed, mode=mode) if mode != "affine" else mx.dequantize(*packed)[:1] + x

    return multiply


N: Final = {"x": {0: "n"}}
NM: Final = {"x": ["n", "m"]}
CASES: Final = (
    *_each("abs sign negative square exp expm1 sin cos tan tanh sinh cosh arctan arcsinh erf sigmoid", X),
    *_each("floor ceil round isnan isinf isfinite degrees radians stop_gradient zeros_like ones_like", X),
    *_each("sqrt rsqrt log log2 log10 log1p reciprocal", POSITIVE),
    *_each("arcsin arccos arctanh erfinv", UNIT),
    *_each("arccosh", POSITIVE + 1.0),
    *_both("add subtract multiply divide maximum minimum logaddexp arctan2 remainder floor_divide divmod", X, Y),
    *_both("equal not_equal less less_equal greater greater_equal array_equal isclose allclose", X, Y),
    *_both("logical_and logical_or", X > 0, Y > 3),
    *_both(
        "bitwise_and bitwise_or bitwise_xor floor_divide remainder divmod", WHOLE, mx.array([[2, 3, -4], [5, 1, 7]])
    ),
    *_both("left_shift right_shift", mx.abs(WHOLE), mx.array(2)),
    Case("invert", lambda x: ~x, (WHOLE,)),
    Case("not", lambda x: ~(x > 0), (X,), N),
    Case("power", lambda x: x**2 + x**0.5 + 2**x, (POSITIVE,), N),
    Case("power of integers", lambda x: x**2, (WHOLE,)),
    Case("where", lambda x: mx.where(x > 0, x, 0.0), (X,), N),
    Case("clip", lambda x: mx.clip(x, -0.5, 0.5), (X,), N),
    Case("nan to number", mx.nan_to_num, (mx.array([[float("nan"), float("inf"), -1.0]]),)),
    Case("casts", lambda x: x.astype(mx.int32).astype(mx.bfloat16), (X,), N),
    Case("view", lambda x: x.view(mx.int32), (X,), N),
    Case(
        "sums", lambda x: (x.sum(), x.sum(axis=0), x.mean(axis=1, keepdims=True), x.prod(), x.max(axis=1)), (X,), N
    ),
    Case("spread", lambda x: (mx.var(x, axis=0), mx.std(x), mx.var(x, ddof=1)), (X,), N),
    Case("any and all", lambda x: (mx.any(x > 0), mx.all(x > 0, axis=1)), (X,), N),
    Case("orders", lambda x: (mx.sort(x), mx.argsort(x, axis=0), mx.argmax(x, axis=1), mx.argmin(x)), (X,), N),
    Case("top", lambda x: (mx.topk(x, 2), mx.partition(x, 3), mx.sort(mx.argpartition(x, 2)[:, :2])), (X,), N),
    Case("top of a varying axis", lambda x: mx.sort(mx.topk(x, 2, axis=0), axis=0), (X,), {}),
    Case("median", lambda x: mx.median(x, axis=1), (X,), N),
    Case("running", lambda x: (mx.cumsum(x, axis=1), mx.cumprod(x), mx.cummax(x, axis=0, reverse=True)), (X,), N),
    Case("running logarithm", lambda x: mx.logcumsumexp(x, axis=1), (X,), N),
    Case("running down", lambda x: mx.cummin(x, axis=1, inclusive=True), (X,), N),
    Case(
        "softmax", lambda x: (mx.softmax(x, axis=-1), mx.logsumexp(x, axis=0), mx.softmax(x, precise=True)), (X,), N
    ),
    Case("shapes", lambda x: (x.T, x.reshape(-1, 2), x[None], mx.squeeze(x[:1], 0), x.flatten()), (X,), N),
    Case("axes", lambda x: (mx.moveaxis(x, 0, 1), mx.swapaxes(x, 0, 1), mx.expand_dims(x, 1)), (X,), NM),
    Case("together", lambda x: (mx.concatenate([x, x], axis=1), mx.stack([x, x]), mx.tile(x, (1, 2))), (X,), NM),
    Case("repeat", lambda x: (mx.repeat(x, 2, axis=0), mx.broadcast_to(x[:, None], (4, 3, 6))), (X,)),
    Case("apart", lambda x: (*mx.split(x, 3, axis=1), *mx.split(x, [1, 4], axis=1)), (X,), N),
    Case("pads", lambda x: (mx.pad(x, 1), mx.pad(x, [(0, 2), (1, 0)], constant_values=3.0)), (X,), NM),
    Case("pads with edges", lambda x: mx.pad(x, 1, mode="edge"), (X,)),
    Case("rolls", lambda x: mx.roll(x, 1, axis=1), (X,), N),
    Case("rows", lambda x: (mx.arange(x.shape[0]), mx.arange(2.0, 5.0, 0.5), mx.linspace(0, 1, 5)), (X,), N),
    Case("triangles", lambda x: (mx.tril(x), mx.triu(x, 1), mx.tri(x.shape[0], 6)), (X,), N),
    Case("diagonals", lambda x: (mx.diag(x[0]), mx.diagonal(x), mx.trace(x), mx.eye(3)), (X,)),
    Case("made", lambda x: x + mx.zeros((6,)) + mx.full((6,), 2.0) + mx.ones((4, 1)), (X,)),
    Case("strides", lambda x: mx.as_strided(x, (3, 2), (4, 3), 1), (X,)),
    Case("slices", lambda x: (x[1:3], x[:, ::2], x[:, ::-1], x[-1], x[..., 1], x[:, -3:-1], x[::-2]), (X,)),
    Case("slices that vary", lambda x: (x[1:], x[:-1], x[:, -1], x[-1], x[:, 2:]), (X,), N),
    Case("indices", lambda x, i: (x[i], x[:, i], x[i, i], mx.take(x, i, axis=1), mx.take(x, i)), (X, ROWS)),
    Case(
        "indices of rows that vary",
        lambda x, i: (x[i], mx.take(x, i, axis=0)),
        (X, mx.array([2, 0, -1])),
        {"x": {0: "n"}, "i": "k"},
    ),
    Case("along", lambda x: mx.take_along_axis(x, mx.argsort(x, axis=1), axis=1), (X,), N),
    Case(
        "put along",
        lambda x, y: mx.put_along_axis(x, mx.argmax(x, axis=1, keepdims=True), y[:, :1], axis=1),
        (X, Y),
    ),
    Case("set", lambda x, y: (_replace(x, 0, 1.0), _replace(x, (slice(None), 1), y[:, 0])), (X, Y)),
    Case("set at", lambda x, y, i: _replace(x, i, y[:3]), (X, Y, mx.array([1, 0, 2]))),
    Case("add at", lambda x, i: (x.at[i].add(1.0), x.at[0].multiply(2.0), x.at[i].maximum(0.5)), (X, ROWS)),
    Case("add at rows that vary", lambda x: x.at[0].add(1.0).at[:, 2].minimum(0.0), (X,), N),
    Case("set where", lambda x: _replace(x, x > 0, mx.array(2.0)), (X,)),
    Case("starts", lambda x, i: mx.slice(x, i[:1], (0,), (2, 6)), (X, mx.array([1, 0]))),
    Case("set from", lambda x, i: mx.slice_update(x, x[:2] * 2, i[:1], (0,)), (X, mx.array([1, 0]))),
    Case("search", lambda x: mx.searchsorted(mx.sort(x[0]), x[1]), (X,)),
    Case("products", lambda x, y: (x @ y.T, mx.inner(x, y), mx.outer(x[0], y[0]), x @ y[0]), (X, Y)),
    Case("tensor products", lambda x, y: (mx.tensordot(x, y.T, 1), mx.einsum("ij,kj->ik", x, y)), (X, Y)),
    Case("kronecker", lambda x: mx.kron(x, x), (X,), N),
    Case("addmm", lambda x, y: mx.addmm(y[:, :4], x, y.T, 0.5, 2.0), (X, Y)),
    Case(
        "experts",
        lambda x, i: mx.gather_mm(x[:, None, :], mx.ones((3, 6, 2)), rhs_indices=i),
        (X, mx.array([0, 2, 1, 0])),
    ),
    Case("convolutions", lambda x: mx.conv1d(x[None], mx.ones((2, 3, 6)), padding=1), (X,), N),
    Case("convolve", lambda x: mx.convolve(x[0], x[1, :3]), (X,)),
    Case("hadamard", lambda x: mx.hadamard_transform(x[:, :4]), (X,), N),
    Case("inverse", lambda a: mx.linalg.inv(a, stream=CPU), (SQUARE,)),
    Case("triangular", lambda a: mx.linalg.solve_triangular(mx.tril(a), a, stream=CPU), (SQUARE,)),
    Case("cholesky", lambda a: mx.linalg.cholesky(a, stream=CPU), (SQUARE,)),
    Case("qr", lambda a: mx.linalg.qr(a, stream=CPU), (SQUARE,)),
    Case("singular values", lambda a: mx.linalg.svd(a, compute_uv=False, stream=CPU), (SQUARE,)),
    Case("pseudo inverse", lambda a: mx.linalg.pinv(a, stream=CPU), (SQUARE,)),
    Case("eigenvalues", lambda a: mx.linalg.eigh(a, stream=CPU), (SQUARE,)),
    Case("all eigenvalues", lambda a: mx.abs(mx.linalg.eigvals(a, stream=CPU)), (SQUARE,)),
    Case("norms", lambda x: (mx.linalg.norm(x), mx.linalg.norm(x, axis=1), mx.linalg.norm(x, 1, axis=1)), (X,), N),
    Case("cross", lambda x: mx.linalg.cross(x[:, :3], x[:, 3:]), (X,), N),
    Case("determinant", lambda a: mx.linalg.det(a[:3, :3], stream=CPU), (SQUARE,)),
    Case("fft", lambda x: mx.abs(mx.fft.fft(x)), (X,), N),
    Case("rfft", lambda x: mx.fft.irfft(mx.fft.rfft(x) * 2), (X,), N),
    Case("fft2", lambda x: (mx.real(mx.fft.fft2(x)), mx.imag(mx.fft.ifft2(mx.fft.rfft2(x)))), (X,)),
    Case("fft shift", mx.fft.fftshift, (X,)),
    Case("fft of a varying size", lambda x: mx.abs(mx.fft.rfft(x)), (X,), NM),
    Case("complex", lambda x: mx.real(mx.conjugate(mx.exp(x * 1j))), (X,), N),
    Case("uniform", lambda k: mx.random.uniform(-1, 2, (3, 5), key=k), (KEY,)),
    Case("normal", lambda k: mx.random.normal((3,), key=k), (KEY,)),
    Case("normal in half precision", lambda k: mx.random.normal((3, 3), dtype=mx.float16, key=k), (KEY,)),
    Case("integers", lambda k: mx.random.randint(0, 9, (7,), key=k), (KEY,)),
    Case("coins", lambda k: mx.random.bernoulli(0.3, (8,), key=k), (KEY,)),
    Case("categories", lambda x, k: mx.random.categorical(x, key=k), (X, KEY), {"x": {0: "n"}}),
    Case("order at random", lambda k: mx.random.permutation(9, key=k), (KEY,)),
    Case("gumbel", lambda k: mx.random.gumbel((4,), key=k), (KEY,)),
    Case("laplace", lambda k: mx.random.laplace((4,), key=k), (KEY,)),
    Case("truncated", lambda k: mx.random.truncated_normal(-1, 1, (4,), key=k), (KEY,)),
    Case("keys", lambda k: mx.random.uniform(shape=(2, 3), key=mx.random.split(k, 3)[1]), (KEY,)),
    Case("quantize", lambda x: mx.quantize(x, 32, 4), (mx.random.normal((4, 64)),)),
    *(
        Case(f"packed {mode}", _quantized(mode), (mx.ones((2, 64)),), N)
        for mode in ("affine", "mxfp4", "mxfp8", "nvfp4")
    ),
    Case("rows by a map", mx.vmap(lambda row: row.sum() * row), (X,), N),
    Case("slope", mx.grad(lambda y: (y**3).sum()), (X,), N),
    Case("sides", lambda x: mx.meshgrid(x[0], x[1]), (X,)),
    Case("compiled", mx.compile(lambda y: mx.exp(y) + 1), (X,), N),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_function_is_exported_and_computes_the_same(case: Case) -> None:
    arguments = read_examples(case.function, case.arrays)
    dims = {name: axes for name, axes in case.dims.items() if name in arguments.names}
    if case.dims and not dims:  # a function of MLX itself names its parameter otherwise
        dims = {arguments.names[0]: case.dims["x"]}
    sizes = read_dims(dims, {"n": (2, None), "m": (3, None)} if case.dims is NM else None, arguments)
    subject = Subject(case.function, arguments, find_parts(case.function), sizes.axes)
    expected = [array for _, array in flatten_results(case.function(*case.arrays))]
    outputs = tuple(f"y{number}" for number in range(len(expected)))
    written = make_graph(subject, sizes, Names("f", tuple(f"x{n}" for n in range(len(case.arrays))), outputs))
    graph = parse_graph(render_graph(written.graph))
    tensors = {item.tensor: array for item, array in zip(graph.constants, written.arrays, strict=True)}
    run = Function(graph, tensors, Budget(1 << 30, 1 << 40))
    for one, other in zip(run.call(case.arrays), expected, strict=True):
        assert compare(one, other).is_rounding, (one, other)
    if sizes.dims:
        fewer = [
            array[:3] if axes.get(0) == "n" else array for array, axes in zip(case.arrays, sizes.axes, strict=True)
        ]
        expected = [array for _, array in flatten_results(case.function(*fewer))]
        for one, other in zip(run.call(fewer), expected, strict=True):
            assert compare(one, other).is_rounding, (one, other)
