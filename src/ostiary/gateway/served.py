"""The models that this server serves, by the names that its operator gave them. No other name leads anywhere.

Under each name there is one version of a model at a time, or none yet. Who asks holds the version it began with
until its answer is over: it is not closed, and its memory not given to another, before nobody holds it any more.
All of this is of one event loop, and so needs no locks.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING, Final, Self

from ostiary.admission import Gate
from ostiary.errors import GATEWAY_MODEL_UNKNOWN, GatewayRefused

if TYPE_CHECKING:
    from ostiary.admission import QueueBounds
    from ostiary.contract import TextContract
    from ostiary.core.callers import Caller
    from ostiary.library.opening import Opened
    from ostiary.library.verdict import Verdict


class ServedModel:
    """One version of a model, at work under a name."""

    def __init__(
        self,
        name: str,
        opened: Opened,
        created: int,
        threads: ThreadPoolExecutor,
        bounds: QueueBounds | None = None,
    ) -> None:
        """`created`: when it was opened, in seconds since 1970. `threads`: a few, for what has to be waited for.

        `bounds`: of the queue in front of it.
        """
        self.name: Final = name
        self.opened: Final = opened
        self.created: Final = created
        self.threads: Final = threads
        self.gate: Final = Gate(opened.room, bounds)
        """All requests to its processes go through it."""
        self.holders = 0
        """How many requests hold it."""
        self.leaves_as = ""
        """Why it goes, where it does."""

    @property
    def verdict(self) -> Verdict:
        return self.opened.verdict

    @property
    def contract(self) -> TextContract:
        return self.opened.contract


class ServedName:
    """What is served under one name, whichever version of it."""

    def __init__(self, name: str, created: int, current: ServedModel | None = None) -> None:
        """`created`: since when it is served, in seconds since 1970."""
        self.name: Final = name
        self.created: Final = created
        self.current = current
        """None: it is loaded when somebody asks it."""
        self.is_leaving = False
        """Whether it is another model's turn: nobody new gets this one before that one had it."""
        self.is_failing = False
        """Whether it could not be loaded when somebody last asked it."""

    @property
    def standing(self) -> str:
        """As `Opened.standing`; `waiting` for somebody to ask, or `failing` where that was in vain."""
        if self.current is None:
            return "failing" if self.is_failing else "waiting"
        return self.current.opened.standing


Load = Callable[[ServedName, str], Awaitable[None]]
"""Returns once there is a current version for this tenant to ask, or raises why there is none."""


class ServedModels:
    """All of them."""

    def __init__(
        self,
        models: Sequence[ServedModel] = (),
        *,
        load: Load | None = None,
        on_let_go: Callable[[ServedModel], None] = lambda _: None,
    ) -> None:
        """`models`: those that are open already. `on_let_go` hears of each that nobody holds any more."""
        self._names: Final = {model.name: ServedName(model.name, model.created, model) for model in models}
        self._load: Final = load
        self._on_let_go: Final = on_let_go
        self.is_disk_full = False
        """Whether nothing could be recorded, so that nothing is answered. Set from any thread."""
        self.is_disk_hanging: Callable[[], bool] = lambda: False

    @property
    def by_name(self) -> Mapping[str, ServedName]:
        return MappingProxyType(self._names)

    def add(self, served: ServedName) -> None:
        self._names[served.name] = served

    def remove(self, name: str) -> None:
        self._names.pop(name, None)

    def list_for(self, caller: Caller) -> tuple[ServedName, ...]:
        """Those that this caller may ask."""
        return tuple(served for name, served in self._names.items() if caller.may_ask(name))

    def find(self, name: str, caller: Caller) -> ServedName:
        """Raises GatewayRefused(GATEWAY_MODEL_UNKNOWN); of a model that this caller may not ask, the very same."""
        served = self._names.get(name)
        if served is None or not caller.may_ask(name):
            raise unknown_model()
        return served

    async def hold(self, served: ServedName, tenant: str = "") -> ServedModel:
        """The version that is there now, or is loaded for this. Each goes to `let_go` once, best by `Holding`."""
        if (served.current is None or served.is_leaving) and self._load is not None:
            await self._load(served, tenant)
        model = served.current
        if model is None:
            raise unknown_model()
        model.holders += 1
        return model

    def let_go(self, model: ServedModel) -> None:
        model.holders -= 1
        if not model.holders:
            self._on_let_go(model)


class Holding:
    """The versions that one request of a tenant holds until its answer is over."""

    def __init__(self, models: ServedModels, tenant: str = "") -> None:
        self._models: Final = models
        self._tenant: Final = tenant
        self._held: Final[list[ServedModel]] = []

    async def take(self, served: ServedName) -> ServedModel:
        model = await self._models.hold(served, self._tenant)
        self._held.append(model)
        return model

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        while self._held:
            self._models.let_go(self._held.pop())


def unknown_model() -> GatewayRefused:
    return GatewayRefused(GATEWAY_MODEL_UNKNOWN, "model: it names none of them", field="model")
