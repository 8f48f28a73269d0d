"""/v1/responses: the forms of the events of a stream."""

from __future__ import annotations

import msgspec

from ostiary.gateway.openai.responses_forms import (
    OutputText,
    ReasoningText,
    Response,
    SaidCall,
    SaidMessage,
    SaidReasoning,
)


class _Event(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", kw_only=True):
    sequence_number: int


class Created(_Event, frozen=True, tag="response.created", kw_only=True):
    response: Response


class InProgress(_Event, frozen=True, tag="response.in_progress", kw_only=True):
    response: Response


class ItemAdded(_Event, frozen=True, tag="response.output_item.added", kw_only=True):
    output_index: int
    item: SaidMessage | SaidReasoning | SaidCall


class PartAdded(_Event, frozen=True, tag="response.content_part.added", kw_only=True):
    item_id: str
    output_index: int
    part: OutputText | ReasoningText
    content_index: int = 0


class TextDelta(_Event, frozen=True, tag="response.output_text.delta", kw_only=True):
    item_id: str
    output_index: int
    delta: str
    content_index: int = 0
    logprobs: list[None] = []


class TextDone(_Event, frozen=True, tag="response.output_text.done", kw_only=True):
    item_id: str
    output_index: int
    text: str
    content_index: int = 0
    logprobs: list[None] = []


class PartDone(_Event, frozen=True, tag="response.content_part.done", kw_only=True):
    item_id: str
    output_index: int
    part: OutputText | ReasoningText
    content_index: int = 0


class ThoughtDelta(_Event, frozen=True, tag="response.reasoning_text.delta", kw_only=True):
    item_id: str
    output_index: int
    delta: str
    content_index: int = 0


class ThoughtDone(_Event, frozen=True, tag="response.reasoning_text.done", kw_only=True):
    item_id: str
    output_index: int
    text: str
    content_index: int = 0


class ArgumentsDelta(_Event, frozen=True, tag="response.function_call_arguments.delta", kw_only=True):
    item_id: str
    output_index: int
    delta: str


class ArgumentsDone(_Event, frozen=True, tag="response.function_call_arguments.done", kw_only=True):
    item_id: str
    output_index: int
    arguments: str
    name: str


class ItemDone(_Event, frozen=True, tag="response.output_item.done", kw_only=True):
    output_index: int
    item: SaidMessage | SaidReasoning | SaidCall


class Completed(_Event, frozen=True, tag="response.completed", kw_only=True):
    response: Response


class EndedEarly(_Event, frozen=True, tag="response.incomplete", kw_only=True):
    response: Response


ResponseEvent = (
    Created
    | InProgress
    | ItemAdded
    | PartAdded
    | TextDelta
    | TextDone
    | PartDone
    | ThoughtDelta
    | ThoughtDone
    | ArgumentsDelta
    | ArgumentsDone
    | ItemDone
    | Completed
    | EndedEarly
)
