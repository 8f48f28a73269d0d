"""/v1/chat/completions: a conversation goes on."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, cast

from ostiary.core.requests import ParsedRequest
from ostiary.gateway.choose_model import choose_model
from ostiary.gateway.naming import CHAT, CHAT_NEWER, Names, naming
from ostiary.gateway.openai.chat_forms import ChatBody, ChatChunk, ChatCompletion
from ostiary.gateway.openai.read_chat import parse_chat
from ostiary.gateway.openai.write_chat import ChatWriter
from ostiary.gateway.reply import EventsReply, JsonReply, Reply, ServerEvent
from ostiary.gateway.route import Dialect, Route
from ostiary.gateway.said import Splitters, find_style, list_tools, split_result

if TYPE_CHECKING:
    from ostiary.gateway.asked import Asked
    from ostiary.gateway.served import ServedModel

DONE = ServerEvent("[DONE]")


async def answer_chat(asked: Asked, body: ChatBody) -> Reply:
    model = await choose_model(asked, body.model)
    request = parse_chat(body, asked.tenant)
    names = CHAT if body.max_completion_tokens is None else CHAT_NEWER
    writer = ChatWriter(asked.correlation_id, model.name, model.verdict.root, int(time.time()))
    if body.stream:
        has_cost = body.stream_options is not None and bool(body.stream_options.include_usage)
        return EventsReply(_stream(asked, model, request, writer, names, has_cost=has_cost))
    with naming(names):
        result = await asked.ask(model, request).finish()
    answers = await split_result(result, find_style(model), list_tools(request))
    return JsonReply(writer.write_whole(result, answers))


async def _stream(
    asked: Asked,
    model: ServedModel,
    request: ParsedRequest,
    writer: ChatWriter,
    names: Names,
    *,
    has_cost: bool,
) -> AsyncIterator[ServerEvent]:
    choices = cast("int", request.fields.get("n", 1))
    with naming(names):  # also where the engine refuses it, when the stream has begun
        async with asked.ask(model, request) as stream:
            splitters = Splitters(find_style(model), list_tools(request), choices)
            for chunk in writer.write_beginning(choices):
                yield ServerEvent(chunk)
            async for piece in stream:
                for chunk in writer.write_said(piece.choice, await splitters.feed(piece), piece):
                    yield ServerEvent(chunk)
            result = stream.result
    for index, choice in enumerate(result.choices):
        for chunk in writer.write_said(index, splitters.finish(index)):
            yield ServerEvent(chunk)
        yield ServerEvent(writer.write_end(index, choice.finish_reason))
    if has_cost:
        yield ServerEvent(writer.write_cost(result.usage))
    yield DONE


ROUTES = (
    Route(
        method="POST",
        path="/v1/chat/completions",
        handle=answer_chat,
        dialect=Dialect.OPENAI,
        summary="Answer a conversation, as OpenAI's chat completions",
        takes=ChatBody,
        gives=ChatCompletion,
        streams=ChatChunk,
    ),
)
