"""Rows of the operations whose inputs say where to read or write."""

from __future__ import annotations

from typing import Final

from ostiary.graph import infer_index as rules
from ostiary.graph.attributes import Attribute, AttributeKind
from ostiary.graph.primitive import Bounds, Hazard, Infer, Primitive
from ostiary.graph.work import per_input, per_output

_FAMILY: Final = "index"
_AXIS: Final = Attribute("axis", AttributeKind.INTEGER, "the axis that indices point into", lowest=0)
_AXES: Final = Attribute("axes", AttributeKind.INTEGERS, "for each array of indices, its axis; ascending", lowest=0)
_CUT: Final = Attribute("axes", AttributeKind.INTEGERS, "for each start, its axis; ascending", lowest=0)
_REDUCE: Final = Attribute(
    "reduce",
    AttributeKind.CHOICE,
    "what becomes of the old element: `none` replaces it",
    ("none", "sum", "prod", "max", "min"),
)
_REDUCE_SIMPLY: Final = Attribute("reduce", AttributeKind.CHOICE, _REDUCE.sentence, ("none", "sum"))
_SLICE: Final = (
    Attribute("start", AttributeKind.SIZES, "for each axis, the first element"),
    Attribute("stop", AttributeKind.SIZES, "for each axis, where to end, itself left out", lowest=-1),
    Attribute("step", AttributeKind.INTEGERS, "for each axis, how far to go; not 0"),
)
_GUARDED: Final = (Hazard.INDEX,)


def _reads(
    name: str, inputs: tuple[str, ...], attributes: tuple[Attribute, ...], rule: tuple[Infer, Bounds], sentence: str
) -> Primitive:
    infer, bounds = rule
    return Primitive(name, _FAMILY, inputs, attributes, infer, per_output(2), sentence, _GUARDED, bounds)


def _writes(
    name: str, inputs: tuple[str, ...], attributes: tuple[Attribute, ...], rule: tuple[Infer, Bounds], sentence: str
) -> Primitive:
    infer, bounds = rule
    return Primitive(name, _FAMILY, inputs, attributes, infer, per_input(2), sentence, _GUARDED, bounds)


ROWS: Final = (
    _reads(
        "take",
        ("x", "indices"),
        (_AXIS,),
        (rules.infer_take, rules.bound_along_axis),
        "Parts of x along an axis; the axes of the indices stand in its place.",
    ),
    _reads(
        "take_along_axis",
        ("x", "indices"),
        (_AXIS,),
        (rules.infer_take_along_axis, rules.bound_along_axis),
        "Elements of x along an axis, each line with indices of its own.",
    ),
    _writes(
        "put_along_axis",
        ("x", "indices", "values"),
        (_AXIS, _REDUCE_SIMPLY),
        (rules.infer_put_along_axis, rules.bound_along_axis),
        "x with elements along an axis changed, each line with indices of its own.",
    ),
    _reads(
        "gather",
        ("x", "indices+"),
        (_AXES,),
        (rules.infer_gather, rules.bound_axes),
        "Parts of x at one index for each of several axes: the axes of the indices, then all axes of x, of size 1 "
        "where an index has chosen.",
    ),
    _writes(
        "scatter",
        ("x", "indices+", "values"),
        (_AXES, _REDUCE),
        (rules.infer_scatter, rules.bound_axes),
        "x with such parts changed; values have the shape that a gather gives.",
    ),
    Primitive(
        "searchsorted",
        _FAMILY,
        ("sequence", "values"),
        (Attribute("right", AttributeKind.BOOL, "whether equal elements lie before the place, and not behind it"),),
        rules.infer_searchsorted,
        per_output(32),
        "For each value, how many elements of an ascending sequence lie before it.",
    ),
    Primitive(
        "slice_update",
        _FAMILY,
        ("x", "values"),
        (*_SLICE, _REDUCE),
        rules.infer_slice_update,
        per_input(1),
        "x with a slice changed; values stretch to its shape.",
    ),
    _reads(
        "dynamic_slice",
        ("x", "start"),
        (_CUT, Attribute("sizes", AttributeKind.SIZES, "for each axis of x, how many elements")),
        (rules.infer_dynamic_slice, rules.bound_dynamic_slice),
        "A part of x from a start that is computed.",
    ),
    _writes(
        "dynamic_slice_update",
        ("x", "values", "start"),
        (_CUT,),
        (rules.infer_dynamic_slice_update, rules.bound_dynamic_slice_update),
        "x with a part changed, from a start that is computed.",
    ),
    Primitive(
        "masked_scatter",
        _FAMILY,
        ("x", "mask", "values"),
        (),
        rules.infer_masked_scatter,
        per_input(4),
        "x with the elements changed where a mask is true: along the first axis, each row takes values from a row "
        "of its own, in order, which must have as many as the mask is true.",
        _GUARDED,
    ),
)
