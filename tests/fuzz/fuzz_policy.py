"""Fuzzes the policy reader: any bytes are a policy or a refusal on one line, soon."""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["ostiary", "tomllib"]):
    from ostiary.errors import TrustRefused
    from ostiary.trust.read_policy import parse_policy
    from ostiary.trust.revocation import parse_revocations


def TestOneInput(data: bytes) -> None:  # noqa: N802  the name that fuzzers look for
    for parse in (parse_policy, parse_revocations):
        try:
            parse(data)
        except TrustRefused as refused:
            if not refused.message.isprintable():
                raise AssertionError(refused.message) from refused


if __name__ == "__main__":
    atheris.Setup(sys.argv, TestOneInput)
    atheris.Fuzz()
