"""The replies to one request, one after the other, until they are an answer. Pure, but for the clock."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from ostiary.answer.check_output import check_piece, check_whole
from ostiary.answer.read_measure import read_rendered, read_vector
from ostiary.answer.read_reply import (
    EndOfAnswer,
    EndOfChoice,
    ReplyMalformed,
    read_end,
    read_piece,
    read_prompt_tokens,
)
from ostiary.answer.said import Thought
from ostiary.answer.split import begin_splitting
from ostiary.core.frames import Tail
from ostiary.core.json_text import JsonValue
from ostiary.core.limits import MAX_ANSWER_CHARACTERS
from ostiary.core.requests import Choice, FinishReason, Operation, Piece, Timings, TokenLogprob, Usage
from ostiary.core.tickets import Answer, CheckedRequest
from ostiary.core.tool_styles import ToolStyle
from ostiary.errors import WORKER_MALFORMED_ANSWER, SandboxViolation

if TYPE_CHECKING:
    from ostiary.answer.said import Said
    from ostiary.answer.split import Splitter
    from ostiary.core.thought_styles import Thinking


_AT_ONCE: Final = 4_096
"""Characters: what is left of a piece is copied wherever a mark was found in it."""


class _Choice:
    """One answer in the making."""

    def __init__(self) -> None:
        self.written: Final[list[str]] = []
        """As it came; what follows is what that says."""
        self.texts: Final[list[str]] = []
        self.thoughts: Final[list[str]] = []
        self.thinking: Thinking | None = None
        self.splitter: Splitter | None = None
        self.characters = 0
        self.tokens: Final[list[int]] = []
        self.logprobs: Final[list[TokenLogprob]] = []

    def take(self, text: str) -> tuple[str, str]:
        """What of it is text now, and what is thought."""
        self.written.append(text)
        if self.splitter is None:
            return self._note(text, "")
        parts = (text[place : place + _AT_ONCE] for place in range(0, len(text), _AT_ONCE))
        return self._sort([item for part in parts for item in self.splitter.feed(part)])

    def finish(self, place: int) -> Piece:
        """What was held back."""
        text, reasoning = ("", "") if self.splitter is None else self._sort(self.splitter.finish())
        return Piece(text, (), place, reasoning=reasoning)

    def _sort(self, said: list[Said]) -> tuple[str, str]:
        text = "".join(item for item in said if isinstance(item, str))
        return self._note(text, "".join(item.text for item in said if isinstance(item, Thought)))

    def _note(self, text: str, thought: str) -> tuple[str, str]:
        self.texts.append(text)
        self.thoughts.append(thought)
        return text, thought


class Gathering:
    """For one request. Its worker is hostile by definition: what no honest engine says ends the request."""

    def __init__(
        self, request: CheckedRequest, started: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`started`: when somebody asked, on that clock."""
        self.request: Final = request
        """What was asked."""
        self._clock: Final = clock
        self._started: Final = started
        self._first: float | None = None
        self._choices: Final = [_Choice() for _ in range(request.choices)]
        self.prompt_tokens: int | None = None
        """As the engine counts them; None until it told."""
        self.rest: tuple[Piece, ...] = ()
        """What was held back until the result came: of each answer that has any."""

    @property
    def completion_tokens(self) -> int:
        """That came so far."""
        return sum(len(choice.tokens) for choice in self._choices)

    @property
    def text(self) -> str:
        """Of the first answer, as far as it came."""
        return "".join(self._choices[0].texts) if self._choices else ""

    @property
    def reasoning(self) -> str:
        """Of the first answer, as far as it came."""
        return "".join(self._choices[0].thoughts) if self._choices else ""

    @property
    def timings(self) -> Timings:
        return Timings(self._clock() - self._started, self._first)

    def take_piece(self, body: Mapping[str, JsonValue], tail: Tail = b"") -> Piece:
        """Raises SandboxViolation(WORKER_MALFORMED_ANSWER); AnswerRefused where the model's contract says no."""
        try:
            _refuse_data(tail)
            piece = read_piece(body, self.request)
            self._note_prompt(read_prompt_tokens(body))
            piece = self._add(piece)
        except ReplyMalformed as error:
            raise _malformed(error) from error
        if self._first is None:
            self._first = self._clock() - self._started
        return piece

    def take_result(self, body: Mapping[str, JsonValue], tail: Tail = b"") -> Answer:
        """Raises SandboxViolation(WORKER_MALFORMED_ANSWER); AnswerRefused where the model's contract says no."""
        if self.request.operation in (Operation.EMBED, Operation.RENDER):
            return self._take_measure(body, tail)
        try:
            _refuse_data(tail)
            end = read_end(body, self.request)
            self._note_prompt(end.prompt_tokens)
            rest = [choice.finish(place) for place, choice in enumerate(self._choices)]
            choices = tuple(
                self._finish(choice, told) for choice, told in zip(self._choices, end.choices, strict=True)
            )
            self._check_sum(end)
        except ReplyMalformed as error:
            raise _malformed(error) from error
        self.rest = tuple(piece for piece in rest if piece.text or piece.reasoning)
        usage = Usage(end.prompt_tokens, end.cached_tokens, self.completion_tokens)
        return Answer(choices, usage, end.seed, self.timings)

    def _take_measure(self, body: Mapping[str, JsonValue], tail: Tail) -> Answer:
        """Where nothing is generated."""
        try:
            if self.request.operation is Operation.EMBED:
                vector, tokens = read_vector(body, tail)
            else:
                _refuse_data(tail)
                vector, tokens = b"", read_rendered(body)
        except ReplyMalformed as error:
            raise _malformed(error) from error
        return Answer((), Usage(tokens, 0, 0), 0, self.timings, vector)

    def _note_prompt(self, count: int | None) -> None:
        if count is None:
            return
        if self.prompt_tokens not in (None, count):
            raise ReplyMalformed("another number of tokens of the prompt than before")
        self.prompt_tokens = count

    def _add(self, piece: Piece) -> Piece:
        """With its text and its thoughts apart."""
        choice = self._choices[piece.choice]
        if piece.thinking is not None:
            if choice.tokens or choice.written:
                raise ReplyMalformed("thoughts that are told of in the middle")
            choice.thinking, choice.splitter = piece.thinking, begin_splitting(ToolStyle.JSON, (), piece.thinking)
        choice.tokens.extend(piece.tokens)
        if len(choice.tokens) > self.request.most_tokens:
            raise ReplyMalformed("more tokens than were asked for")
        choice.characters += len(piece.text)
        if choice.characters > MAX_ANSWER_CHARACTERS:
            raise ReplyMalformed("a text without end")
        choice.logprobs.extend(piece.logprobs or ())
        if not piece.text:
            return piece
        check_piece(piece.text, choice.characters, self.request.output)
        text, reasoning = choice.take(piece.text)
        return replace(piece, text=text, reasoning=reasoning)

    def _finish(self, choice: _Choice, told: EndOfChoice) -> Choice:
        if told.tokens != len(choice.tokens):
            raise ReplyMalformed("another number of tokens than came")
        is_full = told.tokens == self.request.most_tokens
        if told.finish is FinishReason.LENGTH and "max_tokens" in self.request.body and not is_full:
            raise ReplyMalformed("an end for want of room that was there")
        text, written = "".join(choice.texts), "".join(choice.written)
        if any(stop in written for stop in self.request.stop):
            raise ReplyMalformed("a text that goes on after its stop text")
        check_whole(text, self.request.output)
        return Choice(
            text,
            tuple(choice.tokens),
            told.finish,
            told.stop,
            None if self.request.logprobs is None else tuple(choice.logprobs),
            "".join(choice.thoughts),
            written,
            choice.thinking,
        )

    def _check_sum(self, end: EndOfAnswer) -> None:
        if end.completion_tokens != self.completion_tokens:
            raise ReplyMalformed("another number of tokens than came")
        limit = self.request.prompt_limit
        if limit is not None and end.prompt_tokens > limit:
            raise ReplyMalformed("a prompt of more tokens than the contract lets it have")


def _refuse_data(tail: Tail) -> None:
    if tail:
        raise ReplyMalformed("data that nobody asked for")


def _malformed(error: ReplyMalformed) -> SandboxViolation:
    return SandboxViolation(WORKER_MALFORMED_ANSWER, f"the worker's answer is not one: {error}")
