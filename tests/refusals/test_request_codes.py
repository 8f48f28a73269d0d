"""One test for each code of a request that does not fit, named by what brings it about."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from ostiary import errors
from ostiary.contract import TextContract, check_request
from ostiary.core.requests import Operation, ParsedRequest

CONTRACT = TextContract(token_ids=64, context_tokens=128, most_tokens=100)
BRINGS: Mapping[str, Mapping[str, object]] = {
    "CONTRACT_UNKNOWN_FIELD": {"prompt": "a", "best_of": 3},
    "CONTRACT_TYPE": {"prompt": "a", "temperature": "hot"},
    "CONTRACT_RANGE": {"prompt": "a", "logit_bias": {"64": 1}},
    "CONTRACT_TEXT": {"prompt": "half a character: \ud83d"},
    "CONTRACT_TOO_LONG": {"prompt": [1] * 128},
}


@pytest.mark.parametrize("code", BRINGS)
def test_the_request_brings_the_code(code: str) -> None:
    with pytest.raises(errors.ContractRefused) as caught:
        check_request(ParsedRequest(Operation.GENERATE, BRINGS[code]), CONTRACT)
    error = caught.value
    assert (error.code, error.exit_status) == (code, 3)
    assert "\n" not in str(error)
    public = errors.render_public(error, "id")
    assert 400 <= public.http < 500
    assert error.message not in (public.sentence, public.hint)
