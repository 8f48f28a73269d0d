"""SentencePiece models (tokenizer.model) as tokenizer.json would have them, for models that bring no other.

https://github.com/google/sentencepiece/blob/master/src/sentencepiece_model.proto. The same text gives the same ids
as the library itself, control tokens aside: those are never read from text there, and never here.
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from ostiary.core.json_text import JsonValue
from ostiary.core.limits import MAX_TOKEN_CHARACTERS, MAX_VOCABULARY
from ostiary.core.values import dataclass

_SPACE: Final = "\u2581"
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_UNKNOWN, _CONTROL, _USER_DEFINED = 2, 3, 4
_UNIGRAM, _BPE = 1, 2


class SentencepieceMalformed(ValueError):
    """It is no such model, or one of a kind that is not understood. The text is ours."""


@dataclass(frozen=True, slots=True)
class _Piece:
    text: str
    score: float
    kind: int


@dataclass(frozen=True, slots=True)
class _Settings:
    """What trainer and normalizer say."""

    model_type: int
    has_byte_fallback: bool
    charsmap: bytes
    adds_dummy_prefix: bool
    removes_extra_spaces: bool


def convert_sentencepiece(data: bytes) -> dict[str, JsonValue]:
    """A tokenizer.json. Raises SentencepieceMalformed."""
    pieces: list[_Piece] = []
    trainer: Mapping[int, int | bytes] = {}
    normalizer: Mapping[int, int | bytes] = {}
    for key, value in _read_fields(data):
        if key == 1 and isinstance(value, bytes):
            pieces.append(_read_piece(value))
            if len(pieces) > MAX_VOCABULARY:
                raise SentencepieceMalformed("more pieces than any vocabulary has")
        elif key == 2 and isinstance(value, bytes):
            trainer = dict(_read_fields(value))
        elif key == 3 and isinstance(value, bytes):
            normalizer = dict(_read_fields(value))
    settings = _Settings(
        model_type=_number(trainer, 3, _UNIGRAM),
        has_byte_fallback=bool(_number(trainer, 35, 0)),
        charsmap=_data(normalizer, 2),
        adds_dummy_prefix=bool(_number(normalizer, 3, 1)),
        removes_extra_spaces=bool(_number(normalizer, 4, 1)),
    )
    if settings.model_type not in (_UNIGRAM, _BPE) or not pieces:
        raise SentencepieceMalformed("a model of words or characters, or without pieces")
    return _make_tokenizer(pieces, settings)


def frame_prompts(tokenizer: dict[str, JsonValue], before: str | None, behind: str | None) -> dict[str, JsonValue]:
    """With these control tokens around a prompt, where the model has them."""
    added = tokenizer["added_tokens"]
    entries = [token for token in (added if isinstance(added, list) else []) if isinstance(token, dict)]
    ids = {str(token["content"]): token["id"] for token in entries}
    words = [word for word in (before, "", behind) if word is not None and (not word or word in ids)]
    if len(words) == 1:
        return tokenizer
    single: list[JsonValue] = [
        {"SpecialToken": {"id": word, "type_id": 0}} if word else {"Sequence": {"id": "A", "type_id": 0}}
        for word in words
    ]
    named: dict[str, JsonValue] = {
        word: {"id": word, "ids": [ids[word]], "tokens": [word]} for word in words if word
    }
    pair: list[JsonValue] = [*single, {"Sequence": {"id": "B", "type_id": 1}}]
    processor: JsonValue = {"type": "TemplateProcessing", "single": single, "pair": pair, "special_tokens": named}
    return {**tokenizer, "post_processor": processor}


def _make_tokenizer(pieces: Sequence[_Piece], settings: _Settings) -> dict[str, JsonValue]:
    unknown = next((number for number, piece in enumerate(pieces) if piece.kind == _UNKNOWN), 0)
    make = _make_bpe if settings.model_type == _BPE else _make_unigram
    added: list[JsonValue] = [
        {
            "id": number,
            "content": piece.text,
            "single_word": False,
            "lstrip": False,
            "rstrip": False,
            "normalized": False,
            "special": piece.kind != _USER_DEFINED,
        }
        for number, piece in enumerate(pieces)
        if piece.kind in (_UNKNOWN, _CONTROL, _USER_DEFINED)
    ]
    decoders: list[JsonValue] = [
        {"type": "Replace", "pattern": {"String": _SPACE}, "content": " "},
        {"type": "ByteFallback"},
        {"type": "Fuse"},
    ]
    if settings.adds_dummy_prefix:
        decoders.append({"type": "Strip", "content": " ", "start": 1, "stop": 0})
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": added,
        "normalizer": {"type": "Sequence", "normalizers": list(_list_normalizers(settings))},
        "pre_tokenizer": None,
        "post_processor": None,
        "decoder": {"type": "Sequence", "decoders": decoders},
        "model": make(pieces, unknown, settings),
    }


def _list_normalizers(settings: _Settings) -> Iterator[JsonValue]:
    if settings.charsmap:
        yield {"type": "Precompiled", "precompiled_charsmap": base64.b64encode(settings.charsmap).decode("ascii")}
    if settings.removes_extra_spaces:
        yield {"type": "Strip", "strip_left": True, "strip_right": True}
        yield {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "}
    if settings.adds_dummy_prefix:
        yield {"type": "Prepend", "prepend": _SPACE}
    yield {"type": "Replace", "pattern": {"String": " "}, "content": _SPACE}


def _make_unigram(pieces: Sequence[_Piece], unknown: int, settings: _Settings) -> dict[str, JsonValue]:
    vocabulary: list[JsonValue] = [[piece.text, piece.score] for piece in pieces]
    return {
        "type": "Unigram",
        "unk_id": unknown,
        "vocab": vocabulary,
        "byte_fallback": settings.has_byte_fallback,
    }


def _make_bpe(pieces: Sequence[_Piece], unknown: int, settings: _Settings) -> dict[str, JsonValue]:
    """The library joins what makes the piece of the highest score; a list of merges says the same in its order."""
    numbers = {piece.text: number for number, piece in enumerate(pieces)}
    usable = {piece.text for piece in pieces if piece.kind not in (_UNKNOWN, _CONTROL, _USER_DEFINED)}
    ranked: list[tuple[float, int, int, JsonValue]] = []
    for piece in pieces:
        if piece.text not in usable:
            continue
        for cut in range(1, len(piece.text)):
            first, second = piece.text[:cut], piece.text[cut:]
            if first in usable and second in usable:
                ranked.append((-piece.score, numbers[first], numbers[second], [first, second]))
    ranked.sort(key=lambda merge: merge[:3])
    return {
        "type": "BPE",
        "dropout": None,
        "unk_token": pieces[unknown].text,
        "continuing_subword_prefix": None,
        "end_of_word_suffix": None,
        "fuse_unk": True,
        "byte_fallback": settings.has_byte_fallback,
        "ignore_merges": False,
        "vocab": {**numbers},
        "merges": [merge for _, _, _, merge in ranked],
    }


def _read_piece(data: bytes) -> _Piece:
    text, score, kind = "", 0.0, 1
    for key, value in _read_fields(data):
        if key == 1 and isinstance(value, bytes):
            try:
                text = value.decode("utf-8")
            except UnicodeDecodeError as error:
                raise SentencepieceMalformed("a piece is not UTF-8") from error
        elif key == 2 and isinstance(value, bytes) and len(value) == 4:
            (score,) = struct.unpack("<f", value)
        elif key == 3 and isinstance(value, int):
            kind = value
    if not text or len(text) > MAX_TOKEN_CHARACTERS or score != score:  # noqa: PLR0124  not a number
        raise SentencepieceMalformed("a piece without a text, with too long a one, or without a score")
    return _Piece(text, score, kind)


def _number(fields: Mapping[int, int | bytes], key: int, default: int) -> int:
    value = fields.get(key, default)
    return value if isinstance(value, int) else default


def _data(fields: Mapping[int, int | bytes], key: int) -> bytes:
    value = fields.get(key, b"")
    return value if isinstance(value, bytes) else b""


def _read_fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """The fields of a protocol buffer's message: numbers, or bytes."""
    place = 0
    while place < len(data):
        tag, place = _read_varint(data, place)
        kind = tag & 7
        if kind == _VARINT:
            number, place = _read_varint(data, place)
            yield tag >> 3, number
            continue
        if kind == _BYTES:
            size, place = _read_varint(data, place)
        elif kind in (_FIXED32, _FIXED64):
            size = 4 if kind == _FIXED32 else 8
        else:
            raise SentencepieceMalformed("a field of an unknown kind")
        if size > len(data) - place:
            raise SentencepieceMalformed("a field that is longer than what is there")
        yield tag >> 3, data[place : place + size]
        place += size


def _read_varint(data: bytes, place: int) -> tuple[int, int]:
    value = 0
    for shift in range(10):
        if place >= len(data):
            break
        byte = data[place]
        place += 1
        value |= (byte & 0x7F) << (7 * shift)
        if byte < 0x80:
            return value, place
    raise SentencepieceMalformed("a number that does not end")
