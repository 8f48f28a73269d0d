"""/v1/responses: a conversation goes on, and nothing of it is kept."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from functools import partial
from typing import TYPE_CHECKING

from ostiary.core.requests import ParsedRequest
from ostiary.gateway.choose_model import choose_model
from ostiary.gateway.naming import RESPONSES, Places, naming
from ostiary.gateway.openai.read_responses import list_places, parse_responses
from ostiary.gateway.openai.responses_events import ResponseEvent
from ostiary.gateway.openai.responses_forms import Response, ResponsesBody
from ostiary.gateway.openai.write_responses import ResponseWriter
from ostiary.gateway.reply import EventsReply, JsonReply, Reply, ServerEvent
from ostiary.gateway.route import Dialect, Route
from ostiary.gateway.said import Splitters, find_style, list_tools, split_result

if TYPE_CHECKING:
    from ostiary.gateway.asked import Asked
    from ostiary.gateway.served import ServedModel


async def answer_responses(asked: Asked, body: ResponsesBody) -> Reply:
    model = await choose_model(asked, body.model)
    request = parse_responses(body, asked.tenant)
    writer = ResponseWriter(asked.correlation_id, model.name, int(time.time()), body)
    if body.stream:
        return EventsReply(_stream(asked, model, request, writer, partial(list_places, body)))
    with naming(RESPONSES, partial(list_places, body)):
        result = await asked.ask(model, request).finish()
    answer = (await split_result(result, find_style(model), list_tools(request)))[0]
    return JsonReply(writer.write_whole(answer, result.usage))


async def _stream(
    asked: Asked, model: ServedModel, request: ParsedRequest, writer: ResponseWriter, places: Places
) -> AsyncIterator[ServerEvent]:
    with naming(RESPONSES, places):  # also where the engine refuses it, when the stream has begun
        async with asked.ask(model, request) as stream:
            splitters = Splitters(find_style(model), list_tools(request), 1)
            for event in writer.write_beginning():
                yield _name(event)
            async for piece in stream:
                for event in writer.write_said(await splitters.feed(piece)):
                    yield _name(event)
            result = stream.result
    for event in writer.write_said(splitters.finish(0)):
        yield _name(event)
    for event in writer.write_end(result.choices[0].finish_reason, result.usage):
        yield _name(event)


def _name(event: ResponseEvent) -> ServerEvent:
    """Its type is its name as well."""
    return ServerEvent(event, str(type(event).__struct_config__.tag))


ROUTES = (
    Route(
        method="POST",
        path="/v1/responses",
        handle=answer_responses,
        dialect=Dialect.RESPONSES,
        summary="Answer a conversation, as OpenAI's responses, without keeping anything",
        takes=ResponsesBody,
        gives=Response,
        streams=ResponseEvent,
    ),
)
