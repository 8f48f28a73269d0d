"""Fuzzes SentencePiece models: as bytes, and as messages that follow the wire format."""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["ostiary.intake"]):
    from ostiary.intake.tokens.read_sentencepiece import parse_sentencepiece

from ostiary.errors import IntakeRefused

UNKNOWN = b"\x0a\x0e\x0a\x05<unk>\x15\0\0\0\0\x18\x02"


def TestOneInput(data: bytes) -> None:  # noqa: N802  the name that fuzzers look for
    read(data)
    provider = atheris.FuzzedDataProvider(data)
    fields = [any_message(provider, 0) for _ in range(provider.ConsumeIntInRange(0, 6))]
    read(UNKNOWN + b"".join(fields))


def any_message(provider: atheris.FuzzedDataProvider, depth: int) -> bytes:
    key = (1, 1, 1, 2, 3, 4, 5, 35, 200)[provider.ConsumeIntInRange(0, 8)]
    kind = (0, 1, 2, 2, 2, 5)[provider.ConsumeIntInRange(0, 5)]
    tag = varint(key << 3 | kind)
    if kind == 0:
        return tag + varint(provider.ConsumeIntInRange(0, 2**64 - 1 if depth else 9))
    if kind in (1, 5):
        return tag + provider.ConsumeBytes(8 if kind == 1 else 4)
    if depth < 2 and provider.ConsumeBool():
        inner = b"".join(any_message(provider, depth + 1) for _ in range(provider.ConsumeIntInRange(0, 4)))
    else:
        inner = provider.ConsumeBytes(provider.ConsumeIntInRange(0, 12))
    return tag + varint(len(inner)) + inner


def varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def read(data: bytes) -> None:
    try:
        parsed = parse_sentencepiece(data)
    except IntakeRefused as refused:
        if "\n" in str(refused) or len(str(refused)) > 2_000:
            raise AssertionError(refused) from refused
        return
    if parsed.size < 1 or parsed.max_id != parsed.size - 1:
        raise AssertionError(parsed)


if __name__ == "__main__":
    from text_seeds import arguments_with_inputs

    seeds = (
        UNKNOWN,
        UNKNOWN + b"\x0a\x08\x0a\x01a\x15\0\0\x80\xbf",
        UNKNOWN + b"\x12\x02\x18\x02" + b"\x1a\x04\x12\x02ab",
    )
    atheris.Setup(arguments_with_inputs(sys.argv, seeds), TestOneInput)
    atheris.Fuzz()
