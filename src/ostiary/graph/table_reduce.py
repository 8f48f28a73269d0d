"""Rows of the operations along axes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from ostiary.graph import infer_reduce as rules
from ostiary.graph.attributes import Attribute, AttributeKind
from ostiary.graph.call import Call
from ostiary.graph.dtypes import Dtype, at_least_float
from ostiary.graph.primitive import Primitive
from ostiary.graph.shapes import count_elements
from ostiary.graph.sizes import Size
from ostiary.graph.values import TensorType
from ostiary.graph.work import per_input

_REDUCTION: Final = "reduction"
_ORDER: Final = "order"
_SCAN: Final = "scan"
_ONE: Final = ("x",)
_AXES: Final = Attribute("axes", AttributeKind.INTEGERS, "axes, ascending, one or more", lowest=0)
_AXIS: Final = Attribute("axis", AttributeKind.INTEGER, "the axis", lowest=0)
_KEEPDIMS: Final = Attribute("keepdims", AttributeKind.BOOL, "whether these axes stay, with size 1")
_KTH: Final = Attribute("kth", AttributeKind.INTEGER, "the place that gets its element", lowest=0)
_REVERSE: Final = Attribute("reverse", AttributeKind.BOOL, "whether it runs from the end")
_INCLUSIVE: Final = Attribute("inclusive", AttributeKind.BOOL, "whether each element is among its own")

Rule = Callable[[Dtype], Dtype]


def _reduction(name: str, rule: Rule, sentence: str) -> Primitive:
    attributes = (_AXES, _KEEPDIMS)
    return Primitive(name, _REDUCTION, _ONE, attributes, rules.reduce_axes(rule), per_input(1), sentence)


def _arg(name: str, sentence: str) -> Primitive:
    attributes = (_AXIS, _KEEPDIMS)
    return Primitive(name, _REDUCTION, _ONE, attributes, rules.infer_arg_reduce, per_input(1), sentence)


def _scan(name: str, rule: Rule, sentence: str, weight: int = 1) -> Primitive:
    attributes = (_AXIS, _REVERSE, _INCLUSIVE)
    return Primitive(name, _SCAN, _ONE, attributes, rules.along_axis(rule), per_input(weight), sentence)


def _count_order(call: Call, _outputs: tuple[TensorType, ...]) -> Size:
    """Each element is compared as often as the axis has bits."""
    size = call.shape(0)[call.integer("axis")]
    steps = size.bit_length() if isinstance(size, int) else _BITS
    return count_elements(call.shape(0)) * 4 * steps


_BITS: Final = 31


def _order(name: str, rule: Rule, sentence: str, *more: Attribute) -> Primitive:
    return Primitive(name, _ORDER, _ONE, (_AXIS, *more), rules.along_axis(rule), _count_order, sentence)


ROWS: Final = (
    _reduction("sum", rules.total_of, "The sum of all elements along axes."),
    _reduction("prod", rules.total_of, "The product of all elements along axes."),
    _reduction("min", rules.same, "The least element along axes."),
    _reduction("max", rules.same, "The greatest element along axes."),
    _reduction("all", rules.boolean, "Whether all elements along axes are other than zero."),
    _reduction("any", rules.boolean, "Whether an element along axes is other than zero."),
    _arg("argmin", "Where the least element along an axis is; the first of equal ones."),
    _arg("argmax", "Where the greatest element along an axis is; the first of equal ones."),
    _order("sort", rules.same, "The elements along an axis in ascending order."),
    _order("argsort", rules.positions, "Where the elements of the ascending order are."),
    _order(
        "partition",
        rules.same,
        "The element at one place as in ascending order, none greater before and none less after it.",
        _KTH,
    ),
    _order("argpartition", rules.positions, "Where the elements of a partition are.", _KTH),
    _scan("cumsum", rules.running_sum_of, "Running sums along an axis."),
    _scan("cumprod", rules.same, "Running products along an axis."),
    _scan("cummax", rules.same, "The greatest element so far along an axis."),
    _scan("cummin", rules.same, "The least element so far along an axis."),
    _scan("logcumsumexp", at_least_float, "Running logarithms of sums of exponentials along an axis.", 16),
    Primitive(
        "softmax",
        _REDUCTION,
        _ONE,
        (Attribute("precise", AttributeKind.BOOL, "whether half precision is summed up in float32"),),
        rules.infer_softmax,
        per_input(16),
        "Exponentials along the last axis, divided by their sum.",
    ),
    Primitive(
        "logsumexp",
        _REDUCTION,
        _ONE,
        (),
        rules.infer_logsumexp,
        per_input(16),
        "The logarithm of the sum of exponentials along the last axis, which stays with size 1.",
    ),
)
