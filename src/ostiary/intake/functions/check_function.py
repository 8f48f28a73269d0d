"""Holds the files of a function against one another. Each has passed its own reader before."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Final

from ostiary.core.findings import Finding
from ostiary.core.function_files import CARD_FILE, GRAPH_FILE, TENSORS_FILE
from ostiary.core.terms.values import CONTRACT_FILE
from ostiary.core.text import quote_untrusted
from ostiary.core.tickets import FileEntry, FileKind
from ostiary.graph.agreement import find_disagreement
from ostiary.graph.dtypes import Dtype
from ostiary.graph.values import Graph
from ostiary.intake.parse_files import Parts
from ostiary.intake.rules import functions as rules
from ostiary.intake.weights.tensor import Tensor

SAFETENSORS_DTYPES: Final[Mapping[Dtype, str]] = {
    Dtype.BOOL: "BOOL",
    Dtype.UINT8: "U8",
    Dtype.UINT16: "U16",
    Dtype.UINT32: "U32",
    Dtype.UINT64: "U64",
    Dtype.INT8: "I8",
    Dtype.INT16: "I16",
    Dtype.INT32: "I32",
    Dtype.INT64: "I64",
    Dtype.FLOAT16: "F16",
    Dtype.BFLOAT16: "BF16",
    Dtype.FLOAT32: "F32",
    Dtype.COMPLEX64: "C64",
}
_OWN_FILES: Final = frozenset({GRAPH_FILE, TENSORS_FILE, CONTRACT_FILE, CARD_FILE})
# What loaders of language models read: beside a graph it would be a second model.
_OF_OTHERS: Final = frozenset(
    {
        FileKind.SAFETENSORS,
        FileKind.INDEX,
        FileKind.CONFIG,
        FileKind.GENERATION_CONFIG,
        FileKind.ADAPTER_CONFIG,
        FileKind.GRAPH,
        FileKind.CONTRACT,
    }
)
_MOST_TOLD: Final = 20


def find_in_function(entries: Collection[FileEntry], parts: Parts, *, is_wholly_read: bool) -> Iterator[Finding]:
    """Everything that is wrong with the files together; a part that is None was refused before or is missing."""
    graph, contract = parts.graphs.get(GRAPH_FILE), parts.contracts.get(CONTRACT_FILE)
    header = parts.weights.get(TENSORS_FILE)
    if is_wholly_read:  # else what is missing here was refused before
        yield from _find_missing({entry.path for entry in entries}, graph)
    for entry in entries:
        if entry.kind in _OF_OTHERS and entry.path not in _OWN_FILES:
            yield Finding(rules.FUNCTION_MIXED, "it lies beside a graph that does not use it", entry.path)
    if CONTRACT_FILE in parts.terms:
        yield Finding(rules.FUNCTION_NO_CONTRACT, "it is the contract of a language model", CONTRACT_FILE)
    if graph is not None and contract is not None:
        difference = find_disagreement(graph, contract)
        if difference is not None:
            yield Finding(rules.FUNCTION_CONTRACT_DIFFERS, difference, CONTRACT_FILE)
    if graph is not None and header is not None:
        yield from _find_in_constants(graph, header.tensors)


def _find_missing(paths: set[str], graph: Graph | None) -> Iterator[Finding]:
    if GRAPH_FILE not in paths:
        yield Finding(rules.FUNCTION_NO_GRAPH, f"there is no {GRAPH_FILE}")
    elif CONTRACT_FILE not in paths:
        yield Finding(rules.FUNCTION_NO_CONTRACT, f"there is no {CONTRACT_FILE} beside {GRAPH_FILE}")
    if TENSORS_FILE not in paths and graph is not None and graph.constants:
        detail = f"the graph has {len(graph.constants)} constants, and there is no {TENSORS_FILE}"
        yield Finding(rules.FUNCTION_NO_CONSTANTS, detail)


def _find_in_constants(graph: Graph, tensors: tuple[Tensor, ...]) -> Iterator[Finding]:
    """At most a few of each kind: a wrong file is wrong in all its tensors."""
    by_name = {tensor.name: tensor for tensor in tensors}
    told = 0
    for constant in graph.constants:
        name = quote_untrusted(constant.tensor)
        tensor = by_name.pop(constant.tensor, None)
        detail = None
        if tensor is None:
            detail = f"'{name}' is not there"
        elif (tensor.dtype, tensor.shape) != (SAFETENSORS_DTYPES[constant.type.dtype], constant.type.shape):
            real = f"{tensor.dtype} {list(tensor.shape)}"
            detail = f"'{name}' is {real}, and the graph says {constant.type.dtype} {list(constant.type.shape)}"
        if detail is not None and told < _MOST_TOLD:
            told += 1
            yield Finding(rules.FUNCTION_CONSTANT_DIFFERS, detail, TENSORS_FILE)
    for name in list(by_name)[:_MOST_TOLD]:
        yield Finding(rules.FUNCTION_UNUSED_TENSOR, f"'{quote_untrusted(name)}'", TENSORS_FILE)
