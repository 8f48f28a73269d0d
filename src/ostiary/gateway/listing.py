"""/v1/models: what is served, in OpenAI's words, or in Anthropic's where the client says that it speaks those."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final, Literal

import msgspec

from ostiary.errors import GATEWAY_QUERY, GatewayRefused
from ostiary.gateway.asked import Asked
from ostiary.gateway.reply import JsonReply, Reply
from ostiary.gateway.route import Dialect, Route
from ostiary.gateway.served import ServedName

_OWNER: Final = "ostiary"
_LONGEST_PAGE: Final = 1_000
"""As Anthropic has it; there are fewer models than that."""
_LIMIT: Final = re.compile(r"[0-9]{1,4}", re.ASCII)


class Model(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A model, as OpenAI's interface tells it."""

    id: str
    created: int
    """Since when it is served."""
    owned_by: str
    object: Literal["model"] = "model"


class ModelList(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All of them."""

    data: list[Model]
    object: Literal["list"] = "list"


class ModelInfo(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A model, as Anthropic's interface tells it."""

    id: str
    display_name: str
    created_at: str
    lifecycle: Literal["active"] = "active"
    type: Literal["model"] = "model"


class ModelPage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All of them, or as many as were asked for."""

    data: list[ModelInfo]
    first_id: str | None
    last_id: str | None
    has_more: bool = False


async def list_models(asked: Asked, _body: object) -> Reply:
    served = asked.models.list_for(asked.caller)
    if _speaks_anthropic(asked):
        return JsonReply(_take_page([_describe_info(model) for model in served], asked.query))
    if asked.query:
        raise GatewayRefused(GATEWAY_QUERY, "OpenAI's list has no pages", field=min(asked.query))
    return JsonReply(ModelList([_describe(model) for model in served]))


def _take_page(infos: Sequence[ModelInfo], query: Mapping[str, str]) -> ModelPage:
    """Raises GatewayRefused. All are one page where nobody asks for fewer."""
    limit = query.get("limit", str(_LONGEST_PAGE))
    if not _LIMIT.fullmatch(limit) or not 1 <= int(limit) <= _LONGEST_PAGE:
        raise GatewayRefused(GATEWAY_QUERY, f"limit is not from 1 to {_LONGEST_PAGE:,}", field="limit")
    if {"after_id", "before_id"} <= set(query):
        raise GatewayRefused(GATEWAY_QUERY, "before_id and after_id exclude one another", field="before_id")
    ids = [info.id for info in infos]
    begin, end = 0, len(ids)
    for name in ("after_id", "before_id"):
        if name in query and query[name] not in ids:
            raise GatewayRefused(GATEWAY_QUERY, f"{name} is none of the models", field=name)
    if "after_id" in query:
        begin = ids.index(query["after_id"]) + 1
    if "before_id" in query:
        end = ids.index(query["before_id"])
        page = infos[max(0, end - int(limit)) : end]
    else:
        page = infos[begin : begin + int(limit)]
    first, last = (page[0].id, page[-1].id) if page else (None, None)
    return ModelPage([*page], first, last, has_more=len(page) < end - begin)


async def tell_model(asked: Asked, _body: object) -> Reply:
    model = asked.models.find(asked.path["model"], asked.caller)
    return JsonReply(_describe_info(model) if _speaks_anthropic(asked) else _describe(model))


def _speaks_anthropic(asked: Asked) -> bool:
    return "anthropic-version" in asked.headers


def _describe(model: ServedName) -> Model:
    return Model(model.name, model.created, _OWNER)


def _describe_info(model: ServedName) -> ModelInfo:
    created = datetime.fromtimestamp(model.created, UTC).isoformat().replace("+00:00", "Z")
    return ModelInfo(model.name, model.name, created)


ROUTES = (
    Route(
        method="GET",
        path="/v1/models",
        handle=list_models,
        dialect=Dialect.OPENAI,
        summary="The models that are served; `anthropic-version` asks for Anthropic's words, which have pages",
        queries=("limit", "after_id", "before_id"),
        gives=(ModelList, ModelPage),
    ),
    Route(
        method="GET",
        path="/v1/models/{model:path}",
        handle=tell_model,
        dialect=Dialect.OPENAI,
        summary="One model that is served",
        gives=(Model, ModelInfo),
    ),
)
