"""Inference takes the samples that are right and no other; MLX's own word on them is asked elsewhere."""

from __future__ import annotations

import pytest
from graph_cases import all_samples
from graph_forge import infer

from ostiary.graph.call import UnfitError
from ostiary.graph.dtypes import Dtype
from ostiary.graph.infer_graph import infer_node, make_scope
from ostiary.graph.primitives import PRIMITIVES
from ostiary.graph.sizes import Size, dim
from ostiary.graph.values import AttributeValue, Dim, Node, TensorType

H, W, B = dim("h"), dim("w"), dim("batch")
DIMS = (Dim("batch", 1, None), Dim("h", 4, None), Dim("w", 1, 9))
F32 = Dtype.FLOAT32
SAMPLES = all_samples()


@pytest.mark.parametrize("op", sorted(PRIMITIVES))
def test_samples_are_taken_or_refused_as_they_should(op: str) -> None:
    mine = [sample for sample in SAMPLES if sample.op == op]
    assert any(infer(sample) is not None for sample in mine)
    wrong = [sample for sample in mine if sample.refused is not None and (infer(sample) is None) != sample.refused]
    assert wrong == []


def shape_of(op: str, *shapes: tuple[Size, ...], **attributes: AttributeValue) -> tuple[Size, ...]:
    node = Node(op, (), (), attributes)
    return infer_node(node, tuple(TensorType(F32, shape) for shape in shapes), make_scope(DIMS))[0].shape


def test_sizes_follow_dims_through_every_family() -> None:
    conv = {"kernel_dilation": (1, 1), "input_dilation": (1, 1), "groups": 1, "flip": False}
    half = shape_of(
        "convolution",
        (B, H, W + 2, 3),
        (8, 3, 3, 3),
        stride=(2, 1),
        padding_low=(1, 0),
        padding_high=(1, 0),
        **conv,
    )
    assert half == (B, (H + 1) // 2, W, 8)
    assert shape_of("add", (B, 1, 4), (H, 1)) == (B, H, 4)
    assert shape_of("matmul", (B, H, 4), (4, 5)) == (B, H, 5)
    assert shape_of("reshape", (B, H, 4), shape=(B, H * 4)) == (B, 4 * H)
    assert shape_of("slice", (B, H), start=(0, H - 2), stop=(B, 1), step=(1, -2)) == (B, (H - 2) // 2)
    assert shape_of("concatenate", (B, H), (B, H), (B, 1), axis=1) == (B, 2 * H + 1)
    assert shape_of("pad", (B, H), (), before=(0, 1), after=(0, W)) == (B, H + W + 1)
    assert shape_of("sum", (B, H), axes=(1,), keepdims=True) == (B, 1)
    assert shape_of("view", (B, H), dtype=Dtype.UINT8) == (B, 4 * H)
    assert shape_of("split", (B, H), axis=1, at=(2,)) == (B, 2)
    assert shape_of("as_strided", (B, H, 3), shape=(B, H - 1, 2, 3), strides=(3 * H, 3, 3, 1), offset=0) == (
        B,
        H - 1,
        2,
        3,
    )


@pytest.mark.parametrize(
    ("op", "shapes", "attributes", "words"),
    [
        ("add", ((B,), (H,)), {}, "do not go together"),
        ("add", ((B,), (4,)), {}, "do not go together"),
        ("reshape", ((B, H),), {"shape": (B, W)}, "are not equal"),
        ("slice", ((H,),), {"start": (0,), "stop": (H + 1,), "step": (1,)}, "does not lie within axis 0"),
        ("slice", ((H,),), {"start": (H,), "stop": (0,), "step": (1,)}, "does not lie within axis 0"),
        ("as_strided", ((H,),), {"shape": (2,), "strides": (H,), "offset": 0}, "would be read"),
        ("sum", ((B, 0),), {"axes": (1,), "keepdims": False}, "is empty"),
        ("partition", ((W,),), {"axis": 0, "kth": 9}, "element 9 of axis 0"),
        ("reshape", ((B,),), {"shape": (B, 1, 1, 1, 1, 1, 1, 1, 1)}, "more than 8"),
        ("pad", ((B,), ()), {"before": (1 << 31,), "after": (0,)}, "a size is above"),
        ("view", ((B, H),), {"dtype": Dtype.COMPLEX64}, "follows a dim"),
        ("hadamard_transform", ((B,),), {"scale": 1.0}, "follows a dim"),
    ],
)
def test_what_fits_for_no_size_is_refused_before_there_are_sizes(
    op: str, shapes: tuple[tuple[Size, ...], ...], attributes: dict[str, AttributeValue], words: str
) -> None:
    with pytest.raises(UnfitError, match=words):
        shape_of(op, *shapes, **attributes)


def test_every_row_says_what_it_is() -> None:
    for row in PRIMITIVES.values():
        assert row.sentence.endswith("."), row.name
        assert len({item.name for item in row.attributes}) == len(row.attributes)
        assert all(item.sentence and not item.sentence.endswith(".") for item in row.attributes)
        assert (row.bounds is not None) <= bool(row.hazards)
