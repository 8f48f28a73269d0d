"""The events of the server: that it began and ended to listen, and whom it sent away before any model was asked."""

from __future__ import annotations

from typing import Annotated, ClassVar

from ostiary.core.values import dataclass
from ostiary.record.event import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerStarted(Event):
    """The server listens, and every model that it serves is open."""

    kind: ClassVar[str] = "server.started"

    models: Annotated[tuple[str, ...], "the names that models are served under"]
    opened: Annotated[tuple[str, ...], "the correlation ids under which they were opened, in the same order"]
    is_loopback: Annotated[bool, "whether only this machine can reach it"]
    keys: Annotated[int, "how many keys are let in; 0 where none is needed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerStopped(Event):
    """The server was stopped, and no request is left."""

    kind: ClassVar[str] = "server.stopped"

    requests: Annotated[int, "that it was asked since it started"]
    milliseconds: Annotated[int, "from its start to its end"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientRefused(Event):
    """Requests were refused before any model was asked, counted over a few seconds."""

    kind: ClassVar[str] = "client.refused"

    code: Annotated[str, "the code of the refusal, or of the fault"]
    count: Annotated[int, "how many"]
