"""The facts of a model, from its parts."""

from __future__ import annotations

from collections.abc import Iterable

from ostiary.core.function_files import CARD_FILE, GRAPH_FILE
from ostiary.core.terms.values import CONTRACT_FILE
from ostiary.core.tickets import DtypeTotal, FileEntry, FunctionFacts, ModelFacts
from ostiary.intake.cross_check import WEIGHT_KINDS, CrossCheck
from ostiary.intake.network.memory import estimate_memory
from ostiary.intake.parse_files import Parts
from ostiary.intake.weights.tensor import Tensor


def describe_model(files: Iterable[FileEntry], parts: Parts, check: CrossCheck) -> ModelFacts:
    """What the model says it is."""
    config, layout = check.config, check.layout
    foreign = [tensor for tensors in parts.foreign_tensors.values() for tensor in tensors]
    tensors = [*check.base_tensors.values(), *foreign]
    if not tensors:  # an adapter alone, or a single file in a folder of its own
        tensors = [tensor for header in parts.weights.values() for tensor in header.tensors]
    need = None if config is None else estimate_memory(config, check.base_tensors)
    kinds = {entry.kind for entry in files}
    is_function = check.is_function
    function = _describe_function(parts) if is_function else None
    return ModelFacts(
        format="function" if is_function else next((str(kind) for kind in WEIGHT_KINDS if kind in kinds), "none"),
        architecture=None if config is None else config.model_type,
        layers=None if config is None else config.layers,
        hidden_size=None if config is None else config.hidden_size,
        vocabulary=None if config is None else config.vocab_size,
        context_tokens=None if config is None else config.context_tokens,
        quantization=None if config is None or config.quantization is None else config.quantization.default,
        parameters=layout.parameters if layout is not None else sum(tensor.elements for tensor in tensors) or None,
        tensors=_total_by_dtype(tensors),
        weight_bytes=sum(tensor.bytes for tensor in tensors),
        cache_bytes_per_token=None if need is None else need.cache_bytes_per_token,
        cache_bytes_at_context=None if need is None else need.cache_bytes_at_context,
        layout_checked=function is not None or (layout is not None and layout.is_checked),
        function=function,
        terms=parts.terms.get(CONTRACT_FILE),
    )


def _describe_function(parts: Parts) -> FunctionFacts | None:
    from ostiary.intake.functions.describe_function import describe_function  # noqa: PLC0415  # few are functions

    graph = parts.graphs.get(GRAPH_FILE)
    return None if graph is None else describe_function(graph, parts.cards.get(CARD_FILE))


def _total_by_dtype(tensors: Iterable[Tensor]) -> tuple[DtypeTotal, ...]:
    """Largest first."""
    totals: dict[str, tuple[int, int]] = {}
    for tensor in tensors:
        count, size = totals.get(tensor.dtype, (0, 0))
        totals[tensor.dtype] = (count + 1, size + tensor.bytes)
    ordered = sorted(totals.items(), key=lambda item: (-item[1][1], item[0]))
    return tuple(DtypeTotal(dtype, count, size) for dtype, (count, size) in ordered)
