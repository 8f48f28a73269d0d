"""Fuzzes the readers of what the cell keeps and is told: any bytes are a value, or the one refusal, on one line."""

from __future__ import annotations

import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["ostiary", "tomllib"]):
    from ostiary.cell.limits import CellLimits
    from ostiary.cell.limits_file import parse_config
    from ostiary.cell.quarantine_file import EndsUnreadable, parse_ends, render_ends
    from ostiary.errors import Misuse
    from ostiary.gateway.settings_file import parse_server_file

PLACE = Path("settings")
LIMITS = CellLimits(1 << 30, 60, 60, 60, 8, 1_000, 32, 3)


def TestOneInput(data: bytes) -> None:  # noqa: N802  the name that fuzzers look for
    try:
        rules = parse_config(data, "ostiary.toml")
    except Misuse as misuse:
        if not misuse.message.isprintable():
            raise AssertionError(misuse.message) from misuse
    else:
        limits = rules.change(LIMITS, "acme/llama").by_name()
        if not all(0 <= value <= 1 << 50 for value in limits.values()):
            raise AssertionError(limits)
    try:
        parse_server_file(data, "ostiary.toml", PLACE)
    except Misuse as misuse:
        if not misuse.message.isprintable():
            raise AssertionError(misuse.message) from misuse
    try:
        ends = parse_ends(data)
    except EndsUnreadable:
        return
    if parse_ends(render_ends(ends)) != ends:
        raise AssertionError(ends)


if __name__ == "__main__":
    atheris.Setup(sys.argv, TestOneInput)
    atheris.Fuzz()
