"""Turns a network's weights into float32 where memory allows it, and lets the rest be widened when it is used.

Either way the network computes in float32 from end to end: the weights keep their values exactly, and what MLX
would round to 16 bits between two layers is not rounded. Large matrices are widened in the network's order as long
as the budget lasts; what is small is always widened.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from typing import Any, Final

import mlx.core as mx

from ostiary._hazmat.blas_library import BlasLibrary
from ostiary.core.values import dataclass
from ostiary.worker.engines.fast_cpu.arithmetic import Arithmetic
from ostiary.worker.engines.fast_cpu.layers import (
    NarrowLinear,
    PackedEmbedding,
    PackedLinear,
    StoredEmbedding,
    StoredLinear,
    TurnedLinear,
    list_pieces,
    nn,
    unpack,
)

_NARROW: Final = frozenset({mx.bfloat16, mx.float16})
_WORD: Final = 4
_SMALL_BYTES: Final = 1 << 20
"""Arrays up to this size are widened whatever the budget says: norms, biases, gates."""
_TURNED_BY_MLX: Final = 1 << 24
"""MLX turns matrices slowly; beyond so many weights it is not worth the wait."""
_SWITCHES: Final = "mlx_lm.models.switch_layers"
_READS_WEIGHTS: Final = ("DoRALinear", "DoRAEmbedding")
"""Layers that look into the one that they wrap, so that it must stay what it is."""


@dataclass(frozen=True, slots=True)
class Widening:
    """What became of a network."""

    wide_layers: int
    """Layers whose weights are float32 in memory."""
    stored_layers: int
    """Layers whose weights are as they were stored, and widened or unpacked at each use."""
    grown_bytes: int
    """What the weights take more than before."""


@dataclass(frozen=True, slots=True)
class _Part:
    """A layer that multiplies. `scale_bytes`: what its scales grow by where it stays packed."""

    layer: Any
    kind: str
    stored_bytes: int
    wide_bytes: int
    scale_bytes: int = 0

    @property
    def growth(self) -> int:
        return self.wide_bytes - self.stored_bytes


def widen_network(model: Any, budget_bytes: int, arithmetic: Arithmetic) -> Widening:
    """Changes the network in place. `budget_bytes`: what its weights may grow by."""
    before = count_bytes(model)
    parts = list(_list_parts(model))
    _leave_tables(model)
    scale_bytes = sum(part.scale_bytes for part in parts)
    left = budget_bytes - scale_bytes
    wide = stored = 0
    while parts:
        part = parts.pop(0)  # what it was is let go as soon as it changed
        extra = part.growth - part.scale_bytes
        if left >= extra:
            turned = _can_turn(part, arithmetic) and left >= max(extra, 0) + part.wide_bytes
            _make_wide(part, arithmetic.library, turned=turned)
            left -= extra
            scale_bytes -= part.scale_bytes
            wide += 1
        else:
            _leave_stored(part, has_library=arithmetic.library is not None)
            stored += 1
    _widen_others(model, left + scale_bytes)
    mx.eval(model.parameters())
    return Widening(wide, stored, count_bytes(model) - before)


def count_bytes(model: Any) -> int:
    """What a network's weights take."""
    return sum(array.nbytes for _, layer in model.named_modules() for _, array in _list_arrays(layer))


# --- what there is ---


def _list_parts(model: Any) -> Iterator[_Part]:
    switches = sys.modules.get(_SWITCHES)
    layers = _list_layers(model)
    table = _find_tied_table(layers)
    kinds: dict[Any, str] = {nn.Linear: "linear", nn.QuantizedLinear: "packed linear"}
    if switches is not None:
        kinds |= {switches.SwitchLinear: "switch", switches.QuantizedSwitchLinear: "packed switch"}
    tables = {nn.Embedding: "table", nn.QuantizedEmbedding: "packed table"}
    for layer in layers:
        kind = kinds.get(type(layer)) or (tables.get(type(layer)) if layer is table else None)
        if kind is None:
            continue
        if "packed" not in kind:
            yield _Part(layer, kind, layer.weight.nbytes, layer.weight.size * _WORD)
            continue
        arrays = [array for name, array in _list_arrays(layer) if name in {"weight", "scales", "biases"}]
        stored = sum(array.nbytes for array in arrays)
        scales = sum(array.size * _WORD - array.nbytes for array in arrays if array.dtype in _NARROW)
        yield _Part(layer, kind, stored, layer.weight.size * 32 // layer.bits * _WORD, scales)


def _list_layers(model: Any) -> list[Any]:
    """All of them, the first first, but those that another one looks into."""
    named = list(model.named_modules())[::-1]  # MLX lists the last first
    untouched = tuple(f"{path}." for path, layer in named if type(layer).__name__ in _READS_WEIGHTS)
    return [layer for path, layer in named if not path.startswith(untouched)]


def _find_tied_table(layers: list[Any]) -> Any:
    """The table of tokens where it also says which token comes next: no other layer has as many outputs."""
    tables = [layer for layer in layers if isinstance(layer, nn.Embedding | nn.QuantizedEmbedding)]
    largest = max(tables, key=lambda layer: int(layer.weight.shape[0]), default=None)
    if largest is None:
        return None
    heads = [layer for layer in layers if isinstance(layer, nn.Linear | nn.QuantizedLinear)]
    is_tied = all(layer.weight.shape[0] != largest.weight.shape[0] for layer in heads)
    return largest if is_tied else None


def _list_arrays(layer: Any) -> list[tuple[str, mx.array]]:
    return [(name, value) for name, value in layer.items() if isinstance(value, mx.array) and name[0] != "_"]


# --- what becomes of it ---


def _make_wide(part: _Part, library: BlasLibrary | None, *, turned: bool) -> None:
    layer = part.layer
    if part.kind.endswith("linear") and turned:
        table = _turn(layer, library)
        _forget_packing(layer)
        layer.pop("weight")
        layer.table = table
        layer.__class__ = TurnedLinear
        return
    weight = _widen_weight(layer)
    mx.eval(weight)
    layer.weight = weight
    if "packed" in part.kind:
        _forget_packing(layer)
        switches = sys.modules.get(_SWITCHES)
        plain = {"packed linear": nn.Linear, "packed table": nn.Embedding}
        layer.__class__ = plain.get(part.kind) or switches.SwitchLinear  # type: ignore[union-attr]


def _leave_tables(model: Any) -> None:
    """Tables that are only looked into: what is looked up is widened, and nothing else."""
    layers = _list_layers(model)
    tied = _find_tied_table(layers)
    for layer in layers:
        if type(layer) is nn.Embedding and layer is not tied and layer.weight.dtype in _NARROW:
            layer.__class__ = StoredEmbedding


def _leave_stored(part: _Part, *, has_library: bool) -> None:
    changed: dict[str, Any] = {"linear": StoredLinear if has_library else NarrowLinear}
    if has_library:
        changed |= {"packed linear": PackedLinear, "table": StoredEmbedding, "packed table": PackedEmbedding}
    if part.kind in changed:
        part.layer.__class__ = changed[part.kind]


def _widen_weight(layer: Any) -> mx.array:
    if "scales" not in layer:
        wide: mx.array = layer.weight.astype(mx.float32)
        return wide
    if layer.weight.ndim > 2:  # a matrix for each expert
        return unpack(layer, slice(None))
    pieces = [unpack(layer, rows) for rows in _list_rows(layer)]
    return pieces[0] if len(pieces) == 1 else mx.concatenate(pieces)


def _turn(layer: Any, library: BlasLibrary | None) -> mx.array:
    """The weights as float32, inputs by outputs."""
    outputs, inputs = int(layer.weight.shape[0]), _count_inputs(layer)
    if library is None or not library.transposes:
        return mx.contiguous(_widen_weight(layer).T)
    table = mx.zeros((inputs, outputs), dtype=mx.float32)
    mx.eval(table)
    target = _place(table)
    for rows in _list_rows(layer):
        piece = unpack(layer, rows) if "scales" in layer else layer.weight[rows].astype(mx.float32)
        piece = mx.contiguous(piece)
        mx.eval(piece)
        library.transpose(_place(piece), piece.shape[0], inputs, target + _WORD * rows.start, outputs)
    return table


def _place(array: mx.array) -> int:
    """Where a matrix of float32 lies, which must be there already, row after row."""
    has_buffer: Any = array
    view = memoryview(has_buffer)
    if view.format != "f" or not view.c_contiguous or view.nbytes != array.nbytes:
        raise ValueError("the matrix does not lie row after row")
    return ctypes.addressof(ctypes.c_char.from_buffer(view))


def _list_rows(layer: Any) -> Iterator[slice]:
    return list_pieces(int(layer.weight.shape[0]), _count_inputs(layer))


def _count_inputs(layer: Any) -> int:
    width = int(layer.weight.shape[-1])
    return width * 32 // int(layer.bits) if "scales" in layer else width


def _forget_packing(layer: Any) -> None:
    for name in ("scales", "biases"):
        layer.pop(name, None)


def _can_turn(part: _Part, arithmetic: Arithmetic) -> bool:
    if not part.kind.endswith("linear"):
        return False
    if arithmetic.library is not None:
        return arithmetic.library.transposes
    return part.wide_bytes <= _TURNED_BY_MLX * _WORD


def _widen_others(model: Any, budget_bytes: int) -> None:
    """Norms, biases, scales, tables of positions, gates and whatever else a network has of its own."""
    keep = {StoredLinear, NarrowLinear, StoredEmbedding}
    for _, layer in model.named_modules():
        for name, array in _list_arrays(layer):
            if array.dtype not in _NARROW or (name == "weight" and type(layer) in keep):
                continue
            growth = array.size * _WORD - array.nbytes
            if array.nbytes > _SMALL_BYTES and growth > budget_bytes:
                continue
            budget_bytes -= growth
            layer[name] = array.astype(mx.float32)
