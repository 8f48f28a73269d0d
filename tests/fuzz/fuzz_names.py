"""Fuzzes the judgement of names: any bytes, and any set of paths."""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["ostiary"]):
    from ostiary.core.text import is_invisible
    from ostiary.intake.names import find_in_names, judge_name


def TestOneInput(data: bytes) -> None:  # noqa: N802  the name that fuzzers look for
    found = judge_name(data)
    if found is None and any(is_invisible(character) for character in data.decode("utf-8")):
        raise AssertionError("an invisible character was let in")
    paths = data.decode("utf-8", "surrogateescape").split("\n")
    for finding in find_in_names(paths):
        if any(is_invisible(character) for character in finding.sentence):
            raise AssertionError(finding)
    if found is not None and len(paths) == 1 and "/" not in paths[0] and not find_in_names(paths):
        raise AssertionError("judged alone it is refused, in a tree it is not")


if __name__ == "__main__":
    atheris.Setup(sys.argv, TestOneInput)
    atheris.Fuzz()
