"""Packed weights against the shapes of what they unpack to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ostiary.core.findings import Finding
from ostiary.core.text import quote_untrusted
from ostiary.core.tickets import Quantization
from ostiary.intake.network.layout_names import Piece
from ostiary.intake.network.quantization import AFFINE, FIXED_MODES, QuantizationPlan, is_supported
from ostiary.intake.rules.config import LAYOUT_BAD_QUANTIZATION, LAYOUT_MISSING_TENSOR

FLOATS: Final = frozenset({"F16", "BF16", "F32", "F64"})
_PACKED_DTYPE: Final = "U32"
_SCALE_DTYPE_OF_FIXED_MODES: Final = "U8"


def find_packing(
    path: str, inputs: int, pieces: Mapping[str, Piece], plan: QuantizationPlan | None
) -> Quantization | Finding | None:
    """How the layer at `path` is packed, None if it is not, a finding if it cannot be.

    As MLX-LM decides it: what the configuration says of this layer, else what the shapes say, and packed only where
    there are scales.
    """
    if plan is None:
        return None
    if path in plan.overrides:
        return plan.overrides[path]
    scales, weight = pieces.get(f"{path}.scales"), pieces.get(f"{path}.weight")
    if scales is None or weight is None:
        return None
    groups = scales.shape[-1] if scales.shape else 0
    words = weight.shape[-1] if weight.shape else 0
    if groups == 0 or inputs == 0:
        return _bad(path, f"{words} words and {groups} groups do not hold {inputs} numbers")
    bits, group_size = words * 32 // inputs, inputs // groups
    mode = AFFINE
    if scales.dtype == _SCALE_DTYPE_OF_FIXED_MODES:
        modes = [m for m, q in FIXED_MODES.items() if (q.bits, q.group_size) == (bits, group_size)]
        mode = modes[0] if modes else "fixed"
    packing = Quantization(bits, group_size, mode)
    if not is_supported(packing):
        return _bad(path, f"MLX has no {mode} quantization of {bits} bits in groups of {group_size}")
    return packing


def check_packed(
    path: str, shape: tuple[int, ...], packing: Quantization, pieces: Mapping[str, Piece]
) -> tuple[set[str], list[Finding]]:
    """The names that belong to a packed layer of this unpacked shape, and what is wrong with them."""
    inputs = shape[-1]
    if inputs % packing.group_size or inputs * packing.bits % 32:
        return set(), [_bad(path, f"{inputs} numbers cannot be packed in groups of {packing.group_size}")]
    packed = (*shape[:-1], inputs * packing.bits // 32)
    grouped = (*shape[:-1], inputs // packing.group_size)
    is_affine = packing.mode == AFFINE
    scale_dtypes = FLOATS if is_affine else frozenset({_SCALE_DTYPE_OF_FIXED_MODES})
    wanted = {
        f"{path}.weight": (packed, frozenset({_PACKED_DTYPE})),
        f"{path}.scales": (grouped, scale_dtypes),
    }
    if is_affine:
        wanted[f"{path}.biases"] = (grouped, scale_dtypes)
    findings: list[Finding] = []
    for name, (right_shape, right_dtypes) in wanted.items():
        piece = pieces.get(name)
        if piece is None:
            findings.append(Finding(LAYOUT_MISSING_TENSOR, f"'{quote_untrusted(name)}' is not there"))
        elif piece.shape != right_shape or piece.dtype not in right_dtypes:
            want = f"{'/'.join(sorted(right_dtypes))} {list(right_shape)}"
            have = f"{quote_untrusted(piece.dtype)} {list(piece.shape)}"
            findings.append(_bad(path, f"'{quote_untrusted(name)}' is {have}, not {want}"))
    names = set(wanted)
    if packing.mode == "nvfp4" and f"{path}.global_scale" in pieces:
        names.add(f"{path}.global_scale")
    return names, findings


def find_bad_triples(pieces: Mapping[str, Piece], plan: QuantizationPlan) -> list[Finding]:
    """What can be said of packed layers without knowing their unpacked shape."""
    findings: list[Finding] = []
    for name, scales in pieces.items():
        if not name.endswith(".scales"):
            continue
        path = name.removesuffix(".scales")
        weight, biases = pieces.get(f"{path}.weight"), pieces.get(f"{path}.biases")
        if weight is None or weight.dtype != _PACKED_DTYPE:
            findings.append(_bad(path, "there are scales, but no packed weight"))
        elif len(weight.shape) < 2 or weight.shape[:-1] != scales.shape[:-1] or 0 in weight.shape + scales.shape:
            findings.append(_bad(path, "weight and scales have different rows"))
        elif biases is not None and biases != scales:
            findings.append(_bad(path, "scales and biases differ in shape or dtype"))
        elif not _has_possible_packing(path, weight.shape[-1], scales, biases, plan):
            findings.append(_bad(path, f"{weight.shape[-1]} words do not fit {scales.shape[-1]} groups"))
    return findings


def _has_possible_packing(
    path: str, words: int, scales: Piece, biases: Piece | None, plan: QuantizationPlan
) -> bool:
    said = plan.overrides.get(path)
    if said is not None:
        return words * 32 == scales.shape[-1] * said.group_size * said.bits
    if scales.dtype == _SCALE_DTYPE_OF_FIXED_MODES:
        possible = [q.group_size * q.bits for q in FIXED_MODES.values()] if biases is None else []
    else:
        possible = [g * b for g in (32, 64, 128) for b in (1, 2, 3, 4, 5, 6, 8)]
    return any(words * 32 == scales.shape[-1] * per_group for per_group in possible)


def _bad(path: str, what: str) -> Finding:
    return Finding(LAYOUT_BAD_QUANTIZATION, f"the packed layer '{quote_untrusted(path)}': {what}")
