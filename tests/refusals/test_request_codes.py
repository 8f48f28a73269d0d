"""One test for each code of a request that does not fit, named by what brings it about."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from contract_files import contract_file
from function_models import CONTRACT as FUNCTION

from ostiary import errors
from ostiary.answer import TensorGathering
from ostiary.answer.check_output import check_piece
from ostiary.contract import TextContract, check_request, check_tensors
from ostiary.core.json_text import JsonValue
from ostiary.core.requests import Operation, ParsedRequest
from ostiary.core.tensors import ParsedTensors, Tensor
from ostiary.core.terms.characters import CharacterClass
from ostiary.core.terms.parse_terms import parse_language_contract
from ostiary.core.terms.values import OutputTerms

TERMS = parse_language_contract(contract_file())
"""It takes a prompt as text, and nothing else."""
CONTRACT = TextContract(token_ids=64, context_tokens=128, most_tokens=100)
BRINGS: Mapping[str, Mapping[str, object]] = {
    "CONTRACT_UNKNOWN_FIELD": {"prompt": "a", "best_of": 3},
    "CONTRACT_TYPE": {"prompt": "a", "temperature": "hot"},
    "CONTRACT_RANGE": {"prompt": "a", "logit_bias": {"64": 1}},
    "CONTRACT_TEXT": {"prompt": "half a character: \ud83d"},
    "CONTRACT_TOO_LONG": {"prompt": [1] * 128},
    "CONTRACT_NOT_OFFERED": {"prompt": [1]},
}


def _contract_for(code: str) -> TextContract:
    """Of a model with a contract of its own, where it takes one to say so."""
    return TextContract(64, 128, 100, TERMS) if code == "CONTRACT_NOT_OFFERED" else CONTRACT


@pytest.mark.parametrize("code", BRINGS)
def test_the_request_brings_the_code(code: str) -> None:
    with pytest.raises(errors.ContractRefused) as caught:
        check_request(ParsedRequest(Operation.GENERATE, BRINGS[code]), _contract_for(code))
    error = caught.value
    assert (error.code, error.exit_status) == (code, 3)
    assert "\n" not in str(error)
    public = errors.render_public(error, "id")
    assert 400 <= public.http < 500
    assert error.message not in (public.sentence, public.hint)


TENSORS: Mapping[str, object] = {
    "CONTRACT_SHAPE": [[1, 2]],
    "CONTRACT_DTYPE": Tensor("INT64", (1, 3), memoryview(bytes(24))),
    "CONTRACT_NOT_FINITE": [[1, float("inf"), 3]],
}


@pytest.mark.parametrize("code", TENSORS)
def test_the_tensor_brings_the_code(code: str) -> None:
    with pytest.raises(errors.ContractRefused) as caught:
        check_tensors(ParsedTensors({"x": TENSORS[code]}), FUNCTION)
    assert (caught.value.code, caught.value.exit_status) == (code, 3)
    assert errors.render_public(caught.value, "id").http == 400


def test_outputs_that_the_contract_rules_out() -> None:
    checked = check_tensors(ParsedTensors({"x": [[1, 2, 3]]}), FUNCTION)
    outputs: list[JsonValue] = [{"name": "y", "datatype": "FP32", "shape": [1, 3]}]
    with pytest.raises(errors.AnswerRefused) as caught:
        TensorGathering(checked, 0).take_result({"outputs": outputs}, b"\0\0\x80\x7f" * 3)
    assert (caught.value.code, caught.value.exit_status) == ("ANSWER_NOT_FINITE", 3)
    assert errors.render_public(caught.value, "id").http == 502


def test_an_answer_that_breaks_its_contract_brings_answer_rule() -> None:
    with pytest.raises(errors.AnswerRefused) as caught:
        check_piece("a\x1b[2J", 5, OutputTerms(refused_characters=(CharacterClass.CONTROL,)))
    error = caught.value
    assert (error.code, error.exit_status) == ("ANSWER_RULE", 3)
    assert error.message.isprintable()
