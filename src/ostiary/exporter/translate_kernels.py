"""What calls of MLX that were kept whole are in a graph. Their arguments are those of the call, by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import mlx.core as mx

from ostiary.exporter.refusals import CannotExpress, CannotFollow
from ostiary.exporter.step import Rules, Step
from ostiary.graph.dtypes import Dtype
from ostiary.graph.sizes import Size, multiply_sizes

_PACKINGS: Final = {"affine": (64, 4), "mxfp4": (32, 4), "mxfp8": (32, 8), "nvfp4": (16, 4)}
"""Size of groups and bits where a call names none."""


class _Call:
    """Parameters of the call: plain ones, which no size may change, and arrays."""

    def __init__(self, step: Step) -> None:
        self._step = step
        self._arrays = dict(zip(step.fixed(1), step.inputs, strict=True))

    def plain(self, name: str) -> Any:
        values = self.plain_each(name)
        if any(value != values[0] for value in values):
            raise CannotFollow(f"its argument {name} follows a size of the inputs")
        return values[0]

    def plain_each(self, name: str) -> list[Any]:
        """In each trace."""
        return [arguments[0].get(name) for arguments in self._step.arguments]

    def array(self, name: str) -> int | None:
        return self._arrays.get(name)

    def arrays(self, *names: str) -> list[int]:
        """Those that there are; only the last ones may be missing."""
        given = [self._arrays.get(name) for name in names]
        found = [value for value in given if value is not None]
        if given[: len(found)] != found:
            raise CannotExpress(f"it has no {names[given.index(None)]}, but what comes after")
        return found


def _write_rms_norm(step: Step) -> Sequence[int]:
    call = _Call(step)
    return step.write("rms_norm", call.arrays("x", "weight"), eps=float(call.plain("eps")))


def _write_layer_norm(step: Step) -> Sequence[int]:
    call = _Call(step)
    return step.write("layer_norm", call.arrays("x", "weight", "bias"), eps=float(call.plain("eps")))


def _write_rope(step: Step) -> Sequence[int]:
    call = _Call(step)
    offset = call.array("offset")
    if offset is None:
        offset = _write_size(step, step.fit([int(number) for number in call.plain_each("offset")]))
    frequencies = call.array("freqs")
    inputs = [*call.arrays("a"), offset, *([] if frequencies is None else [frequencies])]
    return step.write(
        "rope",
        inputs,
        dims=int(call.plain("dims")),
        traditional=bool(call.plain("traditional")),
        base=0.0 if frequencies is not None else float(call.plain("base")),
        scale=float(call.plain("scale")),
    )


def _write_size(step: Step, size: Size) -> int:
    if isinstance(size, int):
        return step.writer.add_constant(mx.array(size, dtype=mx.int32))
    return step.writer.add_node("size_value", (), {"size": size, "dtype": Dtype.INT32})[0]


def _write_attention(step: Step) -> Sequence[int]:
    call = _Call(step)
    mask = call.plain("mask")
    if call.array("sinks") is not None or call.plain("force_fused") or mask not in (None, "causal"):
        raise CannotExpress("attention with sinks, or of a kind that is not known")
    return step.write(
        "attention",
        call.arrays("q", "k", "v", "mask"),
        scale=float(call.plain("scale")),
        causal=mask == "causal",
    )


def _write_dequantize(step: Step) -> Sequence[int]:
    call = _Call(step)
    if call.array("global_scale") is not None or call.plain("global_scale") is not None:
        raise CannotExpress("packed numbers with one scale above all others")
    mode = str(call.plain("mode"))
    group_size, bits = _PACKINGS.get(mode, (0, 0))
    return step.write(
        "dequantize",
        call.arrays("w", "scales", "biases"),
        group_size=int(call.plain("group_size") or group_size),
        bits=int(call.plain("bits") or bits),
        mode=mode,
        dtype=step.output_dtypes[0],
    )


def _write_bitwise_invert(step: Step) -> Sequence[int]:
    return step.write("bitwise_invert")


def _write_logcumsumexp(step: Step) -> Sequence[int]:
    call = _Call(step)
    axis = call.plain("axis")
    inputs = step.inputs
    if axis is None:
        inputs = tuple(step.write("reshape", shape=(multiply_sizes(step.shape(0)),)))
        axis = 0
    return step.write(
        "logcumsumexp",
        inputs,
        axis=int(axis) % len(step.writer.types[inputs[0]].shape),
        reverse=bool(call.plain("reverse")),
        inclusive=bool(call.plain("inclusive")),
    )


RULES: Final[Rules] = {
    "bitwise_invert": _write_bitwise_invert,
    "dequantize": _write_dequantize,
    "layer_norm": _write_layer_norm,
    "logcumsumexp": _write_logcumsumexp,
    "rms_norm": _write_rms_norm,
    "rope": _write_rope,
    "scaled_dot_product_attention": _write_attention,
}
