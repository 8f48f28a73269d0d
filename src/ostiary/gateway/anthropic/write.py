"""From what a model says to the objects and events of /v1/messages. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from ostiary.answer.said import CallBegun, CallBroken, CallPiece, Thought
from ostiary.core.requests import FinishReason, ToolCall
from ostiary.gateway.anthropic.forms import (
    AnswerText,
    AnswerThinking,
    AnswerToolUse,
    BlockDelta,
    BlockStart,
    BlockStop,
    InputDelta,
    MessageDelta,
    MessageEnd,
    MessageEvent,
    MessageForm,
    MessageStart,
    MessageStop,
    MessageUsage,
    StopReason,
    TextDelta,
    ThinkingDelta,
)

if TYPE_CHECKING:
    from ostiary.answer.said import Said
    from ostiary.core.requests import Choice, Usage
    from ostiary.gateway.said import SaidAnswer


class MessageWriter:
    """For one request."""

    def __init__(self, correlation_id: str, model: str, *, shows_thoughts: bool) -> None:
        self._shows_thoughts: Final = shows_thoughts
        self._id: Final = f"msg_{correlation_id}"
        self._call_id: Final = f"toolu_{correlation_id}"
        self._model: Final = model
        self._block = -1
        self._open: type[str | Thought] | None = None
        """Of what the block is that is going on, where it is one of text or of thoughts."""
        self._calls = 0
        self._has_called = False
        """Whether a call was told as a whole."""

    def write_whole(self, answer: SaidAnswer, usage: Usage) -> MessageForm:
        content: list[AnswerText | AnswerThinking | AnswerToolUse] = []
        reasoning = answer.reasoning if self._shows_thoughts else ""
        if reasoning:
            content.append(AnswerThinking(reasoning))
        if answer.text or not (answer.calls or reasoning):
            content.append(AnswerText(answer.text))
        content += [
            AnswerToolUse(self._name_call(), call.name, json.loads(call.arguments)) for call in answer.calls
        ]
        stop_reason = _choose_reason(answer.finish_reason, answer.stop, has_called=bool(answer.calls))
        return MessageForm(self._id, self._model, content, stop_reason, answer.stop, write_usage(usage))

    def write_beginning(self) -> MessageEvent:
        """What the prompt cost is known at the end, and told there."""
        return MessageStart(MessageForm(self._id, self._model, [], None, None, MessageUsage(0, 0)))

    def write_said(self, said: Sequence[Said]) -> Iterator[MessageEvent]:
        for item in said:
            match item:
                case str():
                    if self._open is not str:
                        yield from self._begin_block(str, AnswerText(""))
                    yield BlockDelta(self._block, TextDelta(item))
                case Thought() if not self._shows_thoughts:
                    pass
                case Thought():
                    if self._open is not Thought:
                        yield from self._begin_block(Thought, AnswerThinking(""))
                    yield BlockDelta(self._block, ThinkingDelta(item.text))
                case CallBegun():
                    yield from self.write_block_end()
                    self._block += 1
                    yield BlockStart(self._block, AnswerToolUse(self._name_call(), item.name, {}))
                case CallPiece():
                    yield BlockDelta(self._block, InputDelta(item.text))
                case ToolCall() | CallBroken():  # one that breaks off stays unfinished
                    self._has_called = self._has_called or isinstance(item, ToolCall)
                    yield BlockStop(self._block)

    def _begin_block(self, kind: type[str | Thought], block: AnswerText | AnswerThinking) -> Iterator[MessageEvent]:
        yield from self.write_block_end()
        self._block += 1
        self._open = kind
        yield BlockStart(self._block, block)

    def write_block_end(self) -> Iterator[MessageEvent]:
        if self._open is not None:
            self._open = None
            yield BlockStop(self._block)

    def write_end(self, choice: Choice, usage: Usage) -> Iterator[MessageEvent]:
        yield from self.write_block_end()
        reason = _choose_reason(choice.finish_reason, choice.stop, has_called=self._has_called)
        yield MessageDelta(MessageEnd(reason, choice.stop), write_usage(usage))
        yield MessageStop()

    def _name_call(self) -> str:
        self._calls += 1
        return f"{self._call_id}_{self._calls - 1}"


def write_usage(usage: Usage) -> MessageUsage:
    return MessageUsage(usage.prompt_tokens - usage.cached_tokens, usage.completion_tokens, usage.cached_tokens)


def _choose_reason(finish: FinishReason, stop: str | None, *, has_called: bool) -> StopReason:
    if finish is FinishReason.LENGTH:
        return "max_tokens"
    if stop is not None:
        return "stop_sequence"
    return "tool_use" if has_called else "end_turn"
