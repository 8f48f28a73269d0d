"""An adapter's tensors against the model that they change."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import field
from typing import Final

from ostiary.core.findings import Finding
from ostiary.core.text import quote_untrusted
from ostiary.core.values import dataclass
from ostiary.intake.network.check_packing import FLOATS
from ostiary.intake.network.layout_names import Piece, clean_names
from ostiary.intake.network.quantization import AFFINE_BITS
from ostiary.intake.network.read_adapter import Adapter, AdapterKind
from ostiary.intake.network.read_config import Config
from ostiary.intake.quote_few import quote_few
from ostiary.intake.rules.adapter import (
    ADAPTER_DOES_NOT_FIT,
    ADAPTER_INCOMPLETE,
    ADAPTER_NOT_CHECKED,
    ADAPTER_UNEXPECTED_TENSOR,
)
from ostiary.intake.weights.tensor import Tensor

_MLX_PART: Final = re.compile(r"(?P<path>.+)\.(?P<part>lora_a|lora_b|m)", re.S)
_PEFT_PART: Final = re.compile(
    r"(?:base_model\.model\.)?(?P<path>.+)\.lora_"
    r"(?P<part>A|B|embedding_A|embedding_B|magnitude_vector)(?:\.default)?(?:\.weight)?",
    re.S,
)
_PEFT_PARTS: Final = {"A": "lora_a", "B": "lora_b", "embedding_A": "lora_a", "embedding_B": "lora_b"}
_EMBEDDINGS: Final = frozenset({"embed_tokens", "wte", "wpe", "tok_embeddings", "embed_in", "embeddings"})
# PEFT stores whole modules and biases beside the pairs when asked to.
_PEFT_WHOLE: Final = ("base_model.model.",)


@dataclass(slots=True)
class _Wrongs:
    unexpected: list[str] = field(default_factory=list)
    incomplete: list[str] = field(default_factory=list)
    unfit: list[str] = field(default_factory=list)
    unchecked: list[str] = field(default_factory=list)


def check_adapter(
    adapter: Adapter,
    adapter_tensors: Mapping[str, Tensor],
    config: Config | None,
    base_tensors: Mapping[str, Tensor],
) -> tuple[Finding, ...]:
    """Without base tensors, only what the adapter says of itself is checked. Never raises."""
    if adapter.kind is AdapterKind.OTHER:
        return ()
    if not adapter_tensors:
        return (Finding(ADAPTER_INCOMPLETE, "there are no tensors beside adapter_config.json"),)
    base = clean_names(config.architecture if config is not None else "", base_tensors)
    wrongs = _Wrongs()
    if adapter.kind is AdapterKind.FULL:
        _check_replaced(adapter_tensors, base, wrongs)
    else:
        _check_pairs(adapter, adapter_tensors, base, wrongs)
    if not base:
        wrongs.unchecked.append("there is no base model beside it")
    return tuple(_tell(wrongs))


def _check_replaced(tensors: Mapping[str, Tensor], base: Mapping[str, Piece], wrongs: _Wrongs) -> None:
    if not base:
        return
    for name, tensor in tensors.items():
        piece = base.get(name)
        if piece is None:
            wrongs.unexpected.append(name)
        elif piece.shape != tensor.shape or (piece.dtype in FLOATS) != (tensor.dtype in FLOATS):
            wrongs.unfit.append(name)


def _check_pairs(
    adapter: Adapter, tensors: Mapping[str, Tensor], base: Mapping[str, Piece], wrongs: _Wrongs
) -> None:
    layers: defaultdict[str, dict[str, Tensor]] = defaultdict(dict)
    form = _PEFT_PART if adapter.is_peft else _MLX_PART
    for name, tensor in tensors.items():
        match = form.fullmatch(name)
        if match is None:
            if adapter.is_peft and name.startswith(_PEFT_WHOLE):
                wrongs.unchecked.append(f"'{quote_untrusted(name)}' is stored whole")
            else:
                wrongs.unexpected.append(name)
            continue
        parts = layers[match["path"]]
        part = _PEFT_PARTS.get(match["part"], "m") if adapter.is_peft else match["part"]
        if part in parts or (part == "m" and adapter.kind is not AdapterKind.DORA):
            wrongs.unexpected.append(name)
        parts[part] = tensor
    for path, parts in layers.items():
        _check_layer(adapter, path, parts, base, wrongs)


def _check_layer(
    adapter: Adapter, path: str, parts: Mapping[str, Tensor], base: Mapping[str, Piece], wrongs: _Wrongs
) -> None:
    first, second = parts.get("lora_a"), parts.get("lora_b")
    if first is None or second is None:
        wrongs.incomplete.append(path)
        return
    if any(tensor.dtype not in FLOATS for tensor in parts.values()):
        wrongs.unfit.append(path)
        return
    sizes = _sizes(adapter, first.shape, second.shape)
    if sizes is None or (adapter.rank is not None and sizes.rank != adapter.rank):
        wrongs.unfit.append(path)
        return
    if not base:
        return
    weight = base.get(f"{path}.weight")
    if weight is None:
        wrongs.unexpected.append(path)
    elif not _fits(sizes, weight, is_embedding=path.rpartition(".")[2] in _EMBEDDINGS):
        wrongs.unfit.append(path)


@dataclass(frozen=True, slots=True)
class _Sizes:
    rank: int
    inputs: int
    outputs: int
    experts: int | None


def _sizes(adapter: Adapter, first: tuple[int, ...], second: tuple[int, ...]) -> _Sizes | None:
    """What a pair adapts: PEFT and MLX-LM's experts hold both matrices the other way around."""
    if len(first) == len(second) == 2:
        if adapter.is_peft:
            first, second = first[::-1], second[::-1]
        (inputs, rank), (rank_again, outputs) = first, second
        return _Sizes(rank, inputs, outputs, None) if rank == rank_again > 0 else None
    if len(first) == len(second) == 3 and not adapter.is_peft:
        (experts, rank, inputs), (experts_again, outputs, rank_again) = first, second
        if rank == rank_again > 0 and experts == experts_again:
            return _Sizes(rank, inputs, outputs, experts)
    return None


def _fits(sizes: _Sizes, weight: Piece, *, is_embedding: bool) -> bool:
    """Whether a pair adapts this weight; an embedding is looked up by row, so its pair is the other way around."""
    inputs, outputs = (sizes.outputs, sizes.inputs) if is_embedding else (sizes.inputs, sizes.outputs)
    rows = weight.shape[:-1]
    if rows != ((outputs,) if sizes.experts is None else (sizes.experts, outputs)):
        return False
    columns = weight.shape[-1]
    if weight.dtype in FLOATS:
        return columns == inputs
    return any(columns * 32 == inputs * bits for bits in AFFINE_BITS)


def _tell(wrongs: _Wrongs) -> Iterator[Finding]:
    if wrongs.unexpected:
        yield Finding(ADAPTER_UNEXPECTED_TENSOR, f"not an adapter of this model: {quote_few(wrongs.unexpected)}")
    if wrongs.incomplete:
        yield Finding(ADAPTER_INCOMPLETE, f"half of a pair is missing: {quote_few(wrongs.incomplete)}")
    if wrongs.unfit:
        yield Finding(ADAPTER_DOES_NOT_FIT, f"of the wrong shape, rank or dtype: {quote_few(wrongs.unfit)}")
    if wrongs.unchecked:
        more = f", and {len(wrongs.unchecked) - 1} more" if len(wrongs.unchecked) > 1 else ""
        yield Finding(ADAPTER_NOT_CHECKED, f"{wrongs.unchecked[0]}{more}")
