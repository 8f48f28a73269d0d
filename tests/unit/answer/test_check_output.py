"""What a model says, held to its own contract, and what of a request's limits an honest engine keeps."""

from __future__ import annotations

from typing import Any

import pytest

from ostiary.answer.gather import Gathering
from ostiary.core.requests import Operation
from ostiary.core.terms.characters import CharacterClass
from ostiary.core.terms.values import OutputTerms
from ostiary.core.tickets import CheckedRequest
from ostiary.errors import AnswerRefused, SandboxViolation, render_public


def gather(terms: OutputTerms, *, prompt_limit: int | None = None) -> Gathering:
    request = CheckedRequest(
        operation=Operation.GENERATE,
        body={"prompt": "a"},
        choices=1,
        most_tokens=100,
        token_ids=64,
        stop=(),
        logprobs=None,
        timeout_seconds=None,
        prompt_limit=prompt_limit,
        output=terms,
    )
    return Gathering(request, 0.0, lambda: 0.0)


def say(gathering: Gathering, *texts: str) -> None:
    for text in texts:
        gathering.take_piece({"choice": 0, "tokens": [1], "text": text})


def end(gathering: Gathering, tokens: int, prompt_tokens: int = 1) -> Any:
    return gathering.take_result(
        {
            "choices": [{"choice": 0, "finish": "stop", "stop": None, "tokens": tokens}],
            "seed": 0,
            "usage": {"prompt_tokens": prompt_tokens, "cached_tokens": 0, "completion_tokens": tokens},
        }
    )


def say_all(gathering: Gathering, *texts: str) -> None:
    say(gathering, *texts)
    end(gathering, len(texts))


def refused(terms: OutputTerms, *texts: str) -> tuple[str, object]:
    with pytest.raises(AnswerRefused) as caught:
        say_all(gather(terms), *texts)
    error = caught.value
    assert (error.code, error.exit_status, error.http) == ("ANSWER_RULE", 3, 422)
    public = render_public(error, "id")
    assert (public.rule, public.limit) == (error.rule, error.limit)
    assert not any(text.strip() and text in public.detail for text in texts)
    return error.rule, error.limit


def test_characters_that_the_contract_refuses() -> None:
    terms = OutputTerms(refused_characters=(CharacterClass.TAGS, CharacterClass.CONTROL))
    assert refused(terms, "fine", "a\U000e0041") == ("outputs.text.refused_characters", "tags")
    assert refused(terms, "\x1b[2J") == ("outputs.text.refused_characters", "control")


def test_an_answer_that_is_too_long_ends_at_the_piece_that_makes_it_so() -> None:
    terms = OutputTerms(max_characters=5)
    assert refused(terms, "123", "456") == ("outputs.text.max_characters", 5)
    gathering = gather(terms)
    say(gathering, "123", "45")
    assert end(gathering, 2).choices[0].text == "12345"


@pytest.mark.parametrize("texts", [("hello",), ("{",), ('{"a": NaN}',), ('{"a":1,"a":2}',), ("",)])
def test_what_is_not_json_where_that_is_all_there_may_be(texts: tuple[str, ...]) -> None:
    assert refused(OutputTerms(is_json=True), *texts) == ("outputs.text.json", "JSON")


def test_what_fits_comes_through() -> None:
    gathering = gather(OutputTerms(is_json=True, max_characters=20, refused_characters=(CharacterClass.BIDI,)))
    say(gathering, '{"a":', " [1]}")
    assert end(gathering, 2).choices[0].text == '{"a": [1]}'


def test_an_engine_that_lets_a_longer_prompt_through_is_not_honest() -> None:
    gathering = gather(OutputTerms(), prompt_limit=3)
    say(gathering, "a")
    with pytest.raises(SandboxViolation):
        end(gathering, 1, prompt_tokens=4)
    gathering = gather(OutputTerms(), prompt_limit=3)
    say(gathering, "a")
    assert end(gathering, 1, prompt_tokens=3).usage.prompt_tokens == 3
