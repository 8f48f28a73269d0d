"""Fuzzes tokenizer_config.json: as bytes, and as an object of fields that mean something, beside a tokenizer."""

from __future__ import annotations

import json
import sys
from types import MappingProxyType

import atheris

with atheris.instrument_imports(include=["ostiary.intake"]):
    from ostiary.intake.tokens.check_special_tokens import find_highest_id, find_special_token_conflicts
    from ostiary.intake.tokens.read_tokenizer_config import parse_tokenizer_config

from ostiary.errors import IntakeRefused
from ostiary.intake.tokens.tokenizer import AddedToken, Tokenizer

TOKENIZER = Tokenizer(
    "BPE", 4, 3, (AddedToken(3, "</s>", special=True),), MappingProxyType({"a": 0, "b": 1, "x": 2}), ()
)
FIELDS = (
    "chat_template chat_template_type tool_parser_type tokenizer_class auto_map bos_token eos_token x_token legacy"
    " added_tokens_decoder additional_special_tokens extra_special_tokens model_max_length vocab_file padding_side"
).split()
WORDS = ("a", "</s>", "[PAD]", "mistral", "..x", "/x", "LlamaTokenizer", "{{ x }}", "1", "", "\u202e")


def TestOneInput(data: bytes) -> None:  # noqa: N802  the name that fuzzers look for
    read(data)
    provider = atheris.FuzzedDataProvider(data)
    names = [
        FIELDS[provider.ConsumeIntInRange(0, len(FIELDS) - 1)] for _ in range(provider.ConsumeIntInRange(0, 6))
    ]
    read(json.dumps({name: any_value(provider, 0) for name in names}).encode())


def any_value(provider: atheris.FuzzedDataProvider, depth: int) -> object:
    kind = provider.ConsumeIntInRange(0, 7 if depth < 3 else 4)
    if kind == 0:
        return provider.ConsumeIntInRange(-2, 2**40)
    if kind == 1:
        return (None, True, 0.5)[provider.ConsumeIntInRange(0, 2)]
    if kind == 2:
        return provider.ConsumeUnicodeNoSurrogates(8)
    if kind <= 4:
        return WORDS[provider.ConsumeIntInRange(0, len(WORDS) - 1)]
    inner = [any_value(provider, depth + 1) for _ in range(provider.ConsumeIntInRange(0, 3))]
    if kind == 5:
        return inner
    if kind == 6:
        return {"name": "default", "template": inner[0] if inner else "x", "content": "y"}
    return dict(zip(("content", "1", "x"), inner, strict=False))


def read(data: bytes) -> None:
    try:
        config = parse_tokenizer_config(data)
    except IntakeRefused as refused:
        if "\n" in str(refused) or len(str(refused)) > 2_000:
            raise AssertionError(refused) from refused
        return
    for finding in (*config.notes, *find_special_token_conflicts(TOKENIZER, config)):
        if "\n" in finding.sentence:
            raise AssertionError(finding)
    if find_highest_id(TOKENIZER, config) < TOKENIZER.max_id:
        raise AssertionError(config)


if __name__ == "__main__":
    from json_seeds import arguments_with_json

    atheris.Setup(arguments_with_json(sys.argv, "tokenizer_config.json"), TestOneInput)
    atheris.Fuzz()
