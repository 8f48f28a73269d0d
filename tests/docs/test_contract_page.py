"""docs/contract.md: a contract that is read, refusals that come, and every word of the code in a table."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from graph_forge import spell

from ostiary.cli.main import main
from ostiary.contract import TextContract, check_request, check_tensors, make_samples
from ostiary.core.requests import Operation, ParsedRequest
from ostiary.core.tensors import ParsedTensors
from ostiary.core.terms.characters import CharacterClass
from ostiary.core.terms.parse_terms import parse_language_contract
from ostiary.core.terms.vocabulary import DIMS, INPUTS
from ostiary.errors import ContractRefused
from ostiary.graph.function_contract import DTYPES
from ostiary.graph.parse_contract import parse_contract
from ostiary.graph.render_contract import render_contract
from ostiary.graph.render_graph import render_graph
from ostiary.graph.values import Graph, Input, Node, Output, TensorType
from ostiary.testing import HostilePublisher

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "contract.md").read_text(encoding="utf-8")
FUNCTIONS = re.search(r"^## Functions\n.*?(?=^## )", PAGE, re.MULTILINE | re.DOTALL)[0]  # type: ignore[index]
LANGUAGE = PAGE.replace(FUNCTIONS, "")


def _list_blocks(part: str) -> list[tuple[str, str]]:
    return re.findall(r"^```(\S+)\n(.*?)^```$", part, re.MULTILINE | re.DOTALL)


def _block(language: str, part: str = LANGUAGE) -> str:
    (text,) = (text for found, text in _list_blocks(part) if found == language)
    return text


FUNCTION = parse_contract(spell(json.loads(_block("json", FUNCTIONS))))
CONTRACT = TextContract(32_000, 4_096, 4_096, parse_language_contract(_block("json").encode()))


def test_every_block_is_of_a_kind_that_is_executed() -> None:
    assert sorted(language for language, _ in _list_blocks(LANGUAGE)) == ["console", "json", "refusals"]
    assert sorted(language for language, _ in _list_blocks(FUNCTIONS)) == ["console", "json", "refusals", "text"]


@pytest.mark.parametrize("line", _block("refusals").splitlines())
def test_each_refusal_comes_as_it_is_said(line: str) -> None:
    body, field, rule, code = re.split(r"\s{2,}", line)
    fields = json.loads(body)
    operation = Operation.CHAT if "messages" in fields else Operation.GENERATE
    with pytest.raises(ContractRefused) as caught:
        check_request(ParsedRequest(operation, fields), CONTRACT)
    error = caught.value
    assert (error.field, error.rule, error.code) == (field, rule, code)


def test_the_example_lets_its_own_samples_through() -> None:
    for sample in make_samples(CONTRACT):
        if sample.rule is None:
            assert check_request(sample.request, CONTRACT)


def test_the_tables_have_every_word() -> None:
    rows = "\n".join(re.findall(r"^\| `.*$", LANGUAGE, re.MULTILINE))
    words = {*re.findall(r"`(\w+)`", rows)}
    assert {*INPUTS, *DIMS, *(named.value for named in CharacterClass)} <= words
    top = {*json.loads(_block("json"))}
    assert top <= words
    for word in INPUTS.values():
        assert word.bounds <= words


def test_the_commands_do_what_the_page_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = HostilePublisher(tmp_path).publish_honest()
    for line in _block("console").splitlines():
        words = line.removeprefix("$ ostiary ").partition("#")[0].split()
        if words[0] == "contract":
            assert main([str(model) if word == "my-model" else word for word in words]) == 0
    assert (model / "contract.json").is_file()
    assert "met what the contract says" in capsys.readouterr().out


@pytest.mark.parametrize("line", _block("refusals", FUNCTIONS).splitlines())
def test_each_refusal_of_a_function_comes_as_it_is_said(line: str) -> None:
    body, field, rule, code = re.split(r"\s{2,}", line)
    with pytest.raises(ContractRefused) as caught:
        check_tensors(ParsedTensors(json.loads(body)), FUNCTION)
    error = caught.value
    assert (error.field, error.rule, error.code) == (field, rule, code)
    assert f"`{rule}`" in FUNCTIONS


def test_the_commands_show_and_try_a_function(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = tmp_path / "grade"
    model.mkdir()
    x, kind = (TensorType(DTYPES[item.datatype], item.shape) for item in FUNCTION.inputs)
    total = Node("sum", (0,), (TensorType(x.dtype, x.shape[:1]),), {"axes": (1,), "keepdims": False})
    inputs = (Input("x", x), Input("kind", kind))
    graph = Graph("grade", FUNCTION.list_graph_dims(), inputs, (), (total,), (Output("mark", 2),))
    (model / "graph.json").write_bytes(render_graph(graph))
    (model / "contract.json").write_bytes(render_contract(FUNCTION))
    outputs = []
    for line in _block("console", FUNCTIONS).splitlines():
        words = line.removeprefix("$ ostiary ").partition("#")[0].split()
        assert main([str(model) if word == "grade" else word for word in words]) == 0
        outputs.append(capsys.readouterr().out)
    assert outputs[0] == _block("text", FUNCTIONS)
    assert "requests met what the contract says" in outputs[1]
