"""Names and shapes of a checkpoint as MLX-LM sees them after its own clean-up.

Checkpoints come in two spellings: as MLX-LM writes them, and as Transformers does. While loading, MLX-LM drops what
it computes itself, renames, turns matrices around and stacks experts. Here that is done to names and shapes alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

from ostiary.core.values import dataclass
from ostiary.intake.weights.tensor import Tensor


@dataclass(frozen=True, slots=True)
class Piece:
    """A tensor's dtype and shape."""

    dtype: str
    shape: tuple[int, ...]


# Rotary frequencies and attention masks that old checkpoints carry; every loader computes them anew.
_COMPUTED: Final = re.compile(r"\.rotary_emb\.inv_freq$|\.attention\.rope\.inv_freq$")
_NEOX_COMPUTED: Final = re.compile(r"\.attention\.(bias|masked_bias)$")
_GPT2_MASK: Final = re.compile(r"(?:model\.)?h\.\d+\.attn\.(bias|masked_bias)$")
_GPT2_TURNED: Final = re.compile(r"h\.\d+\.(attn\.c_attn|attn\.c_proj|mlp\.c_fc|mlp\.c_proj)\.weight")

_EXPERT: Final = re.compile(
    r"(?P<block>.+\.(?:mlp|block_sparse_moe))\.experts\.(?P<number>\d{1,6})\."
    r"(?P<matrix>w1|w2|w3|gate_proj|up_proj|down_proj)\.(?P<leaf>weight|scales|biases)"
)
_MATRICES: Final = {"w1": "gate_proj", "w2": "down_proj", "w3": "up_proj"}

# Further layers that predict several tokens at once; MLX-LM drops them by this very name.
_DEEPSEEK_EXTRA: Final = "model.layers.61"


def clean_names(architecture: str, tensors: Mapping[str, Tensor]) -> dict[str, Piece]:
    """What the network of `architecture` is given."""
    pieces = {name: Piece(t.dtype, t.shape) for name, t in tensors.items() if not _COMPUTED.search(name)}
    if architecture == "gpt2":
        return _rename(_clean_gpt2(pieces))
    if architecture == "gpt_neox":
        return _rename(_clean_gpt_neox(pieces))
    if architecture == "deepseek_v3":
        pieces = {name: piece for name, piece in pieces.items() if not name.startswith(_DEEPSEEK_EXTRA)}
    return _stack_experts(pieces)


def _rename(named: Iterator[tuple[str, str, Piece]]) -> dict[str, Piece]:
    """From (old name, new name, piece). What would take a name that is taken keeps its old one, to be seen."""
    all_named = list(named)
    renamed = {new: piece for old, new, piece in all_named if old == new}
    for old, new, piece in all_named:
        if old != new:
            renamed[old if new in renamed else new] = piece
    return renamed


def _clean_gpt2(pieces: Mapping[str, Piece]) -> Iterator[tuple[str, str, Piece]]:
    for name, piece in pieces.items():
        if _GPT2_MASK.match(name):
            continue
        # Transformers keeps these matrices the other way around.
        turned = piece.shape[::-1] if _GPT2_TURNED.fullmatch(name) else piece.shape
        full = name if name.startswith("model.") else f"model.{name}"
        yield name, full, Piece(piece.dtype, turned)


def _clean_gpt_neox(pieces: Mapping[str, Piece]) -> Iterator[tuple[str, str, Piece]]:
    for name, piece in pieces.items():
        if _NEOX_COMPUTED.search(name):
            continue
        full = name if name.startswith("model.") else f"model.{name}"
        yield name, full.replace(".gpt_neox.layers.", ".h.").replace(".gpt_neox.", "."), piece


def _stack_experts(pieces: dict[str, Piece]) -> dict[str, Piece]:
    """One tensor for the experts 0, 1, ... of a layer if they are alike; otherwise their names stay as they are."""
    experts: dict[str, dict[int, tuple[str, Piece]]] = {}
    for name, piece in pieces.items():
        match = _EXPERT.fullmatch(name)
        if match is not None and match["number"] == str(int(match["number"])):
            matrix = _MATRICES.get(match["matrix"], match["matrix"])
            stacked = f"{match['block']}.switch_mlp.{matrix}.{match['leaf']}"
            experts.setdefault(stacked, {})[int(match["number"])] = (name, piece)
    for stacked, members in experts.items():
        kinds = {piece for _, piece in members.values()}
        if stacked in pieces or len(kinds) != 1 or max(members) != len(members) - 1:
            continue
        for name, _ in members.values():
            del pieces[name]
        (kind,) = kinds
        pieces[stacked] = Piece(kind.dtype, (len(members), *kind.shape))
    return pieces
