"""Rows of the operations that give the same elements in another shape, or elements from sizes."""

from __future__ import annotations

from typing import Final

from ostiary.graph import infer_shape as rules
from ostiary.graph.attributes import Attribute, AttributeKind
from ostiary.graph.primitive import Primitive
from ostiary.graph.work import nothing, per_output

_FAMILY: Final = "shape"
_ONE: Final = ("x",)
_SHAPE: Final = Attribute("shape", AttributeKind.SIZES, "the shape of the result")
_AXES: Final = Attribute("axes", AttributeKind.INTEGERS, "axes, ascending", lowest=0)
_DTYPE: Final = Attribute("dtype", AttributeKind.DTYPE, "the element type of the result")
_AXIS: Final = Attribute("axis", AttributeKind.INTEGER, "the axis", lowest=0)

ROWS: Final = (
    Primitive(
        "broadcast_to",
        _FAMILY,
        _ONE,
        (_SHAPE,),
        rules.infer_broadcast_to,
        nothing,
        "The array repeated along axes of size 1 and along new ones in front.",
    ),
    Primitive(
        "reshape",
        _FAMILY,
        _ONE,
        (_SHAPE,),
        rules.infer_reshape,
        per_output(1),
        "The same elements, row by row, in another shape.",
    ),
    Primitive(
        "transpose",
        _FAMILY,
        _ONE,
        (Attribute("axes", AttributeKind.INTEGERS, "every axis of the input once, in their new order", lowest=0),),
        rules.infer_transpose,
        nothing,
        "The axes in another order.",
    ),
    Primitive(
        "expand_dims",
        _FAMILY,
        _ONE,
        (Attribute("axes", AttributeKind.INTEGERS, "new axes, as the result counts them, ascending", lowest=0),),
        rules.infer_expand_dims,
        nothing,
        "New axes of size 1.",
    ),
    Primitive("squeeze", _FAMILY, _ONE, (_AXES,), rules.infer_squeeze, nothing, "Without these axes of size 1."),
    Primitive(
        "slice",
        _FAMILY,
        _ONE,
        (
            Attribute("start", AttributeKind.SIZES, "for each axis, the first element"),
            Attribute(
                "stop",
                AttributeKind.SIZES,
                "for each axis, where to end, itself left out; -1 with a negative step is before the first element",
                lowest=-1,
            ),
            Attribute("step", AttributeKind.INTEGERS, "for each axis, how far to go; not 0"),
        ),
        rules.infer_slice,
        nothing,
        "Every so many elements from one to another, along each axis.",
    ),
    Primitive(
        "concatenate",
        _FAMILY,
        ("x+",),
        (_AXIS,),
        rules.infer_concatenate,
        per_output(1),
        "Arrays one after another along an axis; all have one element type.",
    ),
    Primitive(
        "split",
        _FAMILY,
        _ONE,
        (_AXIS, Attribute("at", AttributeKind.SIZES, "where to cut, ascending: one less than the parts")),
        rules.infer_split,
        nothing,
        "Parts of an array, cut along an axis.",
    ),
    Primitive(
        "pad",
        _FAMILY,
        ("x", "fill"),
        (
            Attribute("before", AttributeKind.SIZES, "for each axis, how many elements to add in front"),
            Attribute("after", AttributeKind.SIZES, "for each axis, how many elements to add behind"),
        ),
        rules.infer_pad,
        per_output(1),
        "The array with a border of one element, repeated.",
    ),
    Primitive(
        "as_strided",
        _FAMILY,
        _ONE,
        (
            _SHAPE,
            Attribute("strides", AttributeKind.SIZES, "for each axis, how many elements of the input to go on"),
            Attribute("offset", AttributeKind.SIZE, "the first element"),
        ),
        rules.infer_as_strided,
        nothing,
        "Elements of the input, as it lies row by row, at regular distances; windows that slide are made so.",
    ),
    Primitive(
        "arange",
        _FAMILY,
        (),
        (
            Attribute("start", AttributeKind.FLOAT, "the first number"),
            Attribute("step", AttributeKind.FLOAT, "the distance from one to the next"),
            Attribute("size", AttributeKind.SIZE, "how many"),
            _DTYPE,
        ),
        rules.infer_arange,
        per_output(1),
        "Numbers at one distance.",
    ),
    Primitive(
        "number_of_elements",
        _FAMILY,
        _ONE,
        (
            Attribute("axes", AttributeKind.INTEGERS, "axes, ascending; the sizes of all are multiplied", lowest=0),
            Attribute("inverted", AttributeKind.BOOL, "whether one is divided by the number"),
            _DTYPE,
        ),
        rules.infer_number_of_elements,
        nothing,
        "How many elements there are along axes, as an array without axes.",
    ),
    Primitive(
        "size_value",
        _FAMILY,
        (),
        (Attribute("size", AttributeKind.SIZE, "the size"), _DTYPE),
        rules.infer_size_value,
        nothing,
        "A size as an array without axes.",
    ),
)
