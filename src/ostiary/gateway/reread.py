"""Reads the settings anew while the server runs. What is wrong is not taken: what was there before goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from ostiary.admission.tenants import NO_LIMITS, TenantTable
from ostiary.core.text import quote_untrusted
from ostiary.core.values import dataclass
from ostiary.errors import HOUSE_INTERNAL, InternalFault, OstiaryError
from ostiary.gateway.credential_settings import NO_CREDENTIALS, CredentialSettings
from ostiary.gateway.listen import check_protection
from ostiary.gateway.make_room import never_fits
from ostiary.gateway.memory_budget import derive_budget
from ostiary.gateway.settings import SERVER_SETTINGS, Server
from ostiary.gateway.to_serve import ToServe, look_at
from ostiary.record.serving_events import SettingsRefused, SettingsReloaded

if TYPE_CHECKING:
    from ostiary.admission.quotas import TenantQuotas
    from ostiary.gateway.app import Door
    from ostiary.gateway.credentials import Credentials
    from ostiary.gateway.keeper import ModelKeeper
    from ostiary.record.events import Emit

CHANGEABLE: Final = frozenset(
    {"hosts", "origins", "body", "tensor_body", "requests", "memory", "load_time", "queue", "queue_time"}
)
"""Settings of the server that need no new start."""
_MESSAGE_CHARACTERS: Final = 300


@dataclass(frozen=True, slots=True)
class Configured:
    """All that the operator says, by command and by file."""

    models: tuple[ToServe, ...]
    server: Server
    tenants: TenantTable = NO_LIMITS
    credentials: CredentialSettings = NO_CREDENTIALS


class Rereader:
    """Of one event loop. What is asked for while it reads is done once more, after that."""

    def __init__(
        self,
        before: Configured,
        read: Callable[[], Configured],
        keeper: ModelKeeper,
        door: Door,
        *,
        emit: Emit,
        correlation_id: str,
        on_note: Callable[[str], None],
        quotas: TenantQuotas | None = None,
        credentials: Credentials | None = None,
    ) -> None:
        """`read`: in a thread; raises Misuse. `correlation_id`: of the server."""
        self._now = before
        self._read: Final = read
        self._keeper: Final = keeper
        self._door: Final = door
        self._emit: Final = emit
        self._correlation_id: Final = correlation_id
        self._on_note: Final = on_note
        self._quotas: Final = quotas
        self._credentials: Final = credentials
        self._is_wanted = False
        self._task: asyncio.Task[None] | None = None

    def reread_soon(self) -> None:
        """From a signal. Who is being stopped begins nothing new."""
        self._is_wanted = not self._door.is_draining
        if self._is_wanted and (self._task is None or self._task.done()):
            self._task = asyncio.get_running_loop().create_task(self._go_on())

    async def _go_on(self) -> None:
        while self._is_wanted:
            self._is_wanted = False
            try:
                await self.reread()
            except Exception as error:  # noqa: BLE001  the record, say: nobody waits for this
                self._tell_wrong(error)

    async def reread(self) -> None:
        """Returns when every model that changed answers anew, or was refused."""
        try:
            after = await asyncio.to_thread(self._read_all)
            self._check_room(after)
        except OstiaryError as error:
            await asyncio.to_thread(
                self._emit, SettingsRefused(correlation_id=self._correlation_id, code=error.code)
            )
            self._tell_wrong(error)
            return
        await self._take(after)

    def _read_all(self) -> Configured:
        after = self._read()
        check_protection(after.server, after.credentials)
        return after

    def _check_room(self, after: Configured) -> None:
        """Raises CellRefused where no server could start like this: a slip of the pen would end what is loaded."""
        room, before = after.server.memory, _by_name(self._now.models)
        if room is None:
            return
        at_start = (model for model in after.models if not model.is_on_demand and model.name in before)
        unchanged = (model.name for model in at_start if model.said == before[model.name].said)
        loaded = (self._keeper.find(name).served.current for name in unchanged)
        need = sum(model.opened.memory_bytes for model in loaded if model is not None)
        if need > room:
            raise never_fits(need, room)

    async def _take(self, after: Configured) -> None:
        before = self._now
        old, new = _by_name(before.models), _by_name(after.models)
        added = tuple(name for name in new if name not in old)
        removed = tuple(name for name in old if name not in new)
        changed = await asyncio.to_thread(self._find_changed, old, new)
        differing = _find_differing(before.server, after.server)
        taken = tuple(name for name in differing if name in CHANGEABLE)
        if before.tenants != after.tenants:
            taken = (*taken, "tenants")
        waiting = tuple(name for name in differing if name not in CHANGEABLE)
        if self._credentials is not None:
            at_once, later = self._credentials.compare(after.credentials)
            taken, waiting = (*taken, *at_once), (*waiting, *later)
        event = SettingsReloaded(
            correlation_id=self._correlation_id,
            added=added,
            removed=removed,
            changed=changed,
            settings=taken,
            waiting=waiting,
        )
        await asyncio.to_thread(self._emit, event)  # what the record does not take does not happen
        server = replace(before.server, **{name: getattr(after.server, name) for name in CHANGEABLE})
        self._change_server(server)
        if self._quotas is not None:
            self._quotas.set_limits(after.tenants)
        if self._credentials is not None:
            self._credentials.change(after.credentials)
        for name in removed:
            self._keeper.remove(name)
        for name in added:
            self._keeper.add(new[name])
        kept = {name: old[name] for name in new if name in old}
        self._tell(event)
        reloads = [self._reload(name, new[name]) for name in changed]
        for name, is_taken in zip(changed, await asyncio.gather(*reloads), strict=True):
            if is_taken:
                kept[name] = new[name]
        models = tuple(kept.get(name, model) for name, model in new.items())
        self._now = Configured(models, server, after.tenants, after.credentials)

    def _find_changed(self, old: Mapping[str, ToServe], new: Mapping[str, ToServe]) -> tuple[str, ...]:
        """Named in both, and said otherwise or made of other files."""
        return tuple(
            name
            for name, model in new.items()
            if name in old and (model.said != old[name].said or self._has_other_files(name, model))
        )

    def _has_other_files(self, name: str, model: ToServe) -> bool:
        """Of what is not loaded, whatever is there then is taken."""
        look = self._keeper.find(name).look
        return bool(look) and look != look_at(model)

    def _change_server(self, server: Server) -> None:
        self._door.change(server)
        self._keeper.change(server, server.memory or max(derive_budget(), self._keeper.budget.most_bytes))

    async def _reload(self, name: str, to_serve: ToServe) -> bool:
        try:
            await self._keeper.reload(name, to_serve)
        except Exception as error:  # noqa: BLE001  the record's disk, say: what else was taken stays taken
            why = error.message if isinstance(error, OstiaryError) else type(error).__name__
            self._on_note(f"{quote_untrusted(name, 80)}: {why}; the version before goes on")
            return False
        return True

    def _tell(self, event: SettingsReloaded) -> None:
        parts = [
            f"{word}: {quote_untrusted(', '.join(names), _MESSAGE_CHARACTERS)}"
            for word, names in (
                ("added", event.added),
                ("removed", event.removed),
                ("opening anew", event.changed),
                ("changed", event.settings),
                ("for the next start", event.waiting),
            )
            if names
        ]
        self._on_note(f"the settings were read anew: {'; '.join(parts) if parts else 'nothing changed'}")

    def _tell_wrong(self, error: BaseException) -> None:
        told = error if isinstance(error, OstiaryError) else InternalFault(HOUSE_INTERNAL, type(error).__name__)
        self._on_note(f"{told.code}: {told.message}; the settings before go on")


def _by_name(models: tuple[ToServe, ...]) -> dict[str, ToServe]:
    return {model.name: model for model in models}


def _find_differing(before: Server, after: Server) -> tuple[str, ...]:
    names = (setting.name for setting in SERVER_SETTINGS)
    return tuple(name for name in names if getattr(before, name) != getattr(after, name))
