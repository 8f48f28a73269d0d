"""The vocabulary files beside or instead of tokenizer.json: small formats of older loaders, each read strictly."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from typing import Final

from ostiary.core.findings import Finding, refuse
from ostiary.core.limits import MAX_TOKEN_CHARACTERS, MAX_TOKEN_ID, MAX_TOKENIZER_MERGES, MAX_VOCABULARY_FILE_BYTES
from ostiary.core.text import quote_untrusted
from ostiary.core.values import dataclass
from ostiary.intake.read_json import parse_json_object
from ostiary.intake.rules.tokenizer import (
    TOKENIZER_DUPLICATE_ID,
    TOKENIZER_DUPLICATE_TOKEN,
    TOKENIZER_TOO_LARGE,
    TOKENIZER_VOCABULARY_MALFORMED,
)
from ostiary.intake.tokens.check_tokenizer_model import check_vocabulary_size, read_vocabulary
from ostiary.intake.tokens.read_tokenizer_config import read_special_tokens


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """`max_id` -1: the file gives no ids. `tokens`: those that a loader adds to the tokenizer, with their roles."""

    size: int
    max_id: int
    tokens: tuple[tuple[str, str], ...] = ()
    notes: tuple[Finding, ...] = ()


def parse_vocabulary_file(path: str, data: bytes) -> Vocabulary:
    """The file named `path`, by the format that its name stands for."""
    name = path.rpartition("/")[2].lower()
    if name in _BY_NAME:
        return _BY_NAME[name](data)
    if name.endswith(".tiktoken"):
        return parse_tiktoken(data)
    return parse_vocab_json(data) if name.endswith(".json") else parse_vocab_txt(data)


def parse_vocab_json(data: bytes) -> Vocabulary:
    """vocab.json: an object of token to id."""
    ids = read_vocabulary(parse_json_object(data), "vocab.json")
    return Vocabulary(len(ids), max(ids.values(), default=-1))


def parse_added_tokens(data: bytes) -> Vocabulary:
    """added_tokens.json: an object of token to id, added behind the vocabulary."""
    ids = read_vocabulary(parse_json_object(data), "added_tokens.json")
    return Vocabulary(len(ids), max(ids.values(), default=-1), tuple(("added_tokens", token) for token in ids))


def parse_special_tokens_map(data: bytes) -> Vocabulary:
    """special_tokens_map.json: an object of role to token."""
    tokens = read_special_tokens(parse_json_object(data))
    return Vocabulary(len(tokens), -1, tokens)


def parse_vocab_txt(data: bytes) -> Vocabulary:
    """vocab.txt: a token per line, its id the number of the line."""
    lines = _read_lines(data)
    check_vocabulary_size(len(lines), "vocab.txt")
    tokens = set(lines)
    if len(tokens) != len(lines):
        raise refuse(TOKENIZER_DUPLICATE_TOKEN, f"{len(lines) - len(tokens)} lines stand twice")
    return Vocabulary(len(lines), len(lines) - 1)


def parse_merges_txt(data: bytes) -> Vocabulary:
    """merges.txt: a pair of tokens per line, after an optional line `#version: ...`."""
    lines = _read_lines(data)
    if len(lines) > MAX_TOKENIZER_MERGES:
        raise refuse(TOKENIZER_TOO_LARGE, f"{len(lines)} merges")
    merges = 0
    for number, line in enumerate(lines, 1):
        if not line or (number == 1 and line.startswith("#version")):
            continue
        left, space, right = line.partition(" ")
        if not left or not space or not right or " " in right:
            raise refuse(TOKENIZER_VOCABULARY_MALFORMED, f"line {number} is not a pair of tokens")
        merges += 1
    return Vocabulary(merges, -1)


def parse_tiktoken(data: bytes) -> Vocabulary:
    """*.tiktoken: a token in base64 and its rank per line."""
    lines = _read_lines(data)
    check_vocabulary_size(len(lines), "the vocabulary")
    tokens: set[bytes] = set()
    ranks: set[int] = set()
    for number, line in enumerate(lines, 1):
        if not line:
            continue
        text, space, digits = line.partition(" ")
        if not space or not (digits.isascii() and digits.isdecimal()) or len(digits) > len(str(int(MAX_TOKEN_ID))):
            raise refuse(TOKENIZER_VOCABULARY_MALFORMED, f"line {number} is not a token and its rank")
        try:
            token = base64.b64decode(text.encode("ascii"), validate=True)
        except (UnicodeEncodeError, binascii.Error) as error:
            quoted = quote_untrusted(text)
            raise refuse(TOKENIZER_VOCABULARY_MALFORMED, f"line {number}: '{quoted}' is not base64") from error
        rank = int(digits)
        if not token or rank > MAX_TOKEN_ID:
            raise refuse(TOKENIZER_VOCABULARY_MALFORMED, f"line {number}: an empty token, or a rank that is no id")
        if token in tokens or rank in ranks:
            raise refuse(TOKENIZER_DUPLICATE_ID, f"line {number}: a token or a rank stands twice")
        tokens.add(token)
        ranks.add(rank)
    return Vocabulary(len(ranks), max(ranks, default=-1))


def _read_lines(data: bytes) -> list[str]:
    if len(data) > MAX_VOCABULARY_FILE_BYTES:
        raise refuse(TOKENIZER_TOO_LARGE, f"{len(data)} bytes of vocabulary")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise refuse(TOKENIZER_VOCABULARY_MALFORMED, "it is not UTF-8", offset=error.start) from error
    if "\0" in text:
        raise refuse(TOKENIZER_VOCABULARY_MALFORMED, "it holds a zero byte")
    # Tokens may hold separators that splitlines() would split at; loaders read to "\n".
    lines = [line.removesuffix("\r") for line in text.split("\n")]
    if lines and not lines[-1]:
        lines.pop()
    longest = max((len(line) for line in lines), default=0)
    if longest > 2 * MAX_TOKEN_CHARACTERS + 1:
        raise refuse(TOKENIZER_TOO_LARGE, f"a line of {longest} characters")
    return lines


_BY_NAME: Final[Mapping[str, Callable[[bytes], Vocabulary]]] = {
    "vocab.json": parse_vocab_json,
    "added_tokens.json": parse_added_tokens,
    "special_tokens_map.json": parse_special_tokens_map,
    "vocab.txt": parse_vocab_txt,
    "merges.txt": parse_merges_txt,
}
