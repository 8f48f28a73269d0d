"""One test for each code of a request that does not fit, named by what brings it about."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from contract_files import contract_file

from ostiary import errors
from ostiary.answer.check_output import check_piece
from ostiary.contract import TextContract, check_request
from ostiary.core.requests import Operation, ParsedRequest
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


def test_an_answer_that_breaks_its_contract_brings_answer_rule() -> None:
    with pytest.raises(errors.AnswerRefused) as caught:
        check_piece("a\x1b[2J", 5, OutputTerms(refused_characters=(CharacterClass.CONTROL,)))
    error = caught.value
    assert (error.code, error.exit_status) == ("ANSWER_RULE", 3)
    assert error.message.isprintable()
