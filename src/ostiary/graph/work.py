"""How much work operations are, in multiply-adds or what takes as long."""

from __future__ import annotations

from ostiary.graph.call import Call
from ostiary.graph.primitive import Work
from ostiary.graph.shapes import count_elements
from ostiary.graph.sizes import Size
from ostiary.graph.values import TensorType


def per_output(weight: int) -> Work:
    """`weight` for each element that comes out."""

    def count(_call: Call, outputs: tuple[TensorType, ...]) -> Size:
        total: Size = 0
        for output in outputs:
            total = total + count_elements(output.shape)
        return total * weight

    return count


def per_input(weight: int) -> Work:
    """`weight` for each element that goes in."""

    def count(call: Call, _outputs: tuple[TensorType, ...]) -> Size:
        total: Size = 0
        for item in call.inputs:
            total = total + count_elements(item.shape)
        return total * weight

    return count


def nothing(_call: Call, _outputs: tuple[TensorType, ...]) -> Size:
    """Of what only looks at an array in another way."""
    return 0
