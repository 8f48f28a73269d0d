"""What a new version of a contract lets through beside the old one."""

from __future__ import annotations

from typing import Any

import pytest
from contract_files import FULL, IDS, LEAST, MESSAGES, PROMPT, TEXT, contract_file

from ostiary.core.terms.bounds import Change
from ostiary.core.terms.derive_terms import derive_terms
from ostiary.core.terms.list_bounds import compare_terms, list_bounds
from ostiary.core.terms.parse_terms import parse_language_contract
from ostiary.core.terms.values import HOUSE_TERMS

BASE = {**LEAST, "inputs": [PROMPT, IDS, MESSAGES]}


def compare(old: dict[str, Any], new: dict[str, Any]) -> list[tuple[str, str]]:
    read = [parse_language_contract(contract_file({**BASE, **changes})) for changes in (old, new)]
    return [(difference.place, difference.change.value) for difference in compare_terms(read[0], read[1])]


CHANGES: list[tuple[dict[str, Any], dict[str, Any], str, str]] = [
    ({"context_tokens": 8}, {"context_tokens": 9}, "context_tokens", "wider"),
    ({}, {"context_tokens": 9}, "context_tokens", "narrower"),
    ({"vocabulary": 9}, {}, "vocabulary", "wider"),
    ({"inputs": [PROMPT, IDS]}, {}, "inputs", "wider"),
    ({}, {"inputs": [{**PROMPT, "max_tokens": 5}, IDS, MESSAGES]}, "inputs.prompt.max_tokens", "narrower"),
    ({}, {"inputs": [PROMPT, IDS, {**MESSAGES, "roles": ["user"]}]}, "inputs.messages.roles", "narrower"),
    (
        {},
        {"inputs": [PROMPT, {**IDS, "range": [2, 1_999_999]}, MESSAGES]},
        "inputs.prompt_ids.range.min",
        "narrower",
    ),
    ({"dims": {"choices": {"max": 2}}}, {"dims": {"choices": {"max": 3}}}, "dims.choices.max", "wider"),
    ({"dims": {"messages": {"min": 2}}}, {}, "dims.messages.min", "wider"),
    ({"parameters": {"top_p": {}}}, {"parameters": {"top_p": {}, "seed": {}}}, "parameters", "wider"),
    (
        {"parameters": {"temperature": {"range": [0, 1]}}},
        {"parameters": {"temperature": {"range": [0, 2]}}},
        "parameters.temperature.range.max",
        "wider",
    ),
    (
        {"parameters": {"temperature": {}}},
        {"parameters": {"temperature": {"range": [0.5, 100]}}},
        "parameters.temperature.range.min",
        "narrower",
    ),
    (
        {"parameters": {"ignore_eos": {}}},
        {"parameters": {"ignore_eos": {"allowed": [False]}}},
        "parameters.ignore_eos.allowed",
        "narrower",
    ),
    (
        {"parameters": {"stop": {"max_items": 1}}},
        {"parameters": {"stop": {}}},
        "parameters.stop.max_items",
        "wider",
    ),
    ({"outputs": [{**TEXT, "max_tokens": 5}]}, {}, "outputs.text.max_tokens", "wider"),
    ({"outputs": [{**TEXT, "json": True}]}, {}, "outputs.text.json", "wider"),
    ({}, {"outputs": [{**TEXT, "refused_characters": ["tags"]}]}, "outputs.text.refused_characters", "narrower"),
    ({"outputs": [{**TEXT, "stop": ["x"]}]}, {}, "outputs.text.stop", "wider"),
    ({"text": {"characters": {"tags": "refuse"}}}, {}, "text.characters.tags", "wider"),
    (
        {"text": {"characters": {"tags": "refuse"}}},
        {"text": {"characters": {"tags": "remove"}}},
        "text.characters.tags",
        "wider",
    ),
    (
        {},
        {"text": {"normalization": {"form": "NFC", "action": "apply"}}},
        "text.normalization.action",
        "narrower",
    ),
    (
        {"text": {"normalization": {"form": "NFC", "action": "apply"}}},
        {"text": {"normalization": {"form": "NFKC", "action": "apply"}}},
        "text.normalization.form",
        "other",
    ),
    ({}, {"name": "acme/tiny"}, "name", "other"),
]


@pytest.mark.parametrize(("old", "new", "place", "change"), CHANGES, ids=[f"{p}-{c}" for _, _, p, c in CHANGES])
def test_one_difference(old: dict[str, Any], new: dict[str, Any], place: str, change: str) -> None:
    opposite = {"wider": "narrower", "narrower": "wider", "other": "other"}[change]
    assert compare(old, new) == [(place, change)]
    assert compare(new, old) == [(place, opposite)]
    assert compare(old, old) == []


def test_a_list_that_loses_one_and_wins_another_is_both() -> None:
    old = {"inputs": [{**MESSAGES, "roles": ["user", "system"]}]}
    new = {"inputs": [{**MESSAGES, "roles": ["user", "tool"]}]}
    assert sorted(compare(old, new)) == [("inputs.messages.roles", "narrower"), ("inputs.messages.roles", "wider")]


def test_what_belongs_to_an_input_that_is_new_is_told_once() -> None:
    new = {"inputs": [PROMPT, {**MESSAGES, "roles": ["user"]}], "dims": {"messages": {"max": 2}}}
    assert compare({"inputs": [PROMPT]}, new) == [("inputs", "wider")]


def test_a_derived_contract_is_within_the_house() -> None:
    changes = {difference.change for difference in compare_terms(HOUSE_TERMS, derive_terms(64, 128))}
    assert changes == {Change.NARROWER}
    assert {difference.change for difference in compare_terms(derive_terms(64, 128), HOUSE_TERMS)} == {Change.WIDER}


def test_every_field_of_a_full_contract_has_a_place() -> None:
    """A bound that is not listed would change unseen: each one of FULL makes a difference to the least."""
    least, full = parse_language_contract(contract_file()), parse_language_contract(contract_file(FULL))
    bounds = list_bounds(full)
    for place in (
        "inputs.prompt.max_characters",
        "inputs.messages.roles",
        "inputs.template_options.allowed",
        "dims.tools.max",
        "parameters.logit_bias.max_items",
        "parameters.logit_bias.range.min",
        "outputs.text.max_characters",
        "text.characters.invisible",
    ):
        assert place in bounds
    assert compare_terms(least, full)
