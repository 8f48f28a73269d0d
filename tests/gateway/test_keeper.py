"""Models that are loaded when somebody asks them, within a budget of memory: who goes, who waits, who hears no."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pytest
from cell_tools import LINUX_ONLY, PATIENCE, signal_worker
from door_tools import QUICK, parse_answer, read_all
from function_models import write_function
from keeper_tools import LIMIT, Kennel, ask, keeping, make_to_serve, publish, speaking, wait_for

from ostiary.cell.ending import Cause
from ostiary.cell.quarantine import Quarantine
from ostiary.errors import CellRefused
from ostiary.gateway.to_serve import ToServe
from ostiary.record.serving_events import ModelLoaded, ModelNotLoaded, ModelUnloaded
from ostiary.testing import HostilePublisher, sign_model

pytestmark = LINUX_ONLY

IMPATIENT = replace(QUICK, load_time=1)


def three(folder: Path) -> list[ToServe]:
    """One model under three names."""
    one = publish(folder, "one")
    return [replace(one, name=name) for name in ("one", "two", "three")]


def test_nothing_is_loaded_before_somebody_asks(tmp_path: Path) -> None:
    with keeping([publish(tmp_path)]) as kennel:
        assert kennel.door.get("/readyz").status == 200
        assert kennel.door.get("/livez").status == 200
        assert kennel.door.get("/v1/models").json["data"][0]["id"] == "honest"  # type: ignore[index]
        state = kennel.door.get("/admin/models").json["models"][0]  # type: ignore[index]
        assert (state["standing"], state["workers"], state["root"]) == ("waiting", [], None)
        assert kennel.events == []
        assert kennel.say("honest", "a b c") == "a b c"
        assert kennel.say("honest", "d e f") == "d e f"
        (loaded,) = kennel.of(ModelLoaded)
        assert (loaded.why, loaded.workers, loaded.memory_bytes) == ("demand", 1, LIMIT)  # type: ignore[attr-defined]
        state = kennel.door.get("/admin/models").json["models"][0]  # type: ignore[index]
        assert (state["standing"], state["workers"], state["opened"]) == (
            "running",
            ["running"],
            loaded.opened,  # type: ignore[attr-defined]
        )


def test_many_who_ask_at_once_load_it_once(tmp_path: Path) -> None:
    with keeping([publish(tmp_path)]) as kennel:
        said: list[str] = []
        threads = [threading.Thread(target=lambda: said.append(kennel.say("honest", "a b c"))) for _ in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE)
        assert said == ["a b c"] * 12
        assert len(kennel.of(ModelLoaded)) == 1


def test_the_one_that_was_used_longest_ago_goes_first(tmp_path: Path) -> None:
    with keeping(three(tmp_path), memory=2 * LIMIT) as kennel:
        for name in ("one", "two", "one", "three"):
            assert kennel.say(name, "a b c") == "a b c"
        assert kennel.loaded == {"one", "three"}
        (gone,) = kennel.of(ModelUnloaded)
        assert (gone.name, gone.why) == ("two", "room")  # type: ignore[attr-defined]
        assert kennel.say("two", "a b c") == "a b c"
        assert kennel.loaded == {"three", "two"}
        assert kennel.keeper.budget.taken_bytes == 2 * LIMIT


class Clock:
    """Loading takes ten seconds by it, and nothing else takes any."""

    def __init__(self) -> None:
        self.later = 0.0
        self.kennel: Kennel | None = None

    def __call__(self) -> float:
        return self.later + (0.0 if self.kennel is None else 10.0 * len(self.kennel.of(ModelLoaded)))


def test_one_that_was_loaded_a_moment_ago_makes_room_for_nobody(tmp_path: Path) -> None:
    """Who asks two in turn that do not fit together would else have them loaded without end."""
    clock = Clock()
    with keeping(three(tmp_path), memory=LIMIT, server=replace(QUICK, load_time=1_000), clock=clock) as kennel:
        clock.kennel = kennel
        assert kennel.say("one", "a b c") == "a b c"
        assert kennel.kept("one").stays_until == 10 + 4 * 10
        kennel.keeper._room.seconds = 0.2
        for _ in range(2):
            for name in ("two", "three"):
                assert kennel.say(name) in ("GATEWAY_NO_ROOM", "GATEWAY_MODEL_LOADING")
                assert kennel.say("one", "a b c") == "a b c"
        assert [event.name for event in kennel.of(ModelLoaded)] == ["one"]  # type: ignore[attr-defined]
        kennel.keeper._room.seconds = 1_000
        clock.later = 39.9  # so long the next one waits before it looks again
        said: list[str] = []
        waiting = threading.Thread(target=lambda: said.append(kennel.say("two", "a b c")))
        waiting.start()
        wait_for(lambda: kennel.kept("two").lacks_room)
        assert kennel.loaded == {"one"}
        clock.later = 41
        waiting.join(PATIENCE)
        assert (said, kennel.loaded) == (["a b c"], {"two"})


def test_one_that_was_loaded_a_moment_ago_can_be_reloaded(tmp_path: Path) -> None:
    with keeping([publish(tmp_path)], memory=LIMIT) as kennel:
        assert kennel.say("honest", "a b c") == "a b c"
        kennel.kept("honest").stays_until = float("inf")
        assert kennel.reload("honest").status == 200
        kennel.on_loop(lambda: kennel.keeper.change(QUICK, 1))
        wait_for(lambda: kennel.loaded == set())


def test_one_that_is_in_use_does_not_go(tmp_path: Path) -> None:
    models = three(tmp_path)
    slow = speaking(models[0], "slow", milliseconds=60_000)
    with (
        keeping([slow, models[1]], memory=LIMIT, server=IMPATIENT) as kennel,
        kennel.door.connect(PATIENCE) as holding,
    ):
        holding.sendall(ask("one", "who", 60, stream=True))
        wait_for(lambda: kennel.loaded == {"one"})
        answer = kennel.ask("two")
        assert (answer.status, answer.code) == (503, "GATEWAY_NO_ROOM")
        assert answer.headers["retry-after"] == "5"
        assert kennel.loaded == {"one"}
        assert kennel.kept("one").served.current is not None
        assert kennel.kept("one").served.current.holders == 1  # type: ignore[union-attr]
        assert kennel.door.get("/readyz").status == 200, "the next who asks may have it"


def test_whoever_waits_for_room_gets_it_when_others_are_done(tmp_path: Path) -> None:
    models = three(tmp_path)
    slow = speaking(models[0], "slow", milliseconds=60_000)
    with keeping([slow, models[1]], memory=LIMIT) as kennel:
        said: list[str] = []
        with kennel.door.connect(PATIENCE) as holding:
            holding.sendall(ask("one", "who", 60, stream=True))
            wait_for(lambda: kennel.loaded == {"one"})
            waiting = threading.Thread(target=lambda: said.append(kennel.say("two", "a b c")))
            waiting.start()
            wait_for(kennel.keeper._room.turn.locked)
            assert kennel.loaded == {"one"}
        waiting.join(PATIENCE)  # the client of the first went away
        assert said == ["a b c"]
        assert kennel.loaded == {"two"}


def test_who_goes_away_while_waiting_leaves_nothing_behind(tmp_path: Path) -> None:
    models = three(tmp_path)
    slow = speaking(models[0], "slow", milliseconds=60_000)
    with (
        keeping([slow, models[1]], memory=LIMIT) as kennel,
        kennel.door.connect(PATIENCE) as holding,
    ):
        holding.sendall(ask("one", "who", 60, stream=True))
        wait_for(lambda: kennel.loaded == {"one"})
        with kennel.door.connect(PATIENCE) as leaving:
            leaving.sendall(ask("two", "who", 3))
            wait_for(lambda: kennel.kept("two").waiting == 1)
        wait_for(lambda: kennel.kept("two").waiting == 0)
        wait_for(lambda: kennel.kept("two").loading is None)  # long before the time that it had
        assert kennel.loaded == {"one"}
        assert kennel.keeper.budget.taken_bytes == LIMIT


def test_a_model_that_can_never_fit_is_refused_and_not_read_for_each_request(tmp_path: Path) -> None:
    with keeping([publish(tmp_path)], memory=LIMIT - 1) as kennel:
        for _ in range(3):
            answer = kennel.ask("honest")
            assert (answer.status, answer.code, answer.headers["retry-after"]) == (
                503,
                "GATEWAY_MODEL_FAILED",
                "30",
            )
        (told,) = kennel.of(ModelNotLoaded)
        assert told.code == "CELL_MEMORY_BUDGET"  # type: ignore[attr-defined]
        answer = kennel.door.get("/readyz")
        assert (answer.status, answer.json["status"]) == (503, "failing")
        kept = kennel.kept("honest")
        kennel.on_loop(lambda: kennel.keeper._end_rest(kept))
        assert kennel.door.get("/readyz").status == 503, "its rest is not over"
        kept.fails_until, was = 0.0, kept.fails_until
        kennel.on_loop(lambda: kennel.keeper._end_rest(kept))
        assert kennel.door.get("/readyz").status == 200, "it is tried again for whoever asks next"
        kept.fails_until = was
        assert kennel.reload("honest").json["is_loaded"] is False, "which has it tried again"
        assert kennel.door.get("/readyz").status == 200
        assert kennel.say("honest") == "GATEWAY_MODEL_FAILED"
        assert len(kennel.of(ModelNotLoaded)) == 2


def test_a_model_that_nobody_vouches_for_is_not_loaded_on_demand_either(tmp_path: Path) -> None:
    path = HostilePublisher(tmp_path, "unsigned").publish_honest()
    good = publish(tmp_path)
    bad = make_to_serve("unsigned", path, good.believed[0], tmp_path / "state")
    with keeping([good, bad]) as kennel:
        assert kennel.say("unsigned") == "GATEWAY_MODEL_FAILED"
        assert kennel.say("honest", "a b c") == "a b c"
        assert kennel.of(ModelNotLoaded)[0].code == "TRUST_UNSIGNED"  # type: ignore[attr-defined]
        assert "TRUST" not in kennel.ask("unsigned").body.decode()


def test_what_is_to_be_there_from_the_start_must_fit(tmp_path: Path) -> None:
    model = replace(publish(tmp_path), is_on_demand=False)
    with pytest.raises(CellRefused, match="the server has 255 MiB"), keeping([model], memory=LIMIT - 1):
        pytest.fail("it was loaded")
    with keeping([model], memory=LIMIT) as kennel:
        assert kennel.loaded == {"honest"}
        assert kennel.of(ModelLoaded)[0].why == "start"  # type: ignore[attr-defined]


def test_only_so_many_wait_for_models(tmp_path: Path) -> None:
    models = three(tmp_path)
    slow = speaking(models[0], "slow", milliseconds=60_000)
    server = replace(QUICK, requests=8)
    with (
        keeping([slow, models[1]], memory=LIMIT, server=server) as kennel,
        kennel.door.connect(PATIENCE) as holding,
    ):
        holding.sendall(ask("one", "who", 60, stream=True))
        wait_for(lambda: kennel.loaded == {"one"})
        kennel.keeper._waits.change(2)
        waiting = [kennel.door.connect(PATIENCE) for _ in range(2)]
        for connection in waiting:
            connection.sendall(ask("two", "who", 3))
        wait_for(lambda: kennel.keeper.waiting == 2)
        answer = kennel.ask("two")
        assert (answer.status, answer.code, answer.headers["retry-after"]) == (503, "GATEWAY_MODEL_LOADING", "2")
        for connection in waiting:
            connection.close()
        wait_for(lambda: kennel.keeper.waiting == 0)


def test_a_worker_that_died_is_there_again_before_anybody_asks(tmp_path: Path) -> None:
    model = publish(tmp_path)
    model = replace(model, options=replace(model.options, workers=2))
    with keeping([model], memory=2 * LIMIT) as kennel:
        assert kennel.say("honest", "a b c") == "a b c"
        current = kennel.kept("honest").served.current
        assert current is not None
        opened = current.opened
        assert opened.memory_bytes == 2 * LIMIT
        cells = opened._opened.group.cells
        assert kennel.door.get("/livez").json["workers"]["running"] == 2  # type: ignore[index]
        for cell in cells:
            signal_worker(cell)
        wait_for(lambda: [cell._restart for cell in cells] == [2, 2])
        assert opened.standings == ("running", "running")
        assert kennel.say("honest", "a b c") == "a b c"
        assert kennel.door.get("/livez").json["workers"]["running"] == 2  # type: ignore[index]


def test_a_model_that_is_asked_without_a_pause_lets_others_have_a_turn(tmp_path: Path) -> None:
    models = three(tmp_path)
    busy = speaking(models[0], "busy", milliseconds=5)
    with keeping([busy, models[1]], memory=LIMIT, server=replace(QUICK, load_time=4)) as kennel:
        is_over = threading.Event()
        answers: list[object] = []

        def flood() -> None:
            while not is_over.is_set():
                answer = kennel.ask("one", "who", 20)
                answers.append(answer.code if answer.status != 200 else 200)

        crowd = [threading.Thread(target=flood) for _ in range(3)]
        for thread in crowd:
            thread.start()
        try:
            wait_for(lambda: len(answers) > 3)
            for _ in range(2):
                assert kennel.say("two", "a b c") == "a b c"
                before = answers.count(200)
                wait_for(lambda before=before: answers.count(200) > before)
        finally:
            is_over.set()
            for thread in crowd:
                thread.join(PATIENCE)
        assert set(answers) <= {200, "GATEWAY_NO_ROOM", "GATEWAY_MODEL_LOADING"}


def test_a_stream_goes_on_while_others_wait_and_ends_whole(tmp_path: Path) -> None:
    models = three(tmp_path)
    steady = speaking(models[0], "steady", milliseconds=20)
    with keeping([steady, models[1]], memory=LIMIT) as kennel:
        with kennel.door.connect(PATIENCE) as holding:
            holding.sendall(ask("one", "who", 40, stream=True))
            assert holding.recv(2_000).startswith(b"HTTP/1.1 200")
            assert kennel.say("two", "a b c") == "a b c", "when the first has ended"
            assert b"[DONE]" in read_all(holding)
        assert parse_answer(kennel.door.exchange(ask("one", "who", 3))).status == 200


def test_a_smaller_budget_has_those_go_that_nobody_asks(tmp_path: Path) -> None:
    models = three(tmp_path)
    slow = speaking(models[0], "slow", milliseconds=60_000)
    with keeping([slow, *models[1:]], memory=3 * LIMIT) as kennel, kennel.door.connect(PATIENCE) as holding:
        holding.sendall(ask("one", "who", 60, stream=True))
        wait_for(lambda: kennel.loaded == {"one"})
        for name in ("two", "three"):
            assert kennel.say(name, "a b c") == "a b c"
        kennel.on_loop(lambda: kennel.keeper.change(QUICK, 2 * LIMIT))
        wait_for(lambda: kennel.loaded == {"one", "three"})
        kennel.on_loop(lambda: kennel.keeper.change(QUICK, 1))
        wait_for(lambda: kennel.keeper.budget.taken_bytes == LIMIT)
        assert kennel.loaded == {"one"}, "it is in use"


def test_functions_are_loaded_on_demand_too_and_asking_after_them_loads_nothing(tmp_path: Path) -> None:
    path = write_function(tmp_path / "scaled")
    model = make_to_serve("scaled", path, sign_model(path), tmp_path / "state")
    with keeping([model, replace(model, name="other")]) as kennel:
        for name in ("scaled", "other"):
            assert kennel.door.get(f"/v2/models/{name}/ready").json == {"name": name, "ready": True}
        assert kennel.door.get("/v2/health/ready").status == 200
        assert kennel.loaded == set()
        assert kennel.door.get("/v2/models/scaled").json["name"] == "scaled"
        assert kennel.loaded == {"scaled"}
        assert kennel.say("scaled") == "GATEWAY_OPERATION"
        current = kennel.kept("scaled").served.current
        assert current is not None
        assert current.holders == 0


def test_a_model_that_is_quarantined_at_the_start_answers_with_all_its_processes_once_it_is_released(
    tmp_path: Path,
) -> None:
    model = replace(publish(tmp_path), is_on_demand=False)
    model = replace(model, options=replace(model.options, workers=2))
    quarantine = Quarantine(tmp_path / "state", lambda _: None)
    with keeping([model]) as kennel:
        root = kennel.kept("honest").served.current.opened.verdict.root
    for _ in range(4):
        quarantine.note_end(root, "honest", Cause.CRASH, 3, "correlation")
    with keeping([model]) as kennel:
        answer = kennel.door.get("/readyz")
        assert (answer.status, answer.json["workers"]["quarantined"]) == (503, 2)  # type: ignore[index]
        group = kennel.kept("honest").served.current.opened._opened.group
        assert [cell._first_sealed for cell in group.cells] == [None, None], "what they read together is over"
        assert kennel.say("honest") == "CELL_QUARANTINED"
        quarantine.release(root, "a-release")
        assert kennel.say("honest", "a b c") == "a b c"
        group.revive_soon()
        wait_for(lambda: kennel.door.get("/livez").json["workers"]["running"] == 2)  # type: ignore[index, call-overload]
        assert kennel.door.get("/readyz").status == 200


def test_a_model_that_was_released_from_quarantine_is_ready_again_though_nobody_asks_it(tmp_path: Path) -> None:
    model = replace(publish(tmp_path), is_on_demand=False)
    with keeping([model]) as kennel:
        current = kennel.kept("honest").served.current
        assert current is not None
        group = current.opened._opened.group
        (cell,) = group.cells
        while not cell._is_refused:
            process = cell._process
            assert process is not None
            signal_worker(cell)
            wait_for(lambda process=process: cell._is_refused or cell._process is not process)
        answer = kennel.door.get("/readyz")
        assert (answer.status, answer.json["workers"]["quarantined"]) == (503, 1)  # type: ignore[index]
        assert kennel.door.get("/livez").status == 503
        assert kennel.say("honest") == "CELL_QUARANTINED"
        Quarantine(tmp_path / "state", kennel.events.append).release(cell.root, "a-release")
        group._looked_at -= 60
        wait_for(lambda: kennel.door.get("/readyz").status == 200)
        assert kennel.say("honest", "a b c") == "a b c"
