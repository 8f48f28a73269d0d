# ruff: noqa: S106 - tokens here are words of a vocabulary

from __future__ import annotations

import json

from attack_cases.tokenizer import added, tokenizer_bytes

from ostiary.intake.tokens.check_special_tokens import find_highest_id, find_special_token_conflicts
from ostiary.intake.tokens.read_tokenizer import parse_tokenizer
from ostiary.intake.tokens.read_tokenizer_config import TokenizerConfig, parse_tokenizer_config

TOKENIZER = parse_tokenizer(tokenizer_bytes())


def config(**fields: object) -> TokenizerConfig:
    return parse_tokenizer_config(json.dumps(fields).encode())


def rules_of(**fields: object) -> list[str]:
    return [finding.rule.id for finding in find_special_token_conflicts(TOKENIZER, config(**fields))]


def test_special_tokens_that_are_added_tokens() -> None:
    assert rules_of(bos_token="<s>", eos_token="</s>", pad_token=None) == []


def test_an_ordinary_letter_that_ends_the_answer() -> None:
    assert rules_of(eos_token="a") == ["tokenizer.special-is-ordinary"]


def test_a_token_that_is_nowhere() -> None:
    assert rules_of(pad_token="[PAD]", image_token="[PAD]") == ["tokenizer.special-missing"]


def test_an_empty_token_is_none() -> None:
    assert rules_of(pad_token="") == []
    assert find_highest_id(TOKENIZER, config(pad_token="")) == 60


def test_the_special_tokens_map_counts_too() -> None:
    (finding,) = find_special_token_conflicts(TOKENIZER, config(), [("eos_token", "b\n")])
    assert finding.rule.id == "tokenizer.special-missing"
    assert "\n" not in finding.detail


def test_missing_tokens_raise_the_highest_id() -> None:
    assert find_highest_id(TOKENIZER, None) == 60
    assert find_highest_id(TOKENIZER, config(bos_token="<s>", eos_token="a")) == 60
    assert find_highest_id(TOKENIZER, config(pad_token="[PAD]")) == 61
    more = config(
        pad_token="[PAD]", additional_special_tokens=["<x>", "<s>"], added_tokens_decoder={"9": added(0, "<y>")}
    )
    assert find_highest_id(TOKENIZER, more, ["<z>", "a"]) == 64


def test_added_tokens_far_up_raise_it_from_there() -> None:
    far = parse_tokenizer(tokenizer_bytes(added_tokens=[added(500, "<far>")]))
    assert find_highest_id(far, config(pad_token="[PAD]")) == 501
