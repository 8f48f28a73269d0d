"""Rows of the operations on packed numbers, of the kernels that MLX has for whole layers, and of random numbers."""

from __future__ import annotations

from typing import Final

from ostiary.graph import infer_fast, infer_quantized
from ostiary.graph.attributes import Attribute, AttributeKind
from ostiary.graph.call import Call
from ostiary.graph.infer_index import bound_choices
from ostiary.graph.infer_quantized import MODES
from ostiary.graph.primitive import Bounds, Hazard, IndexBound, Primitive
from ostiary.graph.shapes import count_elements
from ostiary.graph.sizes import Size
from ostiary.graph.values import TensorType
from ostiary.graph.work import per_input, per_output

_QUANTIZED: Final = "quantized"
_FAST: Final = "fast"
_RANDOM: Final = "random"
_PACKING: Final = (
    Attribute("group_size", AttributeKind.INTEGER, "how many numbers share a scale", lowest=1),
    Attribute("bits", AttributeKind.INTEGER, "how many bits a number has", lowest=1),
    Attribute("mode", AttributeKind.CHOICE, "how bits become numbers", tuple(MODES)),
)
_TRANSPOSE: Final = Attribute("transpose", AttributeKind.BOOL, "whether each line of words is a column")
_EPS: Final = Attribute("eps", AttributeKind.FLOAT, "what is added before the root is taken")
_SCALE: Final = Attribute("scale", AttributeKind.FLOAT, "what scores or positions are multiplied by")


def _count_product(call: Call, outputs: tuple[TensorType, ...]) -> Size:
    """Unpacking takes as long as the product again."""
    return count_elements(outputs[0].shape) * call.shape(0)[-1] * 2


def _count_attention(call: Call, outputs: tuple[TensorType, ...]) -> Size:
    scores = count_elements(call.shape(0)[:3]) * call.shape(1)[2]
    return scores * (call.shape(0)[3] + outputs[0].shape[3] + 16)


def _bound_chosen(call: Call) -> tuple[IndexBound, ...]:
    last = len(call.inputs)
    bounds: Bounds = bound_choices(last - 2, last - 1)
    return bounds(call)


ROWS: Final = (
    Primitive(
        "quantize",
        _QUANTIZED,
        ("x",),
        _PACKING,
        infer_quantized.infer_quantize,
        per_input(8),
        "Numbers packed into few bits: words, scales, and offsets in mode affine.",
    ),
    Primitive(
        "dequantize",
        _QUANTIZED,
        ("words", "scales", "offsets?"),
        (*_PACKING, Attribute("dtype", AttributeKind.DTYPE, "the element type of the result")),
        infer_quantized.infer_dequantize,
        per_output(8),
        "Packed numbers as floats.",
    ),
    Primitive(
        "quantized_matmul",
        _QUANTIZED,
        ("x", "words", "scales", "offsets?"),
        (*_PACKING, _TRANSPOSE),
        infer_quantized.infer_quantized_matmul,
        _count_product,
        "The product with a matrix of packed numbers.",
    ),
    Primitive(
        "gather_qmm",
        _QUANTIZED,
        ("x", "words", "scales", "offsets?", "left", "right"),
        (*_PACKING, _TRANSPOSE),
        infer_quantized.infer_gather_qmm,
        _count_product,
        "Products with matrices of packed numbers that indices choose.",
        (Hazard.INDEX,),
        _bound_chosen,
    ),
    Primitive(
        "rms_norm",
        _FAST,
        ("x", "weights?"),
        (_EPS,),
        infer_fast.infer_norm,
        per_input(8),
        "The last axis divided by its root of the mean of squares.",
    ),
    Primitive(
        "layer_norm",
        _FAST,
        ("x", "weights?", "offsets?"),
        (_EPS,),
        infer_fast.infer_norm,
        per_input(8),
        "The last axis with mean 0 and variance 1, by weights, plus offsets.",
    ),
    Primitive(
        "rope",
        _FAST,
        ("x", "offset", "frequencies?"),
        (
            Attribute("dims", AttributeKind.INTEGER, "how many numbers of the last axis turn", lowest=2),
            Attribute("traditional", AttributeKind.BOOL, "whether neighbours turn, and not halves"),
            Attribute("base", AttributeKind.FLOAT, "what angles are powers of; 0 where frequencies are given"),
            _SCALE,
        ),
        infer_fast.infer_rope,
        per_input(32),
        "Pairs of numbers turned by an angle that grows with the position, the last axis but one.",
    ),
    Primitive(
        "attention",
        _FAST,
        ("queries", "keys", "values", "mask?"),
        (_SCALE, Attribute("causal", AttributeKind.BOOL, "whether later positions are left out")),
        infer_fast.infer_attention,
        _count_attention,
        "Scaled dot product attention over [batch, heads, positions, numbers].",
    ),
    Primitive(
        "random_bits",
        _RANDOM,
        ("key",),
        (
            Attribute("shape", AttributeKind.SIZES, "the shape of the result"),
            Attribute(
                "width", AttributeKind.INTEGER, "how many bytes a number has: 1, 2 or 4", lowest=1, highest=4
            ),
        ),
        infer_fast.infer_random_bits,
        per_output(16),
        "Random numbers that follow from a key of two words, the same ones each time.",
    ),
)
