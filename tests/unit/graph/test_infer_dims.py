"""What inference says for all sizes of a dim, it says for each of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from graph_cases import Sample
from graph_forge import infer, valid_samples
from random_calls import Chance

from ostiary.graph.attributes import AttributeKind
from ostiary.graph.call import UnfitError
from ostiary.graph.infer_graph import infer_node, make_scope
from ostiary.graph.primitives import PRIMITIVES
from ostiary.graph.scope import Scope
from ostiary.graph.sizes import Size, dim, evaluate_size
from ostiary.graph.values import Dim, Node, TensorType

D = dim("d")
_SIZES = {AttributeKind.SIZE, AttributeKind.SIZES}


def _put(sizes: tuple[int, ...], number: int) -> tuple[Size, ...]:
    return tuple(D if size == number else size for size in sizes)


def _follow(sample: Sample, number: int) -> tuple[tuple[TensorType, ...], dict[str, Any]]:
    """The sample with a dim for each of its sizes that is `number`."""
    types = tuple(TensorType(dtype, _put(shape, number)) for dtype, shape in sample.inputs)
    attributes = dict(sample.attributes)
    for item in PRIMITIVES[sample.op].attributes:
        if item.kind in _SIZES:
            value = attributes[item.name]
            if isinstance(value, tuple):
                attributes[item.name] = _put(value, number)
            elif value == number:
                attributes[item.name] = D
    return types, attributes


def _fix(types: tuple[TensorType, ...], size: int) -> tuple[TensorType, ...]:
    return tuple(
        TensorType(item.dtype, tuple(evaluate_size(one, {"d": size}) for one in item.shape)) for item in types
    )


def _fix_attributes(attributes: Mapping[str, Any], size: int) -> dict[str, Any]:
    fixed = {}
    for name, value in attributes.items():
        if value is D:
            fixed[name] = size
        elif isinstance(value, tuple):
            fixed[name] = tuple(size if one is D else one for one in value)
        else:
            fixed[name] = value
    return fixed


def check_sizes(sample: Sample, outputs: tuple[TensorType, ...]) -> int:
    """How many sizes of a sample could follow a dim. Whatever that dim is, what was inferred for all must hold."""
    scope = make_scope((Dim("d", 1, None),))
    seen = 0
    for number in {size for _, shape in sample.inputs for size in shape if size > 1}:
        types, attributes = _follow(sample, number)
        try:
            general = infer_node(Node(sample.op, (), (), attributes), types, scope)
        except UnfitError:
            continue
        seen += 1
        assert _fix(general, number) == outputs, sample
        for size in (1, number - 1, number + 1, 3 * number, 64):
            node = Node(sample.op, (), (), _fix_attributes(attributes, size))
            try:
                special = infer_node(node, _fix(types, size), Scope({}))
            except UnfitError:
                continue
            assert special == _fix(general, size), (sample, size)
    return seen


@pytest.mark.parametrize("op", sorted(PRIMITIVES))
def test_what_holds_for_all_sizes_holds_for_each(op: str) -> None:
    seen = sum(check_sizes(sample, outputs) for sample, outputs in valid_samples() if sample.op == op)
    assert seen or op in {"hadamard_transform", "random_bits", "size_value", "arange"}


@pytest.mark.parametrize("seed", range(4))
def test_so_it_does_for_calls_by_chance(seed: int) -> None:
    chance = Chance(seed)
    seen = 0
    for _ in range(400):
        sample = chance.make()
        outputs = infer(sample)
        if outputs is not None:
            seen += check_sizes(sample, outputs)
    assert seen > 100
