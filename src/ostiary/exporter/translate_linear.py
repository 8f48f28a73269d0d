"""What MLX's products, convolutions, transforms, factorisations and random numbers are in a graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ostiary.exporter.codes import name_code
from ostiary.exporter.step import Rules, Step


def _write_matmul(step: Step) -> Sequence[int]:
    step.expect(0)
    return step.write("matmul")


def _write_addmm(step: Step) -> Sequence[int]:
    step.expect(2)
    inputs = (*step.inputs[:2], step.before_stretching(step.inputs[2]))
    return step.write("addmm", inputs, alpha=float(step.fixed(0)), beta=float(step.fixed(1)))


def _write_gather_mm(step: Step) -> Sequence[int]:
    step.expect(2)
    return step.write("gather_mm")


def _write_convolution(step: Step) -> Sequence[int]:
    step.expect(7)
    return step.write(
        "convolution",
        stride=step.integers(0),
        padding_low=step.integers(1),
        padding_high=step.integers(2),
        kernel_dilation=step.integers(3),
        input_dilation=step.integers(4),
        groups=int(step.fixed(5)),
        flip=bool(step.fixed(6)),
    )


def _write_hadamard(step: Step) -> Sequence[int]:
    step.expect(1)
    return step.write("hadamard_transform", scale=float(step.fixed(0)))


def _write_fft(step: Step) -> Sequence[int]:
    step.expect(4)
    axes = step.integers(0)
    size = step.output_shape()[axes[-1]]
    return step.write("fft", axes=axes, inverse=bool(step.fixed(1)), real=bool(step.fixed(2)), n=size)


def _write_inverse(step: Step) -> Sequence[int]:
    step.expect(2)
    is_triangular = bool(step.fixed(0))
    return step.write("inverse", triangular=is_triangular, upper=is_triangular and bool(step.fixed(1)))


def _write_cholesky(step: Step) -> Sequence[int]:
    step.expect(1)
    return step.write("cholesky", upper=bool(step.fixed(0)))


def _write_qr(step: Step) -> Sequence[int]:
    step.expect(0)
    return step.write("qr")


def _write_svd(step: Step) -> Sequence[int]:
    step.expect(1)
    return step.write("svd", vectors=bool(step.fixed(0)))


def _write_eigh(step: Step) -> Sequence[int]:
    step.expect(2)
    return step.write("eigh", upper=step.fixed(0) == "U", vectors=bool(step.fixed(1)))


def _write_eig(step: Step) -> Sequence[int]:
    step.expect(1)
    return step.write("eig", vectors=bool(step.fixed(0)))


def _write_quantize(step: Step) -> Sequence[int]:
    step.expect(4)
    mode = name_code("QuantizedMatmul", step.fixed(2))
    return step.write("quantize", group_size=int(step.fixed(0)), bits=int(step.fixed(1)), mode=mode)


def _write_quantized_matmul(step: Step) -> Sequence[int]:
    step.expect(4)
    return step.write(
        "quantized_matmul",
        group_size=int(step.fixed(0)),
        bits=int(step.fixed(1)),
        mode=name_code("QuantizedMatmul", step.fixed(2)),
        transpose=bool(step.fixed(3)),
    )


def _write_gather_qmm(step: Step) -> Sequence[int]:
    step.expect(6)
    return step.write(
        "gather_qmm",
        group_size=int(step.fixed(0)),
        bits=int(step.fixed(1)),
        mode=name_code("QuantizedMatmul", step.fixed(2)),
        transpose=bool(step.fixed(3)),
    )


def _write_random_bits(step: Step) -> Sequence[int]:
    step.expect(2)
    return step.write("random_bits", shape=step.sizes(0), width=int(step.fixed(1)))


RULES: Final[Rules] = {
    "AddMM": _write_addmm,
    "Cholesky": _write_cholesky,
    "Convolution": _write_convolution,
    "Eig": _write_eig,
    "Eigh": _write_eigh,
    "FFT": _write_fft,
    "GatherMM": _write_gather_mm,
    "GatherQMM": _write_gather_qmm,
    "Hadamard": _write_hadamard,
    "Inverse": _write_inverse,
    "Matmul": _write_matmul,
    "QRF": _write_qr,
    "Quantize": _write_quantize,
    "QuantizedMatmul": _write_quantized_matmul,
    "RandomBits": _write_random_bits,
    "SVD": _write_svd,
}
