"""Rows of products, convolutions, transforms and factorisations."""

from __future__ import annotations

from typing import Final

from ostiary.graph import infer_linalg, infer_linear
from ostiary.graph.attributes import Attribute, AttributeKind
from ostiary.graph.call import Call
from ostiary.graph.infer_index import bound_choices
from ostiary.graph.primitive import Hazard, Primitive
from ostiary.graph.shapes import count_elements
from ostiary.graph.sizes import Size, multiply_sizes
from ostiary.graph.values import TensorType

_MATRIX: Final = "matrix"
_CONVOLUTION: Final = "convolution"
_FACTORISATION: Final = "factorisation"
_TRANSFORM: Final = "transform"
_FAILS: Final = (Hazard.FACTORISATION,)
_MOST_STEP: Final = 1 << 20
_VECTORS: Final = Attribute("vectors", AttributeKind.BOOL, "whether the vectors are given, not the values alone")
_UPPER: Final = Attribute("upper", AttributeKind.BOOL, "whether the upper triangle is meant, not the lower one")


def _count_product(call: Call, outputs: tuple[TensorType, ...]) -> Size:
    return count_elements(outputs[0].shape) * call.shape(0)[-1]


def _count_convolution(call: Call, outputs: tuple[TensorType, ...]) -> Size:
    return count_elements(outputs[0].shape) * multiply_sizes(call.shape(1)[1:])


def _count_cubic(call: Call, _outputs: tuple[TensorType, ...]) -> Size:
    """Factorisations take about ten products of the same size."""
    shape = call.shape(0)
    return count_elements(shape) * (shape[-1] + shape[-2]) * 10


def _count_logarithmic(call: Call, _outputs: tuple[TensorType, ...]) -> Size:
    return count_elements(call.shape(0)) * _LOGARITHM


_LOGARITHM: Final = 5 * 31


def _steps(name: str, sentence: str, lowest: int) -> Attribute:
    return Attribute(name, AttributeKind.INTEGERS, sentence, lowest=lowest, highest=_MOST_STEP)


def _scale(name: str, sentence: str) -> Attribute:
    return Attribute(name, AttributeKind.FLOAT, sentence)


ROWS: Final = (
    Primitive(
        "matmul",
        _MATRIX,
        ("a", "b"),
        (),
        infer_linear.infer_matmul,
        _count_product,
        "The product of matrices, or of those along the axes before the last two.",
    ),
    Primitive(
        "addmm",
        _MATRIX,
        ("a", "b", "c"),
        (_scale("alpha", "what the product is multiplied by"), _scale("beta", "what c is multiplied by")),
        infer_linear.infer_addmm,
        _count_product,
        "The product of matrices a and b, plus c.",
    ),
    Primitive(
        "gather_mm",
        _MATRIX,
        ("a", "b", "left", "right"),
        (),
        infer_linear.infer_gather_mm,
        _count_product,
        "Products of matrices that indices choose; mixtures of experts are made so.",
        (Hazard.INDEX,),
        bound_choices(2, 3),
    ),
    Primitive(
        "convolution",
        _CONVOLUTION,
        ("x", "weights"),
        (
            _steps("stride", "for each axis of the window, how far it moves", 1),
            _steps("padding_low", "for each axis of the window, how many zeros are in front", 0),
            _steps("padding_high", "for each axis of the window, how many zeros are behind", 0),
            _steps("kernel_dilation", "for each axis of the window, the distance of its elements", 1),
            _steps("input_dilation", "for each axis of the window, the distance that elements of x get", 1),
            Attribute("groups", AttributeKind.INTEGER, "into how many groups channels fall", lowest=1),
            Attribute("flip", AttributeKind.BOOL, "whether the window is turned over"),
        ),
        infer_linear.infer_convolution,
        _count_convolution,
        "Windows of one to three axes that move over x: [batch, axes..., channels] with weights [channels out, "
        "window..., channels in].",
    ),
    Primitive(
        "hadamard_transform",
        _TRANSFORM,
        ("x",),
        (_scale("scale", "what the result is multiplied by"),),
        infer_linear.infer_hadamard,
        _count_logarithmic,
        "The Hadamard transform along the last axis.",
    ),
    Primitive(
        "fft",
        _TRANSFORM,
        ("x",),
        (
            Attribute("axes", AttributeKind.INTEGERS, "axes, each once; the last one is the real one", lowest=0),
            Attribute("inverse", AttributeKind.BOOL, "whether it goes back from frequencies"),
            Attribute("real", AttributeKind.BOOL, "whether what is transformed, or what comes back, is real"),
            Attribute("n", AttributeKind.SIZE, "the size of the last of the axes afterwards"),
        ),
        infer_linear.infer_fft,
        _count_logarithmic,
        "The Fourier transform along axes; the way back is divided by the number of elements.",
    ),
    Primitive(
        "inverse",
        _FACTORISATION,
        ("x",),
        (Attribute("triangular", AttributeKind.BOOL, "whether one triangle of x is zero"), _UPPER),
        infer_linalg.infer_square,
        _count_cubic,
        "The inverse of a matrix.",
        _FAILS,
    ),
    Primitive(
        "cholesky",
        _FACTORISATION,
        ("x",),
        (_UPPER,),
        infer_linalg.infer_square,
        _count_cubic,
        "The triangle that, with its mirror image, multiplies to the matrix.",
        _FAILS,
    ),
    Primitive(
        "qr",
        _FACTORISATION,
        ("x",),
        (),
        infer_linalg.infer_qr,
        _count_cubic,
        "A matrix of orthogonal columns and a triangle that multiply to the matrix.",
        _FAILS,
    ),
    Primitive(
        "svd",
        _FACTORISATION,
        ("x",),
        (_VECTORS,),
        infer_linalg.infer_svd,
        _count_cubic,
        "Singular values, and the vectors on both sides of them.",
        _FAILS,
    ),
    Primitive(
        "eigh",
        _FACTORISATION,
        ("x",),
        (_UPPER, _VECTORS),
        infer_linalg.infer_eigh,
        _count_cubic,
        "Eigenvalues of a matrix that is its own mirror image, and their vectors.",
        _FAILS,
    ),
    Primitive(
        "eig",
        _FACTORISATION,
        ("x",),
        (_VECTORS,),
        infer_linalg.infer_eig,
        _count_cubic,
        "Eigenvalues of a matrix, and their vectors; all complex.",
        _FAILS,
    ),
)
