"""Fuzzes the reader of exported MLX functions."""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["ostiary.intake"]):
    from ostiary.intake.weights.mlxfn_operations import OPERATIONS
    from ostiary.intake.weights.read_mlxfn import parse_mlxfn

from ostiary.errors import IntakeRefused


def TestOneInput(data: bytes) -> None:  # noqa: N802  the name that fuzzers look for
    try:
        file = parse_mlxfn(data)
    except IntakeRefused as refused:
        if "\n" in str(refused) or len(str(refused)) > 3_000:
            raise AssertionError(refused) from refused
        return
    for function in file.functions:
        if function.constant_bytes > len(data) or any(name not in OPERATIONS for name, _ in function.operations):
            raise AssertionError(function)


if __name__ == "__main__":
    from corpus_seeds import arguments_with_seeds

    atheris.Setup(arguments_with_seeds(sys.argv, ".mlxfn"), TestOneInput)
    atheris.Fuzz()
