"""From what a model says to the objects and events of /v1/responses. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from ostiary.answer.said import CallBegun, CallBroken, CallPiece, Thought
from ostiary.core.requests import FinishReason, ToolCall
from ostiary.gateway.openai.responses_events import (
    ArgumentsDelta,
    ArgumentsDone,
    Completed,
    Created,
    EndedEarly,
    InProgress,
    ItemAdded,
    ItemDone,
    PartAdded,
    PartDone,
    ResponseEvent,
    TextDelta,
    TextDone,
    ThoughtDelta,
    ThoughtDone,
)
from ostiary.gateway.openai.responses_forms import (
    Incomplete,
    InputDetails,
    OutputDetails,
    OutputText,
    ReasoningText,
    Response,
    ResponsesBody,
    ResponseUsage,
    SaidCall,
    SaidMessage,
    SaidReasoning,
    Status,
    TextForm,
    TextOptions,
)

if TYPE_CHECKING:
    from ostiary.answer.said import Said
    from ostiary.core.requests import Usage
    from ostiary.gateway.said import SaidAnswer


class ResponseWriter:
    """For one request. As a stream goes on it collects what a whole answer would have."""

    def __init__(self, correlation_id: str, model: str, created: int, body: ResponsesBody) -> None:
        self._correlation_id: Final = correlation_id
        self._model: Final = model
        self._created: Final = created
        self._body: Final = body
        self._output: Final[list[SaidMessage | SaidReasoning | SaidCall]] = []
        self._text: list[str] | None = None
        """Of the message that is going on."""
        self._thought: list[str] | None = None
        """That is going on. Never at the same time."""
        self._name_called = ""
        self._arguments: list[str] = []
        """Of the call that is going on."""
        self._sequence = -1

    def write_whole(self, answer: SaidAnswer, usage: Usage) -> Response:
        if answer.reasoning:
            self._output.append(self._reasoning(answer.reasoning, _status(answer.finish_reason)))
        if answer.text or not (answer.calls or answer.reasoning):
            self._output.append(self._message(answer.text, _status(answer.finish_reason)))
        self._output.extend(self._call(call, len(self._output) + place) for place, call in enumerate(answer.calls))
        return self._response(_status(answer.finish_reason), usage)

    def write_beginning(self) -> Iterator[ResponseEvent]:
        yield Created(sequence_number=self._next(), response=self._response("in_progress", None))
        yield InProgress(sequence_number=self._next(), response=self._response("in_progress", None))

    def write_said(self, said: Sequence[Said]) -> Iterator[ResponseEvent]:
        for item in said:
            match item:
                case str():
                    yield from self._end_thought("completed")
                    yield from self._write_text(item)
                case Thought():
                    yield from self._end_message("completed")
                    yield from self._write_thought(item.text)
                case CallBegun():
                    yield from self._end_thought("completed")
                    yield from self._end_message("completed")
                    yield self._begin_call(item.name)
                case CallPiece():
                    yield self._write_arguments(item.text)
                case ToolCall():
                    yield from self._end_call()
                case CallBroken():
                    yield self._end_item(self._called("incomplete"))

    def write_end(self, finish: FinishReason, usage: Usage) -> Iterator[ResponseEvent]:
        status = _status(finish)
        yield from self._end_thought(status)
        if not self._output and self._text is None:  # it said nothing at all
            yield from self._begin_message()
        yield from self._end_message(status)
        ended = EndedEarly if status == "incomplete" else Completed
        yield ended(sequence_number=self._next(), response=self._response(status, usage))

    def _begin_message(self) -> Iterator[ResponseEvent]:
        self._text = []
        index, opened = len(self._output), self._message(None, "in_progress")
        yield ItemAdded(sequence_number=self._next(), output_index=index, item=opened)
        yield PartAdded(
            sequence_number=self._next(), output_index=index, item_id=opened.id, part=OutputText(text="")
        )

    def _write_text(self, text: str) -> Iterator[ResponseEvent]:
        if self._text is None:
            yield from self._begin_message()
        assert self._text is not None  # noqa: S101  it was begun
        self._text.append(text)
        index = len(self._output)
        yield TextDelta(
            sequence_number=self._next(), output_index=index, item_id=self._name("msg", index), delta=text
        )

    def _end_message(self, status: Status) -> Iterator[ResponseEvent]:
        if self._text is None:
            return
        index, text = len(self._output), "".join(self._text)
        self._text = None
        message = self._message(text, status)
        yield TextDone(sequence_number=self._next(), output_index=index, item_id=message.id, text=text)
        yield PartDone(
            sequence_number=self._next(), output_index=index, item_id=message.id, part=message.content[0]
        )
        yield ItemDone(sequence_number=self._next(), output_index=index, item=message)
        self._output.append(message)

    def _write_thought(self, text: str) -> Iterator[ResponseEvent]:
        index = len(self._output)
        item_id = self._name("rs", index)
        if self._thought is None:
            self._thought = []
            opened = self._reasoning(None, "in_progress")
            yield ItemAdded(sequence_number=self._next(), output_index=index, item=opened)
            part = ReasoningText(text="")
            yield PartAdded(sequence_number=self._next(), output_index=index, item_id=item_id, part=part)
        self._thought.append(text)
        yield ThoughtDelta(sequence_number=self._next(), output_index=index, item_id=item_id, delta=text)

    def _end_thought(self, status: Status) -> Iterator[ResponseEvent]:
        if self._thought is None:
            return
        index, text = len(self._output), "".join(self._thought)
        self._thought = None
        item = self._reasoning(text, status)
        yield ThoughtDone(sequence_number=self._next(), output_index=index, item_id=item.id, text=text)
        yield PartDone(sequence_number=self._next(), output_index=index, item_id=item.id, part=item.content[0])
        yield ItemDone(sequence_number=self._next(), output_index=index, item=item)
        self._output.append(item)

    def _begin_call(self, name: str) -> ResponseEvent:
        self._name_called, self._arguments = name, []
        begun = self._called("in_progress")
        return ItemAdded(sequence_number=self._next(), output_index=len(self._output), item=begun)

    def _write_arguments(self, text: str) -> ResponseEvent:
        self._arguments.append(text)
        index = len(self._output)
        return ArgumentsDelta(
            sequence_number=self._next(), output_index=index, item_id=self._name("fc", index), delta=text
        )

    def _end_call(self) -> Iterator[ResponseEvent]:
        index = len(self._output)
        done = self._called("completed")
        yield ArgumentsDone(
            sequence_number=self._next(),
            output_index=index,
            item_id=done.id,
            arguments=done.arguments,
            name=done.name,
        )
        yield self._end_item(done)

    def _end_item(self, call: SaidCall) -> ResponseEvent:
        index = len(self._output)
        self._output.append(call)
        return ItemDone(sequence_number=self._next(), output_index=index, item=call)

    def _message(self, text: str | None, status: Status) -> SaidMessage:
        content = [] if text is None else [OutputText(text=text)]
        return SaidMessage(self._name("msg", len(self._output)), status, content)

    def _reasoning(self, text: str | None, status: Status) -> SaidReasoning:
        content = [] if text is None else [ReasoningText(text=text)]
        return SaidReasoning(self._name("rs", len(self._output)), [], content, status)

    def _called(self, status: Status) -> SaidCall:
        call = ToolCall(self._name_called, "".join(self._arguments))
        return self._call(call, len(self._output), status)

    def _call(self, call: ToolCall, index: int, status: Status = "completed") -> SaidCall:
        return SaidCall(self._name("fc", index), self._name("call", index), call.name, call.arguments, status)

    def _name(self, kind: str, index: int) -> str:
        return f"{kind}_{self._correlation_id}_{index}"

    def _next(self) -> int:
        self._sequence += 1
        return self._sequence

    def _response(self, status: Status, usage: Usage | None) -> Response:
        body = self._body
        return Response(
            id=f"resp_{self._correlation_id}",
            created_at=self._created,
            status=status,
            model=self._model,
            output=[*self._output],
            instructions=body.instructions,
            max_output_tokens=body.max_output_tokens,
            parallel_tool_calls=body.parallel_tool_calls is not False,
            temperature=body.temperature,
            text=body.text or TextOptions(format=TextForm()),
            tool_choice=body.tool_choice or "auto",
            tools=body.tools or [],
            top_p=body.top_p,
            metadata=dict(body.metadata or {}),
            usage=None if usage is None else write_usage(usage),
            incomplete_details=Incomplete() if status == "incomplete" else None,
            user=body.user,
        )


def write_usage(usage: Usage) -> ResponseUsage:
    return ResponseUsage(
        usage.prompt_tokens,
        InputDetails(usage.cached_tokens),
        usage.completion_tokens,
        OutputDetails(),
        usage.total_tokens,
    )


def _status(finish: FinishReason) -> Status:
    return "incomplete" if finish is FinishReason.LENGTH else "completed"
