"""Fuzzes tokenizer.json: as bytes, as an honest document with fields replaced, its expressions and character maps."""

from __future__ import annotations

import copy
import json
import sys
from collections.abc import Callable

import atheris

with atheris.instrument_imports(include=["ostiary.intake"]):
    from ostiary.intake.tokens.check_charsmap import check_charsmap
    from ostiary.intake.tokens.check_regex import find_backtracking
    from ostiary.intake.tokens.read_tokenizer import parse_tokenizer
    from ostiary.intake.tokens.read_vocabulary import parse_vocabulary_file

from ostiary.errors import IntakeRefused

FLAGS = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
PARTS = (
    {"type": "Replace", "pattern": {"Regex": "a+"}, "content": "b"},
    {"type": "Split", "pattern": {"String": "a"}, "behavior": "Isolated", "invert": False},
    {"type": "Sequence", "normalizers": [{"type": "NFC"}], "pretokenizers": [], "decoders": [], "processors": []},
    {"type": "Precompiled", "precompiled_charsmap": "AAAA"},
    {"type": "Strip", "content": " ", "start": 0, "stop": 1},
    {"type": "Metaspace", "replacement": "_", "prepend_scheme": "first"},
    {"type": "BertProcessing", "sep": ["a", 1], "cls": ["b", 2]},
    {
        "type": "TemplateProcessing",
        "single": [{"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": "a", "type_id": 0}}],
        "pair": [{"Sequence": {"id": "B", "type_id": 1}}],
        "special_tokens": {"a": {"id": "a", "ids": [0], "tokens": ["a"]}},
    },
)
MODELS = (
    {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": ["a b"], "byte_fallback": True},
    {
        "type": "WordPiece",
        "unk_token": "a",
        "continuing_subword_prefix": "#",
        "max_input_chars_per_word": 9,
        "vocab": {"a": 0},
    },
    {"type": "Unigram", "unk_id": 0, "vocab": [["a", 0.0], ["b", -1]]},
)
FIELDS = ("normalizer", "pre_tokenizer", "post_processor", "decoder")
SCALARS = (None, True, 0, -1, 2**40, 0.5, "", "a", "ab", "Sequence", [], {}, ["a"], {"Fixed": 9}, {"String": "a"})


def TestOneInput(data: bytes) -> None:  # noqa: N802  the name that fuzzers look for
    read(parse_tokenizer, data)
    read(check_charsmap, data)
    read(find_backtracking, data[:200].decode("latin-1"))
    for path in ("vocab.json", "vocab.txt", "merges.txt", "special_tokens_map.json", "x.tiktoken"):
        read(lambda blob, name=path: parse_vocabulary_file(name, blob), data)
    provider = atheris.FuzzedDataProvider(data)
    document: dict[str, object] = {
        "model": pick(provider, MODELS),
        "added_tokens": [{"id": provider.ConsumeIntInRange(0, 9), "content": "x", **FLAGS}],
        pick(provider, FIELDS): pick(provider, PARTS),
    }
    for _ in range(provider.ConsumeIntInRange(0, 3)):
        change(provider, document)
    read(parse_tokenizer, json.dumps(document).encode())


def pick(provider: atheris.FuzzedDataProvider, of: tuple) -> object:
    return copy.deepcopy(of[provider.ConsumeIntInRange(0, len(of) - 1)])


def change(provider: atheris.FuzzedDataProvider, document: dict[str, object]) -> None:
    holder: object = document
    while isinstance(holder, dict | list) and holder:
        keys = list(holder) if isinstance(holder, dict) else range(len(holder))
        key = keys[provider.ConsumeIntInRange(0, len(keys) - 1)]
        inner = holder[key]
        if not isinstance(inner, dict | list) or not inner or provider.ConsumeIntInRange(0, 3) == 0:
            is_text = provider.ConsumeBool()
            holder[key] = provider.ConsumeUnicodeNoSurrogates(12) if is_text else pick(provider, (*SCALARS, *PARTS))
            return
        holder = inner


def read(reader: Callable, data: bytes | str) -> None:
    try:
        reader(data)
    except IntakeRefused as refused:
        if "\n" in str(refused) or len(str(refused)) > 2_000:
            raise AssertionError(refused) from refused


if __name__ == "__main__":
    from json_seeds import arguments_with_json

    atheris.Setup(arguments_with_json(sys.argv, "tokenizer.json"), TestOneInput)
    atheris.Fuzz()
