"""Holds every node against what it must be: the types of its results follow from its inputs, and are as stated."""

from __future__ import annotations

from typing import Final, NoReturn, cast

from ostiary.core.findings import refuse
from ostiary.core.function_limits import MAX_GRAPH_RANK, MAX_GRAPH_SIZE_WORK
from ostiary.core.limits import MAX_DIMENSION
from ostiary.graph.attributes import AttributeKind
from ostiary.graph.call import Call, UnfitError
from ostiary.graph.primitive import Primitive
from ostiary.graph.primitives import PRIMITIVES
from ostiary.graph.rules import GRAPH_LYING, GRAPH_TOO_LARGE, GRAPH_UNFIT
from ostiary.graph.scope import Scope
from ostiary.graph.shapes import render_shape
from ostiary.graph.sizes import Expression, Size, SizeError, multiply_sizes
from ostiary.graph.values import Dim, Graph, Node, TensorType

MAX_ELEMENTS: Final = 1 << 40  # far beyond memory, and a product of such numbers stays exact anyway


def make_scope(dims: tuple[Dim, ...]) -> Scope:
    """What is known of sizes that follow `dims`."""
    return Scope({item.name: (item.min, MAX_DIMENSION if item.max is None else item.max) for item in dims})


def infer_node(node: Node, inputs: tuple[TensorType, ...], scope: Scope) -> tuple[TensorType, ...]:
    """The types of the results. Raises UnfitError where the operation cannot take these inputs."""
    row = PRIMITIVES[node.op]
    try:
        types = row.infer(Call(inputs, node.attributes, scope))
        _check_sizes(node, row, scope)
        for item in types:
            check_type(item, scope)
    except SizeError as error:
        raise UnfitError(str(error)) from error
    return types


def _check_sizes(node: Node, row: Primitive, scope: Scope) -> None:
    """A size that follows dims can fall below what its attribute may be: `n-50`, once a call says that n is 10."""
    if row.name == "size_value":  # it computes with the size, and points nowhere
        return
    for item in row.attributes:
        if item.kind not in {AttributeKind.SIZE, AttributeKind.SIZES}:
            continue
        value = node.attributes[item.name]
        for size in value if isinstance(value, tuple) else (value,):
            if scope.is_surely_below(cast("Size", size), item.lowest or 0):
                raise UnfitError(f"attribute {item.name} has a size below {item.lowest or 0}: {size}")


def check_type(item: TensorType, scope: Scope) -> None:
    """Raises UnfitError for an array that could never be."""
    if item.shape in scope.checked:
        return
    if len(item.shape) > MAX_GRAPH_RANK:
        raise UnfitError(f"an array has {len(item.shape)} axes, more than {int(MAX_GRAPH_RANK)}")
    for size in item.shape:
        if scope.is_surely_below(size, 0):
            raise UnfitError(f"a size is negative: {size}")
        if scope.is_surely_below(MAX_DIMENSION, size):
            raise UnfitError(f"a size is above {int(MAX_DIMENSION)}: {size}")
    if scope.is_surely_below(MAX_ELEMENTS, multiply_sizes(item.shape)):
        raise UnfitError(f"an array of shape {render_shape(item.shape)} has more than {MAX_ELEMENTS} elements")
    scope.checked.add(item.shape)


def check_graph(graph: Graph) -> None:
    """Refuses the first node that cannot take its inputs, or gives something else than the graph says."""
    scope = make_scope(graph.dims)
    types = [item.type for item in graph.inputs] + [item.type for item in graph.constants]
    for number, item in enumerate(types):
        try:
            check_type(item, scope)
        except (UnfitError, SizeError) as error:
            raise refuse(GRAPH_TOO_LARGE, _cut(f"value {number}, an input or constant: {error}")) from error
    known: dict[tuple[object, ...], tuple[TensorType, ...]] = {}
    work = 0
    for number, node in enumerate(graph.nodes):
        inputs = tuple(types[value] for value in node.inputs)
        key = _make_key(node, inputs)
        outputs = known.get(key)
        if outputs is None:
            work += _count_size_work(node, inputs)
            if work > MAX_GRAPH_SIZE_WORK:
                raise refuse(GRAPH_TOO_LARGE, f"node {number} ({node.op}): too many sizes follow dims up to here")
            try:
                outputs = known[key] = infer_node(node, inputs, scope)
            except UnfitError as error:
                raise refuse(GRAPH_UNFIT, _cut(f"node {number} ({node.op}): {error}")) from error
        if len(outputs) != len(node.outputs) or any(map(_differs, outputs, node.outputs)):
            _refuse_outputs(number, node, outputs)
        types += outputs


def _make_key(node: Node, inputs: tuple[TensorType, ...]) -> tuple[object, ...]:
    """What inference looks at: nodes that agree in it give the same, and layers repeat."""
    shapes = tuple((item.dtype, item.shape) for item in inputs)
    return node.op, shapes, tuple(node.attributes.items())


def _count_size_work(node: Node, inputs: tuple[TensorType, ...]) -> int:
    """How long arithmetic on the sizes around a node can take: expressions are multiplied term by term."""
    work = 0
    for item in (*inputs, *node.outputs):
        for size in item.shape:
            if isinstance(size, Expression):
                work += _STEP + len(size.terms) ** 2
    for value in node.attributes.values():
        parts: tuple[object, ...] = value if isinstance(value, tuple) else (value,)
        work += sum(_STEP + len(part.terms) ** 2 for part in parts if isinstance(part, Expression))
    return work


_STEP: Final = 4


def _differs(one: TensorType, other: TensorType) -> bool:
    return one.dtype is not other.dtype or one.shape != other.shape


def _refuse_outputs(number: int, node: Node, real: tuple[TensorType, ...]) -> NoReturn:
    detail = f"{len(node.outputs)} results are stated, and it gives {len(real)}"
    for stated, item in zip(node.outputs, real, strict=False):
        if _differs(stated, item):
            detail = f"a result is {_tell(item)}, and {_tell(stated)} is stated"
            break
    raise refuse(GRAPH_LYING, _cut(f"node {number} ({node.op}): {detail}"))


def _cut(detail: str) -> str:
    """Sizes that follow dims can be long; a message is one line to read."""
    return detail if len(detail) <= _LONGEST else f"{detail[:_LONGEST]}..."


_LONGEST: Final = 400


def _tell(item: TensorType) -> str:
    return f"{item.dtype} {render_shape(item.shape)}"
