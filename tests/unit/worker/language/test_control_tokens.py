"""Control tokens are found, renamed where text could reach them, and written by marks alone."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from models.words import byte_level, metaspace

from ostiary.worker.engines.language.control_tokens import (
    FIRST_MARK,
    FIRST_RESERVED,
    LAST_RESERVED,
    ControlTokens,
    find_controls,
    holds_reserved,
    rename_controls,
)


def added(*tokens: tuple[int, str, bool]) -> dict[str, Any]:
    return {
        "added_tokens": [{"id": number, "content": word, "special": special} for number, word, special in tokens]
    }


def contents(controls: ControlTokens) -> list[str]:
    return [control.content for control in controls.all]


@pytest.mark.parametrize(
    ("token", "named", "template", "ends", "is_control"),
    [
        ((1, "<s>", True), [], "", [], True),
        ((1, "<s>", False), ["<s>"], "", [], True),
        ((1, "<end>", False), [], "", [1], True),
        ((1, "<think>", False), [], "x<think>y", [], True),
        ((1, "<think>", False), [], "", [], False),
        ((1, "<|fim_prefix|>", False), [], "", [], True),
        ((1, "<\uff5cUser\uff5c>", False), [], "", [], True),
        ((1, "[INST]", False), [], "", [], True),
        ((1, "<table>", False), [], "", [], False),
        ((1, "\n\n", False), [], "a\n\nb", [], False),
        ((1, "  ", True), [], "", [], False),
    ],
)
def test_what_is_a_control_token(
    token: tuple[int, str, bool], named: list[str], template: str, ends: list[int], is_control: bool
) -> None:
    assert contents(find_controls(added(token), named, template, ends)) == ([token[1]] if is_control else [])


def test_the_unknown_token_is_none_for_text_may_give_it() -> None:
    tokenizer = {**added((0, "<unk>", True), (1, "<s>", True)), "model": {"unk_token": "<unk>"}}
    assert contents(find_controls(tokenizer, [], "", [])) == ["<s>"]


def test_the_unknown_token_of_a_unigram_model_has_a_number() -> None:
    model = {"unk_id": 1, "vocab": [["</s>", 0.0], ["<unk>", 0.0], ["a", -1.0]]}
    controls = find_controls({**added((0, "</s>", True), (1, "<unk>", True)), "model": model}, [], "", [])
    assert contents(controls) == ["</s>"]
    assert controls.silent_ids == {0, 1}


def test_marks_and_back() -> None:
    controls = find_controls(added((7, "<|end|>", True), (8, "<|end|>x", True), (9, "</s>", True)), [], "", [])
    marked = controls.write_marks("a<|end|>b<|end|>xc</s")
    assert marked == f"a{chr(FIRST_MARK)}b{chr(FIRST_MARK + 1)}c</s"
    assert controls.spell(marked) == "a<|end|>b<|end|>xc</s"


def test_without_controls_text_stays() -> None:
    assert find_controls({}, [], "", []).write_marks("a<|end|>") == "a<|end|>"


def test_reserved_characters() -> None:
    assert holds_reserved(f"a{chr(FIRST_RESERVED)}")
    assert holds_reserved(chr(LAST_RESERVED))
    assert not holds_reserved(chr(FIRST_RESERVED - 1) + "\ue000<|end|>")


def test_renaming_keeps_ids_and_leaves_no_way_from_text() -> None:
    tokenizer, _ = byte_level()
    before = copy.deepcopy(tokenizer)
    controls = find_controls(tokenizer, [], "", [])
    rename_controls(tokenizer, controls)
    for control in controls.all:
        assert tokenizer["model"]["vocab"][control.mark] == before["model"]["vocab"][control.content]
        assert control.content not in tokenizer["model"]["vocab"]
    assert [token["id"] for token in tokenizer["added_tokens"]] == [token["id"] for token in before["added_tokens"]]
    assert len(tokenizer["model"]["vocab"]) == len(before["model"]["vocab"])


def test_merges_that_would_make_a_control_token_go() -> None:
    tokenizer, _ = metaspace()
    tokenizer["model"]["merges"] = ["< s", "<s >", "h e", ["<", "s"], ["</s>", "h"], "<s> h"]
    controls = find_controls(tokenizer, [], "", [])
    rename_controls(tokenizer, controls)
    assert tokenizer["model"]["merges"] == ["< s", "h e", ["<", "s"]]


def test_a_unigram_vocabulary_is_renamed_as_well() -> None:
    tokenizer: dict[str, Any] = {**added((0, "</s>", True)), "model": {"vocab": [["</s>", 0.0], ["a", -1.0]]}}
    rename_controls(tokenizer, find_controls(tokenizer, [], "", []))
    assert tokenizer["model"]["vocab"] == [[chr(FIRST_MARK), 0.0], ["a", -1.0]]


def test_a_control_token_that_no_list_has_is_found_in_the_vocabulary() -> None:
    """By its name or by its id, if it is spelled like one: a full stop may end answers and stays text."""
    vocabulary = {"</s>": 2, "<s>": 1, "<unk>": 0, ".": 3, "end": 4, "<end>": 5, "<b>": 6}
    tokenizer: dict[str, Any] = {"model": {"vocab": vocabulary, "unk_token": "<unk>"}}
    controls = find_controls(tokenizer, ["</s>", "<unk>", "."], "", [3, 4, 5])
    assert {(control.id, control.content) for control in controls.all} == {(2, "</s>"), (5, "<end>")}
    rename_controls(tokenizer, controls)
    assert vocabulary.keys() & {"</s>", "<end>"} == set()
    assert [(token["id"], token["content"]) for token in tokenizer["added_tokens"]] == [
        (control.id, control.mark) for control in controls.all
    ]


def test_a_control_token_of_a_unigram_vocabulary_is_found_there() -> None:
    tokenizer: dict[str, Any] = {"model": {"vocab": [["<unk>", 0.0], ["</s>", 0.0], ["a", -1.0]], "unk_id": 0}}
    controls = find_controls(tokenizer, ["</s>"], "", [])
    rename_controls(tokenizer, controls)
    assert tokenizer["model"]["vocab"][1] == [controls.all[0].mark, 0.0]
