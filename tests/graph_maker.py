"""Makes any graph that inference takes, out of chance: for tests that ask whether each of them is harmless."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from graph_builder import GraphBuilder

from ostiary.graph.attributes import Attribute, AttributeKind
from ostiary.graph.call import UnfitError
from ostiary.graph.dtypes import Dtype
from ostiary.graph.primitives import PRIMITIVES
from ostiary.graph.values import TensorType

Item = TypeVar("Item")
F, I, U = Dtype.FLOAT32, Dtype.INT32, Dtype.UINT32  # noqa: E741
FLOATS = (Dtype.FLOAT32, Dtype.FLOAT32, Dtype.FLOAT16, Dtype.BFLOAT16)
_MOST_ELEMENTS = 4_096
_NAMES = tuple(sorted(PRIMITIVES))
NAN, INF = float("nan"), float("inf")


class Chance(Protocol):
    """Where choices come from: a generator of random numbers, or the bytes of a fuzzer."""

    def below(self, end: int) -> int: ...


def pick(chance: Chance, items: Sequence[Item]) -> Item:
    return items[chance.below(len(items))]


class GraphMaker:
    """One graph. Whatever inference refuses is left out."""

    def __init__(self, chance: Chance) -> None:
        self.chance = chance
        self.builder = GraphBuilder()
        self.values: list[int] = []
        self.is_large = chance.below(8) == 7
        """Whether sizes may be such that no machine has room for them."""

    def make(self, nodes: int) -> GraphBuilder:
        for _ in range(1 + self.chance.below(3)):
            dtype = pick(
                self.chance, [item for item in Dtype if item is not Dtype.COMPLEX64 and item is not Dtype.BFLOAT16]
            )
            self.values.append(self.builder.input(dtype, *self._shape(4)))
        for _ in range(nodes):
            op = pick(self.chance, _NAMES)
            try:
                operands = RECIPES[op](self) if op in RECIPES else self._any_operands(op)
                attributes = {item.name: self._attribute(op, item, operands) for item in PRIMITIVES[op].attributes}
                attributes |= self._fitting(op, operands)
                self._add(op, operands, attributes)
            except (UnfitError, IndexError, ValueError, KeyError):
                continue
        outputs = self.values[-3:] if len(self.values) > 3 else self.values
        for value in outputs:
            self.builder.output(self._as_output(value))
        return self.builder

    def numbers(self, item: TensorType) -> list[float]:
        """For an input: among them what is no number, and the ends of integers."""
        count = math.prod(size for size in item.shape if isinstance(size, int))
        if item.dtype is Dtype.BOOL:
            return [self.chance.below(2) for _ in range(count)]
        if item.dtype.is_integer:
            bits = item.dtype.bytes * 8
            low, high = (
                (0, (1 << bits) - 1) if item.dtype.value[0] == "u" else (-(1 << bits - 1), (1 << bits - 1) - 1)
            )
            choices = [0, 1, 2, 3, min(5, high), max(-1, low), max(-2, low), low, high, high // 2]
            return [pick(self.chance, choices) for _ in range(count)]
        return [
            pick(self.chance, [0.0, 1.0, -1.0, 0.5, 3.0, 100.0, -65000.0, NAN, INF, -INF]) for _ in range(count)
        ]

    def type_of(self, value: int) -> TensorType:
        return self.builder.type_of(value)

    def shape_of(self, value: int) -> tuple[int, ...]:
        return tuple(size for size in self.type_of(value).shape if isinstance(size, int))

    def pick_value(self, wanted: Callable[[Dtype], bool] = lambda _: True) -> int:
        fitting = [value for value in self.values if wanted(self.type_of(value).dtype)]
        return pick(self.chance, fitting or self.values)

    def fresh(self, dtype: Dtype, shape: tuple[int, ...]) -> int:
        """An array of this type whose numbers come of an input, so that they can be anything."""
        row = self.builder.add(
            "arange", start=float(self.chance.below(3)), step=1.0, size=math.prod(shape), dtype=F
        )
        seed = self.builder.add("as_type", self.pick_value(), dtype=F)
        if 0 in self.shape_of(seed):
            seed = self.builder.add("size_value", size=3, dtype=F)
        first = self.builder.add("reshape", seed, shape=(math.prod(self.shape_of(seed)),))
        first = self.builder.add("slice", first, start=(0,), stop=(1,), step=(1,))
        mixed = self.builder.add(pick(self.chance, ("add", "multiply")), row, first)
        return self.builder.add("as_type", self.builder.add("reshape", mixed, shape=shape), dtype=dtype)

    def _far(self, size: int) -> int:
        return pick(self.chance, (size, size, 1 << 10, 1 << 16, 1 << 20)) if self.is_large else size

    def _shape(self, rank: int) -> tuple[int, ...]:
        return tuple(pick(self.chance, (1, 2, 3, 4, 5, 0)) for _ in range(self.chance.below(rank + 1)))

    def _add(self, op: str, operands: Sequence[int], attributes: Mapping[str, Any]) -> None:
        before = len(self.builder.graph.nodes)
        first = self.builder.add(op, *operands, **attributes)
        results = self.builder.graph.nodes[before].outputs
        for number, item in enumerate(results):
            if self.is_large or math.prod(size for size in item.shape if isinstance(size, int)) <= _MOST_ELEMENTS:
                self.values.append(first + number)

    def _any_operands(self, op: str) -> list[int]:
        row = PRIMITIVES[op]
        first = self.pick_value()
        dtype = self.type_of(first).dtype
        return [first, *(self.pick_value(lambda d: d is dtype) for _ in range(row.fewest_inputs - 1))]

    def _as_output(self, value: int) -> int:
        return self.builder.add("real", value) if self.type_of(value).dtype is Dtype.COMPLEX64 else value

    def _attribute(self, op: str, item: Attribute, operands: Sequence[int]) -> Any:
        shape = self.shape_of(operands[0]) if operands else ()
        rank, below = len(shape), self.chance.below
        match item.kind:
            case AttributeKind.BOOL:
                return bool(below(2))
            case AttributeKind.CHOICE:
                return pick(self.chance, item.choices)
            case AttributeKind.DTYPE:
                return pick(self.chance, tuple(Dtype))
            case AttributeKind.FLOAT:
                return pick(self.chance, (1.0, 0.5, 2.0, -1.0, 1e-5, 1000.0))
            case AttributeKind.INTEGER:
                return below(max(rank, 1)) if item.name == "axis" else max(item.lowest or 0, below(5))
            case AttributeKind.INTEGERS:
                axes = [axis for axis in range(rank) if below(2)]
                if op == "transpose":
                    return tuple(sorted(range(rank), key=lambda _: below(100)))
                return (
                    tuple(axes) if item.name == "axes" else tuple(pick(self.chance, (1, 1, 2, -1)) for _ in shape)
                )
            case AttributeKind.SIZE:
                return below(6)
        return tuple(below(size + 1) for size in shape)

    def _fitting(self, op: str, operands: Sequence[int]) -> dict[str, Any]:
        """Attributes that have to fit the shape."""
        shape, below = self.shape_of(operands[0]) if operands else (), self.chance.below
        match op:
            case "reshape":
                total = math.prod(shape)
                divisor = pick(self.chance, [n for n in range(1, 9) if total % n == 0])
                return {"shape": pick(self.chance, [(total,), (divisor, total // divisor), (1, total, 1)])}
            case "broadcast_to":
                front = (self._far(2),) * below(2)
                return {"shape": (*front, *(self._far(1 + below(3)) if size == 1 else size for size in shape))}
            case "slice" | "slice_update":
                starts = [below(size + 1) for size in shape]
                stops = [start + below(size - start + 1) for start, size in zip(starts, shape, strict=True)]
                return {"start": tuple(starts), "stop": tuple(stops), "step": tuple(1 + below(2) for _ in shape)}
            case "pad":
                return {name: tuple(self._far(below(3)) for _ in shape) for name in ("before", "after")}
            case "as_strided":
                size = 1 + below(3)
                return {"shape": (size, 2), "strides": (1, below(3)), "offset": below(2)}
            case "split":
                axis = below(max(len(shape), 1))
                return {"axis": axis, "at": (below(shape[axis] + 1),)}
            case "convolution":
                return {
                    name: (self._far(1 + below(2)),) for name in ("stride", "kernel_dilation", "input_dilation")
                } | {name: (self._far(below(3)),) for name in ("padding_low", "padding_high")}
            case "quantize" | "dequantize" | "quantized_matmul" | "gather_qmm":
                return {"group_size": 32, "bits": 4, "mode": "affine"}
            case "fft":
                real, axis = bool(below(2)), len(shape) - 1
                return {
                    "axes": (axis,),
                    "real": real,
                    "inverse": False,
                    "n": shape[-1] // 2 + 1 if real else shape[-1],
                }
        return {}


def _matmul(m: GraphMaker) -> list[int]:
    x = m.pick_value(lambda d: d.is_float)
    return [x, m.fresh(m.type_of(x).dtype, (m.shape_of(x)[-1], 1 + m.chance.below(3)))]


def _addmm(m: GraphMaker) -> list[int]:
    a, b = _matmul(m)
    return [a, b, m.fresh(m.type_of(a).dtype, m.shape_of(b)[-1:])]


def _convolution(m: GraphMaker) -> list[int]:
    below, dtype = m.chance.below, pick(m.chance, FLOATS)
    channels = 1 + below(3)
    return [
        m.fresh(dtype, (1 + below(2), 2 + below(4), channels)),
        m.fresh(dtype, (1 + below(3), 1 + below(2), channels)),
    ]


def _indexed(m: GraphMaker) -> list[int]:
    return [m.pick_value(), m.pick_value(lambda d: d.is_integer)]


def _along(m: GraphMaker) -> list[int]:
    x = m.pick_value()
    return [x, m.fresh(pick(m.chance, (I, U, Dtype.INT64)), m.shape_of(x))]


def _put(m: GraphMaker) -> list[int]:
    x, index = _along(m)
    return [x, index, m.fresh(m.type_of(x).dtype, m.shape_of(x))]


def _scatter(m: GraphMaker) -> list[int]:
    x = m.pick_value()
    index = m.fresh(pick(m.chance, (I, U)), (2,))
    return [x, index, m.fresh(m.type_of(x).dtype, (2, 1, *m.shape_of(x)[1:]))]


def _window(m: GraphMaker) -> list[int]:
    x = m.pick_value()
    return [x, m.fresh(I, (len(m.shape_of(x)),))]


def _window_update(m: GraphMaker) -> list[int]:
    x, start = _window(m)
    part = tuple(m.chance.below(size + 1) for size in m.shape_of(x))
    return [x, m.fresh(m.type_of(x).dtype, part), start]


def _masked(m: GraphMaker) -> list[int]:
    x = m.pick_value()
    shape = m.shape_of(x)
    return [x, m.fresh(Dtype.BOOL, shape), m.fresh(m.type_of(x).dtype, (shape[0], 1 + m.chance.below(4)))]


def _matrix(m: GraphMaker) -> list[int]:
    size = 1 + m.chance.below(4)
    return [m.fresh(F, (size, size))]


def _chosen(m: GraphMaker) -> list[int]:
    return [m.fresh(F, (2, 2, 3)), m.fresh(F, (2, 3, 2)), m.fresh(U, (2,)), m.fresh(U, (2,))]


def _complex(m: GraphMaker) -> list[int]:
    return [m.builder.add("as_type", m.pick_value(), dtype=pick(m.chance, (Dtype.COMPLEX64, F)))]


def _fill(m: GraphMaker) -> list[int]:
    x = m.pick_value()
    return [x, m.fresh(m.type_of(x).dtype, ())]


def _several(m: GraphMaker) -> list[int]:
    x = m.pick_value()
    return [x, m.fresh(m.type_of(x).dtype, m.shape_of(x))]


def _condition(m: GraphMaker) -> list[int]:
    x = m.pick_value()
    return [m.fresh(Dtype.BOOL, m.shape_of(x)), x, m.pick_value()]


def _key(m: GraphMaker) -> list[int]:
    return [m.fresh(U, (2,))]


def _norm(m: GraphMaker) -> list[int]:
    x = m.pick_value(lambda d: d.is_float)
    return [x, m.fresh(m.type_of(x).dtype, m.shape_of(x)[-1:])]


def _long(m: GraphMaker) -> list[int]:
    return [m.fresh(pick(m.chance, FLOATS), (2, 64))]


def _packed(m: GraphMaker) -> list[int]:
    dtype = pick(m.chance, FLOATS)
    return [m.fresh(U, (3, 8)), m.fresh(dtype, (3, 2)), m.fresh(dtype, (3, 2))]


def _packed_product(m: GraphMaker) -> list[int]:
    words, scales, offsets = _packed(m)
    return [m.fresh(m.type_of(scales).dtype, (2, 64)), words, scales, offsets]


def _packed_choice(m: GraphMaker) -> list[int]:
    x, words, scales, offsets = _packed_product(m)
    packed = [m.builder.add("expand_dims", value, axes=(0,)) for value in (x, words, scales, offsets)]
    return [*packed, m.fresh(U, (2,)), m.fresh(U, (2,))]


def _rope(m: GraphMaker) -> list[int]:
    return [m.fresh(pick(m.chance, FLOATS), (1, 2, 4)), m.fresh(I, ())]


def _attention(m: GraphMaker) -> list[int]:
    dtype, keys = pick(m.chance, FLOATS), 1 + m.chance.below(3)
    return [m.fresh(dtype, (1, 2, 2, 4)), m.fresh(dtype, (1, 1, keys, 4)), m.fresh(dtype, (1, 1, keys, 4))]


RECIPES: Mapping[str, Callable[[GraphMaker], list[int]]] = {
    "matmul": _matmul,
    "addmm": _addmm,
    "convolution": _convolution,
    "take": _indexed,
    "gather": _indexed,
    "take_along_axis": _along,
    "put_along_axis": _put,
    "scatter": _scatter,
    "dynamic_slice": _window,
    "dynamic_slice_update": _window_update,
    "masked_scatter": _masked,
    "gather_mm": _chosen,
    "fft": _complex,
    "real": _complex,
    "imag": _complex,
    "conjugate": _complex,
    "pad": _fill,
    "concatenate": _several,
    "select": _condition,
    "random_bits": _key,
    "rms_norm": _norm,
    "layer_norm": _norm,
    "rope": _rope,
    "attention": _attention,
    "quantize": _long,
    "hadamard_transform": _long,
    "dequantize": _packed,
    "quantized_matmul": _packed_product,
    "gather_qmm": _packed_choice,
    "arange": lambda _m: [],
    "size_value": lambda _m: [],
    **dict.fromkeys(("inverse", "cholesky", "qr", "svd", "eigh", "eig"), _matrix),
}
