"""Fuzzes the readers of NumPy arrays, of headers and of numbers: whole files, and header texts in a frame that fits."""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["ostiary.intake", "ostiary.library.npy"]):
    from ostiary.intake.weights.read_npy import parse_npy
    from ostiary.library.npy import parse_npy_tensor

from ostiary.errors import IntakeRefused


def TestOneInput(data: bytes) -> None:  # noqa: N802  the name that fuzzers look for
    read(data)
    text = data[:60_000]
    read(b"\x93NUMPY\1\0" + len(text).to_bytes(2, "little") + text)


def read(data: bytes) -> None:
    try:
        header = parse_npy(data, len(data))
    except IntakeRefused as refused:
        if "\n" in str(refused) or len(str(refused)) > 3_000:
            raise AssertionError(refused) from refused
        return
    if header.data_start + header.data_bytes != len(data):
        raise AssertionError(header)
    tensor = parse_npy_tensor(data)
    if tensor.shape != header.shape or len(tensor.data) != header.data_bytes:
        raise AssertionError(tensor)


if __name__ == "__main__":
    from corpus_seeds import arguments_with_seeds

    atheris.Setup(arguments_with_seeds(sys.argv, ".npy"), TestOneInput)
    atheris.Fuzz()
