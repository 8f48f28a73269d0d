"""Who asks: a value that a door makes of what was shown, and that every room behind it believes."""

from __future__ import annotations

import re
from enum import Enum
from typing import Final

from ostiary.core.limits import MAX_TENANT_CHARACTERS
from ostiary.core.values import dataclass

DEFAULT_TENANT: Final = "default"
"""What the settings call whoever has no table of its own; nobody may have it as a name."""
_NAME: Final = re.compile(
    rf"[A-Za-z0-9](?:[A-Za-z0-9._:@=,/+ -]{{0,{MAX_TENANT_CHARACTERS - 2}}}[A-Za-z0-9._:@=,/+-])?", re.ASCII
)


class Scope(Enum):
    """What somebody may do."""

    INFER = "infer"
    """Ask models."""
    ADMIN = "admin"
    """Change what is served."""
    METRICS = "metrics"
    """Read how the server does."""


class Way(Enum):
    """How it was shown who asks."""

    KEY = "key"
    CERTIFICATE = "certificate"
    TOKEN = "token"  # noqa: S105  the name of a way, no secret
    NONE = "none"
    """Keys are off: whoever reaches the address."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Somebody who was let in."""

    id: str
    """Of the key, certificate or token, as the record names it. Never the secret."""
    tenant: str
    """Whose limits it counts against, and whose earlier prompts it may reuse."""
    scopes: frozenset[Scope]
    models: frozenset[str] | None = None
    """By the names that they are served under; None: all."""
    way: Way = Way.KEY

    def may(self, scope: Scope) -> bool:
        return scope in self.scopes

    def may_ask(self, model: str) -> bool:
        return Scope.INFER in self.scopes and (self.models is None or model in self.models)


def is_tenant_name(text: str) -> bool:
    """Whether a tenant may be called so: what keys, certificates and tokens name, and any terminal can show."""
    return _NAME.fullmatch(text) is not None and text != DEFAULT_TENANT


NOBODY: Final = Caller(id="nobody", tenant="nobody", scopes=frozenset(), models=frozenset(), way=Way.NONE)
"""At addresses that answer whoever asks. It may ask no model."""
ANYBODY: Final = Caller(id="anybody", tenant="anybody", scopes=frozenset({Scope.INFER}), way=Way.NONE)
"""Where keys are off. Nobody administers a server that asks nobody for a key."""
