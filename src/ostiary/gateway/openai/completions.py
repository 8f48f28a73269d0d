"""/v1/completions: a text goes on."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, Final, Literal

from ostiary.core.requests import FinishReason, Operation, ParsedRequest
from ostiary.errors import CONTRACT_RANGE, CONTRACT_TYPE, ContractRefused
from ostiary.gateway.choose_model import choose_model
from ostiary.gateway.openai.chat import DONE
from ostiary.gateway.openai.completions_forms import (
    Completion,
    CompletionBody,
    CompletionChoice,
    CompletionChunk,
    CompletionLogprobs,
    CompletionPart,
)
from ostiary.gateway.openai.read_chat import contradict, write_seed
from ostiary.gateway.openai.sampling_forms import SAME_TO_ENGINE
from ostiary.gateway.openai.write_chat import write_fingerprint, write_usage
from ostiary.gateway.reply import EventsReply, JsonReply, Reply, ServerEvent
from ostiary.gateway.route import Dialect, Route

if TYPE_CHECKING:
    from ostiary.core.requests import TokenLogprob
    from ostiary.gateway.asked import Asked
    from ostiary.gateway.served import ServedModel

_SAME: Final = (*SAME_TO_ENGINE, "max_tokens", "logprobs")


def parse_completion(body: CompletionBody, tenant: str | None) -> ParsedRequest:
    """Raises ContractRefused where fields contradict one another."""
    if body.best_of is not None and body.best_of != (body.n or 1):
        raise contradict("best_of", "is not the same as n: none is thrown away")
    if body.stream_options is not None and not body.stream:
        raise contradict("stream_options", "is only for streams")
    fields: dict[str, object] = {name: getattr(body, name) for name in _SAME}
    fields |= {"prompt": _choose_prompt(body.prompt), "seed": write_seed(body.seed), "tenant": tenant}
    return ParsedRequest(Operation.GENERATE, {name: value for name, value in fields.items() if value is not None})


def _choose_prompt(prompt: object) -> object:
    """The one prompt there is."""
    if not isinstance(prompt, list):
        return prompt
    if all(isinstance(item, int) for item in prompt):
        return prompt
    if any(isinstance(item, int) for item in prompt):
        raise ContractRefused(CONTRACT_TYPE, "prompt holds both token ids and others", field="prompt")
    if len(prompt) > 1:
        raise ContractRefused(CONTRACT_RANGE, "prompt has several prompts: ask for one at a time", field="prompt")
    return prompt[0]


async def answer_completion(asked: Asked, body: CompletionBody) -> Reply:
    model = await choose_model(asked, body.model)
    request = parse_completion(body, asked.tenant)
    told = _Told(f"cmpl-{asked.correlation_id}", int(time.time()), model)
    if body.stream:
        has_cost = body.stream_options is not None and bool(body.stream_options.include_usage)
        return EventsReply(_stream(asked, model, request, told, has_cost=has_cost))
    result = await asked.ask(model, request).finish()
    choices = [
        CompletionChoice(index, choice.text, write_offsets(choice.logprobs, 0), _finish(choice.finish_reason))
        for index, choice in enumerate(result.choices)
    ]
    return JsonReply(
        Completion(told.id, told.created, told.model, choices, write_usage(result.usage), told.fingerprint)
    )


class _Told:
    """What every object of one answer has."""

    def __init__(self, answer_id: str, created: int, model: ServedModel) -> None:
        self.id: Final = answer_id
        self.created: Final = created
        self.model: Final = model.name
        self.fingerprint: Final = write_fingerprint(model.verdict.root)

    def chunk(self, *parts: CompletionPart) -> CompletionChunk:
        return CompletionChunk(self.id, self.created, self.model, [*parts], self.fingerprint)


async def _stream(
    asked: Asked, model: ServedModel, request: ParsedRequest, told: _Told, *, has_cost: bool
) -> AsyncIterator[ServerEvent]:
    offsets: dict[int, int] = {}
    async with asked.ask(model, request) as stream:
        async for piece in stream:
            if piece.text or piece.logprobs:
                offset = offsets.get(piece.choice, 0)
                offsets[piece.choice] = offset + sum(len(token.text) for token in piece.logprobs or ())
                part = CompletionPart(piece.choice, piece.text, write_offsets(piece.logprobs, offset))
                yield ServerEvent(told.chunk(part))
        result = stream.result
    for index, choice in enumerate(result.choices):
        yield ServerEvent(told.chunk(CompletionPart(index, "", None, _finish(choice.finish_reason))))
    if has_cost:
        chunk = CompletionChunk(told.id, told.created, told.model, [], told.fingerprint, write_usage(result.usage))
        yield ServerEvent(chunk)
    yield DONE


def write_offsets(logprobs: Sequence[TokenLogprob] | None, offset: int) -> CompletionLogprobs | None:
    if logprobs is None:
        return None
    offsets: list[int] = []
    for token in logprobs:
        offsets.append(offset)
        offset += len(token.text)
    return CompletionLogprobs(
        offsets,
        [token.logprob for token in logprobs],
        [token.text for token in logprobs],
        [{likely.text: likely.logprob for likely in token.top} for token in logprobs],
    )


def _finish(reason: FinishReason) -> Literal["stop", "length"]:
    return "length" if reason is FinishReason.LENGTH else "stop"


ROUTES = (
    Route(
        method="POST",
        path="/v1/completions",
        handle=answer_completion,
        dialect=Dialect.OPENAI,
        summary="Go on from a text, as OpenAI's completions",
        takes=CompletionBody,
        gives=Completion,
        streams=CompletionChunk,
    ),
)
