"""Who has how much of the memory, who may go for others, and what counts as changed at a model's place."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any, cast

import pytest
from cell_tools import PATIENCE
from door_tools import QUICK

from ostiary.admission import QueueBounds
from ostiary.errors import Misuse
from ostiary.gateway import make_room
from ostiary.gateway.keeper import ModelKeeper
from ostiary.gateway.kept import Kept
from ostiary.gateway.make_room import RoomMaker
from ostiary.gateway.memory_budget import MemoryBudget, Share, derive_budget
from ostiary.gateway.served import ServedModel, ServedName
from ostiary.gateway.to_serve import ToServe, look_at


class Version:
    """As much of a served model as who decides looks at."""

    holders = 0


@pytest.fixture
def kept() -> Kept:
    served = ServedName("name", 0)
    served.current = cast("Any", Version())
    return Kept(ToServe("name", Path(), cast("Any", None)), served)


def test_nothing_beyond_the_budget_is_taken() -> None:
    budget = MemoryBudget(10)
    one, two = Share(budget), Share(budget)
    assert [one.take(6), two.take(5), two.take(4)] == [True, False, True]
    assert (budget.taken_bytes, one.bytes, two.bytes) == (10, 6, 4)
    one.give_back()
    one.give_back()
    assert budget.taken_bytes == 4
    budget.change(3)
    assert not one.take(1), "what is taken stays taken"
    assert budget.taken_bytes == 4
    assert derive_budget() > 1 << 28


@pytest.mark.parametrize(("before", "after"), [(6, 6), (6, 4), (4, 6), (0, 5)])
def test_a_version_that_replaces_another_has_what_that_one_had(before: int, after: int) -> None:
    budget = MemoryBudget(10)
    old, new = Share(budget), Share(budget)
    assert old.take(before)
    assert new.take(max(0, after - before)), "only what is more has to be found"
    new.inherit(old, after)
    assert new.bytes == after
    old.give_back()
    assert budget.taken_bytes == after
    new.give_back()
    assert budget.taken_bytes == 0


def test_many_threads_take_no_more_than_there_is() -> None:
    budget = MemoryBudget(100)
    shares = [Share(budget) for _ in range(8)]

    def take(share: Share) -> None:
        for _ in range(200):
            share.take(7)
            assert budget.taken_bytes <= 100
            share.give_back()

    threads = [threading.Thread(target=take, args=(share,)) for share in shares]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert budget.taken_bytes == 0


def test_who_is_held_or_waited_for_or_worked_on_does_not_go(kept: Kept) -> None:
    async def check() -> None:
        assert kept.is_idle
        cast("Any", kept.served.current).holders = 1
        assert not kept.is_idle
        cast("Any", kept.served.current).holders = 0
        kept.waiting = 1
        assert not kept.is_idle, "somebody has yet to get it"
        kept.served.is_leaving = True
        assert kept.is_idle, "it is another one's turn"
        kept.served.is_leaving, kept.waiting = False, 0
        async with kept.turn:
            assert not kept.is_idle
        assert kept.is_idle
        kept.served.current = None
        assert not kept.is_idle

    asyncio.run(check())


class JumpingLoop(asyncio.SelectorEventLoop):
    """Time passes when a test says so."""

    ahead = 0.0

    def time(self) -> float:
        return super().time() + self.ahead


def test_somebody_is_asked_to_go_also_where_it_took_all_patience_to_close_another(kept: Kept) -> None:
    budget, seconds = MemoryBudget(10), 40.0
    shares = [Share(budget), Share(budget)]
    assert all(share.take(5) for share in shares)
    idle, busy = (Kept(kept.to_serve, ServedName(name, 0)) for name in ("idle", "busy"))
    still_there = [idle]

    def find_idle(_wanted: Kept) -> Kept | None:
        return still_there[0] if still_there else None

    def find_busy(_wanted: Kept) -> Kept | None:
        still_there.append(busy)  # whom nobody gets any more is idle soon
        return busy

    async def unload(gone: Kept) -> None:
        still_there.remove(gone)
        if gone is idle:
            loop.ahead += seconds * 0.6
        shares.pop().give_back()

    async def make_room() -> None:
        maker = RoomMaker(budget, seconds, find_idle, find_busy, unload)
        share = Share(budget)
        take_room = maker.make_take_room(kept, share)

        def take() -> int:
            with take_room(10):
                return share.bytes

        assert await asyncio.to_thread(take) == 10
        assert not busy.served.is_leaving

    kept.waiting = 1
    loop = JumpingLoop()
    try:
        loop.run_until_complete(make_room())
    finally:
        loop.close()


def test_what_changed_at_its_place_shows(tmp_path: Path) -> None:
    key = tmp_path / "a.pub"
    model = ToServe("name", tmp_path / "model", cast("Any", None), believed=(key,))
    assert [name for name, *_ in look_at(model)] == [str(key)], "nothing is there"
    (tmp_path / "model" / "inner").mkdir(parents=True)
    looks = [look_at(model)]
    for path, text in (("model/config.json", "a"), ("model/inner/b", "b"), ("model/inner/b", "cc"), ("a.pub", "k")):
        (tmp_path / path).write_text(text)
        looks.append(look_at(model))
    (tmp_path / "model" / "link").symlink_to("nowhere")
    looks.append(look_at(model))
    (tmp_path / "model" / "config.json").rename(tmp_path / "model" / "other.json")
    looks.append(look_at(model))
    assert len(set(looks)) == len(looks)
    assert look_at(model) == looks[-1]


def test_nobody_waits_for_a_loop_that_has_ended(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(make_room, "_LOOK_SECONDS", 0.001)
    budget = MemoryBudget(10)
    share = Share(budget)
    loop = asyncio.new_event_loop()

    async def prepare() -> Any:
        maker = RoomMaker(budget, 60, lambda _: None, lambda _: None, cast("Any", None))
        return maker.make_take_room(kept, share)

    take_room = loop.run_until_complete(prepare())
    with pytest.raises(Misuse, match="stopped"), take_room(5):
        pytest.fail("nobody made room")
    for _ in range(3):  # so that no coroutine is left that was never awaited
        loop.run_until_complete(asyncio.sleep(0))
    loop.close()


class Closing:
    """Versions of which closing takes as long as the test says."""

    def __init__(self) -> None:
        self.queue = QueueBounds()
        self.may_end = threading.Event()
        self.closed: list[str] = []

    def close(self, model: ServedModel, _why: str) -> None:
        assert self.may_end.wait(PATIENCE)
        self.closed.append(model.name)

    def stop(self) -> None:
        """Nothing is being opened."""


class Standing:
    """A version that is served, as far as its keeper looks at it."""

    holders = 0

    def __init__(self, name: str) -> None:
        self.name = name


def test_what_is_being_closed_is_closed_though_whoever_wanted_its_room_waits_no_longer() -> None:
    versions, budget = Closing(), MemoryBudget(30)
    keeper = ModelKeeper(cast("Any", versions), budget, QUICK)
    names = ("one", "two", "three")  # of which two have a thread

    async def unload_all() -> None:
        unloading: list[asyncio.Task[None]] = []
        for name in names:
            kept = keeper._add(ToServe(name, Path(), cast("Any", None)))
            keeper._install(kept, cast("Any", Standing(name)), Share(budget), ())
            unloading.append(asyncio.create_task(keeper._unload(kept)))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        for task in unloading:
            task.cancel()
        assert await asyncio.gather(*unloading, return_exceptions=True)
        versions.may_end.set()
        while keeper._tasks:
            await asyncio.wait(set(keeper._tasks))
        assert sorted(versions.closed) == sorted(names)
        assert (keeper._of_model, keeper._shares) == ({}, {})

    asyncio.run(unload_all())
    keeper.close()
