"""Fuzzes the pickle walk, and holds it against CPython's own unpickler: no import may go unseen."""

from __future__ import annotations

import sys
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

with atheris.instrument_imports(include=["ostiary"]):
    from ostiary.intake.code.find_pickles import find_in_pickle
    from ostiary.intake.code.read_pickle import describe_pickle, looks_like_pickle

from pickle_oracle import imports_of


def TestOneInput(data: bytes) -> None:  # noqa: N802  the name that fuzzers look for
    description = describe_pickle(data)
    missed = set(imports_of(data)) - set(description.imports)
    if missed:
        raise AssertionError(f"unseen: {sorted(missed)}")
    if description.ops > len(data):
        raise AssertionError("more instructions than bytes")
    find_in_pickle(data)
    looks_like_pickle(data[:100], len(data))


if __name__ == "__main__":
    atheris.Setup(sys.argv, TestOneInput)
    atheris.Fuzz()
