"""/livez and /readyz: whether the server does its work, and whether every model could answer now. Open to all."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Literal

import msgspec

from ostiary.gateway.asked import Asked
from ostiary.gateway.reply import JsonReply, Reply
from ostiary.gateway.route import Dialect, Route

if TYPE_CHECKING:
    from ostiary.gateway.served import ServedModels, ServedName

_AT_WORK: Final = ("running", "resting", "waiting")
_OVER: Final = ("quarantined", "closed")
Disk = Literal["ok", "full", "hanging"]


class Workers(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How many models' processes stand how. No names: nobody needs a key to ask."""

    running: int
    resting: int
    """Ended; another is being started, at the latest by the next request."""
    quarantined: int
    """Ended too often; nothing is started before somebody releases the model."""
    closed: int


class Models(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How many models stand how."""

    loaded: int
    waiting: int
    """Loaded when somebody asks them."""
    failing: int
    """Could not be loaded when somebody last asked them; tried again after a while."""


class Health(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The truth at this moment. Nothing is read, asked or written for it."""

    status: Literal["ok", "draining", "failing"]
    workers: Workers
    models: Models
    disk: Disk
    """Full: what has to be recorded could not be, so nothing is answered until there is room. Hanging: it takes so
    long to keep something that nothing more is given to it, and nothing answered, until it did."""


def make_health_routes(is_draining: Callable[[], bool]) -> tuple[Route, ...]:
    async def tell_live(asked: Asked, _body: object) -> Reply:
        """Failing where no model could answer any more: starting the server anew is what may help."""
        return _reply("ok" if is_live(asked.models) else "failing", asked.models)

    async def tell_ready(asked: Asked, _body: object) -> Reply:
        """Failing where one of the models could not answer, or nothing of it could be recorded."""
        if is_draining():
            return _reply("draining", asked.models)
        return _reply("ok" if is_ready(asked.models) else "failing", asked.models)

    return (
        Route(
            method="GET",
            path="/livez",
            handle=tell_live,
            dialect=Dialect.PROBLEM,
            summary="Whether the server does its work",
            gives=Health,
            is_open=True,
        ),
        Route(
            method="GET",
            path="/readyz",
            handle=tell_ready,
            dialect=Dialect.PROBLEM,
            summary="Whether every model could answer now",
            gives=Health,
            is_open=True,
        ),
    )


def is_live(models: ServedModels) -> bool:
    """Whether at least one could answer, or will be tried again."""
    return any(model.standing not in _OVER for model in models.by_name.values())


def is_ready(models: ServedModels) -> bool:
    return _look_at_disk(models) == "ok" and all(could_answer(model) for model in models.by_name.values())


def could_answer(model: ServedName) -> bool:
    """Now, or as soon as it is loaded for whoever asks."""
    return model.standing in _AT_WORK


def _look_at_disk(models: ServedModels) -> Disk:
    if models.is_disk_hanging():
        return "hanging"
    return "full" if models.is_disk_full else "ok"


def _reply(status: Literal["ok", "draining", "failing"], models: ServedModels) -> JsonReply:
    named = models.by_name.values()
    loaded = [model.current for model in named if model.current is not None]
    workers = [standing for model in loaded for standing in model.opened.standings]
    failing = sum(model.standing == "failing" for model in named)
    told = Health(
        status,
        Workers(**{name: workers.count(name) for name in ("running", "resting", "quarantined", "closed")}),
        Models(len(loaded), len(named) - len(loaded) - failing, failing),
        _look_at_disk(models),
    )
    return JsonReply(told, status=200 if status == "ok" else 503)
