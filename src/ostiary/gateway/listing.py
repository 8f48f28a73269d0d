"""/v1/models: what is served, in OpenAI's words, or in Anthropic's where the client says that it speaks those."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal

import msgspec

from ostiary.gateway.asked import Asked
from ostiary.gateway.reply import JsonReply, Reply
from ostiary.gateway.route import Dialect, Route
from ostiary.gateway.served import ServedName

_OWNER = "ostiary"


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
    """All of them: there is one page."""

    data: list[ModelInfo]
    first_id: str | None
    last_id: str | None
    has_more: bool = False


async def list_models(asked: Asked, _body: object) -> Reply:
    served = asked.models.list_for(asked.caller)
    if _speaks_anthropic(asked):
        infos = [_describe_info(model) for model in served]
        ends = (infos[0].id, infos[-1].id) if infos else (None, None)
        return JsonReply(ModelPage(infos, *ends))
    return JsonReply(ModelList([_describe(model) for model in served]))


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
        summary="The models that are served",
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
