"""The events of a server that runs: which models come and go, and what it read anew of its settings."""

from __future__ import annotations

from typing import Annotated, ClassVar

from ostiary.core.values import dataclass
from ostiary.record.event import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelLoaded(Event):
    """A server answers with this version of a model from now on."""

    kind: ClassVar[str] = "model.loaded"

    name: Annotated[str, "the name that it is served under"]
    opened: Annotated[str, "the correlation id under which it was opened"]
    root: Annotated[str, "its root"]
    why: Annotated[str, "start; demand, where somebody asked it; reload"]
    workers: Annotated[int, "how many processes share its work"]
    memory_bytes: Annotated[int, "that these may have together"]
    replaces: Annotated[str, "the correlation id of the version that it replaces, empty where there is none"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelUnloaded(Event):
    """A server let go of a version of a model, and nobody was asking it any more."""

    kind: ClassVar[str] = "model.unloaded"

    name: Annotated[str, "the name that it was served under"]
    opened: Annotated[str, "the correlation id under which it was opened"]
    why: Annotated[str, "room, where another model needed it; replaced; removed, from the settings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelKept(Event):
    """A model was to be reloaded and was not: the version before goes on answering."""

    kind: ClassVar[str] = "model.kept"

    name: Annotated[str, "the name that it is served under"]
    opened: Annotated[str, "the correlation id of the version that stays"]
    code: Annotated[str, "why the new one was not taken"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelNotLoaded(Event):
    """A model that somebody asked could not be loaded, and is not tried again for a while."""

    kind: ClassVar[str] = "model.not_loaded"

    name: Annotated[str, "the name that it is served under"]
    code: Annotated[str, "why"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsReloaded(Event):
    """A server read its settings anew."""

    kind: ClassVar[str] = "settings.reloaded"

    added: Annotated[tuple[str, ...], "the names of models that are served from now on"]
    removed: Annotated[tuple[str, ...], "the names of models that are no longer served"]
    changed: Annotated[tuple[str, ...], "the names of models that are opened anew"]
    settings: Annotated[tuple[str, ...], "the settings of the server that changed"]
    waiting: Annotated[tuple[str, ...], "the settings that change when the server starts again"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsRefused(Event):
    """A server was to read its settings anew, and they are wrong: those before go on."""

    kind: ClassVar[str] = "settings.refused"

    code: Annotated[str, "what is wrong with them"]
