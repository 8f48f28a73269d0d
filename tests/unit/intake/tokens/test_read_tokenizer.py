from __future__ import annotations

import json

import pytest
from attack_cases.tokenizer import (
    CASES,
    added,
    honest_tokenizer,
    model_bytes,
    padding,
    replace,
    template,
    tokenizer_bytes,
    truncation,
)

from ostiary.core.limits import MAX_PADDED_TOKENS, MAX_TEXT_GROWTH, MAX_TOKEN_CHARACTERS, MAX_TOKEN_ID
from ostiary.errors import IntakeRefused
from ostiary.intake.rules.tokenizer import RULES
from ostiary.intake.tokens.read_tokenizer import parse_tokenizer

VOCABULARY = honest_tokenizer()["model"]["vocab"]


def code_of(data: bytes) -> str:
    with pytest.raises(IntakeRefused) as caught:
        parse_tokenizer(data)
    return caught.value.code


def test_the_honest_one() -> None:
    tokenizer = parse_tokenizer(tokenizer_bytes())
    assert (tokenizer.model_type, tokenizer.size, tokenizer.max_id, tokenizer.notes) == ("BPE", 61, 60, ())
    assert tokenizer.special_tokens == ("<unk>", "<s>", "</s>")
    assert tokenizer.vocabulary["a"] == 3
    assert tokenizer.has_token("</s>")
    assert not tokenizer.has_token("zz")


@pytest.mark.parametrize(
    ("data", "highest"),
    [
        (model_bytes(vocab={**VOCABULARY, "~": 500}), 500),
        (tokenizer_bytes(added_tokens=[added(700, "<x>")]), 700),
        (tokenizer_bytes(padding=padding(pad_id=800)), 800),
        (tokenizer_bytes(post_processor={"type": "BertProcessing", "sep": ["a", 900], "cls": ["b", 1]}), 900),
        (
            tokenizer_bytes(
                post_processor=template(
                    special_tokens={"<s>": {"id": "<s>", "ids": [1, 950], "tokens": ["a", "b"]}}
                )
            ),
            950,
        ),
        (model_bytes(vocab={}), 2),
        (tokenizer_bytes(model={"type": "WordLevel", "unk_token": "x", "vocab": {}}, added_tokens=[]), -1),
    ],
)
def test_the_highest_id_is_that_of_any_part(data: bytes, highest: int) -> None:
    assert parse_tokenizer(data).max_id == highest


def test_an_added_token_counts_where_it_is_new() -> None:
    tokens = [added(3, "a"), added(61, "<x>")]
    assert parse_tokenizer(tokenizer_bytes(added_tokens=tokens)).size == len(VOCABULARY) + 1


def test_at_the_ceilings() -> None:
    parse_tokenizer(tokenizer_bytes(padding=padding(strategy={"Fixed": int(MAX_PADDED_TOKENS)})))
    parse_tokenizer(tokenizer_bytes(normalizer=replace({"String": "a"}, "b" * MAX_TEXT_GROWTH)))
    parse_tokenizer(model_bytes(vocab={**VOCABULARY, "z" * MAX_TOKEN_CHARACTERS: 61, "~": int(MAX_TOKEN_ID)}))
    parse_tokenizer(tokenizer_bytes(truncation=truncation(384, 128)))


def test_replacements_that_shrink_do_not_add_up() -> None:
    parts = [replace({"String": "aaaa"}, "b")] * 30 + [replace({"String": "``"}, '"')] * 30
    parse_tokenizer(tokenizer_bytes(normalizer={"type": "Sequence", "normalizers": parts}))


def test_growth_is_counted_for_each_chain_alone() -> None:
    part = {"type": "Sequence", "normalizers": [replace({"String": "a"}, "aa")] * 6}
    decoder = {"type": "Sequence", "decoders": [replace({"String": "a"}, "aa")] * 6}
    parse_tokenizer(tokenizer_bytes(normalizer=part, decoder=decoder))


@pytest.mark.parametrize(
    "strategy", ["Longest", {"Fixed": 1, "Other": 2}, {}, None, {"Fixed": "8"}, {"Fixed": True}]
)
def test_padding_of_an_unknown_shape(strategy: object) -> None:
    assert code_of(tokenizer_bytes(padding=padding(strategy=strategy))) == "INTAKE_MALFORMED"


@pytest.mark.parametrize("merges", [["#version: 1", ["a", "b"]], [["a", 1]], [7], {}, [["a"]], [""]])
def test_merges_of_an_unknown_shape(merges: object) -> None:
    assert code_of(model_bytes(merges=merges)) == "INTAKE_MALFORMED"


@pytest.mark.parametrize(
    "pattern", ["a", {}, {"String": ""}, {"String": "a", "Regex": "b"}, {"Glob": "*"}, {"Regex": 1}]
)
def test_patterns_of_an_unknown_shape(pattern: object) -> None:
    assert code_of(tokenizer_bytes(normalizer=replace(pattern, "x"))) == "INTAKE_MALFORMED"


def test_a_list_where_an_object_must_be() -> None:
    assert code_of(b"[]") == "INTAKE_MALFORMED"
    assert code_of(json.dumps({"model": []}).encode()) == "INTAKE_MALFORMED"


def test_messages_are_one_line_whatever_the_model_says() -> None:
    evil = {"type": "BPE\n\x1b[31m" + "x" * 10_000}
    with pytest.raises(IntakeRefused) as caught:
        parse_tokenizer(json.dumps({"model": evil}).encode())
    assert "\n" not in str(caught.value)
    assert "\x1b" not in str(caught.value)
    assert len(str(caught.value)) < 400


def test_every_rule_has_a_case_that_makes_it_strike() -> None:
    struck = {case.rule for case in CASES}
    elsewhere = {"tokenizer.special-is-ordinary", "tokenizer.special-missing"}  # test_check_special_tokens.py
    assert {rule.id for rule in RULES} <= struck | elsewhere
