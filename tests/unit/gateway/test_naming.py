"""A field is named as the client calls it, wherever it was refused."""

from __future__ import annotations

import pytest

from ostiary.errors import CONTRACT_RANGE, WORKER_CALL_REFUSED, CallRefused, ContractRefused
from ostiary.gateway.naming import CHAT_NEWER, EMBEDDINGS, MESSAGES, RESPONSES, Names, naming


@pytest.mark.parametrize(
    ("names", "field", "told"),
    [
        (CHAT_NEWER, "max_tokens", "max_completion_tokens"),
        (CHAT_NEWER, "max_tokens_of_another", "max_tokens_of_another"),
        (CHAT_NEWER, "response_format.schema.a", "response_format.json_schema.schema.a"),
        (CHAT_NEWER, "temperature", "temperature"),
        (RESPONSES, "messages[3].content", "input"),
        (RESPONSES, "tools[2].function.parameters.not", "tools[2].parameters.not"),
        (RESPONSES, "response_format.schema", "text.format.schema"),
        (MESSAGES, "tools[0].function.parameters", "tools[0].input_schema"),
        (MESSAGES, "tools[0].function.name", "tools[0].name"),
        (MESSAGES, "stop", "stop_sequences"),
        (MESSAGES, "messages[4].content", "messages"),
        (EMBEDDINGS, "text", "input"),
    ],
)
def test_names(names: Names, field: str, told: str) -> None:
    with pytest.raises(ContractRefused) as refused, naming(names):
        raise ContractRefused(CONTRACT_RANGE, f"{field} is too much", field=field, rule="range", limit=3)
    assert (refused.value.field, refused.value.message) == (told, f"{told} is too much")
    by_engine = CallRefused(WORKER_CALL_REFUSED, "no")
    by_engine.field = field
    with pytest.raises(CallRefused) as called, naming(names):
        raise by_engine
    assert called.value.field == told
    assert (refused.value.rule, refused.value.limit, refused.value.code) == ("range", 3, "CONTRACT_RANGE")
