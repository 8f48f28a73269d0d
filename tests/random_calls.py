"""Calls by chance, of the primitives whose shapes follow from many numbers: some right, some not."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

from graph_cases import Sample
from graph_forge import infer

from ostiary.graph.dtypes import Dtype

F32, F16, C64, I32, U32, BOOL, U8 = (
    Dtype.FLOAT32,
    Dtype.FLOAT16,
    Dtype.COMPLEX64,
    Dtype.INT32,
    Dtype.UINT32,
    Dtype.BOOL,
    Dtype.UINT8,
)
Shape = tuple[int, ...]
REDUCTIONS = ("none", "sum", "prod", "max", "min")


class Chance:
    """Samples from a seed."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311
        self._makers: tuple[Callable[[], Sample], ...] = (
            self.make_convolution,
            self.make_convolution,
            self.make_fft,
            self.make_slice,
            self.make_slice_update,
            self.make_as_strided,
            self.make_pad,
            self.make_gather,
            self.make_scatter,
            self.make_along_axis,
            self.make_reduction,
            self.make_order,
            self.make_matmul,
            self.make_attention,
            self.make_rope,
            self.make_quantized_matmul,
        )

    def make(self) -> Sample:
        return self._random.choice(self._makers)()

    def _pick(self, *of: Any) -> Any:
        return self._random.choice(of)

    def _number(self, low: int, high: int) -> int:
        return self._random.randint(low, high)

    def _flag(self) -> bool:
        return self._random.random() < 0.5

    def _numbers(self, count: int, low: int, high: int) -> Shape:
        return tuple(self._number(low, high) for _ in range(count))

    def _shape(self, fewest: int = 0, most: int = 4, low: int = 0, high: int = 5) -> Shape:
        return self._numbers(self._number(fewest, most), low, high)

    def _axes(self, shape: Shape) -> Shape:
        return tuple(self._random.sample(range(len(shape)), self._number(1, len(shape))))

    def _shrink(self, shape: Shape) -> Shape:
        """Some axes with size 1, so that it stretches to `shape`."""
        return tuple(1 if self._random.random() < 0.3 else size for size in shape)

    def make_convolution(self) -> Sample:
        axes, groups = self._number(1, 3), self._pick(1, 1, 1, 2, 3)
        taken, given = groups * self._number(1, 3), groups * self._number(1, 3)
        data = (self._number(1, 2), *self._numbers(axes, 1, 7), taken)
        weights = (given, *self._numbers(axes, 1, 4), taken // groups)
        attributes = {
            "stride": self._numbers(axes, 1, 3),
            "padding_low": self._numbers(axes, 0, 3),
            "padding_high": self._numbers(axes, 0, 3),
            "kernel_dilation": self._numbers(axes, 1, 3),
            "input_dilation": self._numbers(axes, 1, 3),
            "groups": groups,
            "flip": self._flag(),
        }
        return Sample("convolution", ((self._pick(F32, F16), data), (F32, weights)), attributes)

    def make_fft(self) -> Sample:
        shape = self._shape(1, 4, 1, 7)
        axes, real, inverse = self._axes(shape), self._flag(), self._flag()
        last = shape[axes[-1]]
        size = last
        if real:
            size = max(1, 2 * last - 2 + self._number(0, 1)) if inverse else last // 2 + 1
        attributes = {"axes": axes, "inverse": inverse, "real": real, "n": size}
        return Sample("fft", ((F32 if real and not inverse else C64, shape),), attributes)

    def make_slice(self) -> Sample:
        shape = self._shape(0, 4, 0, 6)
        starts, stops, steps = [], [], []
        for size in shape:
            step = self._pick(1, 1, 2, 3, 7, -1, -2, -7)
            start = self._number(-1, size)
            starts.append(start)
            stops.append(self._number(start, size) if step > 0 else self._number(-1, max(start, -1)))
            steps.append(step)
        attributes = {"start": tuple(starts), "stop": tuple(stops), "step": tuple(steps)}
        return Sample("slice", ((F32, shape),), attributes)

    def make_slice_update(self) -> Sample:
        part = self.make_slice()
        outputs = infer(part)
        if outputs is None:
            return part
        values = self._shrink(tuple(size for size in outputs[0].shape if isinstance(size, int)))
        attributes = {**part.attributes, "reduce": self._pick(*REDUCTIONS)}
        return Sample("slice_update", (*part.inputs, (F32, values)), attributes)

    def make_as_strided(self) -> Sample:
        shape, wanted = self._shape(), self._shape(0, 4, 0, 4)
        elements = _count(shape)
        strides = self._numbers(len(wanted), 0, max(elements // 2, 1))
        attributes = {"shape": wanted, "strides": strides, "offset": self._number(0, elements)}
        return Sample("as_strided", ((F32, shape),), attributes)

    def make_pad(self) -> Sample:
        shape = self._shape()
        attributes = {name: self._numbers(len(shape), 0, 3) for name in ("before", "after")}
        return Sample("pad", ((F32, shape), (F32, ())), attributes)

    def make_gather(self) -> Sample:
        shape = self._shape(1, 4, 1, 5)
        axes, front = tuple(sorted(self._axes(shape))), self._shape(0, 3, 0, 3)
        indices = tuple((self._pick(I32, U32, Dtype.INT64, U8), self._shrink(front)) for _ in axes)
        return Sample("gather", ((self._pick(F32, F16, C64, BOOL), shape), *indices), {"axes": axes})

    def make_scatter(self) -> Sample:
        part = self.make_gather()
        outputs = infer(part)
        if outputs is None:
            return part
        values = tuple(size for size in outputs[0].shape if isinstance(size, int))
        attributes = {**part.attributes, "reduce": self._pick(*REDUCTIONS)}
        return Sample("scatter", (*part.inputs, (part.inputs[0][0], values)), attributes)

    def make_along_axis(self) -> Sample:
        shape = self._shape(1, 4)
        axis = self._number(0, len(shape) - 1)
        indices = (*shape[:axis], self._number(0, 6), *shape[axis + 1 :])
        if self._flag():
            return Sample("take_along_axis", ((F32, shape), (I32, indices)), {"axis": axis})
        attributes = {"axis": axis, "reduce": self._pick("none", "sum")}
        return Sample("put_along_axis", ((F32, shape), (I32, indices), (F32, indices)), attributes)

    def make_reduction(self) -> Sample:
        shape = self._shape(1, 5)
        attributes = {"axes": tuple(sorted(self._axes(shape))), "keepdims": self._flag()}
        return Sample(
            self._pick("sum", "prod", "min", "max", "all", "any"), ((self._pick(*Dtype), shape),), attributes
        )

    def make_order(self) -> Sample:
        shape = self._shape(1, 4, 0, 9)
        op = self._pick(
            "sort", "argsort", "partition", "argpartition", "cumsum", "cummax", "cumprod", "logcumsumexp"
        )
        attributes: dict[str, Any] = {"axis": self._number(0, len(shape) - 1)}
        if "partition" in op:
            attributes["kth"] = self._number(0, 8)
        if "cum" in op:
            attributes |= {"reverse": self._flag(), "inclusive": self._flag()}
        return Sample(op, ((self._pick(*Dtype), shape),), attributes)

    def make_matmul(self) -> Sample:
        inner, front = self._number(1, 5), self._shape(0, 2, 1, 3)
        left = (*front, *self._numbers(self._pick(0, 1, 1, 1), 0, 4), inner)
        right = (*self._shrink(front), inner, self._number(0, 4))
        return Sample("matmul", ((self._pick(F32, F16, C64), left), (self._pick(F32, F16), right)))

    def make_attention(self) -> Sample:
        width, shared, batch = self._number(1, 8), self._number(1, 3), self._number(1, 2)
        heads, rows, columns = shared * self._number(1, 3), self._number(1, 9), self._number(1, 9)
        dtype, causal = self._pick(F32, F16), self._flag()
        inputs = [
            (dtype, (batch, heads, rows, width)),
            (dtype, (batch, shared, columns, width)),
            (dtype, (batch, shared, columns, self._number(1, 8))),
        ]
        if not causal and self._flag():
            mask = self._shrink((batch, heads, rows, columns))[self._number(0, 3) :]
            inputs.append((self._pick(BOOL, dtype), mask))
        return Sample("attention", tuple(inputs), {"scale": 0.5, "causal": causal})

    def make_rope(self) -> Sample:
        shape = (*self._shape(1, 3, 1, 3), self._number(1, 5), self._number(2, 9))
        turned, given = self._pick(2, 4, 6, 8), self._flag()
        inputs: Sequence[tuple[Dtype, Shape]] = [(self._pick(F32, F16), shape), (I32, ())]
        if given:
            inputs = [*inputs, (F32, (turned // 2,))]
        attributes = {"dims": turned, "traditional": self._flag(), "base": 0.0 if given else 1e4, "scale": 1.0}
        return Sample("rope", tuple(inputs), attributes)

    def make_quantized_matmul(self) -> Sample:
        mode, group, bits = self._pick(
            ("affine", 32, 2),
            ("affine", 32, 3),
            ("affine", 64, 5),
            ("affine", 32, 6),
            ("affine", 128, 8),
            ("mxfp4", 32, 4),
            ("mxfp8", 32, 8),
            ("nvfp4", 16, 4),
        )
        width, rows, transpose = group * self._number(1, 3), self._number(1, 9), self._flag()
        front = self._shape(0, 2, 1, 2)
        own = front if self._flag() else ()
        scales = (*own, rows, width // group)
        packed = [(F32, scales)] * 2 if mode == "affine" else [(U8, scales)]
        data = (F32, (*front, self._number(1, 4), width if transpose else rows))
        attributes = {"group_size": group, "bits": bits, "mode": mode, "transpose": transpose}
        inputs = (data, (U32, (*own, rows, width * bits // 32)), *packed)
        return Sample("quantized_matmul", inputs, attributes)


def _count(shape: Shape) -> int:
    total = 1
    for size in shape:
        total *= size
    return total
