"""A function's directory: what is said of it, and that each of its rules can strike."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from attack_cases.function import CASES, function_files, spell

from ostiary.cli.inspect_json import describe_inspection
from ostiary.cli.inspect_text import render_inspection
from ostiary.core.function_limits import MAX_CARD_TEXT_CHARACTERS
from ostiary.core.tickets import FileKind
from ostiary.errors import IntakeRefused
from ostiary.intake import examine_model
from ostiary.intake.functions.read_card import parse_card
from ostiary.intake.rules.functions import RULES


def _write(place: Path, files: dict[str, bytes]) -> Path:
    place.mkdir()
    for name, data in files.items():
        (place / name).write_bytes(data)
    return place


def test_a_function_is_one_by_its_graph(tmp_path: Path) -> None:
    examination = examine_model(_write(tmp_path / "m", function_files()))
    facts = examination.facts
    assert examination.refusal is None
    assert facts is not None
    assert (facts.format, facts.architecture, facts.layout_checked, facts.parameters) == (
        "function",
        None,
        True,
        208,
    )
    function = facts.function
    assert function is not None
    assert (function.name, function.version, function.nodes) == ("honest", 1, 5)
    assert function.primitives[0] == ("add", 2)
    assert function.inputs[0] == ("x", "FP32", ("batch", "8"))
    assert function.outputs[1] == ("features", "FP32", ("1", "3", "3", "4"))
    assert function.dims == (("batch", 1, 64),)
    kinds = {entry.path: entry.kind for entry in examination.files}
    assert kinds["graph.json"] is FileKind.GRAPH
    assert kinds["contract.json"] is FileKind.CONTRACT
    assert kinds["card.json"] is FileKind.CARD


def test_inspect_shows_what_it_takes_and_gives(tmp_path: Path) -> None:
    examination = examine_model(_write(tmp_path / "m", function_files()))
    text = "\n".join(render_inspection(examination, color=False, width=100, show_all=False))
    for line in (
        "model     function honest, 208 parameters",
        "graph     5 operations: add (2), convolution (1), softmax (1), take (1)",
        "takes     x FP32 [batch, 8]; ids INT32 [batch]; image FP32 [1, 6, 6, 2]",
        "gives     y FP32 [batch, 8]; features FP32 [1, 3, 3, 4]",
        "dims      batch 1 to 64",
        "card says who somebody; data digits; metrics accuracy 0.97",
        "every tensor is where the graph expects it",
    ):
        assert line in text
    facts = json.loads(json.dumps(describe_inspection(examination, "c")["facts"]))
    assert facts["function"]["inputs"][0] == {"name": "x", "datatype": "FP32", "shape": ["batch", 8]}
    assert facts["function"]["dims"] == {"batch": {"min": 1, "max": 64}}
    assert facts["function"]["primitives"]["add"] == 2
    assert facts["function"]["card"] == {"who": "somebody", "data": "digits", "metrics": "accuracy 0.97"}


@pytest.mark.parametrize("card", [{"who": 5, "metrics": []}, {"metrics": {"a": None}}, {"who": "", "when": {}}, {}])
def test_a_card_of_other_words_says_nothing(tmp_path: Path, card: object) -> None:
    examination = examine_model(_write(tmp_path / "m", function_files(card__json=spell(card))))
    assert examination.refusal is None
    assert examination.facts is not None
    assert examination.facts.function is not None
    assert examination.facts.function.card == ()


def test_a_long_card_is_cut_short(tmp_path: Path) -> None:
    card = {"who": "x\n" * 1_000, "metrics": {f"m{number}": number for number in range(50)}}
    examination = examine_model(_write(tmp_path / "m", function_files(card__json=spell(card))))
    text = render_inspection(examination, color=False, width=100, show_all=False)
    (line,) = [line for line in text if "card says" in line]
    assert len(line) < 400
    assert "m11 11" in line
    assert "m12" not in line


def test_every_rule_has_a_case_that_makes_it_strike() -> None:
    struck = {case.rule for case in CASES} | {"contract.duplicate-name"}  # tests/unit/graph/test_contract.py
    assert {rule.id for rule in RULES} <= struck


def test_a_single_file_may_be_looked_at(tmp_path: Path) -> None:
    path = tmp_path / "graph.json"
    path.write_bytes(function_files()["graph.json"])
    assert examine_model(path).refusal is None


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b'{"a":1}{"b":2}',
        b'{"a":1,"a":2}',
        b'{"a":NaN}',
        spell({"a": "x" * (MAX_CARD_TEXT_CHARACTERS + 1)}),
        spell({"a\u0000": 1}),
        spell({"a": ["b", {"c": "\u200b"}]}),
        spell({"a": [0] * 20_000}),
        b" " * (2 << 20),
    ],
)
def test_cards_are_plain(data: bytes) -> None:
    with pytest.raises(IntakeRefused):
        parse_card(data)


def test_a_card_says_what_it_likes() -> None:
    card = {"by": "Ada", "notes": "two\nlines\tand a tab", "metrics": {"loss": 0.25}, "tags": ["a", None, True]}
    assert parse_card(json.dumps(card, indent=2).encode()) == card
