"""generation_config.json."""

from __future__ import annotations

import json

import pytest

from ostiary.errors import IntakeRefused
from ostiary.intake.network.read_generation_config import GenerationConfig, parse_generation_config


def read(**values: object) -> GenerationConfig:
    return parse_generation_config(json.dumps(values).encode())


def test_an_honest_one() -> None:
    config = read(
        bos_token_id=1,
        eos_token_id=[2, 3],
        pad_token_id=-1,
        do_sample=True,
        temperature=0.6,
        top_p=0.95,
        top_k=40,
        max_length=4096,
        early_stopping="never",
        bad_words_ids=[[4, 5], [6]],
        suppress_tokens=None,
        transformers_version="5.0",
        _from_model_config=True,
        stop_strings=["x"],
    )
    assert config == GenerationConfig((1,), (2, 3), (), (4, 5, 6), ())


@pytest.mark.parametrize(
    ("rule", "values"),
    [
        ("generation.wrong-type", {"max_length": "10"}),
        ("generation.wrong-type", {"max_length": 10.5}),
        ("generation.wrong-type", {"top_k": True}),
        ("generation.wrong-type", {"temperature": "hot"}),
        ("generation.wrong-type", {"temperature": False}),
        ("generation.wrong-type", {"do_sample": 1}),
        ("generation.wrong-type", {"eos_token_id": "2"}),
        ("generation.wrong-type", {"eos_token_id": 2.0}),
        ("generation.wrong-type", {"bad_words_ids": [["x"]]}),
        ("generation.out-of-range", {"num_beams": 1_000_000}),
        ("generation.out-of-range", {"max_new_tokens": 1 << 40}),
        ("generation.out-of-range", {"eos_token_id": 1 << 31}),
        ("generation.out-of-range", {"suppress_tokens": [-7]}),
        ("json.not-finite", {"temperature": float("inf")}),
    ],
)
def test_refused(rule: str, values: dict[str, object]) -> None:
    with pytest.raises(IntakeRefused) as caught:
        read(**values)
    assert caught.value.findings[0].rule.id == rule


@pytest.mark.parametrize("values", [{"temperature": -1}, {"top_p": 1.5}, {"repetition_penalty": 0}, {"min_p": 2}])
def test_noted(values: dict[str, object]) -> None:
    assert [note.rule.id for note in read(**values).notes] == ["generation.unusual"]
