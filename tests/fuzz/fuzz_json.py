"""Fuzzes the JSON reader: what it lets through, the standard library reads alike; what it finds, it can say."""

from __future__ import annotations

import json
import sys

import atheris

with atheris.instrument_imports(include=["ostiary"]):
    from ostiary.intake.code.find_code_in_json import find_code_in_json
    from ostiary.intake.read_json import parse_json

from ostiary.errors import IntakeRefused


def TestOneInput(data: bytes) -> None:  # noqa: N802  the name that fuzzers look for
    try:
        value = parse_json(data)
    except IntakeRefused as refused:
        if "\n" in str(refused) or len(str(refused)) > 1_000:
            raise AssertionError(refused) from refused
        return
    if value != json.loads(data):
        raise AssertionError(value)
    json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
    for finding in find_code_in_json(value):
        if "\n" in finding.sentence or len(finding.sentence) > 1_000:
            raise AssertionError(finding)


if __name__ == "__main__":
    from json_seeds import arguments_with_json

    atheris.Setup(arguments_with_json(sys.argv, "*.json"), TestOneInput)
    atheris.Fuzz()
