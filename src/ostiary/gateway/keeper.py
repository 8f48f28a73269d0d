"""Keeps the models that are served: loads them when they are asked for, within a budget, and reloads them.

What is decided is decided on the event loop, so that no two decisions meet; what takes time is done in threads. A
version goes only when no request holds it: where another model needs the room, the one that was used longest ago
goes first; where all are in use, whoever wants another waits a while and is asked to come again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any, Final, TypeVar

from ostiary.admission import QueueBounds
from ostiary.errors import (
    GATEWAY_BUSY,
    GATEWAY_MODEL_FAILED,
    GATEWAY_MODEL_LOADING,
    GATEWAY_NO_ROOM,
    GATEWAY_NOT_RELOADED,
    GatewayRefused,
    OstiaryError,
)
from ostiary.gateway.kept import Kept
from ostiary.gateway.make_room import RoomMaker, never_fits
from ostiary.gateway.memory_budget import MemoryBudget, Share
from ostiary.gateway.places import Places
from ostiary.gateway.served import ServedModel, ServedModels, ServedName, unknown_model
from ostiary.gateway.settings import Server
from ostiary.gateway.to_serve import Look, ToServe, look_at
from ostiary.gateway.versions import Versions, name_error

_LOADING_THREADS: Final = 4
_CLOSING_THREADS: Final = 2
"""Apart from those that load: who waits for room must not stand in the way of who makes it."""
_REST_AFTER_FAILURE_SECONDS: Final = 30.0
"""A model that is refused is not verified for every request that asks it."""
_MIB: Final = 1 << 20
_T = TypeVar("_T")


class ModelKeeper:
    """Of one event loop, but for `open_at_start` before it runs and `close` when it has ended."""

    def __init__(
        self,
        versions: Versions,
        budget: MemoryBudget,
        server: Server,
        *,
        on_failure: Callable[[BaseException], None] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`on_failure` hears of what nobody waits for, as where a process cannot be ended."""
        self.models: Final = ServedModels(load=self._load, on_let_go=self._note_let_go)
        self._waits: Final = Places(max(1, server.requests // 2))
        """Of requests that wait for models: those that need not wait have places left."""
        self.budget: Final = budget
        self._versions: Final = versions
        versions.queue = _bound_queue(server)
        self._on_failure: Final = on_failure
        self._clock: Final = clock
        self._kept: Final[dict[str, Kept]] = {}
        self._of_served: Final[dict[ServedName, Kept]] = {}
        self._of_model: Final[dict[ServedModel, Kept]] = {}
        self._shares: Final[dict[ServedModel, Share]] = {}
        self._loads: Final = ThreadPoolExecutor(_LOADING_THREADS, "ostiary-load")
        self._closes: Final = ThreadPoolExecutor(_CLOSING_THREADS, "ostiary-close")
        self._room: Final = RoomMaker(
            budget,
            server.load_time,
            self._find_idle,
            self._find_busy,
            self._unload,
            count_stay=self._count_stay,
            clock=clock,
        )
        self._tasks: Final[set[asyncio.Task[Any]]] = set()
        self._is_closing = False

    @property
    def waiting(self) -> int:
        """Requests that wait for models."""
        return self._waits.taken

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._kept)

    def find(self, name: str) -> Kept:
        """Raises GatewayRefused(GATEWAY_MODEL_UNKNOWN)."""
        kept = self._kept.get(name)
        if kept is None:
            raise unknown_model()
        return kept

    # --- before the event loop runs, and after it ---

    def open_at_start(self, to_serve: ToServe, *, may_exceed: bool) -> ServedModel | None:
        """None: it is loaded when somebody asks it. Raises the first room's no.

        `may_exceed`: the budget was not set by anybody, and is at least what the models need that are loaded now.
        """
        kept = self._add(to_serve)
        if to_serve.is_on_demand:
            return None
        share, look = Share(self.budget), look_at(to_serve)

        @contextmanager
        def take_room(need: int) -> Iterator[None]:
            if may_exceed:
                self.budget.change(max(self.budget.most_bytes, self.budget.taken_bytes + need))
            if not share.take(need):
                raise never_fits(need, self.budget.most_bytes - self.budget.taken_bytes)
            try:
                yield
            finally:
                share.give_back()

        model = self._versions.open(to_serve, take_room, "start")
        self._install(kept, model, share, look)
        return model

    def close(self) -> None:
        """All of them. Raises what the record says, when all was tried."""
        self._is_closing = True
        self._versions.stop()
        self._loads.shutdown(cancel_futures=True)
        self._closes.shutdown()
        failure: Exception | None = None
        for model in list(self._of_model):
            try:
                model.opened.close()
            except Exception as error:  # noqa: BLE001  the others are tried as well
                failure = failure or error
            model.threads.shutdown(wait=False)
        self._of_model.clear()
        if failure is not None:
            raise failure

    # --- what is served ---

    def change(self, server: Server, most_bytes: int) -> None:
        """What of the settings may change while it runs."""
        self._versions.queue = _bound_queue(server)
        for model in self._of_model:
            model.gate.change_bounds(self._versions.queue)
        self._room.seconds = server.load_time
        self._waits.change(max(1, server.requests // 2))
        self.budget.change(most_bytes)
        self._begin(self._shrink())
        self._room.changed.set()

    def add(self, to_serve: ToServe) -> None:
        """One more name. Loaded soon where it is not for demand; what fails then is tried again on demand."""
        kept = self._add(to_serve)
        if not to_serve.is_on_demand:
            self._begin_loading(kept)

    def remove(self, name: str) -> None:
        """Nobody gets it any more; who holds it keeps it until his answer is over."""
        kept = self._kept.pop(name)
        kept.is_removed = True
        self._of_served.pop(kept.served)
        self.models.remove(name)
        current, kept.served.current = kept.served.current, None
        if current is not None:
            self._retire(kept, current, "removed")

    async def reload(self, name: str, to_serve: ToServe | None = None) -> ServedModel | None:
        """The version that answers from now on; None where none is loaded, and the next one asked for will be new.

        `to_serve`: how it is opened from now on, where that is not as before. Raises GatewayRefused where the new
        version is not taken: then the one before goes on. Who is cancelled here stops nothing.
        """
        return await asyncio.shield(self._begin(self._reload(self.find(name), to_serve)))

    async def _reload(self, kept: Kept, to_serve: ToServe | None) -> ServedModel | None:
        try:
            async with asyncio.timeout(self._room.seconds):
                await kept.turn.acquire()
        except TimeoutError:
            raise GatewayRefused(GATEWAY_BUSY, "the model is being loaded or reloaded already") from None
        try:
            if kept.served.current is None:
                kept.to_serve = to_serve or kept.to_serve
                kept.fails_until, kept.served.is_failing = 0.0, False
                return None
            await self._wait_for_earlier(kept)
            return await self._replace(kept, to_serve or kept.to_serve)
        finally:
            kept.turn.release()

    async def _wait_for_earlier(self, kept: Kept) -> None:
        """At most two versions are there at once."""
        try:
            async with asyncio.timeout(self._room.seconds):
                while kept.leaving:
                    self._room.changed.clear()
                    await self._room.changed.wait()
        except TimeoutError:
            raise GatewayRefused(GATEWAY_NOT_RELOADED, "the version before this one still answers") from None

    async def _replace(self, kept: Kept, to_serve: ToServe) -> ServedModel:
        before = kept.served.current
        assert before is not None  # noqa: S101  who has the turn looked, and nothing goes while it has it
        share, beside = Share(self.budget), self._shares[before]  # which may be removed before its files are found
        try:
            look = await self._load_apart(lambda: look_at(to_serve))
            take_room = self._room.make_take_room(kept, share, beside)
            model = await self._open_apart(lambda: self._versions.open(to_serve, take_room, "reload", before))
        except asyncio.CancelledError:
            raise
        except Exception as error:
            await self._load_apart(partial(self._versions.tell_kept, before, error))
            raise GatewayRefused(
                GATEWAY_NOT_RELOADED, f"the new version was refused: {name_error(error)}"
            ) from error
        if kept.is_removed:  # meanwhile, and the one before with it
            self._install_removed(kept, model, share)
            raise unknown_model()
        share.inherit(beside, model.opened.memory_bytes)
        kept.to_serve = to_serve
        self._install(kept, model, share, look)
        self._retire(kept, before, "replaced")
        return model

    # --- on demand ---

    async def _load(self, served: ServedName, tenant: str) -> None:
        """For `ServedModels.hold`."""
        try:
            self._waits.judge(tenant)
        except GatewayRefused:
            told = "as many requests wait for models as there may be"
            raise GatewayRefused(GATEWAY_MODEL_LOADING, told) from None
        kept = self._of_served.get(served)
        if kept is None:
            raise unknown_model()
        until = self._clock() + self._room.seconds
        kept.waiting += 1
        try:
            with self._waits.take(tenant):
                while served.current is None or served.is_leaving:
                    await self._await_loading(kept, until)
        finally:
            kept.waiting -= 1
            self._room.changed.set()

    async def _await_loading(self, kept: Kept, until: float) -> None:
        if kept.is_removed or self._is_closing:
            raise unknown_model()
        if kept.served.is_leaving:
            await self._await_turn(kept, until)
            return
        if kept.loading is None and kept.fails_until > self._clock():
            raise GatewayRefused(GATEWAY_MODEL_FAILED, "it could not be loaded a moment ago")
        loading = kept.loading or self._begin_loading(kept)
        await asyncio.wait({loading}, timeout=max(0.0, until - self._clock()))
        if not loading.done():
            if kept.lacks_room:
                raise GatewayRefused(GATEWAY_NO_ROOM, "all models at work are in use")
            raise GatewayRefused(GATEWAY_MODEL_LOADING, "it takes longer than a request may wait")
        error = None if loading.cancelled() else loading.result()
        if error is not None and kept.served.current is None:
            if isinstance(error, GatewayRefused):
                raise GatewayRefused(GATEWAY_NO_ROOM, error.message) from error
            raise GatewayRefused(GATEWAY_MODEL_FAILED, "it was refused, or failed") from error

    async def _await_turn(self, kept: Kept, until: float) -> None:
        """Another model's turn has come, which this one's requests had kept from it."""
        self._room.changed.set()
        try:
            async with asyncio.timeout(until - self._clock()):
                while kept.served.is_leaving:
                    self._room.changed.clear()
                    await self._room.changed.wait()
        except TimeoutError:
            raise GatewayRefused(GATEWAY_NO_ROOM, "it is another model's turn") from None

    def _begin_loading(self, kept: Kept) -> asyncio.Task[OstiaryError | None]:
        kept.loading = self._begin(self._load_now(kept))
        return kept.loading

    async def _load_now(self, kept: Kept) -> OstiaryError | None:
        """What kept it from that."""
        try:
            async with kept.turn:
                if kept.served.current is None and not kept.is_removed:
                    await self._load_first(kept)
        except OstiaryError as error:
            if not isinstance(error, GatewayRefused):  # of no room, whoever comes next hears by asking again
                kept.fails_until = self._clock() + _REST_AFTER_FAILURE_SECONDS
                kept.served.is_failing = True
                asyncio.get_running_loop().call_later(_REST_AFTER_FAILURE_SECONDS, self._end_rest, kept)
                with suppress(Exception):  # what the record cannot take, the next opening is refused for
                    await self._load_apart(partial(self._versions.tell_not_loaded, kept.served.name, error))
            return error
        finally:
            kept.loading = None
        return None

    def _end_rest(self, kept: Kept) -> None:
        """Whoever asks it now has it tried again: a server that is not ready for it would else never be."""
        if kept.fails_until <= self._clock():
            kept.served.is_failing = False

    async def _load_first(self, kept: Kept) -> None:
        to_serve, share = kept.to_serve, Share(self.budget)
        look = await self._load_apart(lambda: look_at(to_serve))
        take_room = self._room.make_take_room(kept, share)
        model = await self._open_apart(lambda: self._versions.open(to_serve, take_room, "demand"))
        if kept.is_removed:
            self._install_removed(kept, model, share)
        else:
            self._install(kept, model, share, look)
            self._room.let_stay(kept)

    # --- versions come and go ---

    def _find_idle(self, wanted: Kept) -> Kept | None:
        """The one that was used longest ago, unless it was loaded a moment ago."""
        last = self._find_last(wanted)
        return None if last is None or last.stays_until > self._clock() else last

    def _count_stay(self, wanted: Kept) -> float | None:
        last = self._find_last(wanted)
        return None if last is None else last.stays_until - self._clock()

    def _find_last(self, wanted: Kept | None = None) -> Kept | None:
        idle = [kept for kept in self._kept.values() if kept is not wanted and kept.is_idle]
        return min(idle, key=lambda kept: kept.used_at, default=None)

    def _find_busy(self, wanted: Kept) -> Kept | None:
        """The one that was loaded longest ago."""
        busy = [
            kept
            for kept in self._kept.values()
            if kept is not wanted
            and kept.served.current is not None
            and not kept.served.is_leaving
            and not kept.turn.locked()
            and kept.stays_until <= self._clock()
        ]
        return min(busy, key=lambda kept: kept.loaded_at, default=None)

    async def _shrink(self) -> None:
        """To a budget that is smaller now, as far as nobody is disturbed; the rest when others need room."""
        while self.budget.taken_bytes > self.budget.most_bytes:
            idle = self._find_last()
            if idle is None:
                return
            await self._unload(idle)

    async def _unload(self, kept: Kept) -> None:
        model, kept.served.current = kept.served.current, None
        if model is not None:
            closing = self._begin(self._close_model(kept, model, "room"))
            await asyncio.shield(closing)  # it goes, though whoever wants its room waits no longer

    def _add(self, to_serve: ToServe) -> Kept:
        kept = Kept(to_serve, ServedName(to_serve.name, int(time.time())))
        self._kept[to_serve.name] = kept
        self._of_served[kept.served] = kept
        self.models.add(kept.served)
        return kept

    def _install(self, kept: Kept, model: ServedModel, share: Share, look: Look) -> None:
        kept.served.current = model
        kept.served.is_failing = False
        kept.look, kept.fails_until = look, 0.0
        kept.used_at = kept.loaded_at = self._clock()
        self._shares[model] = share
        self._of_model[model] = kept

    def _install_removed(self, kept: Kept, model: ServedModel, share: Share) -> None:
        """It came too late: nobody gets it."""
        self._install(kept, model, share, ())
        kept.served.current = None
        self._retire(kept, model, "removed")

    def _retire(self, kept: Kept, model: ServedModel, why: str) -> None:
        """Closed when nobody holds it any more."""
        kept.leaving.add(model)
        model.leaves_as = why
        if not model.holders:
            self._begin(self._close_model(kept, model, why))

    def _note_let_go(self, model: ServedModel) -> None:
        kept = self._of_model.get(model)
        if kept is None:
            return
        kept.used_at = self._clock()
        if model in kept.leaving:
            self._begin(self._close_model(kept, model, model.leaves_as))
        self._room.changed.set()

    async def _close_model(self, kept: Kept, model: ServedModel, why: str) -> None:
        try:
            await asyncio.wrap_future(self._closes.submit(self._versions.close, model, why))
        except Exception as error:  # noqa: BLE001  the record would not hear of it: its next entry is refused as well
            self._on_failure(error)
        kept.leaving.discard(model)  # a task that is cancelled leaves all this to `close`
        self._of_model.pop(model, None)
        self._shares.pop(model, None)
        self._room.changed.set()

    # --- threads and tasks ---

    async def _load_apart(self, act: Callable[[], _T]) -> _T:
        return await asyncio.wrap_future(self._loads.submit(act))

    async def _open_apart(self, open_model: Callable[[], ServedModel]) -> ServedModel:
        """Where nobody waits for it any more, it is closed again."""
        future = self._loads.submit(open_model)
        try:
            return await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            future.add_done_callback(_close_late)
            raise

    def _begin(self, work: Coroutine[object, object, _T]) -> asyncio.Task[_T]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._forget)
        return task

    def _forget(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # whoever wants it has it


def _close_late(done: Future[ServedModel]) -> None:
    if not done.cancelled() and done.exception() is None:
        model = done.result()
        with suppress(Exception):
            model.opened.close()
        model.threads.shutdown(wait=False)


def _bound_queue(server: Server) -> QueueBounds:
    return QueueBounds(places=server.queue, seconds=server.queue_time)
