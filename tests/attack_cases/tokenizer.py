"""Tokenizers: what ends or floods the native library, ids without a row; and honest ones of every kind."""

from __future__ import annotations

import base64
import json
import struct
from typing import Any

from attack_cases.base import ACCEPT, Case, honest_json, model_files

MALFORMED = "INTAKE_MALFORMED"
TOO_LARGE = "INTAKE_TOO_LARGE"
UNBOUNDED = "INTAKE_UNBOUNDED"
RANGE = "INTAKE_OUT_OF_RANGE"
INCONSISTENT = "INTAKE_INCONSISTENT"
DUPLICATE = "INTAKE_DUPLICATE_NAME"
CODE = "INTAKE_CARRIES_CODE"

GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
    r"|\s+(?!\S)|\s+"
)


def honest_tokenizer() -> dict[str, Any]:
    tokenizer: dict[str, Any] = json.loads(model_files()["tokenizer.json"])
    return tokenizer


def tokenizer_bytes(**changes: object) -> bytes:
    return honest_json("tokenizer.json", **changes)


def model_bytes(**changes: object) -> bytes:
    """tokenizer.json with fields of its model replaced."""
    return tokenizer_bytes(model={**honest_tokenizer()["model"], **changes})


def added(number: int, content: str, **changes: object) -> dict[str, object]:
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    return {"id": number, "content": content, **flags, "special": True, **changes}


def charsmap(value: int = 0, offset: int = 256, base: int = 256, text: bytes = b"b\0") -> bytes:
    """A character map of three blocks that turns "a" into "b"; `value` and the ways to it are the caller's."""
    units = [0] * 768
    units[0] = base << 10
    place = 256 ^ ord("a")
    units[place] = ((place ^ (offset + 256)) << 10) | 0x100 | ord("a")
    units[512] = 1 << 31 | value
    return struct.pack("<I768I", 768 * 4, *units) + text


def precompiled(blob: bytes) -> dict[str, object]:
    return {"type": "Precompiled", "precompiled_charsmap": base64.b64encode(blob).decode()}


def template(**changes: object) -> dict[str, object]:
    sequence = {"Sequence": {"id": "A", "type_id": 0}}
    start = {"SpecialToken": {"id": "<s>", "type_id": 0}}
    return {
        "type": "TemplateProcessing",
        "single": [start, sequence],
        "pair": [start, sequence, {"Sequence": {"id": "B", "type_id": 1}}],
        "special_tokens": {"<s>": {"id": "<s>", "ids": [1], "tokens": ["<s>"]}},
        **changes,
    }


def padding(**changes: object) -> dict[str, object]:
    return {
        "strategy": "BatchLongest",
        "direction": "Right",
        "pad_to_multiple_of": None,
        "pad_id": 2,
        "pad_type_id": 0,
        "pad_token": "</s>",
        **changes,
    }


def replace(pattern: object, content: str) -> dict[str, object]:
    return {"type": "Replace", "pattern": pattern, "content": content}


def split(pattern: str) -> dict[str, object]:
    return {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}


def truncation(length: int, stride: int) -> dict[str, object]:
    return {"direction": "Right", "max_length": length, "strategy": "LongestFirst", "stride": stride}


def varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def message(key: int, data: bytes) -> bytes:
    return varint(key << 3 | 2) + varint(len(data)) + data


def piece(text: str | bytes, score: float = -1.0, kind: int | None = None) -> bytes:
    raw = text.encode() if isinstance(text, str) else text
    typed = b"" if kind is None else b"\x18" + varint(kind)
    return message(1, message(1, raw) + b"\x15" + struct.pack("<f", score) + typed)


UNKNOWN_PIECE = piece("<unk>", 0.0, 2)


def sentencepiece(*parts: bytes) -> bytes:
    """An honest model of 61 pieces, as many as the honest tokenizer has tokens, and what the caller adds."""
    letters = b"".join(piece(chr(0x4E00 + n)) for n in range(58))
    return UNKNOWN_PIECE + piece("<s>", 0.0, 3) + piece("</s>", 0.0, 3) + letters + b"".join(parts)


def _case(name: str, what: str, expect: str, rule: str | None, **files: bytes | None) -> Case:
    return Case(name, what, expect, model_files(**files), None if rule is None else f"tokenizer.{rule}")


def _json(name: str, what: str, expect: str, rule: str | None, data: bytes) -> Case:
    return _case(name, what, expect, rule, tokenizer__json=data)


def _config(name: str, what: str, expect: str, rule: str | None, **changes: object) -> Case:
    return _case(name, what, expect, rule, tokenizer_config__json=honest_json("tokenizer_config.json", **changes))


def _pieces(name: str, what: str, expect: str, rule: str | None, data: bytes) -> Case:
    return _case(name, what, expect, rule, tokenizer__json=None, tokenizer__model=data)


def _without(name: str, *path: str) -> bytes:
    tokenizer = honest_tokenizer()
    holder = tokenizer
    for key in path:
        holder = holder[key]
    del holder[name]
    return json.dumps(tokenizer).encode()


_TOKENS = honest_tokenizer()["model"]["vocab"]
_SMALL = {"<unk>": 0, "<s>": 1, "</s>": 2, "a": 3, "##b": 4, "a##b": 5, "ab": 6}
_UNIGRAM = [[token, -1.0] for token in _TOKENS]

STRUCTURE = [
    _json("no_model", "tokenizer.json without a model", MALFORMED, "malformed", _without("model")),
    _json("extra_key", "a top-level field nobody knows", MALFORMED, "unknown-part", tokenizer_bytes(plugin="x")),
    _json("version", "a version of the future", MALFORMED, "unknown-part", tokenizer_bytes(version="9.9")),
    _json("added_null", "added_tokens: null", MALFORMED, "malformed", tokenizer_bytes(added_tokens=None)),
    _json("model_type", "a model type nobody knows", MALFORMED, "unknown-part", model_bytes(type="Neural")),
    _json("model_extra", "a model field nobody knows", MALFORMED, "unknown-part", model_bytes(url="http://x")),
    _json("no_merges", "BPE without merges", MALFORMED, "malformed", _without("merges", "model")),
    _json(
        "part_type", "a normalizer of an unknown type", MALFORMED, "unknown-part",
        tokenizer_bytes(normalizer={"type": "Script", "code": "x"}),
    ),
    _json(
        "part_field", "a known decoder with an unknown field", MALFORMED, "unknown-part",
        tokenizer_bytes(decoder={"type": "Fuse", "exec": "x"}),
    ),
    _json("id_text", "an id that is a string", MALFORMED, "malformed", model_bytes(vocab={**_TOKENS, "~": "61"})),
    _json(
        "deep_sequence", "sequences within sequences", TOO_LARGE, "too-large",
        tokenizer_bytes(
            normalizer=json.loads('{"type":"Sequence","normalizers":[' * 9 + '{"type":"NFC"}' + "]}" * 9)
        ),
    ),
    _json(
        "many_parts", "ten thousand normalizers", TOO_LARGE, "too-large",
        tokenizer_bytes(normalizer={"type": "Sequence", "normalizers": [{"type": "NFKD"}] * 10_000}),
    ),
    _json("long_token", "a token of a hundred thousand letters", TOO_LARGE, "too-large",
          model_bytes(vocab={**_TOKENS, "z" * 100_000: 61})),
]  # fmt: skip
IDS = [
    _json("negative_id", "an id below zero", RANGE, "out-of-range", model_bytes(vocab={**_TOKENS, "~": -1})),
    _json("int32_id", "an id past int32", RANGE, "out-of-range", model_bytes(vocab={**_TOKENS, "~": 2**31})),
    _json("same_id", "two tokens with one id", INCONSISTENT, "duplicate-id", model_bytes(vocab={**_TOKENS, "~": 5})),
    _json(
        "added_twice", "an added token that stands twice", DUPLICATE, "duplicate-token",
        tokenizer_bytes(added_tokens=[added(1, "<s>"), added(2, "<s>")]),
    ),
    _json(
        "added_same_id", "two added tokens with one id", INCONSISTENT, "duplicate-id",
        tokenizer_bytes(added_tokens=[added(61, "<x>"), added(61, "<y>")]),
    ),
    _json(
        "added_far", "an added token far past the embedding", INCONSISTENT, None,
        tokenizer_bytes(added_tokens=[added(1_000_000, "<far>")]),
    ),
    _json(
        "post_processor_far", "a post-processor that inserts an id far past the embedding", INCONSISTENT, None,
        tokenizer_bytes(post_processor=template(
            special_tokens={"<s>": {"id": "<s>", "ids": [16_777_216], "tokens": ["<s>"]}})),
    ),
    _json(
        "roberta_far", "a separator far past the embedding", INCONSISTENT, None,
        tokenizer_bytes(post_processor={"type": "RobertaProcessing", "sep": ["</s>", 99_999], "cls": ["<s>", 1],
                                        "trim_offsets": True, "add_prefix_space": True}),
    ),
    _json("padding_far", "padding with an id past the embedding", INCONSISTENT, None,
          tokenizer_bytes(padding=padding(pad_id=64))),
    _config("decoder_far", "added_tokens_decoder with an id past the embedding", INCONSISTENT, None,
            added_tokens_decoder={"999": added(0, "<x>")}),
    _case("added_json_far", "added_tokens.json with an id past the embedding", INCONSISTENT, None,
          added_tokens__json=b'{"<x>": 4096}'),
]  # fmt: skip
NATIVE = [
    _json("merge_missing", "a merge of a token that is not there", INCONSISTENT, "broken-merge",
          model_bytes(merges=["a q9"])),
    _json("merge_result", "a merge whose result is not there: copied past a buffer", INCONSISTENT, "broken-merge",
          model_bytes(merges=[["a", "b"]])),
    _json("merge_prefix", "a merge whose second part is shorter than the prefix: cut below zero", INCONSISTENT,
          "broken-merge", model_bytes(continuing_subword_prefix="####", merges=[["a", "b"]])),
    _json("merge_split", "a merge cut inside a character: text that is not UTF-8", INCONSISTENT, "broken-merge",
          model_bytes(continuing_subword_prefix="x", vocab={**_TOKENS, "\u00e9": 61, "a\u00e9": 62},
                      merges=[["a", "\u00e9"]])),
    _json("merge_three", "a merge of three", MALFORMED, "malformed", model_bytes(merges=["a b c"])),
    _json("template_missing", "a template with a token it does not define: a panic", INCONSISTENT,
          "dangling-reference", tokenizer_bytes(post_processor=template(special_tokens={}))),
    _json("template_second", "a template for one text that uses two: a panic", INCONSISTENT, "dangling-reference",
          tokenizer_bytes(post_processor=template(single=[{"Sequence": {"id": "B", "type_id": 0}}]))),
    _json("fixed_zero", "pieces of no length: a panic", RANGE, "out-of-range",
          tokenizer_bytes(pre_tokenizer={"type": "FixedLength", "length": 0})),
    _json("stride", "windows that never advance: a panic", RANGE, "out-of-range",
          tokenizer_bytes(truncation=truncation(16, 16))),
    _json("stride_pair", "windows that do not advance for pairs of texts", RANGE, "out-of-range",
          tokenizer_bytes(truncation=truncation(16, 12))),
    _json("charsmap_empty", "an empty character map: a panic", MALFORMED, "broken-charsmap",
          tokenizer_bytes(normalizer=precompiled(b""))),
    _json("charsmap_base64", "a character map that is not base64", MALFORMED, "broken-charsmap",
          tokenizer_bytes(normalizer={"type": "Precompiled", "precompiled_charsmap": "%%%"})),
    _json("charsmap_root", "a trie whose root leads far outside", MALFORMED, "broken-charsmap",
          tokenizer_bytes(normalizer=precompiled(charsmap(base=1 << 20)))),
    _json("charsmap_branch", "a trie with one branch that leads outside", MALFORMED, "broken-charsmap",
          tokenizer_bytes(normalizer=precompiled(charsmap(offset=1 << 16)))),
    _json("charsmap_value", "a replacement past the end of the texts", MALFORMED, "broken-charsmap",
          tokenizer_bytes(normalizer=precompiled(charsmap(value=100_000)))),
    _json("charsmap_split", "a replacement that starts inside a character", MALFORMED, "broken-charsmap",
          tokenizer_bytes(normalizer=precompiled(charsmap(value=1, text=b"\xc3\xa9\0")))),
    _json("charsmap_open", "replacements without an end", MALFORMED, "broken-charsmap",
          tokenizer_bytes(normalizer=precompiled(charsmap(text=b"b")))),
    _json("dropout", "dropout above one", RANGE, "out-of-range", model_bytes(dropout=1.5)),
]  # fmt: skip
WORK = [
    _json("pad_multiple", "padding to a multiple of 2**40", UNBOUNDED, "padding-bomb",
          tokenizer_bytes(padding=padding(pad_to_multiple_of=2**40))),
    _json("pad_near", "padding just past the ceiling", UNBOUNDED, "padding-bomb",
          tokenizer_bytes(padding=padding(strategy={"Fixed": 131_073}))),
    _json("doubling", "forty normalizers that each double the text", UNBOUNDED, "text-amplifier",
          tokenizer_bytes(normalizer={"type": "Sequence", "normalizers": [replace({"String": "a"}, "aa")] * 40})),
    _json("replace_one", "one letter becomes four thousand", UNBOUNDED, "text-amplifier",
          tokenizer_bytes(normalizer=replace({"String": "a"}, "a" * 4_000))),
    _json("replace_nothing", "a text between any two characters", UNBOUNDED, "text-amplifier",
          tokenizer_bytes(normalizer=replace({"Regex": "x*"}, "y" * 100))),
    _json("decoder_doubling", "decoders that double", UNBOUNDED, "text-amplifier",
          tokenizer_bytes(decoder={"type": "Sequence", "decoders": [replace({"String": "a"}, "aa")] * 30})),
    _json("template_repeats", "a post-processor that repeats the text", UNBOUNDED, "text-amplifier",
          tokenizer_bytes(post_processor=template(single=[{"Sequence": {"id": "A", "type_id": 0}}] * 2))),
    _json("template_floods", "a post-processor that adds ten thousand tokens", TOO_LARGE, "too-large",
          tokenizer_bytes(post_processor=template(single=[{"SpecialToken": {"id": "<s>", "type_id": 0}}] * 10_000))),
    _json("word_length", "WordPiece that tries words of a million letters", RANGE, "out-of-range",
          tokenizer_bytes(model={"type": "WordPiece", "unk_token": "<unk>", "continuing_subword_prefix": "##",
                                 "max_input_chars_per_word": 1_000_000, "vocab": _SMALL})),
    _json("regex_reference", "a back reference", MALFORMED, "broken-regex",
          tokenizer_bytes(pre_tokenizer=split(r"(a+)\1"))),
    _json("regex_recursion", "a pattern that calls itself", MALFORMED, "broken-regex",
          tokenizer_bytes(pre_tokenizer=split(r"(?<x>a|\g<x>b)"))),
    _json("regex_repeats", "a repetition of repetitions that is expanded in memory", TOO_LARGE, "too-large",
          tokenizer_bytes(pre_tokenizer=split(r"((a{999}){999}){999}"))),
    _json("regex_backtracks", "a pattern that backtracks without end is told, and contained later", ACCEPT,
          "backtracking-regex", tokenizer_bytes(pre_tokenizer=split(r"(\w+\s?)*!"))),
]  # fmt: skip
CONFIG = [
    _config("parser_dots", "tool_parser_type that climbs", CODE, "module-name", tool_parser_type="..server"),
    _config("parser_other", "tool_parser_type of another package", CODE, "module-name", tool_parser_type="evil.parser"),
    _config("parser_object", "tool_parser_type that is an object", CODE, "module-name", tool_parser_type={"a": 1}),
    _config("template_type", "chat_template_type nobody ships", CODE, "module-name", chat_template_type="my_template"),
    _config("auto_map", "auto_map to a class of the model's own", CODE, None,
            auto_map={"AutoTokenizer": ["tok.Tok", None]}),
    _config("bos_list", "bos_token that is a list", MALFORMED, "config-malformed", bos_token=["<s>"]),
    _config("template_number", "chat_template that is a number", MALFORMED, "config-malformed", chat_template=7),
    _config("template_entry", "a chat template without a name", MALFORMED, "config-malformed",
            chat_template=[{"template": "x"}]),
    _config("templates_same", "two chat templates of one name", DUPLICATE, "duplicate-template",
            chat_template=[{"name": "default", "template": "a"}, {"name": "default", "template": "b"}]),
    _config("max_length_text", "model_max_length that is a string", MALFORMED, "config-malformed",
            model_max_length="many"),
    _config("decoder_id", "added_tokens_decoder with an id that is a word", MALFORMED, "config-malformed",
            added_tokens_decoder={"one": added(0, "<x>")}),
    _config("decoder_zeros", "added_tokens_decoder with one id written two ways", INCONSISTENT, "duplicate-id",
            added_tokens_decoder={"1": added(0, "<x>"), "01": added(0, "<y>")}),
]  # fmt: skip
OTHER_FILES = [
    _pieces("spm_empty", "a SentencePiece model of nothing", MALFORMED, None, b"\n\0"),
    _pieces("spm_length", "a piece that claims more than there is", MALFORMED, "pieces-malformed",
            sentencepiece() + b"\x0a\xff\xff\x7f"),
    _pieces("spm_group", "a wire type that ended in 2008", MALFORMED, "pieces-malformed", sentencepiece(b"\x0b")),
    _pieces("spm_nan", "a score that is not a number", MALFORMED, "pieces-malformed",
            sentencepiece(piece("nan", float("nan")))),
    _pieces("spm_twice", "a piece that stands twice", DUPLICATE, "duplicate-token", sentencepiece(piece("<s>"))),
    _pieces("spm_utf8", "a piece that is not UTF-8", MALFORMED, "pieces-malformed", sentencepiece(piece(b"\xff"))),
    _pieces("spm_unknowns", "two pieces for unknown text", MALFORMED, "pieces-malformed",
            sentencepiece(piece("<unk2>", 0.0, 2))),
    _pieces("spm_byte", "a byte piece that is no byte", MALFORMED, "pieces-malformed",
            sentencepiece(piece("<0xGG>", 0.0, 6))),
    _pieces("spm_charsmap", "a character map that leads outside", MALFORMED, "broken-charsmap",
            sentencepiece(message(3, message(2, charsmap(offset=1 << 16))))),
    _case("merges_broken", "merges.txt with a line of three", MALFORMED, "vocabulary-malformed",
          merges__txt=b"#version: 0.2\na b\na b c\n"),
    _case("vocab_nul", "vocab.txt with a zero byte", MALFORMED, None, vocab__txt=b"a\0b\n"),
    _case("vocab_same", "vocab.txt with a line twice", DUPLICATE, "duplicate-token", vocab__txt=b"a\nb\na\n"),
    _case("vocab_json_far", "vocab.json with an id far past the embedding", INCONSISTENT, None,
          vocab__json=b'{"a": 0, "b": 70000}'),
]  # fmt: skip
HONEST = [
    _json("ok_gpt2", "the split of GPT-2 and byte-level pieces", ACCEPT, None,
          tokenizer_bytes(
              pre_tokenizer={"type": "Sequence", "pretokenizers": [split(GPT2), {
                  "type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}]},
              decoder={"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True})),
    _json("ok_llama3", "the split of Llama 3", ACCEPT, None, tokenizer_bytes(pre_tokenizer=split(LLAMA3))),
    _json("ok_llama2", "the decoder of Llama 2", ACCEPT, None,
          tokenizer_bytes(
              normalizer={"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": "\u2581"},
                                                              replace({"String": " "}, "\u2581")]},
              decoder={"type": "Sequence", "decoders": [replace({"String": "\u2581"}, " "), {"type": "ByteFallback"},
                       {"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 1, "stop": 0}]})),
    _json("ok_template", "a post-processor that begins with <s>", ACCEPT, None,
          tokenizer_bytes(post_processor=template())),
    _json("ok_padding", "padding to eight", ACCEPT, None,
          tokenizer_bytes(padding=padding(strategy={"Fixed": 8}), truncation=truncation(512, 128))),
    _json("ok_charsmap", "a small sound character map", ACCEPT, None,
          tokenizer_bytes(normalizer=precompiled(charsmap()))),
    _json("ok_wordpiece", "WordPiece", ACCEPT, None,
          tokenizer_bytes(model={"type": "WordPiece", "unk_token": "<unk>", "continuing_subword_prefix": "##",
                                 "max_input_chars_per_word": 100, "vocab": _SMALL})),
    _json("ok_unigram", "Unigram", ACCEPT, None,
          tokenizer_bytes(model={"type": "Unigram", "unk_id": 0, "vocab": _UNIGRAM})),
    _json("ok_wordlevel", "WordLevel", ACCEPT, None,
          tokenizer_bytes(model={"type": "WordLevel", "unk_token": "<unk>", "vocab": _SMALL})),
    _json("ok_untyped", "a model without a type, as files of 2020", ACCEPT, None, _without("type", "model")),
    _json("ok_merges", "merges as lines and with a prefix", ACCEPT, None,
          model_bytes(continuing_subword_prefix="##", vocab=_SMALL, merges=["#version: 0.2", "a ##b"])),
    _json("ok_added", "an added token with a free id", ACCEPT, None,
          tokenizer_bytes(added_tokens=[*honest_tokenizer()["added_tokens"], added(61, "<|im_end|>")])),
    _json("ok_gap", "an unused id is told", ACCEPT, "id-gaps", model_bytes(vocab={**_TOKENS, "~": 63})),
    _json("ok_moved", "an added token that gets another id is told", ACCEPT, "id-disagrees",
          tokenizer_bytes(added_tokens=[added(63, "<x>")])),
    _json("ok_hidden", "an added token that cannot be seen is told", ACCEPT, "hidden-characters",
          tokenizer_bytes(added_tokens=[*honest_tokenizer()["added_tokens"], added(61, "\u200b\u200b")])),
    _json("ok_unk_missing", "an unk_token that is not there is told", ACCEPT, "unknown-token-missing",
          model_bytes(unk_token="<none>")),  # noqa: S106 - a word of a vocabulary
    _json("ok_fallback", "byte fallback without bytes is told", ACCEPT, "byte-fallback-gaps",
          model_bytes(byte_fallback=True)),
    _json("ok_strip", "a decoder that strips ends is told", ACCEPT, "strip-at-end",
          tokenizer_bytes(decoder={"type": "Strip", "content": " ", "start": 0, "stop": 1})),
    _config("ok_endless", "the model_max_length that means none", ACCEPT, None,
            model_max_length=1000000000000000019884624838656),
    _config("ok_templates", "two named templates", ACCEPT, None,
            chat_template=[{"name": "default", "template": "{{ messages }}"}, {"name": "rag", "template": "x"}]),
    _config("ok_parser", "a tool parser that mlx-lm ships", ACCEPT, None, tool_parser_type="json_tools"),
    _config("ok_tokens", "special tokens as objects", ACCEPT, None, bos_token=added(1, "<s>"),
            added_tokens_decoder={"1": added(1, "<s>")}, additional_special_tokens=["<s>", "</s>"]),
    _config("ok_class", "a class nobody ships is told", ACCEPT, "unknown-class", tokenizer_class="MyTokenizer"),
    _config("ok_leftover", "a path of the publisher's machine is told", ACCEPT, "outside-file",
            special_tokens_map_file="/home/someone/.cache/special_tokens_map.json"),
    _pieces("ok_spm", "a SentencePiece model", ACCEPT, None, sentencepiece()),
    _pieces("ok_spm_map", "a SentencePiece model with a normalizer", ACCEPT, None,
            sentencepiece(message(2, b"\x18\x02"), message(3, message(1, b"identity") + message(2, charsmap())))),
    _pieces("ok_spm_extension", "fields of an extension are told", ACCEPT, "extension-fields",
            sentencepiece(message(200, b"x"))),
    _case("ok_vocabularies", "the older files beside it", ACCEPT, None, vocab__json=json.dumps(_TOKENS).encode(),
          merges__txt=b"#version: 0.2\n", special_tokens_map__json=b'{"eos_token": "</s>"}'),
]  # fmt: skip


def _whole(name: str, what: str, expect: str, rule: str, **files: bytes | None) -> Case:
    return Case(name, what, expect, model_files(**files), rule)


# The honest model has 61 tokens and 64 rows: a loader that adds the fourth token goes past the last row.
FOUR = ["<a>", "<b>", "<c>", "<d>"]
LOADER_ADDS = [
    _whole(name, what, INCONSISTENT, "model.token-past-embedding", **files)
    for name, what, files in (
        ("four_extra", "four special tokens that the tokenizer lacks",
         {"tokenizer_config__json": honest_json("tokenizer_config.json", extra_special_tokens=FOUR)}),
        ("four_roles", "four special tokens by their roles",
         {"tokenizer_config__json": honest_json(
             "tokenizer_config.json", **{f"{role}_token": f"<{role}>" for role in ("sep", "cls", "mask", "image")})}),
        ("four_mapped", "four special tokens in special_tokens_map.json",
         {"special_tokens_map__json": json.dumps({"additional_special_tokens": FOUR}).encode()}),
        ("four_added", "four tokens in added_tokens.json",
         {"added_tokens__json": json.dumps({token: place for place, token in enumerate(FOUR)}).encode()}),
    )
] + [
    _whole("three_extra", "three special tokens for which there are rows", ACCEPT, "tokenizer.special-missing",
           tokenizer_config__json=honest_json("tokenizer_config.json", extra_special_tokens=FOUR[:3])),
    Case("many_tokenizers", "seventeen tokenizers in folders", TOO_LARGE,
         {**model_files(), **{f"part{n}/tokenizer.json": tokenizer_bytes() for n in range(16)}}, "tokenizer.too-large"),
    _whole("many_patterns", "five long patterns, each within its ceiling", TOO_LARGE, "tokenizer.too-large",
           tokenizer__json=tokenizer_bytes(normalizer={"type": "Sequence", "normalizers": [
               {"type": "Replace", "pattern": {"Regex": "a?" * 4_000}, "content": ""}] * 5})),
]  # fmt: skip
CASES: list[Case] = [*LOADER_ADDS, *STRUCTURE, *IDS, *NATIVE, *WORK, *CONFIG, *OTHER_FILES, *HONEST]
