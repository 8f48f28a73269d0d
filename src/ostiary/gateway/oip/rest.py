"""/v2: the Open Inference Protocol over REST, with the extension for binary data."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final

from ostiary.core.tensors import ParsedTensors
from ostiary.errors import GATEWAY_MEDIA_TYPE, GatewayRefused
from ostiary.gateway.asked import Asked
from ostiary.gateway.choose_model import choose_function
from ostiary.gateway.health import could_answer, is_live, is_ready
from ostiary.gateway.long_work import SHORT_BYTES
from ostiary.gateway.oip.forms import (
    InferAnswer,
    InferBody,
    ModelMetadata,
    ModelReady,
    ServerLive,
    ServerMetadata,
    ServerReady,
)
from ostiary.gateway.oip.metadata import SERVER, describe_model, judge_version, name_version
from ostiary.gateway.oip.read_infer import HEADER_LENGTH, parse_infer, split_body
from ostiary.gateway.oip.write_infer import write_infer
from ostiary.gateway.openapi import BINARY
from ostiary.gateway.reply import JsonReply, Reply
from ostiary.gateway.route import Dialect, Handler, Route
from ostiary.gateway.served import ServedModel

_JSON: Final = frozenset({"application/json", "application/json; charset=utf-8", "application/json;charset=utf-8"})
_MANY_NUMBERS: Final = 4_096
"""Written in JSON in a millisecond or two."""
_ALIGNMENT: Final = 64
"""What computes likes its numbers to lie so."""


async def infer(asked: Asked, data: bytes | memoryview) -> Reply:
    model, contract = await choose_function(asked, asked.path["model"])
    _judge_version(asked, model)
    _judge_media_type(asked.headers.get("content-type"), has_binary=HEADER_LENGTH in asked.headers)
    header, binary = split_body(data, asked.headers.get(HEADER_LENGTH))
    del data
    if len(header) <= SHORT_BYTES:
        request = parse_infer(header, binary, contract)
    else:
        request = await asked.work_long(partial(parse_infer, header, binary, contract))
    del header, binary
    answer = await asked.ask_function(model, ParsedTensors(request.inputs))
    numbers = sum(answer.outputs[item.name].elements for item in request.wanted if not item.is_binary)
    write = partial(write_infer, model.name, name_version(model), request, answer.outputs)
    return write() if numbers <= _MANY_NUMBERS else await asked.work_long(write)


async def tell_model(asked: Asked, _body: object) -> Reply:
    model, contract = await choose_function(asked, asked.path["model"])
    _judge_version(asked, model)
    return JsonReply(describe_model(model, contract))


async def tell_model_ready(asked: Asked, _body: object) -> Reply:
    """Nothing is loaded for this."""
    model = asked.models.find(asked.path["model"], asked.caller)
    if model.current is not None:
        _judge_version(asked, model.current)
    could = could_answer(model)
    return JsonReply(ModelReady(model.name, could), status=200 if could else 503)


async def tell_server(_asked: Asked, _body: object) -> Reply:
    return JsonReply(SERVER)


def make_inference_routes(is_draining: Callable[[], bool]) -> tuple[Route, ...]:
    """Those with more fixed parts come first: a model's name may have slashes in it."""

    async def tell_live(asked: Asked, _body: object) -> Reply:
        is_alive = is_live(asked.models)
        return JsonReply(ServerLive(is_alive), status=200 if is_alive else 503)

    async def tell_ready(asked: Asked, _body: object) -> Reply:
        is_all_ready = not is_draining() and is_ready(asked.models)
        return JsonReply(ServerReady(is_all_ready), status=200 if is_all_ready else 503)

    named, versioned = "/v2/models/{model:path}", "/v2/models/{model:path}/versions/{version}"
    return (
        _get("/v2/health/live", tell_live, "Whether the server does its work", ServerLive, is_open=True),
        _get("/v2/health/ready", tell_ready, "Whether every model could answer now", ServerReady, is_open=True),
        _get("/v2", tell_server, "What the server can do", ServerMetadata),
        _post(f"{versioned}/infer", "Compute a function, of the version that is named"),
        _post(f"{named}/infer", "Compute a function"),
        _get(f"{versioned}/ready", tell_model_ready, "Whether this version could answer now", ModelReady),
        _get(f"{named}/ready", tell_model_ready, "Whether a model could answer now", ModelReady),
        _get(
            versioned, tell_model, "What this version of a function takes and gives", ModelMetadata, may_load=True
        ),
        _get(named, tell_model, "What a function takes and gives", ModelMetadata, may_load=True),
    )


def _get(
    path: str, handle: Handler, summary: str, gives: Any, *, is_open: bool = False, may_load: bool = False
) -> Route:
    return Route(
        method="GET",
        path=path,
        handle=handle,
        dialect=Dialect.INFERENCE,
        summary=summary,
        gives=gives,
        is_open=is_open,
        may_load=may_load,
    )


def _post(path: str, summary: str) -> Route:
    return Route(
        method="POST",
        path=path,
        handle=infer,
        dialect=Dialect.INFERENCE,
        summary=summary,
        takes=InferBody,
        gives=InferAnswer,
        is_raw=True,
        find_place=_find_place,
    )


def _find_place(asked: Asked, size: int) -> memoryview | None:
    """Where the model's worker sees it, once the call is made: then nothing needs to be copied."""
    name = asked.path["model"]
    served = asked.models.by_name.get(name) if asked.caller.may_ask(name) else None
    model = None if served is None else served.current
    header = asked.headers.get(HEADER_LENGTH, "")
    before = -int(header) % _ALIGNMENT if header.isascii() and header.isdigit() and len(header) < 10 else 0
    place = None if model is None else model.opened.take_place(before + size)
    return None if place is None else place[before:]


def _judge_version(asked: Asked, model: ServedModel) -> None:
    if "version" in asked.path:
        judge_version(model, asked.path["version"])


def _judge_media_type(claimed: str | None, *, has_binary: bool) -> None:
    """The clients of others name none."""
    if claimed is None or claimed.lower() in _JSON or (has_binary and claimed.lower() == BINARY):
        return
    raise GatewayRefused(
        GATEWAY_MEDIA_TYPE, f"the body is neither application/json nor {BINARY}", field="content-type"
    )
