"""/v1/messages: a conversation goes on, in Anthropic's words."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from typing import TYPE_CHECKING

from ostiary.core.requests import Operation, ParsedRequest
from ostiary.gateway.anthropic.forms import CountBody, MessageEvent, MessageForm, MessagesBody, TokenCount
from ostiary.gateway.anthropic.read import list_places, parse_messages, write_conversation
from ostiary.gateway.anthropic.write import MessageWriter
from ostiary.gateway.choose_model import choose_model
from ostiary.gateway.naming import MESSAGES, Places, naming
from ostiary.gateway.reply import EventsReply, JsonReply, Reply, ServerEvent
from ostiary.gateway.route import Dialect, Route
from ostiary.gateway.said import Splitters, find_style, list_tools, split_result

if TYPE_CHECKING:
    from ostiary.gateway.asked import Asked
    from ostiary.gateway.served import ServedModel


async def answer_messages(asked: Asked, body: MessagesBody) -> Reply:
    model = await choose_model(asked, body.model)
    request = parse_messages(body, asked.tenant)
    shows_thoughts = body.thinking is not None and body.thinking.type == "adaptive"
    writer = MessageWriter(asked.correlation_id, model.name, shows_thoughts=shows_thoughts)
    if body.stream:
        return EventsReply(_stream(asked, model, request, writer, partial(list_places, body)))
    with naming(MESSAGES, partial(list_places, body)):
        result = await asked.ask(model, request).finish()
    answer = (await split_result(result, find_style(model), list_tools(request)))[0]
    return JsonReply(writer.write_whole(answer, result.usage))


async def count_tokens(asked: Asked, body: CountBody) -> Reply:
    """As the model would read them; nothing is generated."""
    model = await choose_model(asked, body.model)
    fields = {name: value for name, value in write_conversation(body).items() if value is not None}
    with naming(MESSAGES, partial(list_places, body)):
        result = await asked.ask(model, ParsedRequest(Operation.RENDER, fields)).finish()
    return JsonReply(TokenCount(result.usage.prompt_tokens))


async def _stream(
    asked: Asked, model: ServedModel, request: ParsedRequest, writer: MessageWriter, places: Places
) -> AsyncIterator[ServerEvent]:
    with naming(MESSAGES, places):  # also where the engine refuses it, when the stream has begun
        async with asked.ask(model, request) as stream:
            splitters = Splitters(find_style(model), list_tools(request), 1)
            yield _name(writer.write_beginning())
            async for piece in stream:
                for event in writer.write_said(await splitters.feed(piece)):
                    yield _name(event)
            result = stream.result
    for event in writer.write_said(splitters.finish(0)):
        yield _name(event)
    for event in writer.write_end(result.choices[0], result.usage):
        yield _name(event)


def _name(event: MessageEvent) -> ServerEvent:
    """Its type is its name as well."""
    return ServerEvent(event, str(type(event).__struct_config__.tag))


_QUERIES = ("beta",)
"""Of the client's newer interface. What is new there is in fields and headers that are judged by themselves."""

ROUTES = (
    Route(
        method="POST",
        path="/v1/messages",
        handle=answer_messages,
        dialect=Dialect.ANTHROPIC,
        summary="Answer a conversation, as Anthropic's messages",
        queries=_QUERIES,
        takes=MessagesBody,
        gives=MessageForm,
        streams=MessageEvent,
    ),
    Route(
        method="POST",
        path="/v1/messages/count_tokens",
        handle=count_tokens,
        dialect=Dialect.ANTHROPIC,
        summary="How many tokens a conversation has, as Anthropic's messages",
        queries=_QUERIES,
        takes=CountBody,
        gives=TokenCount,
    ),
)
