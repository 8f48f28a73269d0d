"""Any bytes to a tokenizer reader give a value or a refusal; what is accepted stays within its limits."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any, TypeVar

from attack_cases.tokenizer import added, charsmap, honest_tokenizer, padding, sentencepiece, split, template
from hypothesis import given, settings
from hypothesis import strategies as st

from ostiary.core.limits import MAX_TOKEN_ID
from ostiary.errors import IntakeRefused
from ostiary.intake.tokens.check_charsmap import check_charsmap
from ostiary.intake.tokens.check_regex import find_backtracking
from ostiary.intake.tokens.read_sentencepiece import parse_sentencepiece
from ostiary.intake.tokens.read_tokenizer import parse_tokenizer
from ostiary.intake.tokens.read_tokenizer_config import parse_tokenizer_config
from ostiary.intake.tokens.read_vocabulary import parse_vocabulary_file

T = TypeVar("T")

HONEST = {
    **honest_tokenizer(),
    "padding": padding(),
    "post_processor": template(),
    "pre_tokenizer": split("a+|b"),
    "added_tokens": [added(1, "<s>"), added(61, "<x>")],
}
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8) | st.sampled_from(["BPE", "Sequence", "Replace", "Split", "a", "A", "<s>", "Fixed"]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from(["type", "id", "vocab", "merges", "Regex", "String", "pattern"]), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every place in a document, as its holder and its key."""
    found: list[tuple[Any, Any]] = []
    pending = [value]
    while pending:
        holder = pending.pop()
        for key in holder if isinstance(holder, dict) else range(len(holder)):
            found.append((holder, key))
            if isinstance(holder[key], dict | list):
                pending.append(holder[key])
    return found


def value_of(reader: Callable[..., T], *arguments: object) -> T | None:
    """What a reader gives; None after a refusal of one line."""
    try:
        return reader(*arguments)
    except IntakeRefused as refused:
        message = str(refused)
    assert "\n" not in message
    return None


def check(data: bytes) -> None:
    tokenizer = value_of(parse_tokenizer, data)
    if tokenizer is None:
        return
    assert -1 <= tokenizer.max_id <= MAX_TOKEN_ID
    assert max(tokenizer.vocabulary.values(), default=-1) <= tokenizer.max_id
    assert tokenizer.size >= len(tokenizer.vocabulary)
    assert not any(note.is_refusing for note in tokenizer.notes)


@given(st.data())
@settings(deadline=None)
def test_a_tokenizer_with_one_thing_changed(data: st.DataObject) -> None:
    document = copy.deepcopy(HONEST)
    holder, key = data.draw(st.sampled_from(places(document)))
    holder[key] = data.draw(VALUES)
    check(json.dumps(document).encode())


@given(st.dictionaries(st.sampled_from([*HONEST, "other"]), VALUES, max_size=5))
def test_any_document(document: object) -> None:
    check(json.dumps(document).encode())


@given(st.binary(max_size=200))
def test_any_bytes(data: bytes) -> None:
    check(data)
    for path in (
        "vocab.json",
        "added_tokens.json",
        "special_tokens_map.json",
        "vocab.txt",
        "merges.txt",
        "x.tiktoken",
    ):
        vocabulary = value_of(parse_vocabulary_file, path, data)
        assert vocabulary is None or vocabulary.max_id <= MAX_TOKEN_ID


@given(st.dictionaries(
    st.sampled_from("chat_template eos_token added_tokens_decoder tokenizer_class auto_map tool_parser_type vocab_file"
                    " model_max_length extra_special_tokens legacy x_token".split()), VALUES, max_size=5))  # fmt: skip
def test_any_configuration(document: object) -> None:
    config = value_of(parse_tokenizer_config, json.dumps(document).encode())
    if config is None:
        return
    assert all(isinstance(text, str) for _, text in config.templates)
    assert all(0 <= token.id <= MAX_TOKEN_ID for token in config.added)


@given(st.text(alphabet="ab(|)[]{}*+?^$\\-,1pLsd:=!<>&", max_size=40))
def test_any_expression(text: str) -> None:
    assert len(value_of(find_backtracking, text) or ()) <= 1


@given(st.integers(0, 3_075), st.binary(min_size=1, max_size=4))
def test_a_character_map_with_bytes_changed(place: int, data: bytes) -> None:
    blob = charsmap()
    value_of(check_charsmap, blob[:place] + data + blob[place + len(data) :])


@given(st.integers(0, 200), st.integers(0, 4), st.binary(max_size=4))
def test_a_sentencepiece_model_with_bytes_changed(place: int, removed: int, data: bytes) -> None:
    blob = sentencepiece()
    parsed = value_of(parse_sentencepiece, blob[:place] + data + blob[place + removed :])
    assert parsed is None or parsed.size > 0


@given(st.binary(max_size=100))
def test_a_sentencepiece_model_of_any_bytes(data: bytes) -> None:
    assert value_of(parse_sentencepiece, data) is None or data
