"""Pickles are walked, not run, and every import is seen."""

from __future__ import annotations

import collections
import os
import pickle
import pickletools

import pytest
from pickle_oracle import imports_of

from ostiary.core.limits import MAX_PICKLE_IMPORTS, MAX_PICKLE_OPS
from ostiary.intake.code import pickle_opcodes
from ostiary.intake.code.read_pickle import describe_pickle, looks_like_pickle


class _RunsSomething:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("true",)


SYSTEM = f"{os.system.__module__}.system"
CALL = b"cos\nsystem\n(S'true'\ntR."


def test_every_opcode_of_python_is_known_with_its_argument() -> None:
    widths = {pickletools.TAKEN_FROM_ARGUMENT1: 1, pickletools.TAKEN_FROM_ARGUMENT4: 4}
    widths |= {pickletools.TAKEN_FROM_ARGUMENT4U: 4, pickletools.TAKEN_FROM_ARGUMENT8U: 8}
    for info in pickletools.opcodes:
        code, count = ord(info.code), 0 if info.arg is None else info.arg.n
        if count >= 0:
            assert pickle_opcodes.FIXED[code] == count, info.name
        elif count == pickletools.UP_TO_NEWLINE:
            assert pickle_opcodes.LINES[code] == (2 if info.name in {"GLOBAL", "INST"} else 1), info.name
        else:
            assert pickle_opcodes.COUNTED[code] == widths[count], info.name


def test_every_simple_opcode_moves_the_stack_as_python_says() -> None:
    for info in pickletools.opcodes:
        simple = pickle_opcodes.SIMPLE.get(ord(info.code))
        if simple is not None:
            assert (simple[0], simple[1] + simple[2]) == (len(info.stack_before), len(info.stack_after)), info.name


@pytest.mark.parametrize("protocol", range(6))
def test_the_imports_of_each_protocol_are_named(protocol: int) -> None:
    data = pickle.dumps([_RunsSomething(), collections.OrderedDict(a=1)], protocol)
    seen = describe_pickle(data)
    assert seen.imports == (SYSTEM, "collections.OrderedDict")
    assert seen.calls
    assert seen.stops
    assert not seen.is_truncated
    assert seen.protocol == (protocol if protocol > 1 else 0)
    assert seen.import_offset is not None
    assert chr(data[seen.import_offset]) in "c\x93"
    assert looks_like_pickle(data, len(data))


@pytest.mark.parametrize(
    ("data", "imports"),
    [
        (CALL, ("os.system",)),
        (b"(S'true'\nios\nsystem\n.", ("os.system",)),
        (b"(cos\nsystem\nS'true'\no.", ("os.system",)),
        (b"\x80\x02cos\nsystem\nU\x04true\x85\x81.", ("os.system",)),
        (b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x04true\x85R.", ("os.system",)),
        (b"\x80\x04\x8c\x02os\x940\x8c\x06system\x940h\x00h\x01\x93)R.", ("os.system",)),
        (b"\x80\x04X\x02\0\0\0os2\x93.", ("os.os",)),
        (b"S'o\\x73'\nS'\\163ystem'\n\x93)R.", ("os.system",)),
        (b"Vo\\u0073\nVsystem\n\x93)R.", ("os.system",)),
        (b"(S'os'\n1cos\nsystem\n)R.", ("os.system",)),
        (b"I1\n0" * 300 + CALL, ("os.system",)),
        (b"N." + CALL, ("os.system",)),
        (b"\x80\x02\x82\x07)R.", ("copyreg.extension_7",)),
        (b"\x80\x04\x8c\x02oscbuiltins\ngetattr\n)R\x93.", ("builtins.getattr", "os.?")),
        (b"cos.path\njoin\n.", ("os.path.join",)),
        (b"ios\nsystem\n", ("os.system",)),
        (b"p0000000000000000000\n", ()),
    ],
)
def test_hidden_imports_are_seen(data: bytes, imports: tuple[str, ...]) -> None:
    assert describe_pickle(data).imports == imports


def test_what_runs_before_the_pickle_breaks_is_seen() -> None:
    broken = CALL[:-1] + b"\xff\xff"
    seen = describe_pickle(broken)
    assert seen.imports == ("os.system",)
    assert seen.calls
    assert not seen.stops
    assert looks_like_pickle(broken, len(broken))


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"N.B. read this first\n",
        b"config\nvalue\n",
        b"# A model card\n",
        b"In the beginning\n",
        b"{}\n",
        b"(c) 2026 Somebody\n",
        b"cat\ndog\nbird\n",
        b"Paris\nVienna\nPrague\n" * 300,
        b"copyright\nnotice\n\nAll rights reserved.",
        b"\x80\x02\0\0\0\0\0\0{}",
    ],
)
def test_plain_text_and_lengths_are_no_pickles(text: bytes) -> None:
    assert not looks_like_pickle(text, len(text))


def test_a_pickle_that_goes_on_behind_the_head_is_one() -> None:
    long_one = b"cos\nsystem\n" + b"I1\n0" * 2000 + b")R."
    assert looks_like_pickle(long_one[:4096], len(long_one))


def test_a_harmless_binary_pickle_is_still_a_pickle() -> None:
    data = pickle.dumps({"a": [1, 2.5, None, "text"]}, 4)
    assert describe_pickle(data).imports == ()
    assert looks_like_pickle(data, len(data))


def test_a_cut_pickle_says_so() -> None:
    data = pickle.dumps([_RunsSomething()], 4)
    assert describe_pickle(data[:-3]).is_truncated
    assert describe_pickle(b"\x80\x04\x8e" + (1 << 62).to_bytes(8, "little")).is_truncated


def test_the_walk_ends_at_its_ceilings() -> None:
    many = describe_pickle(b"N0" * MAX_PICKLE_OPS)
    assert many.ops == MAX_PICKLE_OPS
    assert many.is_truncated
    imports = b"".join(b"cm%d\nx\n0" % n for n in range(MAX_PICKLE_IMPORTS + 10))
    assert len(describe_pickle(imports).imports) == MAX_PICKLE_IMPORTS


@pytest.mark.parametrize("data", [CALL, b"(S'x'\nios\nsystem\n.", pickle.dumps(_RunsSomething(), 4)])
def test_the_oracle_sees_them_too(data: bytes) -> None:
    assert tuple(imports_of(data)) == describe_pickle(data).imports
