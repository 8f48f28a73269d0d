"""SentencePiece as judge: what it trains is accepted, what is accepted it loads."""

from __future__ import annotations

import base64
import io
import json
import random
from typing import Any

import pytest
from attack_cases.tokenizer import charsmap, model_files, precompiled

from ostiary.errors import IntakeRefused
from ostiary.intake.tokens.read_protobuf import read_fields
from ostiary.intake.tokens.read_sentencepiece import parse_sentencepiece
from ostiary.intake.tokens.read_tokenizer import parse_tokenizer

library = pytest.importorskip("sentencepiece")
pytestmark = pytest.mark.mlx

WORDS = "alpha beta gamma delta \uff46\uff55\uff4c\uff4c \ufdfa \u00e9t\u00e9 na\u00efve hello world".split()
KINDS: dict[str, dict[str, Any]] = {
    "unigram": {"model_type": "unigram", "vocab_size": 40},
    "bpe": {"model_type": "bpe", "vocab_size": 40},
    "bytes": {"model_type": "bpe", "vocab_size": 300, "byte_fallback": True, "normalization_rule_name": "identity"},
    "char": {"model_type": "char", "vocab_size": 40, "normalization_rule_name": "nmt_nfkc_cf"},
    "word": {"model_type": "word", "vocab_size": 12},
}


def train(**settings: Any) -> bytes:
    chance = random.Random(1)  # noqa: S311 - the same model each time
    sentences = [" ".join(chance.choices(WORDS, k=12)) for _ in range(400)]
    model = io.BytesIO()
    library.SentencePieceTrainer.train(
        sentence_iterator=iter(sentences), model_writer=model, hard_vocab_limit=False, minloglevel=2, **settings
    )
    return model.getvalue()


@pytest.fixture(scope="module")
def models() -> dict[str, bytes]:
    return {name: train(**settings) for name, settings in KINDS.items()}


@pytest.mark.parametrize("name", KINDS)
def test_what_it_trains_is_accepted(models: dict[str, bytes], name: str) -> None:
    parsed = parse_sentencepiece(models[name])
    assert parsed.model_type == KINDS[name]["model_type"]
    assert parsed.size == library.SentencePieceProcessor(model_proto=models[name]).get_piece_size()
    assert parsed.notes == ()


def test_what_is_accepted_it_loads(models: dict[str, bytes]) -> None:
    chance = random.Random(2)  # noqa: S311
    accepted = 0
    for _ in range(1_500):
        blob = bytearray(models["bytes"])
        for _ in range(chance.choice((1, 1, 2))):
            place = chance.randrange(len(blob))
            if chance.random() < 0.7:
                blob[place] = chance.randrange(256)
            else:
                del blob[place : place + chance.randrange(1, 9)]
        try:
            parsed = parse_sentencepiece(bytes(blob))
        except IntakeRefused:
            continue
        accepted += 1
        processor = library.SentencePieceProcessor(model_proto=bytes(blob))
        assert processor.get_piece_size() == parsed.size
        processor.encode("hello w\u00f6rld \ufdfa")
    assert accepted > 50


def read_character_map(model: bytes) -> bytes:
    """By numbers: the library's own schema asks for a newer protobuf than others here allow."""
    normalizer = next(field.data for field in read_fields(model) if field.key == 3)
    return next(field.data for field in read_fields(normalizer) if field.key == 2)


def test_its_character_map_works_in_tokenizers_too() -> None:
    tokenizers = pytest.importorskip("tokenizers")
    document = json.loads(model_files()["tokenizer.json"])
    for blob, before, after in (
        (read_character_map(train(model_type="char", vocab_size=40)), "\uff46\uff55\uff4c\uff4c", "full"),
        (charsmap(), "abc", "bbc"),
    ):
        document["normalizer"] = precompiled(blob)
        text = json.dumps(document)
        parse_tokenizer(text.encode())
        assert tokenizers.Tokenizer.from_str(text).normalizer.normalize_str(before) == after


@pytest.mark.parametrize("seed", range(4))
def test_an_accepted_character_map_never_panics(seed: int) -> None:
    tokenizers = pytest.importorskip("tokenizers")
    chance = random.Random(seed)  # noqa: S311
    accepted = 0
    for _ in range(300):
        blob = bytearray(charsmap(text=b"b\0\xc3\xa9\0"))
        for _ in range(chance.choice((1, 2, 4))):
            places = [*range(8), *range(4 + 4 * 353, 8 + 4 * 353), *range(4 + 4 * 512, 8 + 4 * 512), len(blob) - 2]
            blob[chance.choice(places)] = chance.choice((0, 1, 2, 3, 4, 0x61, 0x80, 0xFF))
        document = json.loads(model_files()["tokenizer.json"])
        document["normalizer"] = {"type": "Precompiled", "precompiled_charsmap": base64.b64encode(blob).decode()}
        text = json.dumps(document)
        try:
            parse_tokenizer(text.encode())
        except IntakeRefused:
            continue
        accepted += 1
        normalizer = tokenizers.Tokenizer.from_str(text).normalizer
        for code in range(1, 0x250):
            normalizer.normalize_str(chr(code))
    assert accepted > 5
