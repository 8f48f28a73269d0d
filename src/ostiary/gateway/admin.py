"""/admin: what is served and how it does, and to reload a model. For keys with the scope admin."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Literal, TypeAlias

import msgspec

from ostiary.core.callers import Scope
from ostiary.errors import GATEWAY_NO_ROUTE, GatewayRefused
from ostiary.gateway.reply import JsonReply, Reply
from ostiary.gateway.route import Dialect, Route
from ostiary.gateway.served import unknown_model

if TYPE_CHECKING:
    from ostiary.core.callers import Caller
    from ostiary.gateway.asked import Asked
    from ostiary.gateway.served import ServedModel, ServedName

Reload: TypeAlias = Callable[[str], Awaitable["ServedModel | None"]]
"""As `ModelKeeper.reload`."""
_NO_BODY: int = 0


class ModelState(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One model, as it is served now."""

    model: str
    standing: Literal["running", "resting", "quarantined", "closed", "waiting", "failing"]
    """`resting`: its process is being started again; `waiting`: it is loaded when somebody asks it."""
    workers: list[Literal["running", "resting", "quarantined", "closed"]]
    """Each of its processes."""
    holders: int
    """Requests that are being answered, or wait."""
    memory_bytes: int
    """That its processes may have together."""
    root: str | None
    """Of its present version."""
    version: str | None
    """As it was signed."""
    opened: str | None
    """The correlation id of its opening, which the record has more of."""


class ModelStates(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    models: list[ModelState]


class Reloaded(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What answers from now on."""

    model: str
    is_loaded: bool
    """False: it waits for somebody to ask it, and what lies at its place is taken then."""
    root: str | None
    version: str | None
    opened: str | None


def make_admin_routes(reload: Reload | None) -> tuple[Route, ...]:
    async def list_states(asked: Asked, _body: object) -> Reply:
        return JsonReply(
            ModelStates(
                [
                    describe_state(served)
                    for name, served in asked.models.by_name.items()
                    if _may_administer(asked.caller, name)
                ]
            )
        )

    async def reload_model(asked: Asked, _body: object) -> Reply:
        name = asked.path["model"]
        if reload is None:
            raise GatewayRefused(GATEWAY_NO_ROUTE, "nothing is reloaded here")
        if name not in asked.models.by_name or not _may_administer(asked.caller, name):
            raise unknown_model()
        model = await reload(name)
        if model is None:
            return JsonReply(Reloaded(name, is_loaded=False, root=None, version=None, opened=None))
        verdict = model.verdict
        return JsonReply(
            Reloaded(
                name,
                is_loaded=True,
                root=verdict.root,
                version=verdict.model_version,
                opened=verdict.correlation_id,
            )
        )

    return (
        Route(
            method="GET",
            path="/admin/models",
            handle=list_states,
            dialect=Dialect.PROBLEM,
            summary="How each model that is served does",
            gives=ModelStates,
            right=Scope.ADMIN,
        ),
        Route(
            method="POST",
            path="/admin/models/{model:path}/reload",
            handle=reload_model,
            dialect=Dialect.PROBLEM,
            summary="Verify what lies at a model's place now, and answer with that from now on",
            gives=Reloaded,
            right=Scope.ADMIN,
            most_body_bytes=_NO_BODY,
        ),
    )


def describe_state(served: ServedName) -> ModelState:
    current = served.current
    if current is None:
        return ModelState(served.name, served.standing, [], 0, 0, None, None, None)  # type: ignore[arg-type]
    verdict = current.verdict
    return ModelState(
        served.name,
        served.standing,  # type: ignore[arg-type]
        list(current.opened.standings),  # type: ignore[arg-type]
        current.holders,
        current.opened.memory_bytes,
        verdict.root,
        verdict.model_version,
        verdict.correlation_id,
    )


def _may_administer(caller: Caller, name: str) -> bool:
    return caller.may(Scope.ADMIN) and (caller.models is None or name in caller.models)
