"""Formats that are recognised and described, and refused unless the operator says otherwise."""

from __future__ import annotations

from typing import Final

from ostiary.core.findings import Rule, Severity
from ostiary.errors import INTAKE_UNSAFE_FORMAT

GGUF: Final = Rule(
    "format.gguf",
    Severity.HIGH,
    INTAKE_UNSAFE_FORMAT,
    "GGUF file",
    "MLX's GGUF reader ends the process on about one in four damaged files, by reading outside its memory.",
)
NPY: Final = Rule(
    "format.npy",
    Severity.MEDIUM,
    INTAKE_UNSAFE_FORMAT,
    "NumPy array file",
    "MLX reads its header at fixed offsets; a damaged one crashed it or gave wrong data (CVE-2025-62608).",
)
NPZ: Final = Rule(
    "format.npz",
    Severity.MEDIUM,
    INTAKE_UNSAFE_FORMAT,
    "NumPy archive",
    "It is a zip of NumPy arrays: it can inflate without bound and hide members from one of two readers.",
)
MLXFN: Final = Rule(
    "format.mlxfn",
    Severity.CRITICAL,
    INTAKE_UNSAFE_FORMAT,
    "Exported MLX function",
    "It is a program: importing one of 323 bytes overflows MLX's heap, and any graph in it runs unchecked.",
)
UNSAFE_ALLOWED: Final = Rule(
    "format.unsafe-allowed",
    Severity.HIGH,
    None,
    "Unsafe format let in by the operator",
    "MLX's own reader of this format is not safe on damaged files.",
)

RULES: Final = (GGUF, NPY, NPZ, MLXFN, UNSAFE_ALLOWED)
