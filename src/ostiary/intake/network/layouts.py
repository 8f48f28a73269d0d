"""Holds the tensors of a model against the architecture that its configuration claims."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import field, replace
from itertools import islice
from types import MappingProxyType
from typing import Final

from ostiary.core.findings import Finding, Rule
from ostiary.core.limits import MAX_LAYOUT_FINDINGS, MAX_MISSING_TENSORS
from ostiary.core.text import quote_untrusted
from ostiary.core.values import dataclass
from ostiary.errors import IntakeRefused
from ostiary.intake.network import layouts_dense as dense
from ostiary.intake.network import layouts_experts as experts
from ostiary.intake.network import layouts_older as older
from ostiary.intake.network.check_packing import FLOATS, check_packed, find_bad_triples, find_packing
from ostiary.intake.network.layout_names import Piece, clean_names
from ostiary.intake.network.layout_slots import Dims, Slot
from ostiary.intake.network.quantization import QuantizationPlan
from ostiary.intake.network.read_config import Config
from ostiary.intake.quote_few import quote_few
from ostiary.intake.rules.config import (
    LAYOUT_LAYER_BEYOND_LAST,
    LAYOUT_MISSING_TENSOR,
    LAYOUT_NOT_CHECKED,
    LAYOUT_UNEXPECTED_TENSOR,
    LAYOUT_WRONG_DTYPE,
    LAYOUT_WRONG_SHAPE,
)
from ostiary.intake.weights.tensor import Tensor

LAYOUTS: Final[Mapping[str, Callable[[Dims], Iterator[Slot]]]] = MappingProxyType(
    {
        "cohere": dense.cohere,
        "cohere2": dense.cohere2,
        "deepseek_v2": experts.deepseek_v2,
        "deepseek_v3": experts.deepseek_v3,
        "exaone4": dense.exaone4,
        "gemma": dense.gemma,
        "gemma2": dense.gemma2,
        "gemma3_text": dense.gemma3_text,
        "glm4": dense.glm4,
        "gpt2": older.gpt2,
        "gpt_neox": older.gpt_neox,
        "granite": dense.granite,
        "helium": dense.helium,
        "internlm2": older.internlm2,
        "llama": dense.llama,
        "ministral3": dense.ministral3,
        "mixtral": experts.mixtral,
        "olmo2": dense.olmo2,
        "olmoe": experts.olmoe,
        "phi": older.phi,
        "phi3": dense.phi3,
        "qwen2": dense.qwen2,
        "qwen2_moe": experts.qwen2_moe,
        "qwen3": dense.qwen3,
        "qwen3_moe": experts.qwen3_moe,
        "seed_oss": dense.seed_oss,
        "smollm3": dense.llama,
        "stablelm": dense.stablelm,
        "starcoder2": dense.starcoder2,
    }
)
"""The architectures whose tensors are known one by one."""

# A head beside tied embeddings is dropped by MLX-LM.
_TIED_HEAD: Final = "lm_head.weight"

_EMBEDDING: Final = re.compile(
    r"(?:model\.|language_model\.|transformer\.|backbone\.){0,3}"
    r"(?:embed_tokens|wte|tok_embeddings|embed_in|word_embeddings|embeddings)\.weight"
)
_LAYER: Final = re.compile(r"(?:model\.|language_model\.|transformer\.|backbone\.){1,3}(?:layers|h)\.(\d{1,9})\.")


@dataclass(frozen=True, slots=True)
class LayoutVerdict:
    findings: tuple[Finding, ...]
    is_checked: bool
    """Whether every tensor was held against the architecture's own list."""
    parameters: int
    """Weights as the network sees them: packed ones count unpacked, their scales do not count."""
    embedding_rows: int | None
    """How many token ids the embedding can look up; None where it is not recognised."""


@dataclass(slots=True)
class _Differences:
    missing: list[str] = field(default_factory=list)
    misshapen: list[str] = field(default_factory=list)
    mistyped: list[str] = field(default_factory=list)
    packing: list[Finding] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)
    parameters: int = 0
    is_cut: bool = False


def check_layout(config: Config, tensors: Mapping[str, Tensor]) -> LayoutVerdict:
    """Never raises: a setting that the architecture needs and the configuration lacks is a finding too."""
    layout = None if config.is_nested or config.foreign_quantization else LAYOUTS.get(config.architecture)
    pieces = clean_names(config.architecture, tensors)
    rows = _embedding_rows(pieces)
    if layout is None:
        return _judge_unlisted(config, pieces, rows, "the tensors of this architecture are not listed here")
    if any("weight_scale_inv" in name or name.endswith("weight_packed") for name in pieces):
        return _judge_unlisted(config, pieces, rows, "MLX-LM repacks these weights while loading")
    try:
        differences = _compare(layout(Dims(config.values, pieces.keys())), pieces, config.quantization)
    except IntakeRefused as refusal:
        verdict = _judge_unlisted(config, pieces, rows, "the configuration does not say enough")
        return replace(verdict, findings=(*refusal.findings, *verdict.findings))
    findings = tuple(_tell(differences, pieces))
    return LayoutVerdict(findings, is_checked=True, parameters=differences.parameters, embedding_rows=rows)


def _compare(slots: Iterator[Slot], pieces: Mapping[str, Piece], plan: QuantizationPlan | None) -> _Differences:
    differences = _Differences()
    for slot in slots:
        if len(differences.missing) > MAX_MISSING_TENSORS:
            # The configuration describes far more than there is; its numbers alone could keep this busy.
            differences.is_cut = True
            break
        differences.parameters += math.prod(slot.shape)
        if slot.is_packable and _compare_packed(slot, pieces, plan, differences):
            continue
        piece = pieces.get(slot.name)
        if piece is None:
            if not slot.is_optional:
                differences.missing.append(slot.name)
            continue
        differences.seen.add(slot.name)
        if piece.shape != slot.shape:
            differences.misshapen.append(slot.name)
        elif piece.dtype not in FLOATS:
            differences.mistyped.append(slot.name)
    return differences


def _compare_packed(
    slot: Slot, pieces: Mapping[str, Piece], plan: QuantizationPlan | None, differences: _Differences
) -> bool:
    path = slot.name.removesuffix(".weight")
    packing = find_packing(path, slot.shape[-1], pieces, plan)
    if packing is None:
        return False
    if isinstance(packing, Finding):
        differences.packing.append(packing)
        differences.seen |= {f"{path}.{leaf}" for leaf in ("weight", "scales", "biases")} & pieces.keys()
        return True
    names, findings = check_packed(path, slot.shape, packing, pieces)
    differences.seen |= names & pieces.keys()
    differences.packing.extend(findings)
    return True


def _tell(differences: _Differences, pieces: Mapping[str, Piece]) -> Iterator[Finding]:
    """Few findings, however many tensors they are about."""
    by_kind: tuple[tuple[Rule, list[str], str], ...] = (
        (LAYOUT_WRONG_SHAPE, differences.misshapen, "of the wrong shape"),
        (LAYOUT_MISSING_TENSOR, differences.missing, "missing"),
        (LAYOUT_WRONG_DTYPE, differences.mistyped, "of the wrong dtype"),
    )
    for rule, names, what in by_kind:
        if names:
            first = pieces.get(names[0])
            have = "" if first is None else f"; the first is {quote_untrusted(first.dtype)} {list(first.shape)}"
            yield Finding(rule, f"{what}: {quote_few(names)}{have}")
    yield from differences.packing[:MAX_LAYOUT_FINDINGS]
    extra = [name for name in pieces if name not in differences.seen and name != _TIED_HEAD]
    if extra and not differences.is_cut:
        yield Finding(LAYOUT_UNEXPECTED_TENSOR, f"not part of the architecture: {quote_few(extra)}")


def _judge_unlisted(config: Config, pieces: Mapping[str, Piece], rows: int | None, why: str) -> LayoutVerdict:
    """What holds for any architecture."""
    findings = [Finding(LAYOUT_NOT_CHECKED, why)]
    if rows is not None and config.vocab_size is not None and rows < config.vocab_size:
        detail = f"the embedding has {rows} rows for {config.vocab_size} tokens"
        findings.append(Finding(LAYOUT_WRONG_SHAPE, detail))
    if config.layers is not None:
        extra = config.values.get("num_nextn_predict_layers")
        last = config.layers + (extra if isinstance(extra, int) and extra > 0 else 0)
        beyond = [name for name in pieces if (m := _LAYER.match(name)) is not None and int(m[1]) >= last]
        if beyond:
            findings.append(Finding(LAYOUT_LAYER_BEYOND_LAST, f"{quote_few(beyond)} with {config.layers} layers"))
    if config.quantization is not None:
        findings.extend(islice(find_bad_triples(pieces, config.quantization), MAX_LAYOUT_FINDINGS))
    return LayoutVerdict(tuple(findings), False, _count_parameters(config.quantization, pieces), rows)


def _embedding_rows(pieces: Mapping[str, Piece]) -> int | None:
    """The rows of the first tensor that is named as token embeddings are; packing leaves rows as they are."""
    for name, piece in pieces.items():
        if _EMBEDDING.fullmatch(name) and len(piece.shape) == 2:
            return piece.shape[0]
    return None


def _count_parameters(plan: QuantizationPlan | None, pieces: Mapping[str, Piece]) -> int:
    total = 0
    for name, piece in pieces.items():
        elements = math.prod(piece.shape)
        path, _, leaf = name.rpartition(".")
        is_packed = plan is not None and f"{path}.scales" in pieces
        if is_packed and leaf in ("scales", "biases", "global_scale"):
            continue
        if is_packed and leaf == "weight" and plan is not None:
            packing = plan.overrides.get(path) or plan.default
            elements = elements * 32 // packing.bits
        total += elements
    return total
