"""The events of who may ask: keys of clients that were made, limited or revoked, and what a server made of it."""

from __future__ import annotations

from typing import Annotated, ClassVar

from ostiary.core.values import dataclass
from ostiary.record.event import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class KeysCreated(Event):
    """A key was made that clients are let in with: by an operator, or by a server that had none."""

    kind: ClassVar[str] = "keys.created"

    key: Annotated[str, "the id of the key"]
    name: Annotated[str, "what its operator calls it"]
    tenant: Annotated[str, "whose limits count for it"]
    scopes: Annotated[tuple[str, ...], "what it may do"]
    models: Annotated[tuple[str, ...] | None, "the models that it may ask; absent: all"] = None
    expires: Annotated[str | None, "when it expires, in UTC; absent: never"] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeysRevoked(Event):
    """Nobody is let in with this key any more."""

    kind: ClassVar[str] = "keys.revoked"

    key: Annotated[str, "the id of the key"]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeysExpirySet(Event):
    """A key that there is expires at another time than before."""

    kind: ClassVar[str] = "keys.expiry_set"

    key: Annotated[str, "the id of the key"]
    expires: Annotated[str | None, "when it expires now, in UTC; absent: never"] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeysForgotten(Event):
    """A key that let nobody in any more was taken out of the file of keys."""

    kind: ClassVar[str] = "keys.forgotten"

    key: Annotated[str, "the id of the key"]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeysReread(Event):
    """A running server saw that the file of keys had changed, and goes by it from now on."""

    kind: ClassVar[str] = "keys.reread"

    keys: Annotated[int, "how many keys let somebody in now"]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeysUnusable(Event):
    """A running server could not use the changed file of keys: it goes by the keys that it had."""

    kind: ClassVar[str] = "keys.unusable"

    reason: Annotated[str, "what is wrong with the file, in a few words"]
