"""Rows of the operations on each element by itself."""

from __future__ import annotations

from typing import Final

from ostiary.graph.attributes import Attribute, AttributeKind
from ostiary.graph.dtypes import Dtype
from ostiary.graph.infer_elementwise import (
    BOOLEAN,
    FLOAT,
    INTEGERS,
    INTEGERS_AND_BOOL,
    MAGNITUDE,
    NUMBERS,
    REAL,
    SAME,
    binary,
    infer_as_type,
    infer_select,
    infer_view,
    unary,
)
from ostiary.graph.primitive import Hazard, Infer, Primitive
from ostiary.graph.work import nothing, per_output

_FAMILY: Final = "elementwise"
_ONE: Final = ("x",)
_TWO: Final = ("a", "b")
_CHEAP: Final = 1
_DEAR: Final = 16  # a function that takes a series
_DTYPE: Final = Attribute("dtype", AttributeKind.DTYPE, "the element type of the result")


def _unary(name: str, infer: Infer, sentence: str, weight: int = _DEAR) -> Primitive:
    return Primitive(name, _FAMILY, _ONE, (), infer, per_output(weight), sentence)


def _binary(
    name: str, infer: Infer, sentence: str, weight: int = _CHEAP, hazards: tuple[Hazard, ...] = ()
) -> Primitive:
    return Primitive(name, _FAMILY, _TWO, (), infer, per_output(weight), sentence, hazards)


_REAL_FLOAT: Final = unary(FLOAT, REAL)
_FLOAT: Final = unary(FLOAT)
_COMPLEX: Final = frozenset({Dtype.COMPLEX64})

ROWS: Final = (
    _unary("abs", unary(MAGNITUDE), "The distance from zero.", _CHEAP),
    _unary("negative", unary(SAME, NUMBERS), "The number with the other sign.", _CHEAP),
    _unary(
        "sign", unary(SAME), "-1, 0 or 1; of a complex number, the number of length 1 in its direction.", _CHEAP
    ),
    _unary("square", unary(SAME), "The number times itself.", _CHEAP),
    _unary("floor", unary(SAME, REAL), "The greatest whole number that is no more.", _CHEAP),
    _unary("ceil", unary(SAME, REAL), "The least whole number that is no less.", _CHEAP),
    _unary("round", unary(SAME), "The nearest whole number, the even one of two as near.", _CHEAP),
    _unary("logical_not", unary(BOOLEAN), "True where the element is zero.", _CHEAP),
    _unary("bitwise_invert", unary(SAME, INTEGERS_AND_BOOL), "Each bit turned over.", _CHEAP),
    _unary("real", unary(MAGNITUDE, _COMPLEX), "The real part.", _CHEAP),
    _unary("imag", unary(MAGNITUDE, _COMPLEX), "The imaginary part.", _CHEAP),
    _unary("conjugate", unary(SAME, _COMPLEX), "The complex number mirrored at the real axis.", _CHEAP),
    _unary("sqrt", _FLOAT, "The square root."),
    _unary("rsqrt", _FLOAT, "One divided by the square root."),
    _unary("exp", _FLOAT, "The exponential function."),
    _unary("expm1", _REAL_FLOAT, "The exponential function minus one, exact near zero."),
    _unary("log", _FLOAT, "The natural logarithm."),
    _unary("log2", _FLOAT, "The logarithm to base 2."),
    _unary("log10", _FLOAT, "The logarithm to base 10."),
    _unary("log1p", _FLOAT, "The natural logarithm of one plus the element, exact near zero."),
    _unary("sin", _FLOAT, "The sine."),
    _unary("cos", _FLOAT, "The cosine."),
    _unary("tan", _FLOAT, "The tangent."),
    _unary("arcsin", _FLOAT, "The inverse sine."),
    _unary("arccos", _FLOAT, "The inverse cosine."),
    _unary("arctan", _FLOAT, "The inverse tangent."),
    _unary("sinh", _FLOAT, "The hyperbolic sine."),
    _unary("cosh", _FLOAT, "The hyperbolic cosine."),
    _unary("tanh", _FLOAT, "The hyperbolic tangent."),
    _unary("arcsinh", _FLOAT, "The inverse hyperbolic sine."),
    _unary("arccosh", _FLOAT, "The inverse hyperbolic cosine."),
    _unary("arctanh", _FLOAT, "The inverse hyperbolic tangent."),
    _unary("erf", _REAL_FLOAT, "The error function."),
    _unary("erfinv", _REAL_FLOAT, "The inverse of the error function."),
    _unary("sigmoid", _REAL_FLOAT, "The logistic function."),
    _binary("add", binary(SAME), "The sum."),
    _binary("subtract", binary(SAME), "The difference."),
    _binary("multiply", binary(SAME), "The product."),
    _binary("divide", binary(FLOAT), "The quotient, as a float."),
    _binary(
        "floor_divide",
        binary(SAME, INTEGERS),
        "The quotient of two integers, rounded down.",
        hazards=(Hazard.DIVISION,),
    ),
    _binary(
        "remainder",
        binary(SAME, REAL - {Dtype.BOOL}),
        "What is left of a division; it has the sign of the divisor.",
        hazards=(Hazard.DIVISION,),
    ),
    Primitive(
        "divmod",
        _FAMILY,
        _TWO,
        (),
        binary(SAME, REAL - {Dtype.BOOL}, outputs=2),
        per_output(_CHEAP),
        "The quotient, rounded down, and the remainder, which has the sign of the divisor.",
        (Hazard.DIVISION,),
    ),
    _binary("power", binary(SAME, NUMBERS), "The first to the power of the second.", _DEAR, (Hazard.EXPONENT,)),
    _binary("maximum", binary(SAME), "The greater one; not a number where either is."),
    _binary("minimum", binary(SAME), "The lesser one; not a number where either is."),
    _binary("logaddexp", binary(FLOAT), "The logarithm of the sum of the exponentials.", _DEAR),
    _binary("arctan2", binary(FLOAT, REAL), "The angle of the point (b, a).", _DEAR),
    _binary("equal", binary(BOOLEAN), "Whether the two are equal."),
    _binary("nan_equal", binary(BOOLEAN), "Whether the two are equal, or both not a number."),
    _binary("not_equal", binary(BOOLEAN), "Whether the two differ."),
    _binary("less", binary(BOOLEAN), "Whether the first is less."),
    _binary("less_equal", binary(BOOLEAN), "Whether the first is not greater."),
    _binary("greater", binary(BOOLEAN), "Whether the first is greater."),
    _binary("greater_equal", binary(BOOLEAN), "Whether the first is not less."),
    _binary("logical_and", binary(BOOLEAN), "Whether both are other than zero."),
    _binary("logical_or", binary(BOOLEAN), "Whether one is other than zero."),
    _binary("bitwise_and", binary(SAME, INTEGERS_AND_BOOL), "The bits that both have."),
    _binary("bitwise_or", binary(SAME, INTEGERS_AND_BOOL), "The bits that one has."),
    _binary("bitwise_xor", binary(SAME, INTEGERS_AND_BOOL), "The bits that just one has."),
    _binary("left_shift", binary(SAME, INTEGERS), "The bits of the first moved up."),
    _binary("right_shift", binary(SAME, INTEGERS), "The bits of the first moved down."),
    Primitive(
        "select",
        _FAMILY,
        ("condition", "a", "b"),
        (),
        infer_select,
        per_output(_CHEAP),
        "a where the condition holds, and b where not.",
    ),
    Primitive(
        "as_type", _FAMILY, _ONE, (_DTYPE,), infer_as_type, per_output(_CHEAP), "The element as another type."
    ),
    Primitive("view", _FAMILY, _ONE, (_DTYPE,), infer_view, nothing, "The same bytes read as another type."),
)
