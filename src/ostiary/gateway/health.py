"""/livez and /readyz: whether the server does its work, and whether every model could answer now. Open to all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import msgspec

from ostiary.gateway.asked import Asked
from ostiary.gateway.reply import JsonReply, Reply
from ostiary.gateway.route import Dialect, Route


class Workers(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How many models' processes stand how. No names: nobody needs a key to ask."""

    running: int
    resting: int
    """Ended; the next request starts another."""
    quarantined: int
    """Ended too often; nothing is started before somebody releases the model."""
    closed: int


class Health(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The truth at this moment."""

    status: Literal["ok", "draining", "failing"]
    workers: Workers


def make_health_routes(is_draining: Callable[[], bool]) -> tuple[Route, ...]:
    async def tell_live(asked: Asked, _body: object) -> Reply:
        """Failing where no model could answer any more: starting the server anew is what may help."""
        workers = _count_workers(asked)
        is_of_use = any(
            model.standing in ("running", "resting", "waiting") for model in asked.models.by_name.values()
        )
        return _reply("ok" if is_of_use else "failing", workers)

    async def tell_ready(asked: Asked, _body: object) -> Reply:
        """Failing where one of the models could not answer."""
        workers = _count_workers(asked)
        if is_draining():
            return _reply("draining", workers)
        return _reply("failing" if workers.quarantined + workers.closed else "ok", workers)

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


def _count_workers(asked: Asked) -> Workers:
    standings = [model.standing for model in asked.models.by_name.values()]
    return Workers(**{name: standings.count(name) for name in ("running", "resting", "quarantined", "closed")})


def _reply(status: Literal["ok", "draining", "failing"], workers: Workers) -> JsonReply:
    return JsonReply(Health(status, workers), status=200 if status == "ok" else 503)
