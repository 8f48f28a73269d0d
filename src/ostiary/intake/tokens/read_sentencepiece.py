"""SentencePiece models (tokenizer.model, *.spm): one ModelProto of pieces, trainer and normalizer settings.

https://github.com/google/sentencepiece/blob/master/src/sentencepiece_model.proto
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from ostiary.core.findings import Finding, refuse
from ostiary.core.limits import (
    MAX_TOKEN_CHARACTERS,
    MAX_VOCABULARY,
    MAX_VOCABULARY_FILE_BYTES,
)
from ostiary.core.text import quote_untrusted
from ostiary.core.values import dataclass
from ostiary.intake.rules.tokenizer import (
    TOKENIZER_DUPLICATE_TOKEN,
    TOKENIZER_EXTENSION_FIELDS,
    TOKENIZER_PIECES_MALFORMED,
    TOKENIZER_TOO_LARGE,
)
from ostiary.intake.tokens.check_charsmap import check_charsmap
from ostiary.intake.tokens.read_protobuf import Field, WireType, read_fields

_PIECES, _TRAINER, _NORMALIZER, _SELF_TEST, _DENORMALIZER = 1, 2, 3, 4, 5
_PIECE_TEXT, _PIECE_SCORE, _PIECE_TYPE = 1, 2, 3
_NORMAL, _UNKNOWN, _BYTE = 1, 2, 6
_PIECE_TYPES: Final = frozenset(range(1, 7))
_NORMALIZER_NAME, _NORMALIZER_MAP = 1, 2
_TRAINER_MODEL_TYPE: Final = 3
_TRAINER_BYTE_FALLBACK: Final = 35
_MODEL_TYPES: Final = {1: "unigram", 2: "bpe", 3: "word", 4: "char"}
_FIRST_EXTENSION: Final = 200
_BYTE_PIECES: Final = frozenset(f"<0x{byte:02X}>" for byte in range(256))

# Wire types of the fields that the schema has; every message also reserves 200 and up for extensions.
_MODEL_FIELDS: Final = MappingProxyType(
    dict.fromkeys((_PIECES, _TRAINER, _NORMALIZER, _SELF_TEST, _DENORMALIZER), WireType.BYTES)
)
_PIECE_FIELDS: Final = MappingProxyType(
    {_PIECE_TEXT: WireType.BYTES, _PIECE_SCORE: WireType.FIXED32, _PIECE_TYPE: WireType.VARINT}
)
_NORMALIZER_FIELDS: Final = MappingProxyType(
    {
        **dict.fromkeys((_NORMALIZER_NAME, _NORMALIZER_MAP, 6), WireType.BYTES),
        **dict.fromkeys((3, 4, 5), WireType.VARINT),
    }
)


@dataclass(frozen=True, slots=True)
class Sentencepiece:
    """A model whose pieces, settings and character maps follow the format; ids are 0 to size - 1."""

    model_type: str
    size: int
    notes: tuple[Finding, ...]

    @property
    def max_id(self) -> int:
        return self.size - 1


def parse_sentencepiece(data: bytes) -> Sentencepiece:
    """The model that `data` is."""
    if len(data) > MAX_VOCABULARY_FILE_BYTES:
        raise refuse(TOKENIZER_TOO_LARGE, f"{len(data)} bytes of SentencePiece model")
    pieces = _Pieces()
    model_type, has_byte_fallback = "unigram", False
    extensions = 0
    seen: set[int] = set()
    for field in read_fields(data):
        extensions += _is_extension(field, _MODEL_FIELDS, "the model")
        if field.key != _PIECES and field.key in seen:
            raise _malformed(field, f"field {field.key} of the model stands twice")
        seen.add(field.key)
        if field.key == _PIECES:
            extensions += pieces.add(field)
        elif field.key == _TRAINER:
            model_type, has_byte_fallback = _read_trainer(field)
        elif field.key in (_NORMALIZER, _DENORMALIZER):
            extensions += _check_normalizer(field)
    pieces.finish(has_byte_fallback=has_byte_fallback)
    note = Finding(TOKENIZER_EXTENSION_FIELDS, f"{extensions} fields of extensions")
    return Sentencepiece(model_type, pieces.count, (note,) if extensions else ())


def _malformed(field: Field, detail: str) -> Exception:
    return refuse(TOKENIZER_PIECES_MALFORMED, detail, offset=field.start)


def _is_extension(field: Field, known: Mapping[int, WireType], where: str) -> bool:
    wanted = known.get(field.key)
    if wanted is None and field.key < _FIRST_EXTENSION:
        raise _malformed(field, f"{where} has an unknown field {field.key}")
    if wanted is not None and field.type is not wanted:
        raise _malformed(field, f"field {field.key} of {where} is written as {field.type.name.lower()}")
    return wanted is None


class _Pieces:
    """The vocabulary as it is read."""

    __slots__ = ("bytes", "count", "texts", "unknown")

    def __init__(self) -> None:
        self.count = 0
        self.texts: set[str] = set()
        self.bytes: set[str] = set()
        self.unknown = 0

    def add(self, message: Field) -> int:
        """Checks one piece; how many extension fields it has."""
        text, kind, extensions = "", _NORMAL, 0
        for field in read_fields(message.data, message.start):
            extensions += _is_extension(field, _PIECE_FIELDS, "a piece")
            if field.key == _PIECE_TEXT:
                text = _text_of(field)
            elif field.key == _PIECE_SCORE and not math.isfinite(field.as_float):
                raise _malformed(field, "a piece with a score that is no number")
            elif field.key == _PIECE_TYPE:
                kind = field.number
        if not text:
            raise _malformed(message, f"piece {self.count} is empty")
        if kind not in _PIECE_TYPES:
            raise _malformed(message, f"piece {self.count} is of an unknown type {kind}")
        if text in self.texts:
            quoted = quote_untrusted(text)
            raise refuse(TOKENIZER_DUPLICATE_TOKEN, f"'{quoted}' stands twice", offset=message.start)
        if kind == _BYTE and text not in _BYTE_PIECES:
            raise _malformed(message, f"piece {self.count} is no byte: '{quote_untrusted(text)}'")
        self.texts.add(text)
        self.count += 1
        self.unknown += kind == _UNKNOWN
        if kind == _BYTE:
            self.bytes.add(text)
        if self.count > MAX_VOCABULARY:
            raise refuse(TOKENIZER_TOO_LARGE, f"more than {int(MAX_VOCABULARY)} pieces")
        return extensions

    def finish(self, *, has_byte_fallback: bool) -> None:
        if self.unknown != 1:
            detail = f"{self.unknown} of {self.count} pieces stand for unknown text, not one"
            raise refuse(TOKENIZER_PIECES_MALFORMED, detail)
        if has_byte_fallback != bool(self.bytes) or (self.bytes and len(self.bytes) != len(_BYTE_PIECES)):
            detail = f"{len(self.bytes)} byte pieces, with byte fallback {'on' if has_byte_fallback else 'off'}"
            raise refuse(TOKENIZER_PIECES_MALFORMED, detail)


def _text_of(field: Field) -> str:
    try:
        text = field.data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _malformed(field, "a text that is not UTF-8") from error
    if len(text) > MAX_TOKEN_CHARACTERS:
        raise refuse(TOKENIZER_TOO_LARGE, f"a text of {len(text)} characters", offset=field.start)
    if "\0" in text:
        raise _malformed(field, "a text with a zero byte")
    return text


def _read_trainer(message: Field) -> tuple[str, bool]:
    """Type of the model, and whether unknown text becomes bytes. The rest says how it was trained."""
    model_type, has_byte_fallback = "unigram", False
    for field in read_fields(message.data, message.start):
        if field.key == _TRAINER_MODEL_TYPE:
            if field.type is not WireType.VARINT or field.number not in _MODEL_TYPES:
                raise _malformed(field, "a model of an unknown type")
            model_type = _MODEL_TYPES[field.number]
        elif field.key == _TRAINER_BYTE_FALLBACK:
            has_byte_fallback = bool(field.number)
    return model_type, has_byte_fallback


def _check_normalizer(message: Field) -> int:
    extensions = 0
    for field in read_fields(message.data, message.start):
        extensions += _is_extension(field, _NORMALIZER_FIELDS, "a normalizer")
        if field.key == _NORMALIZER_NAME:
            _text_of(field)
        elif field.key == _NORMALIZER_MAP and field.data:
            check_charsmap(field.data)
    return extensions
