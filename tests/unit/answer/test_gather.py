"""Replies become an answer, or end the request: nothing that a worker says is taken over unread."""

from __future__ import annotations

import copy
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ostiary.answer import Gathering
from ostiary.contract import TextContract, check_request
from ostiary.core.limits import MAX_ANSWER_CHARACTERS
from ostiary.core.requests import FinishReason, Operation, ParsedRequest, Piece, Usage
from ostiary.core.terms.characters import CharacterClass
from ostiary.core.terms.values import OutputTerms
from ostiary.core.tickets import CheckedRequest
from ostiary.errors import AnswerRefused, SandboxViolation

CONTRACT = TextContract(token_ids=64, context_tokens=128, most_tokens=100)


def ask(**fields: Any) -> CheckedRequest:
    return check_request(ParsedRequest(Operation.GENERATE, {"prompt": "a", **fields}), CONTRACT)


def piece(text: str, *tokens: int, choice: int = 0) -> dict[str, Any]:
    return {"choice": choice, "tokens": [*tokens], "text": text}


def result(*counts: int, finish: str = "stop", stop: str | None = None, seed: int = 7) -> dict[str, Any]:
    return {
        "choices": [
            {"choice": choice, "finish": finish, "stop": stop, "tokens": count}
            for choice, count in enumerate(counts)
        ],
        "seed": seed,
        "usage": {"prompt_tokens": 4, "cached_tokens": 2, "completion_tokens": sum(counts)},
    }


def odds(token: int, *top: int) -> dict[str, Any]:
    def one(number: int) -> dict[str, Any]:
        return {"token": number, "text": "é", "bytes": [195, 169], "logprob": -0.5}

    return {**one(token), "top": [one(number) for number in top]}


class Clock:
    def __init__(self) -> None:
        self.now = 10.0

    def __call__(self) -> float:
        self.now += 0.5
        return self.now


def test_the_prompt_is_known_from_the_first_piece_that_tells_it() -> None:
    gathering = Gathering(ask(n=2), 10.0, Clock())
    assert gathering.prompt_tokens is None
    gathering.take_piece({**piece("a", 1), "prompt_tokens": 4})
    assert gathering.prompt_tokens == 4
    gathering.take_piece(piece("b", 2))
    gathering.take_piece({**piece("c", 3, choice=1), "prompt_tokens": 4})
    assert gathering.take_result(result(2, 1)).usage.prompt_tokens == 4


@pytest.mark.parametrize("told", [5, -1, True, None, "4", 1 << 60])
def test_a_prompt_of_another_length_than_before_is_no_honest_engines(told: object) -> None:
    gathering = Gathering(ask(), 10.0, Clock())
    gathering.take_piece({**piece("a", 1), "prompt_tokens": 4})
    with pytest.raises(SandboxViolation):
        gathering.take_piece({**piece("b", 2), "prompt_tokens": told})
    late = Gathering(ask(), 10.0, Clock())
    with pytest.raises(SandboxViolation):
        late.take_piece({**piece("a", 1), "prompt_tokens": told if told != 5 else 4.0})
    wrong = Gathering(ask(), 10.0, Clock())
    wrong.take_piece({**piece("a", 1), "prompt_tokens": 3})
    with pytest.raises(SandboxViolation):
        wrong.take_result(result(1))


def test_pieces_become_an_answer() -> None:
    gathering = Gathering(ask(), 10.0, Clock())
    assert gathering.take_piece(piece("he", 1)) == Piece("he", (1,), written="he")
    assert (gathering.text, gathering.completion_tokens) == ("he", 1)
    assert gathering.take_piece(piece("", 2)).text == ""
    gathering.take_piece(piece("llo", 3, 4))
    answer = gathering.take_result(result(4))
    (choice,) = answer.choices
    assert (choice.text, choice.tokens, choice.finish_reason, choice.stop) == (
        "hello",
        (1, 2, 3, 4),
        FinishReason.STOP,
        None,
    )
    assert choice.logprobs is None
    assert answer.usage == Usage(prompt_tokens=4, cached_tokens=2, completion_tokens=4)
    assert answer.usage.total_tokens == 8
    assert answer.seed == 7
    assert (answer.timings.first_token_seconds, answer.timings.total_seconds) == (0.5, 1.0)


def test_several_answers_are_kept_apart() -> None:
    gathering = Gathering(ask(n=2, max_tokens=2), 0)
    for text, token, choice in (("a", 1, 0), ("b", 2, 1), ("c", 3, 0), ("d", 4, 1)):
        gathering.take_piece(piece(text, token, choice=choice))
    answer = gathering.take_result(result(2, 2, finish="length"))
    assert [choice.text for choice in answer.choices] == ["ac", "bd"]
    assert answer.usage.completion_tokens == 4


def test_log_probabilities_come_with_their_tokens() -> None:
    gathering = Gathering(ask(logprobs=2), 0)
    (told,) = gathering.take_piece({**piece("é", 5), "logprobs": [odds(5, 6, 5)]}).logprobs or ()
    assert (told.token, told.text, told.raw, told.logprob) == (5, "é", b"\xc3\xa9", -0.5)
    assert [likely.token for likely in told.top] == [6, 5]
    answer = gathering.take_result(result(1))
    assert answer.choices[0].logprobs == (told,)


def test_a_stop_text_that_was_reached_is_told() -> None:
    gathering = Gathering(ask(stop="END"), 0)
    gathering.take_piece(piece("x", 1))
    assert gathering.take_result(result(1, stop="END")).choices[0].stop == "END"


def test_nothing_at_all_is_an_answer_too() -> None:
    assert Gathering(ask(), 0).take_result(result(0)).choices[0].text == ""


def _set(value: dict[str, Any], *path: Any) -> dict[str, Any]:
    *inner, name, new = path
    changed = copy.deepcopy(value)
    place: Any = changed
    for step in inner:
        place = place[step]
    place[name] = new
    return changed


GOOD_PIECE = {**piece("é", 5), "logprobs": [odds(5, 6)]}
GOOD_RESULT = result(1)
BAD_PIECES: list[tuple[str, Any]] = [
    ("a field more", _set(GOOD_PIECE, "more", 1)),
    ("a field less", {"choice": 0, "tokens": [1], "text": ""}),
    ("another choice", _set(GOOD_PIECE, "choice", 1)),
    ("a choice below", _set(GOOD_PIECE, "choice", -1)),
    ("a choice that is a word", _set(GOOD_PIECE, "choice", "0")),
    ("tokens that are no list", _set(GOOD_PIECE, "tokens", 5)),
    ("a token past the vocabulary", _set(GOOD_PIECE, "tokens", [64])),
    ("a token that is a boolean", _set(GOOD_PIECE, "tokens", [True])),
    ("a token that is a fraction", _set(GOOD_PIECE, "tokens", [5.0])),
    ("a text that is none", _set(GOOD_PIECE, "text", None)),
    ("a text without end", _set(GOOD_PIECE, "text", "x" * (MAX_ANSWER_CHARACTERS + 1))),
    ("odds that are no list", _set(GOOD_PIECE, "logprobs", {})),
    ("odds of fewer tokens", _set(GOOD_PIECE, "logprobs", [])),
    ("odds that are none", _set(GOOD_PIECE, "logprobs", [3])),
    ("odds of another token", _set(GOOD_PIECE, "logprobs", 0, "token", 6)),
    ("a probability above one", _set(GOOD_PIECE, "logprobs", 0, "logprob", 2.0)),
    ("a probability that is no number", _set(GOOD_PIECE, "logprobs", 0, "logprob", True)),
    ("a probability that is not finite", _set(GOOD_PIECE, "logprobs", 0, "logprob", float("-inf"))),
    ("bytes past the last", _set(GOOD_PIECE, "logprobs", 0, "bytes", [256])),
    ("bytes without end", _set(GOOD_PIECE, "logprobs", 0, "bytes", [0] * 20_000)),
    ("more likely tokens than asked for", _set(GOOD_PIECE, "logprobs", 0, "top", [odds(1)] * 3)),
    ("likely tokens of likely tokens", _set(GOOD_PIECE, "logprobs", 0, "top", [odds(1)])),
    ("likely tokens that are none", _set(GOOD_PIECE, "logprobs", 0, "top", [1])),
]
BAD_RESULTS: list[tuple[str, Any]] = [
    ("a field more", _set(GOOD_RESULT, "more", 1)),
    ("no choices", _set(GOOD_RESULT, "choices", [])),
    ("choices that are none", _set(GOOD_RESULT, "choices", [3])),
    ("more choices", _set(GOOD_RESULT, "choices", [GOOD_RESULT["choices"][0]] * 2)),
    ("a choice with a field more", _set(GOOD_RESULT, "choices", 0, "more", 1)),
    ("another choice", _set(GOOD_RESULT, "choices", 0, "choice", 1)),
    ("an end that is none", _set(GOOD_RESULT, "choices", 0, "finish", "tired")),
    ("no end", _set(GOOD_RESULT, "choices", 0, "finish", None)),
    ("a stop that nobody asked for", _set(GOOD_RESULT, "choices", 0, "stop", "x")),
    ("more tokens than came", _set(GOOD_RESULT, "choices", 0, "tokens", 2)),
    ("an end for want of room that was there", _set(GOOD_RESULT, "choices", 0, "finish", "length")),
    ("another seed", _set(GOOD_RESULT, "seed", 8)),
    ("a seed that is none", _set(GOOD_RESULT, "seed", -1)),
    ("a usage that is none", _set(GOOD_RESULT, "usage", None)),
    ("a usage with a field more", _set(GOOD_RESULT, "usage", "more", 1)),
    ("more cached than prompted", _set(GOOD_RESULT, "usage", "cached_tokens", 5)),
    ("a negative count", _set(GOOD_RESULT, "usage", "prompt_tokens", -1)),
    ("a sum that is another", _set(GOOD_RESULT, "usage", "completion_tokens", 2)),
]


def refuse(act: Callable[[], object]) -> None:
    with pytest.raises(SandboxViolation) as caught:
        act()
    assert caught.value.code == "WORKER_MALFORMED_ANSWER"
    assert "\n" not in caught.value.message


def gather() -> Gathering:
    gathering = Gathering(ask(logprobs=1, seed=7, max_tokens=9), 0)
    gathering.take_piece(GOOD_PIECE)
    return gathering


def test_the_good_ones_are_good() -> None:
    assert gather().take_result(GOOD_RESULT)


@pytest.mark.parametrize("body", [body for _, body in BAD_PIECES], ids=[name for name, _ in BAD_PIECES])
def test_a_piece_that_no_honest_engine_says(body: dict[str, Any]) -> None:
    refuse(lambda: gather().take_piece(body))


@pytest.mark.parametrize("body", [body for _, body in BAD_RESULTS], ids=[name for name, _ in BAD_RESULTS])
def test_a_result_that_no_honest_engine_says(body: dict[str, Any]) -> None:
    refuse(lambda: gather().take_result(body))


def test_data_that_nobody_asked_for() -> None:
    refuse(lambda: gather().take_piece(GOOD_PIECE, b"x"))
    refuse(lambda: gather().take_result(GOOD_RESULT, memoryview(b"x")))


def test_more_tokens_than_were_asked_for() -> None:
    gathering = Gathering(ask(max_tokens=2), 0)
    gathering.take_piece(piece("a", 1, 1))
    refuse(lambda: gathering.take_piece(piece("a", 1)))


def test_a_text_that_goes_on_after_its_stop_text() -> None:
    gathering = Gathering(ask(stop="b"), 0)
    gathering.take_piece(piece("abc", 1))
    refuse(lambda: gathering.take_result(result(1)))


def test_a_stop_and_an_end_for_want_of_room_exclude_one_another() -> None:
    gathering = Gathering(ask(stop="b", max_tokens=1), 0)
    gathering.take_piece(piece("a", 1))
    refuse(lambda: gathering.take_result(result(1, finish="length", stop="b")))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 70) | st.floats(allow_nan=True) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)
NAMES = st.sampled_from(["choice", "tokens", "text", "logprobs", "choices", "seed", "usage", "token", "top", "x"])


@given(body=st.dictionaries(NAMES, JSON, max_size=5), is_piece=st.booleans())
def test_whatever_it_says_is_an_answer_or_ends_the_request(body: dict[str, Any], is_piece: bool) -> None:
    gathering = Gathering(ask(logprobs=1), 0)
    with suppress(SandboxViolation):
        gathering.take_piece(body) if is_piece else gathering.take_result(body)


# --- thoughts ---------------------------------------------------------------------------------------------------------


def ask_chat(**fields: Any) -> CheckedRequest:
    said = [{"role": "user", "content": "a"}]
    return check_request(ParsedRequest(Operation.CHAT, {"messages": said, **fields}), CONTRACT)


TOLD: dict[str, Any] = {"style": "think", "is_begun": True}


def test_thoughts_are_told_from_text_as_pieces_come() -> None:
    gathering = Gathering(ask_chat(), 10.0, Clock())
    pieces = [
        gathering.take_piece({**piece("a", 1), "thinking": TOLD}),
        *(gathering.take_piece(piece(text, 1)) for text in ("b</th", "ink>\nc", " <think")),
    ]
    assert [(item.reasoning, item.text) for item in pieces] == [("a", ""), ("b", ""), ("", "c"), ("", " ")]
    assert "".join(item.written for item in pieces) == "ab</think>\nc <think"
    assert (gathering.reasoning, gathering.text) == ("ab", "c ")
    answer = gathering.take_result(result(4))
    assert gathering.rest == (Piece("<think", ()),)
    (choice,) = answer.choices
    assert (choice.reasoning, choice.text, choice.written) == ("ab", "c <think", "ab</think>\nc <think")
    assert choice.thinking == pieces[0].thinking


def test_what_is_left_of_each_answer_comes_with_the_result() -> None:
    gathering = Gathering(ask_chat(n=3), 10.0, Clock())
    for choice, text in enumerate(("a</", "b", "c</think>d<")):
        gathering.take_piece({**piece(text, 1, choice=choice), "thinking": TOLD})
    answer = gathering.take_result(result(1, 1, 1))
    assert gathering.rest == (Piece("", (), 0, reasoning="</"), Piece("<", (), 2))
    assert [(choice.reasoning, choice.text) for choice in answer.choices] == [("a</", ""), ("b", ""), ("c", "d<")]


WRONG: tuple[Any, ...] = (
    None,
    {},
    "think",
    {"style": "think"},
    {"style": "aloud", "is_begun": True},
    {"style": "think", "is_begun": 1},
    {"style": ["think"], "is_begun": False},
    {**TOLD, "more": 1},
)


@pytest.mark.parametrize("told", WRONG)
def test_thoughts_that_no_honest_engine_tells_of(told: Any) -> None:
    gathering = Gathering(ask_chat(), 0)
    refuse(lambda: gathering.take_piece({**piece("a", 1), "thinking": told}))


def test_thoughts_are_told_of_once_and_first_and_in_chats_alone() -> None:
    refuse(lambda: Gathering(ask(), 0).take_piece({**piece("a", 1), "thinking": TOLD}))
    gathering = Gathering(ask_chat(), 0)
    gathering.take_piece(piece("a", 1))
    refuse(lambda: gathering.take_piece({**piece("a", 1), "thinking": TOLD}))


def test_a_stop_text_is_not_in_a_thought_either() -> None:
    gathering = Gathering(ask_chat(stop="b"), 0)
    gathering.take_piece({**piece("ab", 1), "thinking": TOLD})
    refuse(lambda: gathering.take_result(result(1)))


def test_what_a_contract_forbids_is_forbidden_in_thoughts() -> None:
    terms = OutputTerms(max_characters=4, refused_characters=(CharacterClass.CONTROL,))
    gathering = Gathering(replace(ask_chat(), output=terms), 0)
    gathering.take_piece({**piece("abc", 1), "thinking": TOLD})
    for text in ("\x1b", "de"):
        with pytest.raises(AnswerRefused):
            gathering.take_piece(piece(text, 1))


def test_that_an_answer_is_json_is_about_its_text() -> None:
    for text, is_good in (("a</think> {}", True), ("a</think>b", False), ("{}", False)):
        gathering = Gathering(replace(ask_chat(), output=OutputTerms(is_json=True)), 0)
        gathering.take_piece({**piece(text, 1), "thinking": TOLD})
        if is_good:
            assert gathering.take_result(result(1)).choices[0].text == "{}"
            continue
        with pytest.raises(AnswerRefused):
            gathering.take_result(result(1))
