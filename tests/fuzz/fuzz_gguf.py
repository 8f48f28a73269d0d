"""Fuzzes the GGUF reader: whole files, and files of which only a prefix was read."""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["ostiary.intake"]):
    from ostiary.intake.weights.read_gguf import parse_gguf

from ostiary.errors import IntakeRefused


def TestOneInput(data: bytes) -> None:  # noqa: N802  the name that fuzzers look for
    read(data, len(data))
    read(data, len(data) + 1_000_000)


def read(data: bytes, file_bytes: int) -> None:
    try:
        header = parse_gguf(data, file_bytes)
    except IntakeRefused as refused:
        if "\n" in str(refused) or len(str(refused)) > 3_000:
            raise AssertionError(refused) from refused
        return
    position = 0
    for tensor in header.tensors:
        if tensor.start < position or header.data_start + tensor.end > file_bytes:
            raise AssertionError(tensor)
        position = tensor.end


if __name__ == "__main__":
    from corpus_seeds import arguments_with_seeds

    atheris.Setup(arguments_with_seeds(sys.argv, ".gguf"), TestOneInput)
    atheris.Fuzz()
