"""What a graph says of shapes and attributes that cannot be: read strictly, it never reaches MLX."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graph_builder import GraphBuilder

from hostile_graphs.base import End, Hostile
from ostiary.graph.dtypes import Dtype
from ostiary.graph.values import TensorType

F, I, U = Dtype.FLOAT32, Dtype.INT32, Dtype.UINT32  # noqa: E741


def _claimed(
    op: str, inputs: list[tuple[Dtype, tuple[int, ...]]], claim: tuple[Dtype, tuple[int, ...]], **attributes: Any
) -> Callable[[GraphBuilder], object]:
    """One node that says of itself what it gives."""

    def build(b: GraphBuilder) -> object:
        values = [b.input(dtype, *shape) for dtype, shape in inputs]
        value = b.add(op, *values, claims=[TensorType(*claim)], **attributes)
        return b.output(b.add("real", value) if claim[0] is Dtype.COMPLEX64 else value)

    return build


def _conv(**changes: Any) -> dict[str, Any]:
    return {
        "stride": (1, 1), "padding_low": (0, 0), "padding_high": (0, 0), "kernel_dilation": (1, 1),
        "input_dilation": (1, 1), "groups": 1, "flip": False, **changes,
    }  # fmt: skip


def _packed(**changes: Any) -> dict[str, Any]:
    return {"group_size": 32, "bits": 4, "mode": "affine", "transpose": True, **changes}


IMAGE = [(F, (1, 4, 4, 2)), (F, (2, 2, 2, 2))]
PACKED = [(F, (1, 64)), (U, (8, 8)), (F, (8, 2)), (F, (8, 2))]
SEEN = (F, (1, 3, 3, 2))
_HEADS = [(F, (1, 4, 3, 8)), (F, (1, 2, 5, 8)), (F, (1, 2, 5, 8))]

UNREADABLE = [
    ("strides past the end", "as_strided", [(F, (4,))], (F, (4,)), {"shape": (4,), "strides": (1_000_000_000,), "offset": 0}),
    ("strides that overflow", "as_strided", [(F, (4,))], (F, (4,)), {"shape": (4,), "strides": (1 << 62,), "offset": 0}),
    ("strides below zero", "as_strided", [(F, (4,))], (F, (4,)), {"shape": (4,), "strides": (-1,), "offset": 3}),
    ("an offset past the end", "as_strided", [(F, (4,))], (F, (1,)), {"shape": (1,), "strides": (1,), "offset": 4}),
    ("no groups", "convolution", IMAGE, SEEN, _conv(groups=0)),
    ("groups that do not divide", "convolution", IMAGE, SEEN, _conv(groups=3)),
    ("no stride", "convolution", IMAGE, SEEN, _conv(stride=(0, 1))),
    ("a dilation of zero", "convolution", IMAGE, SEEN, _conv(kernel_dilation=(0, 1))),
    ("a spread of zero", "convolution", IMAGE, SEEN, _conv(input_dilation=(1, 0))),
    ("padding below zero", "convolution", IMAGE, SEEN, _conv(padding_low=(-1, 0))),
    ("padding that overflows", "convolution", IMAGE, SEEN, _conv(padding_low=((1 << 31) - 1, 0))),
    ("a window that does not fit", "convolution", [IMAGE[0], (F, (2, 9, 9, 2))], SEEN, _conv()),
    ("no channels", "convolution", [(F, (1, 4, 4, 0)), (F, (2, 2, 2, 0))], SEEN, _conv()),
    ("a window of nothing", "convolution", [IMAGE[0], (F, (2, 0, 2, 2))], SEEN, _conv()),
    ("strides of another rank", "convolution", IMAGE, SEEN, _conv(stride=(1,))),
    ("groups of no numbers", "quantized_matmul", PACKED, (F, (1, 8)), _packed(group_size=0)),
    ("numbers of no bits", "quantized_matmul", PACKED, (F, (1, 8)), _packed(bits=0)),
    ("numbers of seven bits", "quantized_matmul", PACKED, (F, (1, 8)), _packed(bits=7)),
    ("fewer scales than groups", "quantized_matmul", [*PACKED[:2], (F, (8, 1)), (F, (8, 1))], (F, (1, 8)), _packed()),
    ("more numbers than words", "quantized_matmul", [(F, (1, 128)), *PACKED[1:]], (F, (1, 8)), _packed()),
    ("no heads", "attention", [(F, (1, 0, 3, 8)), *_HEADS[1:]], (F, (1, 0, 3, 8)), {"scale": 1.0, "causal": False}),
    ("no heads of keys", "attention", [_HEADS[0], (F, (1, 0, 5, 8)), (F, (1, 0, 5, 8))], (F, (1, 4, 3, 8)), {"scale": 1.0, "causal": False}),
    ("heads that do not divide", "attention", [(F, (1, 3, 3, 8)), *_HEADS[1:]], (F, (1, 3, 3, 8)), {"scale": 1.0, "causal": False}),
    ("more turned than there are", "rope", [(F, (1, 2, 8)), (I, ())], (F, (1, 2, 8)), {"dims": 16, "traditional": False, "base": 1e4, "scale": 1.0}),
    ("an odd number turned", "rope", [(F, (1, 2, 8)), (I, ())], (F, (1, 2, 8)), {"dims": 3, "traditional": False, "base": 1e4, "scale": 1.0}),
    ("the greatest of nothing", "max", [(F, (0, 3))], (F, (3,)), {"axes": (0,), "keepdims": False}),
    ("the place of the greatest of nothing", "argmax", [(F, (3, 0))], (U, (3,)), {"axis": 1, "keepdims": False}),
    ("a part of nothing", "take", [(F, (0, 3)), (I, (1,))], (F, (1, 3)), {"axis": 0}),
    ("an index that is a float", "take", [(F, (4, 3)), (F, (1,))], (F, (1, 3)), {"axis": 0}),
    ("an axis that is not there", "sum", [(F, (3, 3))], (F, (3,)), {"axes": (2,), "keepdims": False}),
    ("an axis below zero", "argmax", [(F, (3, 3))], (U, (3,)), {"axis": -1, "keepdims": False}),
    ("one axis twice", "transpose", [(F, (3, 3))], (F, (3, 3)), {"axes": (0, 0)}),
    ("a shape of another size", "reshape", [(F, (3, 3))], (F, (10,)), {"shape": (10,)}),
    ("a shape that overflows", "reshape", [(F, (4,))], (F, (1 << 31, 1 << 31, 4)), {"shape": (1 << 31, 1 << 31, 4)}),
    ("a slice past the end", "slice", [(F, (4,))], (F, (5,)), {"start": (0,), "stop": (5,), "step": (1,)}),
    ("a slice from below zero", "slice", [(F, (4,))], (F, (5,)), {"start": (-1,), "stop": (4,), "step": (1,)}),
    ("a slice without steps", "slice", [(F, (4,))], (F, (4,)), {"start": (0,), "stop": (4,), "step": (0,)}),
    ("a cut past the end", "split", [(F, (4,))], (F, (5,)), {"axis": 0, "at": (5,)}),
    ("padding of less than nothing", "pad", [(F, (4,)), (F, ())], (F, (2,)), {"before": (-1,), "after": (-1,)}),
    ("a place past the end", "partition", [(F, (4,))], (F, (4,)), {"axis": 0, "kth": 4}),
    ("matrices that do not meet", "matmul", [(F, (3, 4)), (F, (5, 6))], (F, (3, 6)), {}),
    ("a sum over nothing", "matmul", [(F, (3, 0)), (F, (0, 6))], (F, (3, 6)), {}),
    ("a matrix of integers", "matmul", [(I, (3, 4)), (I, (4, 6))], (I, (3, 6)), {}),
    ("a transform of nothing", "fft", [(F, (3, 0))], (Dtype.COMPLEX64, (3, 1)), {"axes": (1,), "inverse": False, "real": True, "n": 1}),
    ("a transform of another size", "fft", [(F, (3, 8))], (Dtype.COMPLEX64, (3, 8)), {"axes": (1,), "inverse": False, "real": True, "n": 8}),
    ("eleven for Hadamard", "hadamard_transform", [(F, (3, 11))], (F, (3, 11)), {"scale": 1.0}),
    ("the inverse of nothing", "inverse", [(F, (0, 0))], (F, (0, 0)), {"triangular": False, "upper": False}),
    ("the inverse of no square", "inverse", [(F, (2, 3))], (F, (2, 3)), {"triangular": False, "upper": False}),
    ("half of a key", "random_bits", [(U, (1,))], (U, (4,)), {"shape": (4,), "width": 4}),
    ("random numbers of nine bytes", "random_bits", [(U, (2,))], (U, (4,)), {"shape": (4,), "width": 9}),
    ("a view of half a number", "view", [(Dtype.UINT8, (3,))], (U, (1,)), {"dtype": U}),
    ("bytes as booleans", "view", [(Dtype.UINT8, (3,))], (Dtype.BOOL, (3,)), {"dtype": Dtype.BOOL}),
    ("a lie about a shape", "negative", [(F, (3,))], (F, (30,)), {}),
    ("a lie about a type", "negative", [(F, (3,))], (I, (3,)), {}),
    ("numbers in a row without a step", "arange", [], (I, (4,)), {"start": 0.0, "step": 0.0, "size": 4, "dtype": I}),
    ("shapes that do not stretch", "add", [(F, (3,)), (F, (4,))], (F, (4,)), {}),
    ("an operation that nobody knows", "as_pointer", [(F, (3,))], (F, (3,)), {}),
    ("an attribute that nobody knows", "negative", [(F, (3,))], (F, (3,)), {"path": 1}),
]  # fmt: skip

BY_SHAPE = tuple(
    Hostile(name, _claimed(op, inputs, claim, **attributes), end=End.UNREADABLE)  # type: ignore[arg-type]
    for name, op, inputs, claim, attributes in UNREADABLE
)
