"""Fuzzes the file of usage: any lines are a usage, which written anew is the same one, or of another version.

Each line is given the checksum that it needs, so that what is behind it is reached.
"""

from __future__ import annotations

import sys
import zlib

import atheris

with atheris.instrument_imports(include=["ostiary"]):
    from ostiary.admission.usage_lines import OtherSchema, read_usage_lines, take_snapshot

NOW = 1_900_000_000.0
SEEDS = [
    b'["usage",1]\n["shift",0]\n["count",1900000000,"a"]\n["hold",1,1900000000,"a",50]\n["settle",1,1900000001,20,5]',
    b'["window","a","minute",[[1899999990,7]]]\n["day",21990,"a",1,2,3,4]\n["hold",7,1900000000,"a",50]',
    b'["usage",2]',
]


def TestOneInput(data: bytes) -> None:  # noqa: N802  the name that fuzzers look for
    lines = [b"%08x %s\n" % (zlib.crc32(text), text) for text in data.split(b"\n")]
    try:
        usage = read_usage_lines(lines)
    except OtherSchema:
        return
    accounts = usage.make_accounts(NOW)
    again = read_usage_lines(take_snapshot(accounts, NOW, 0.0).write())
    if again.damaged or again.has_loose_end or dict(again.days) != accounts.days:
        raise AssertionError(again)
    other = again.make_accounts(NOW)
    for tenant, account in accounts.by_tenant.items():
        for name, window in account.list_windows():
            told = dict(other.find(tenant).list_windows())[name]
            if told.count(NOW) != window.count(NOW) or told.count(NOW + 30) != window.count(NOW + 30):
                raise AssertionError((tenant, name))


if __name__ == "__main__":
    from text_seeds import arguments_with_inputs

    atheris.Setup(arguments_with_inputs(sys.argv, SEEDS), TestOneInput)
    atheris.Fuzz()
