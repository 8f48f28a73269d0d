"""An honest function with one thing wrong in its graph, constants, contract or card, and honest look-alikes."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Mapping
from typing import Any

from contract_files import contract_file

from attack_cases.base import ACCEPT, Case, model_files, safetensors_bytes

MALFORMED = "INTAKE_MALFORMED"
RANGE = "INTAKE_OUT_OF_RANGE"
INCONSISTENT = "INTAKE_INCONSISTENT"
INCOMPLETE = "INTAKE_INCOMPLETE"
LARGE = "INTAKE_TOO_LARGE"
DUPLICATE = "INTAKE_DUPLICATE_NAME"
UNSAFE = "INTAKE_UNSAFE_FORMAT"
UNLISTED = "INTAKE_UNLISTED_FILE"
CODE = "INTAKE_CARRIES_CODE"

Files = dict[str, bytes]
Json = dict[str, Any]
ONE: Json = {"f": "0x1p+0"}
ZERO: Json = {"f": "0x0p+0"}


def spell(value: object) -> bytes:
    """The canonical spelling of JSON without fractions."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def kind(*shape: int | str, dtype: str = "float32") -> Json:
    return {"dtype": dtype, "shape": list(shape)}


def node(op: str, sources: list[int], *out: Json, **attributes: object) -> Json:
    return {"op": op, "in": sources, "out": list(out), "attrs": attributes}


# Values of the honest function: x 0, ids 1, image 2, table 3, kernel 4, bias 5; then one for each node.
HONEST_GRAPH: Json = {
    "format": "ostiary.graph",
    "version": 1,
    "name": "honest",
    "dims": {"batch": {"min": 1, "max": 64}},
    "inputs": [
        {"name": "x", **kind("batch", 8)},
        {"name": "ids", **kind("batch", dtype="int32")},
        {"name": "image", **kind(1, 6, 6, 2)},
    ],
    "constants": [
        {"tensor": "table", **kind(16, 8)},
        {"tensor": "kernel", **kind(4, 3, 3, 2)},
        {"tensor": "bias", **kind(8)},
    ],
    "nodes": [
        node("take", [3, 1], kind("batch", 8), axis=0),
        node("add", [0, 6], kind("batch", 8)),
        node("add", [7, 5], kind("batch", 8)),
        node(
            "convolution", [2, 4], kind(1, 3, 3, 4), stride=[2, 2], padding_low=[1, 1], padding_high=[1, 1],
            kernel_dilation=[1, 1], input_dilation=[1, 1], groups=1, flip=False,
        ),
        node("softmax", [8], kind("batch", 8), precise=True),
    ],
    "outputs": [{"name": "y", "value": 10}, {"name": "features", "value": 9}],
}  # fmt: skip


def _tensor(name: str, datatype: str, *shape: int | str) -> Json:
    return {
        "name": name,
        "datatype": datatype,
        "shape": [-1 if isinstance(size, str) else size for size in shape],
        "dims": [size if isinstance(size, str) else None for size in shape],
    }


HONEST_CONTRACT: Json = {
    "format": "ostiary.contract",
    "version": 1,
    "name": "honest",
    "platform": "ostiary-graph",
    "dims": {"batch": {"min": 1, "max": 64, "is_batch": True}},
    "inputs": [
        {**_tensor("x", "FP32", "batch", 8), "finite": True},
        {**_tensor("ids", "INT32", "batch"), "range": [0, 15]},
        _tensor("image", "FP32", 1, 6, 6, 2),
    ],
    "outputs": [_tensor("y", "FP32", "batch", 8), _tensor("features", "FP32", 1, 3, 3, 4)],
}
SHAPES: Mapping[str, tuple[int, ...]] = {"table": (16, 8), "kernel": (4, 3, 3, 2), "bias": (8,)}
HONEST_CARD: Json = {"who": "somebody", "data": "digits", "metrics": {"accuracy": 0.97, "by": [1]}, "notes": [1]}


def constants(changes: Mapping[str, tuple[str, tuple[int, ...]] | None] | None = None) -> bytes:
    """graph.safetensors of zeros; None takes a tensor out."""
    tensors: dict[str, tuple[str, tuple[int, ...]]] = {name: ("F32", shape) for name, shape in SHAPES.items()}
    for name, change in (changes or {}).items():
        if change is None:
            tensors.pop(name)
        else:
            tensors[name] = change
    return safetensors_bytes(
        {name: (dtype, list(shape), bytes(_count_bytes(dtype, shape))) for name, (dtype, shape) in tensors.items()}
    )


def _count_bytes(dtype: str, shape: tuple[int, ...]) -> int:
    total = {"F32": 4, "F16": 2, "I32": 4, "I64": 8}[dtype]
    for size in shape:
        total *= size
    return total


def function_files(**changes: bytes | None) -> Files:
    """The honest function. Keys of `changes` are file names with '__' for '.'; None removes."""
    files: Files = {
        "graph.json": spell(HONEST_GRAPH),
        "contract.json": spell(HONEST_CONTRACT),
        "graph.safetensors": constants(),
        "card.json": json.dumps(HONEST_CARD, indent=1).encode(),
    }
    for key, data in changes.items():
        name = key.replace("__", ".")
        if data is None:
            del files[name]
        else:
            files[name] = data
    return files


def _files(name: str, what: str, expect: str, rule: str | None = None, **changes: bytes | None) -> Case:
    return Case(name, what, expect, function_files(**changes), rule)


def _graph(name: str, what: str, expect: str, rule: str, *path_and_value: Any) -> Case:
    """The honest graph with the value at a path replaced."""
    *path, value = path_and_value
    graph = copy.deepcopy(HONEST_GRAPH)
    place: Any = graph
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return _files(name, what, expect, rule, graph__json=spell(graph))


def _node(name: str, what: str, expect: str, rule: str, *nodes: Json) -> Case:
    """The honest graph with nodes behind its own; the first of them makes value 11."""
    graph = copy.deepcopy(HONEST_GRAPH)
    graph["nodes"] += nodes
    return _files(name, what, expect, rule, graph__json=spell(graph))


def _contract(name: str, what: str, expect: str, rule: str, *path_and_value: Any) -> Case:
    *path, value = path_and_value
    contract = copy.deepcopy(HONEST_CONTRACT)
    place: Any = contract
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return _files(name, what, expect, rule, contract__json=spell(contract))


def _convolve(**changes: object) -> Json:
    plain = dict(HONEST_GRAPH["nodes"][3]["attrs"])
    return node("convolution", [2, 4], kind(1, 3, 3, 4), **(plain | changes))


_LYING = "graph.lying-output"
_UNFIT = "graph.unfit"
_ATTRIBUTE = "graph.attribute"
_SLICE = {"start": [0, 0], "stop": [16, 8], "step": [1, 1]}

CASES: list[Case] = [
    # Honest ones, some of which look odd.
    _files("ok", "the honest function", ACCEPT),
    _files("ok_without_card", "a card is not needed", ACCEPT, card__json=None),
    _files("ok_with_readme", "documents may lie beside it", ACCEPT, README__md=b"# Honest\n"),
    _files(
        "ok_dead_nodes",
        "results that nobody uses",
        ACCEPT,
        graph__json=spell(
            {**HONEST_GRAPH, "outputs": [HONEST_GRAPH["outputs"][0], {"name": "features", "value": 9}]}
        ),
    ),
    _files(
        "ok_output_is_input",
        "an output may be an input",
        ACCEPT,
        graph__json=spell({**HONEST_GRAPH, "outputs": [{"name": "y", "value": 0}, HONEST_GRAPH["outputs"][1]]}),
    ),
    _files(
        "ok_empty_axis",
        "an axis of size 0 that nothing is summed along",
        ACCEPT,
        graph__json=spell(
            {
                **HONEST_GRAPH,
                "nodes": [
                    *HONEST_GRAPH["nodes"],
                    node("slice", [5], kind(0), start=[8], stop=[8], step=[1]),
                ],
            }
        ),
    ),
    # Sizes that lie: the result is longer than what is computed, or the other way round.
    _graph(
        "lying_shape",
        "a result with more columns than it has",
        INCONSISTENT,
        _LYING,
        "nodes",
        1,
        "out",
        0,
        "shape",
        ["batch", 9],
    ),
    _graph(
        "lying_rank",
        "a result with an axis too many",
        INCONSISTENT,
        _LYING,
        "nodes",
        4,
        "out",
        0,
        "shape",
        ["batch", 8, 1],
    ),
    _graph(
        "lying_dtype",
        "a result of 8 bytes a number that has 4",
        INCONSISTENT,
        _LYING,
        "nodes",
        1,
        "out",
        0,
        "dtype",
        "complex64",
    ),
    _graph(
        "lying_count",
        "two results of an operation that has one",
        INCONSISTENT,
        _LYING,
        "nodes",
        1,
        "out",
        [kind("batch", 8)] * 2,
    ),
    _graph(
        "lying_dim", "a result that follows no dim", INCONSISTENT, _LYING, "nodes", 4, "out", 0, "shape", [64, 8]
    ),
    _graph(
        "wrapping_shape",
        "sizes whose product wraps around 64 bits",
        LARGE,
        "graph.too-large",
        "inputs",
        0,
        "shape",
        [1 << 30] * 8,
    ),
    _graph(
        "huge_shape",
        "a size that does not fit 32 bits",
        LARGE,
        "graph.too-large",
        "inputs",
        2,
        "shape",
        [1, 1 << 40, 1, 1],
    ),
    _graph("huge_rank", "an array of 2,000 axes", LARGE, "graph.too-large", "inputs", 2, "shape", [1] * 2_000),
    _graph("negative_size", "a size below zero", RANGE, _ATTRIBUTE, "inputs", 2, "shape", [1, -6, 6, 2]),
    # References.
    _graph(
        "forward_reference",
        "an operation on a later result",
        INCONSISTENT,
        "graph.reference",
        "nodes",
        1,
        "in",
        [0, 9],
    ),
    _graph(
        "self_reference",
        "an operation on its own result",
        INCONSISTENT,
        "graph.reference",
        "nodes",
        1,
        "in",
        [0, 7],
    ),
    _graph(
        "negative_reference", "a value before the first", INCONSISTENT, "graph.reference", "nodes", 1, "in", [0, -1]
    ),
    _graph(
        "output_past_end", "an output that is no value", INCONSISTENT, "graph.reference", "outputs", 0, "value", 11
    ),
    # Primitives and attributes that MLX does not check.
    _graph(
        "unknown_primitive",
        "an operation that loads a file",
        UNSAFE,
        "graph.unknown-primitive",
        "nodes",
        1,
        "op",
        "load",
    ),
    _graph(
        "custom_kernel",
        "an operation with code of its own",
        UNSAFE,
        "graph.unknown-primitive",
        "nodes",
        1,
        "op",
        "CustomKernel",
    ),
    _node("zero_groups", "a convolution in no groups", RANGE, _ATTRIBUTE, _convolve(groups=0)),
    _node("zero_stride", "a window that does not move", RANGE, _ATTRIBUTE, _convolve(stride=[0, 1])),
    _node("negative_stride", "a window that moves backwards", RANGE, _ATTRIBUTE, _convolve(stride=[-1, 1])),
    _node("negative_padding", "padding that takes away", RANGE, _ATTRIBUTE, _convolve(padding_low=[-1, 0])),
    _node("uneven_groups", "channels that do not fall into groups", INCONSISTENT, _UNFIT, _convolve(groups=3)),
    _node(
        "kernel_too_large",
        "a window larger than the image",
        INCONSISTENT,
        _UNFIT,
        _convolve(kernel_dilation=[9, 9]),
    ),
    _node(
        "strides_past_end",
        "strides that read past the end of a tensor",
        INCONSISTENT,
        _UNFIT,
        node("as_strided", [5], kind(64, 64), shape=[64, 64], strides=[64, 1], offset=0),
    ),
    _node(
        "strides_offset",
        "an offset past the end of a tensor",
        INCONSISTENT,
        _UNFIT,
        node("as_strided", [5], kind(1), shape=[1], strides=[1], offset=8),
    ),
    _node(
        "strides_negative",
        "strides that go before the start",
        RANGE,
        _ATTRIBUTE,
        node("as_strided", [5], kind(8), shape=[8], strides=[-1], offset=0),
    ),
    _node(
        "slice_past_end",
        "a slice past the end of an axis",
        INCONSISTENT,
        _UNFIT,
        node("slice", [3], kind(17, 8), **(_SLICE | {"stop": [17, 8]})),
    ),
    _node(
        "slice_zero_step",
        "a slice that does not move on",
        INCONSISTENT,
        _UNFIT,
        node("slice", [3], kind(16, 8), **(_SLICE | {"step": [0, 1]})),
    ),
    _node(
        "axis_past_end",
        "a sum along an axis that is not there",
        INCONSISTENT,
        _UNFIT,
        node("sum", [3], kind(16), axes=[7], keepdims=False),
    ),
    _node(
        "axis_negative",
        "an axis counted from the end",
        RANGE,
        _ATTRIBUTE,
        node("sum", [3], kind(16), axes=[-1], keepdims=False),
    ),
    _node(
        "empty_reduction",
        "the greatest of no numbers",
        INCONSISTENT,
        _UNFIT,
        node("slice", [5], kind(0), start=[0], stop=[0], step=[1]),
        node("max", [11], kind(), axes=[0], keepdims=False),
    ),
    _node(
        "empty_argmax",
        "the place of the greatest of no numbers",
        INCONSISTENT,
        _UNFIT,
        node("slice", [5], kind(0), start=[0], stop=[0], step=[1]),
        node("argmax", [11], kind(dtype="uint32"), axis=0, keepdims=False),
    ),
    _node(
        "zero_heads",
        "attention of no heads",
        INCONSISTENT,
        _UNFIT,
        node("slice", [5], kind(0), start=[0], stop=[0], step=[1]),
        node("reshape", [11], kind(1, 0, 1, 8), shape=[1, 0, 1, 8]),
        node("attention", [12, 12, 12], kind(1, 0, 1, 8), scale=ONE, causal=False),
    ),
    _node(
        "zero_group_size",
        "packed numbers in groups of none",
        RANGE,
        _ATTRIBUTE,
        node(
            "quantize",
            [3],
            kind(16, 1, dtype="uint32"),
            kind(16, 1),
            kind(16, 1),
            group_size=0,
            bits=4,
            mode="affine",
        ),
    ),
    _node(
        "zero_bits",
        "packed numbers of no bits",
        RANGE,
        _ATTRIBUTE,
        node(
            "quantize",
            [3],
            kind(16, 1, dtype="uint32"),
            kind(16, 1),
            kind(16, 1),
            group_size=32,
            bits=0,
            mode="affine",
        ),
    ),
    _node(
        "uneven_groups_of_bits",
        "packed numbers that do not fall into groups",
        INCONSISTENT,
        _UNFIT,
        node(
            "quantize",
            [3],
            kind(16, 1, dtype="uint32"),
            kind(16, 1),
            kind(16, 1),
            group_size=32,
            bits=4,
            mode="affine",
        ),
    ),
    _node(
        "kth_past_end",
        "the ninth of eight numbers",
        INCONSISTENT,
        _UNFIT,
        node("partition", [5], kind(8), axis=0, kth=8),
    ),
    _node(
        "float_indices", "indices that are floats", INCONSISTENT, _UNFIT, node("take", [3, 5], kind(8, 8), axis=0)
    ),
    _node(
        "scatter_too_much",
        "more updates than indices",
        INCONSISTENT,
        _UNFIT,
        node("scatter", [3, 1, 3], kind(16, 8), axes=[0], reduce="none"),
    ),
    _node(
        "scatter_unknown",
        "a way of writing that is not known",
        RANGE,
        _ATTRIBUTE,
        node("scatter", [3, 1, 3], kind(16, 8), axes=[0], reduce="xor"),
    ),
    _node(
        "inner_sizes",
        "matrices that do not fit each other",
        INCONSISTENT,
        _UNFIT,
        node("matmul", [3, 3], kind(16, 16)),
    ),
    _node(
        "reshape_grows",
        "more numbers than there were",
        INCONSISTENT,
        _UNFIT,
        node("reshape", [5], kind(9), shape=[9]),
    ),
    _node(
        "not_square",
        "the inverse of a matrix that is not square",
        INCONSISTENT,
        _UNFIT,
        node("inverse", [3], kind(16, 8), triangular=False, upper=False),
    ),
    _node(
        "arange_forever",
        "numbers at no distance",
        INCONSISTENT,
        _UNFIT,
        node("arange", [], kind(8), start=ZERO, step=ZERO, size=8, dtype="float32"),
    ),
    _node(
        "arange_nan",
        "numbers at a distance that is none",
        INCONSISTENT,
        _UNFIT,
        node("arange", [], kind(8), start=ZERO, step={"f": "nan"}, size=8, dtype="float32"),
    ),
    _node(
        "float_as_number",
        "a float that is not spelled exactly",
        RANGE,
        _ATTRIBUTE,
        node("arange", [], kind(8), start=0.1, step=ONE, size=8, dtype="float32"),
    ),
    _node(
        "unknown_attribute",
        "an attribute that the operation does not have",
        RANGE,
        _ATTRIBUTE,
        node("abs", [5], kind(8), stream="gpu"),
    ),
    _node(
        "missing_attribute",
        "an attribute that is left to the reader",
        RANGE,
        _ATTRIBUTE,
        node("sum", [3], kind(16), axes=[1]),
    ),
    _node(
        "rope_odd",
        "pairs of an odd number",
        INCONSISTENT,
        _UNFIT,
        node("reshape", [5], kind(1, 1, 8), shape=[1, 1, 8]),
        node("size_value", [], kind(dtype="int32"), size=0, dtype="int32"),
        node("rope", [11, 12], kind(1, 1, 8), dims=3, traditional=False, base=ONE, scale=ONE),
    ),
    _node(
        "too_many_axes",
        "a result of nine axes",
        INCONSISTENT,
        _UNFIT,
        node("reshape", [5], kind(8, 1, 1, 1, 1, 1, 1, 1), shape=[8, 1, 1, 1, 1, 1, 1, 1, 1]),
    ),
    # Spelling, names and versions.
    _graph("version_later", "a version that is not known", MALFORMED, "graph.unknown-version", "version", 99),
    _graph("unknown_field", "a field beside the format's own", MALFORMED, "graph.malformed", "code", "import os"),
    _graph(
        "deep_size",
        "a size of many brackets",
        MALFORMED,
        "graph.malformed",
        "inputs",
        2,
        "shape",
        ["(" * 200 + "batch", 6, 6, 2],
    ),
    _graph(
        "long_size",
        "a size of many terms",
        MALFORMED,
        "graph.malformed",
        "inputs",
        2,
        "shape",
        ["+".join(["batch"] * 10_000), 6, 6, 2],
    ),
    _graph(
        "other_spelling",
        "a size that is spelled in another way",
        MALFORMED,
        "graph.malformed",
        "inputs",
        0,
        "shape",
        ["batch*1", 8],
    ),
    _graph(
        "division_by_zero",
        "a size divided by zero",
        MALFORMED,
        "graph.malformed",
        "inputs",
        0,
        "shape",
        ["((batch)//0)", 8],
    ),
    _graph(
        "constant_follows",
        "a constant whose size a caller chooses",
        MALFORMED,
        "graph.malformed",
        "constants",
        0,
        "shape",
        ["batch", 8],
    ),
    _graph(
        "hidden_name",
        "an output whose name runs backwards",
        MALFORMED,
        "graph.malformed",
        "outputs",
        0,
        "name",
        "y\u202e",
    ),
    _graph(
        "two_inputs_of_a_name",
        "two inputs of one name",
        DUPLICATE,
        "graph.duplicate-name",
        "inputs",
        1,
        "name",
        "x",
    ),
    _graph(
        "dim_of_nothing",
        "a dim that no input tells the size of",
        MALFORMED,
        "graph.malformed",
        "dims",
        "rows",
        {"min": 1, "max": None},
    ),
    _graph("empty_dim", "a dim that may be zero", MALFORMED, "graph.malformed", "dims", "batch", "min", 0),
    _files(
        "not_canonical",
        "spaces that hide nothing yet",
        MALFORMED,
        "graph.not-canonical",
        graph__json=json.dumps(HONEST_GRAPH, sort_keys=True).encode(),
    ),
    _files(
        "key_twice",
        "a key that stands twice",
        DUPLICATE,
        "json.duplicate-key",
        graph__json=spell(HONEST_GRAPH).replace(b'"name":"honest"', b'"name":"honest","name":"honest"'),
    ),
    _files("nested_deep", "lists in lists without end", LARGE, "json.too-deep", graph__json=b"[" * 100_000),
    _files("is_a_pickle", "a pickle under the graph's name", CODE, None, graph__json=pickle.dumps({"a": print})),
    # The files against one another.
    _files("no_contract", "nothing says what may come in", INCOMPLETE, "function.no-contract", contract__json=None),
    _files("no_graph", "nothing says what is computed", INCOMPLETE, "function.no-graph", graph__json=None),
    _files(
        "no_constants", "the numbers are elsewhere", INCOMPLETE, "function.no-constants", graph__safetensors=None
    ),
    _files(
        "constant_shorter",
        "a tensor with fewer rows than the graph says",
        INCONSISTENT,
        "function.constant-differs",
        graph__safetensors=constants({"table": ("F32", (4, 8))}),
    ),
    _files(
        "constant_dtype",
        "a tensor of half the bytes",
        INCONSISTENT,
        "function.constant-differs",
        graph__safetensors=constants({"table": ("F16", (16, 8))}),
    ),
    _files(
        "constant_turned",
        "a tensor of as many numbers in another shape",
        INCONSISTENT,
        "function.constant-differs",
        graph__safetensors=constants({"table": ("F32", (8, 16))}),
    ),
    _files(
        "constant_missing",
        "a tensor that is not there",
        INCONSISTENT,
        "function.constant-differs",
        graph__safetensors=constants({"bias": None}),
    ),
    _files(
        "tensor_extra",
        "a tensor that nobody uses",
        INCONSISTENT,
        "function.unused-tensor",
        graph__safetensors=constants({"payload": ("F32", (1024,))}),
    ),
    _contract(
        "contract_shape",
        "a contract that lets longer rows in",
        INCONSISTENT,
        "function.contract-differs",
        "inputs",
        0,
        {**_tensor("x", "FP32", "batch", 9)},
    ),
    _contract(
        "contract_dtype",
        "a contract that lets other numbers in",
        INCONSISTENT,
        "function.contract-differs",
        "inputs",
        1,
        {**_tensor("ids", "INT64", "batch")},
    ),
    _contract(
        "contract_dims",
        "a contract that lets larger batches in",
        INCONSISTENT,
        "function.contract-differs",
        "dims",
        {"batch": {"min": 1, "max": 1 << 20, "is_batch": True}},
    ),
    _contract(
        "contract_swapped",
        "a contract with its outputs exchanged",
        INCONSISTENT,
        "function.contract-differs",
        "outputs",
        list(reversed(HONEST_CONTRACT["outputs"])),
    ),
    _contract(
        "contract_range",
        "a range that ends before it begins",
        RANGE,
        "contract.out-of-range",
        "inputs",
        1,
        "range",
        [15, 0],
    ),
    _contract(
        "contract_version", "a rule of a later version", MALFORMED, "contract.unknown-version", "version", 99
    ),
    _contract(
        "contract_field", "a rule that is not known", MALFORMED, "contract.malformed", "inputs", 0, "regex", "(a+)+"
    ),
    _files(
        "card_code", "a card that names a class to be made", CODE, None, card__json=b'{"py/object": "os.system"}'
    ),
    _files("card_list", "a card that is a list", MALFORMED, "json.not-an-object", card__json=b"[]"),
    _files(
        "card_hidden",
        "a card with text that runs backwards",
        MALFORMED,
        "function.card",
        card__json='{"by": "evil\u202egood"}'.encode(),
    ),
    _files(
        "card_large",
        "a card of too much text",
        MALFORMED,
        "function.card",
        card__json=json.dumps({"a": "x" * 100_000}).encode(),
    ),
    Case(
        "two_models",
        "a language model beside the graph",
        UNLISTED,
        {**model_files(), **function_files()},
        "function.mixed",
    ),
    _files(
        "second_weights",
        "weights that only another loader reads",
        UNLISTED,
        "function.mixed",
        model__safetensors=constants(),
    ),
    Case(
        "second_graph",
        "a graph in a folder",
        UNLISTED,
        {**function_files(), "old/graph.json": spell(HONEST_GRAPH)},
        "function.mixed",
    ),
    _files(
        "contract_of_language",
        "a language model's contract beside a graph: nothing would bound the inputs",
        INCOMPLETE,
        "function.no-contract",
        contract__json=contract_file(),
    ),
    Case(
        "language_under_contract_of_function",
        "a language model with a function's contract",
        UNLISTED,
        {**model_files(), "contract.json": function_files()["contract.json"]},
        "function.mixed",
    ),
    _files("pickle_beside", "a pickle beside the graph", CODE, None, weights__pkl=pickle.dumps({"a": print})),
    _files(
        "mlxfn_beside",
        "the function in MLX's own format beside the graph",
        UNSAFE,
        None,
        function__mlxfn=b"\0" * 64,
    ),
    _files(
        "npz_beside", "constants in an archive beside the graph", UNSAFE, None, constants__npz=b"PK\5\6" + bytes(18)
    ),
    _files("code_beside", "a program beside the graph", CODE, None, run__py=b"import os\n"),
]
