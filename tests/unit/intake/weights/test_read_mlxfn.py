from __future__ import annotations

import struct

import pytest
from attack_cases.weight_files import (
    BOOL,
    F32,
    I32,
    corpus_files,
    fn_bytes,
    fn_constant,
    fn_function,
    fn_ids,
    fn_list,
    fn_operation,
    fn_shape,
    fn_text,
)

from ostiary.core.limits import MAX_MLXFN_BYTES, MAX_MLXFN_FUNCTIONS, MAX_MLXFN_LIST_ITEMS, MAX_MLXFN_STEPS
from ostiary.errors import IntakeRefused
from ostiary.intake.rules import tensors as tensor_rules
from ostiary.intake.rules import weights as rules
from ostiary.intake.weights.mlxfn_operations import OPERATIONS, ArrayType
from ostiary.intake.weights.read_mlxfn import parse_mlxfn

CORPUS = corpus_files("mlxfn")
OK = fn_bytes(fn_function())
INT_INPUT = fn_shape(2) + I32


def graph(*steps: bytes, inputs: bytes = fn_shape(2) + F32) -> bytes:
    return fn_bytes(fn_function(steps, inputs=[inputs]))


def with_input(shape: bytes, dtype: bytes = F32) -> bytes:
    return fn_bytes(fn_function(inputs=[shape + dtype]))


REFUSED = {
    rules.FN_TRUNCATED: [
        b"",
        OK[:5],
        OK[:-1],
        fn_text("0.32.4")[:12],
        struct.pack("<Q", 2**63) + b"0.32",
        with_input(struct.pack("<Q", 2**63)),
        fn_bytes(fn_list() + struct.pack("<Q", 2**62)),
        fn_bytes(fn_function()[:-8] + struct.pack("<Q", 2**64 - 1)),
        graph(fn_constant(2, data=bytes(4))),
    ],
    rules.FN_VERSION: [
        fn_bytes(fn_function(), version=v)
        for v in ("", "x", "1", "0.32.4\n", "9" * 65, b"\xff", "0.32.4 ", "..", "PK\3\4")
    ]
    + [fn_bytes(fn_function(), metadata=b"\xff")],
    rules.FN_TOO_LARGE: [
        fn_bytes(fn_function(), count=MAX_MLXFN_FUNCTIONS + 1),
        fn_bytes(fn_function()[:-8] + struct.pack("<Q", MAX_MLXFN_STEPS + 1) + bytes(10 * (MAX_MLXFN_STEPS + 1))),
        fn_bytes(fn_function(keywords=["k" * 600])),
    ],
    rules.FN_COUNT: [
        fn_bytes(count=0),
        fn_bytes(count=-1),
        fn_bytes(fn_function(input_ids=[1, 2])),
        fn_bytes(fn_function(input_ids=[])),
        fn_bytes(fn_function(keywords=["a", "b"])),
        fn_bytes(fn_function(keywords=["a", "a"], input_ids=[1, 2], inputs=[INT_INPUT] * 2)),
        fn_bytes(fn_function(), shapeless=2),
        graph(struct.pack("<QB", 2, 7) + bytes(1)),
    ],
    rules.FN_SHAPELESS: [fn_bytes(fn_function(), shapeless=1)],
    rules.FN_DTYPE: [
        with_input(fn_shape(2), struct.pack("<iB", *pair))
        for pair in ((10, 1), (10, 8), (14, 4), (-1, 4), (2**31 - 1, 4))
    ]
    + [graph(fn_operation(2, "Sin", [1], dtype=struct.pack("<iB", 10, 1)))],
    tensor_rules.TENSOR_SHAPE: [with_input(fn_shape(-1)), graph(fn_constant(2, fn_shape(-1, -2)))],
    tensor_rules.TENSOR_SIZE_OVERFLOW: [graph(fn_constant(2, fn_shape(*[2**31 - 1] * 3)))],
    tensor_rules.TOO_MANY_DIMENSIONS: [with_input(fn_shape(*[1] * 9))],
    rules.FN_GRAPH: [
        graph(struct.pack("<QBB", 9, 0, 0)),
        graph(fn_operation(1, "Sin", [1])),
        graph(fn_operation(2, "Sin", [9])),
        graph(fn_operation(2, "Sin", [2])),
        graph(fn_constant(1)),
        graph(fn_constant(2), fn_constant(2)),
        fn_bytes(fn_function(outputs=[9])),
        fn_bytes(fn_function(input_ids=[1, 1], inputs=[INT_INPUT] * 2)),
    ],
    rules.FN_OPERATION: [
        graph(fn_operation(2, "Add", [1])),
        graph(fn_operation(2, "Add", [1, 1, 1])),
        graph(fn_operation(2, "Sin", [])),
        graph(fn_operation(2, "Sin", [1], shape=fn_shape(4096))),
        graph(fn_operation(2, "Sin", [1], dtype=I32)),
        graph(fn_operation(2, "Sin", [1], dtype=I32), inputs=INT_INPUT),
        graph(fn_operation(2, "Divide", [1, 1], dtype=I32), inputs=INT_INPUT),
        graph(fn_operation(2, "Remainder", [1, 1], dtype=I32), inputs=INT_INPUT),
        graph(fn_operation(2, "Less", [1, 1])),
        graph(fn_constant(2, fn_shape(1), data=bytes(4)), fn_operation(3, "Add", [1, 2])),
        graph(fn_constant(2, dtype=I32), fn_operation(3, "Add", [1, 2])),
        graph(fn_operation(2, "Reshape", [1], argument=fn_shape(4096), shape=fn_shape(4096))),
        graph(fn_operation(2, "Reshape", [1], argument=fn_shape(2), shape=fn_shape(2, 1))),
        graph(fn_operation(2, "Reshape", [1], argument=fn_shape(-1, -1), shape=fn_shape(2, 1))),
        graph(fn_operation(2, "Broadcast", [1], argument=fn_shape(3), shape=fn_shape(3))),
        graph(fn_operation(2, "Broadcast", [1], argument=fn_shape(), shape=fn_shape())),
        graph(fn_operation(2, "Broadcast", [1], argument=fn_shape(-1), shape=fn_shape(2))),
        graph(fn_operation(2, "AsType", [1], argument=I32)),
        graph(fn_operation(2, "Log", [1], argument=struct.pack("<i", 3))),
        graph(fn_operation(2, "Sin", [1], siblings=1)),
        graph(fn_operation(2, "Sin", [1], device=(0, 2, 0))),
        graph(fn_operation(2, "Sin", [1], device=(-1, 0, 0))),
    ],
    rules.FN_UNKNOWN_OPERATION: [
        graph(fn_operation(2, name, [1]))
        for name in (
            "AsStrided",
            "GatherAxis",
            "Gather",
            "Scatter",
            "View",
            "ExpandDims",
            "Convolution",
            "Load",
            "",
            "x" * 500,
        )
    ],
    rules.FN_KERNEL: [graph(fn_operation(2, "CustomKernel", [1]))],
    rules.FN_TRAILING: [OK + b"\0", fn_bytes(fn_function(), fn_function(), count=1)],
}


@pytest.mark.parametrize(
    ("rule", "data"),
    [(rule, data) for rule, files in REFUSED.items() for data in files],
    ids=lambda v: getattr(v, "id", ""),
)
def test_refuses_by_the_rule_that_fits(rule: rules.Rule, data: bytes) -> None:
    with pytest.raises(IntakeRefused) as caught:
        parse_mlxfn(data)
    assert caught.value.findings[0].rule.id == rule.id
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", CORPUS)
def test_corpus(name: str) -> None:
    expected, data = CORPUS[name]
    if expected == "reject":
        with pytest.raises(IntakeRefused):
            parse_mlxfn(data)
    else:
        assert parse_mlxfn(data).functions[0].operations == (("Add", 1),)


def test_every_mlxfn_rule_is_struck() -> None:
    assert {rule.id for rule in rules.RULES if rule.id.startswith("mlxfn.")} <= {rule.id for rule in REFUSED}


def test_a_file_past_the_ceiling_is_not_walked() -> None:
    with pytest.raises(IntakeRefused) as caught:
        parse_mlxfn(bytes(MAX_MLXFN_BYTES + 1))
    assert caught.value.findings[0].rule is rules.FN_TOO_LARGE


def test_describes_functions() -> None:
    steps = [
        struct.pack("<QBB", 1, 0, 0),
        fn_constant(3),
        fn_operation(4, "Add", [1, 3]),
        fn_operation(5, "Broadcast", [4], argument=fn_shape(3, 2), shape=fn_shape(3, 2)),
        fn_operation(6, "Reshape", [5], argument=fn_shape(-1), shape=fn_shape(6)),
        fn_operation(7, "AsType", [6], argument=I32, shape=fn_shape(6), dtype=I32),
        fn_operation(8, "Equal", [7, 7], argument=b"\0", shape=fn_shape(6), dtype=BOOL),
        fn_operation(9, "Sqrt", [4], argument=b"\1"),
        fn_operation(10, "Log", [9], argument=struct.pack("<i", 2), device=(1, 1, 0)),
    ]
    first = fn_function(steps, keywords=["k"], outputs=[8, 10])
    # A constant that an earlier function brought has no bytes again.
    second = fn_function([struct.pack("<QBB", 3, 0, 1), fn_operation(4, "Add", [1, 3])], outputs=[4])
    file = parse_mlxfn(fn_bytes(first, second, metadata="m"))
    assert (file.mlx_version, file.metadata) == ("0.32.4", "m")
    one, two = file.functions
    assert one.keywords == ("k",)
    assert one.inputs == (ArrayType((2,), "F32"),)
    assert one.outputs == (ArrayType((6,), "BOOL"), ArrayType((2,), "F32"))
    assert (one.constants, one.constant_bytes, two.constants) == (1, 8, 0)
    assert [name for name, _ in one.operations] == ["Add", "AsType", "Broadcast", "Equal", "Log", "Reshape", "Sqrt"]
    assert two.operations == (("Add", 1),)


def test_the_list_items_are_bounded_over_the_whole_file() -> None:
    half = fn_function(outputs=[1] * (MAX_MLXFN_LIST_ITEMS // 2))
    assert parse_mlxfn(fn_bytes(half))
    with pytest.raises(IntakeRefused) as caught:
        parse_mlxfn(fn_bytes(half, half))
    assert caught.value.findings[0].rule is rules.FN_TOO_LARGE


def test_the_steps_are_bounded_over_the_whole_file() -> None:
    half = fn_function([struct.pack("<QBB", 1, 0, 0)] * (MAX_MLXFN_STEPS // 2 + 1))
    assert parse_mlxfn(fn_bytes(half))
    with pytest.raises(IntakeRefused) as caught:
        parse_mlxfn(fn_bytes(half, half))
    assert caught.value.findings[0].rule is rules.FN_TOO_LARGE


def test_nothing_that_indexes_or_views_memory_is_known() -> None:
    unsafe = "AsStrided View Gather GatherAxis GatherMM Scatter ScatterAxis Slice SliceUpdate DynamicSlice Load CustomKernel"
    assert OPERATIONS.keys().isdisjoint(unsafe.split())


def test_ids_are_read_whole() -> None:
    data = fn_bytes(fn_function(input_ids=[2**64 - 1], outputs=[2**64 - 1]))
    assert fn_ids(2**64 - 1) in data
    assert parse_mlxfn(data).functions[0].outputs == (ArrayType((2,), "F32"),)
