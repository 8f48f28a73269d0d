# ruff: noqa: E402 (the judge is imported once it is known that it is there)
"""SentencePiece models give the ids and the texts that the library itself gives."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("tokenizers")
spm = pytest.importorskip("sentencepiece")

from ostiary.networks.unfit import ModelUnfit
from ostiary.worker.engines.language.sentencepiece import SentencepieceMalformed, convert_sentencepiece
from ostiary.worker.engines.language.text_tokenizer import TextTokenizer, open_tokenizer

pytestmark = pytest.mark.mlx

SENTENCES = [
    "the quick brown fox jumps over the lazy dog",
    "hello world, hello there",
    "un été à Paris",
    "a b c d e",
]
KINDS: dict[str, dict[str, Any]] = {
    "llama": {
        "model_type": "bpe",
        "byte_fallback": True,
        "normalization_rule_name": "identity",
        "remove_extra_whitespaces": False,
    },
    "gemma": {
        "model_type": "bpe",
        "byte_fallback": True,
        "normalization_rule_name": "identity",
        "remove_extra_whitespaces": False,
        "add_dummy_prefix": False,
        "user_defined_symbols": ["<start_of_turn>"],
    },
    "t5": {"model_type": "unigram", "byte_fallback": False, "control_symbols": ["<pad>"]},
    "xlm": {"model_type": "unigram", "byte_fallback": True, "normalization_rule_name": "nmt_nfkc"},
}


def train(**options: Any) -> bytes:
    written = io.BytesIO()
    spm.SentencePieceTrainer.train(
        sentence_iterator=iter(SENTENCES * 40),
        model_writer=written,
        vocab_size=330 if options.get("byte_fallback") else 70,
        character_coverage=1.0,
        hard_vocab_limit=False,
        minloglevel=2,
        **options,
    )
    return written.getvalue()


@pytest.fixture(scope="module", params=KINDS)
def both(request: pytest.FixtureRequest) -> tuple[TextTokenizer, Any]:
    data = train(**KINDS[request.param])
    theirs = spm.SentencePieceProcessor(model_proto=data)
    config = json.dumps({"add_bos_token": True, "bos_token": "<s>", "eos_token": "</s>"}).encode()
    ours = open_tokenizer({"tokenizer.model": data, "tokenizer_config.json": config}, "", frozenset())
    return ours, theirs


TEXTS = [
    "hello world",
    " hello  world ",
    "the lazy dog\nun été",
    "\u65e5\u672c \U0001f642",
    "a" * 70,
    "",
    " ",
    "\uff28i",
]


@pytest.mark.parametrize("text", TEXTS)
def test_texts(both: tuple[TextTokenizer, Any], text: str) -> None:
    ours, theirs = both
    assert ours.encode(text, is_framed=False) == theirs.encode(text)
    assert ours.encode(text, is_framed=True) == [theirs.bos_id(), *theirs.encode(text)]
    ids = theirs.encode(text)
    if theirs.unk_id() not in ids:  # which the library shows as a sign of its own
        assert ours.decode(ids, show_special=False) == theirs.decode(ids)


@settings(deadline=None, max_examples=100)
@given(
    parts=st.lists(
        st.sampled_from(["the", "hell", "o", " ", "  ", "wor", "ld", "\u00e9", "\u65e5", "1", ","]), max_size=12
    )
)
def test_any_text(both: tuple[TextTokenizer, Any], parts: list[str]) -> None:
    ours, theirs = both
    assert ours.encode("".join(parts), is_framed=False) == theirs.encode("".join(parts))


def test_control_tokens_are_not_read_from_text(both: tuple[TextTokenizer, Any]) -> None:
    ours, _ = both
    text = "".join(f"hello {control.content} " for control in ours.controls.all)
    assert not ours.controls.ids & set(ours.encode(text, is_framed=False))


@pytest.mark.parametrize(
    "data", [b"", b"\xff" * 30, b"\x0a\x05\x0a\x03\xff\xff\xff", b"\x0a\x7f", b"\x0a\x02\x12\x00", b"\x08\x01"]
)
def test_what_is_no_model(data: bytes) -> None:
    with pytest.raises(SentencepieceMalformed):
        convert_sentencepiece(data)
    with pytest.raises(ModelUnfit, match=r"tokenizer\.model"):
        open_tokenizer({"tokenizer.model": data}, "", frozenset())


@given(st.binary(max_size=200))
def test_any_bytes_are_a_tokenizer_or_none(data: bytes) -> None:
    try:
        convert_sentencepiece(data)
    except SentencepieceMalformed:
        return
