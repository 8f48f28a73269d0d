"""Fuzzes the file of clients' keys: any bytes are keys that are written and read alike, or the one refusal."""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["ostiary"]):
    from ostiary.errors import Misuse
    from ostiary.gateway.client_key import parse_keys, render_keys, render_time

OLD = b'{"schema":1,"keys":[{"id":"0123456789ab","name":"first","sha256":"%s","created":"2026-01-02T03:04:05+00:00"}]}'
NEW = (
    b'{"schema":2,"keys":[{"id":"0123456789ab","name":"a","tenant":"b","sha256":"%s","created":"2026-01-02T03:04:05Z",'
    b'"scopes":["infer","admin"],"models":["x/y"],"expires":"2030-01-01T00:00:00Z","revoked":null}]}'
)
SEEDS = [form % (b"a" * 64) for form in (OLD, NEW)]


def TestOneInput(data: bytes) -> None:  # noqa: N802  the name that fuzzers look for
    try:
        keys = parse_keys(data)
    except Misuse as misuse:
        if not misuse.message.isprintable() or misuse.code != "KEY_UNUSABLE":
            raise AssertionError(misuse.message) from misuse
        return
    if parse_keys(render_keys(keys)) != keys:
        raise AssertionError(keys)
    for key in keys:
        if not f"{key.id}{key.name}{key.tenant}{render_time(key.created)}".isprintable():
            raise AssertionError(key)
        key.is_valid(0)


if __name__ == "__main__":
    from text_seeds import arguments_with_inputs

    atheris.Setup(arguments_with_inputs(sys.argv, SEEDS), TestOneInput)
    atheris.Fuzz()
