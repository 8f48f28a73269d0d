"""Fuzzes the safetensors reader: whole files, and headers with a length field that fits."""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["ostiary.intake"]):
    from ostiary.intake.weights.read_safetensors import measure_safetensors_header, parse_safetensors_header

from ostiary.errors import IntakeRefused


def TestOneInput(data: bytes) -> None:  # noqa: N802  the name that fuzzers look for
    read(data, len(data))
    claimed = int.from_bytes(data[-2:], "little")
    read(len(data).to_bytes(8, "little") + data, 8 + len(data) + claimed)


def read(data: bytes, file_bytes: int) -> None:
    try:
        needed = measure_safetensors_header(data[:8], file_bytes)
        header = parse_safetensors_header(data[:needed], file_bytes)
    except IntakeRefused as refused:
        check(refused)
        return
    position = 0
    for tensor in header.tensors:
        if tensor.start != position:
            raise AssertionError(tensor)
        position = tensor.end
    if header.data_start + position != file_bytes:
        raise AssertionError(header)


def check(refused: IntakeRefused) -> None:
    if "\n" in str(refused) or len(str(refused)) > 3_000:
        raise AssertionError(refused)


if __name__ == "__main__":
    from corpus_seeds import arguments_with_seeds

    atheris.Setup(arguments_with_seeds(sys.argv, ".safetensors"), TestOneInput)
    atheris.Fuzz()
