"""Fuzzes the NumPy archive reader."""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["ostiary.intake"]):
    from ostiary.intake.weights.read_npz import parse_npz

from ostiary.errors import IntakeRefused


def TestOneInput(data: bytes) -> None:  # noqa: N802  the name that fuzzers look for
    asked = 0

    def read_at(offset: int, length: int) -> bytes:
        nonlocal asked
        if offset < 0 or length < 0:
            raise AssertionError(offset, length)
        asked += length
        return data[offset : offset + length]

    try:
        archive = parse_npz(read_at, len(data))
    except IntakeRefused as refused:
        if "\n" in str(refused) or len(str(refused)) > 3_000:
            raise AssertionError(refused) from refused
        return
    if sum(member.compressed_bytes for member in archive.members) > len(data) or asked > 4 * len(data) + 100:
        raise AssertionError(archive)


if __name__ == "__main__":
    from corpus_seeds import arguments_with_seeds

    atheris.Setup(arguments_with_seeds(sys.argv, ".npz"), TestOneInput)
    atheris.Fuzz()
