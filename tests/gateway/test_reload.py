"""A new version of a model beside the one that answers: nobody notices the swap, and what is refused changes nothing."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cell_tools import LINUX_ONLY, PATIENCE, count_descriptors, signal_worker
from door_tools import Answer, read_all
from function_models import write_echo
from keeper_tools import LIMIT, Kennel, LetIn, ask, keeping, make_engine, make_to_serve, publish, speaking, wait_for

from ostiary.cli.main import main
from ostiary.core.callers import Scope
from ostiary.errors import RECORD_DISK_FULL, GatewayRefused, RecordUnwritable
from ostiary.gateway.to_serve import Look, ToServe, look_at
from ostiary.library.believe import Named
from ostiary.record.serving_events import ModelKept, ModelLoaded, ModelUnloaded
from ostiary.testing import HostilePublisher, sign_model

pytestmark = LINUX_ONLY

SWAPS = 20
WORDS = 12


def present(folder: Path) -> ToServe:
    return speaking(replace(publish(folder), is_on_demand=False), "red")


def read_words(answer: Answer) -> list[str]:
    """Of a completion, whole or as a stream."""
    assert answer.status == 200, answer.body
    if answer.headers["content-type"].startswith("application/json"):
        return str(answer.json["choices"][0]["text"]).split()  # type: ignore[index]
    assert answer.body.endswith(b"data: [DONE]\n\n"), answer.body[-200:]
    lines = [line for line in answer.body.decode().split("\n") if line.startswith('data: {"')]
    choices = [choice for line in lines for choice in json.loads(line[6:])["choices"]]
    return "".join(choice["text"] for choice in choices).split()


class Clients:
    """Ask all the time, some for streams; every answer is kept."""

    def __init__(self, kennel: Kennel, count: int) -> None:
        self.answers: list[list[str]] = []
        self.failures: list[BaseException] = []
        self._kennel = kennel
        self._is_over = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(bool(n % 2),)) for n in range(count)]

    def _ask(self, stream: bool) -> None:
        while not self._is_over.is_set():
            try:
                self.answers.append(read_words(self._kennel.ask("honest", "who", WORDS, stream=stream)))
            except BaseException as failure:  # noqa: BLE001  shown by the test
                self.failures.append(failure)
                return

    def __enter__(self) -> Clients:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        for thread in self._threads:
            thread.join(PATIENCE)


def test_twenty_swaps_under_load_fail_nobody_and_mix_no_answer(tmp_path: Path) -> None:
    red = speaking(present(tmp_path), "red", milliseconds=2)
    blue = speaking(red, "blue", milliseconds=2)
    with keeping([red]) as kennel:
        with Clients(kennel, 4) as clients:
            for swap in range(SWAPS):
                before = len(clients.answers)
                wait_for(lambda before=before: len(clients.answers) > before or clients.failures)
                kennel.door.run(kennel.keeper.reload("honest", (blue, red)[swap % 2]))
        assert clients.failures == []
        for words in clients.answers:
            assert words in (["red"] * WORDS, ["blue"] * WORDS)
        assert {words[0] for words in clients.answers} == {"red", "blue"}
        assert [event.why for event in kennel.of(ModelLoaded)] == ["start", *["reload"] * SWAPS]  # type: ignore[attr-defined]
        wait_for(lambda: len(kennel.of(ModelUnloaded)) == SWAPS)
        assert {event.why for event in kennel.of(ModelUnloaded)} == {"replaced"}  # type: ignore[attr-defined]
        assert kennel.keeper.budget.taken_bytes == LIMIT


def test_what_lies_there_now_is_taken_when_an_administrator_says_so(tmp_path: Path) -> None:
    red = present(tmp_path)
    with keeping([red]) as kennel:
        before = kennel.door.get("/admin/models").json["models"][0]  # type: ignore[index]
        (red.path / "README.md").write_text("the second edition")
        sign_again(red, version="2")
        told = kennel.reload("honest")
        assert (told.status, told.json["is_loaded"], told.json["version"]) == (200, True, "2")
        assert told.json["root"] != before["root"]
        state = kennel.door.get("/admin/models").json["models"][0]  # type: ignore[index]
        assert (state["root"], state["opened"]) == (told.json["root"], told.json["opened"])
        loaded = kennel.of(ModelLoaded)[-1]
        assert loaded.replaces == before["opened"]  # type: ignore[attr-defined]
        assert kennel.reload("nothing").code == "GATEWAY_MODEL_UNKNOWN"
        assert kennel.door.post("/admin/models/honest/reload", b"{}").status == 413


def test_a_key_that_is_bound_to_models_administers_only_those(tmp_path: Path) -> None:
    red = present(tmp_path)
    others = frozenset({"two"})
    with keeping([red, replace(red, name="two")], lets_in=LetIn(models=others)) as kennel:
        assert kennel.reload("honest").code == "GATEWAY_MODEL_UNKNOWN"
        assert kennel.reload("two").status == 200
        assert [one["model"] for one in kennel.door.get("/admin/models").json["models"]] == ["two"]  # type: ignore[index, attr-defined]
    with keeping([red], lets_in=LetIn(scopes=frozenset({Scope.INFER}))) as kennel:
        assert kennel.reload("honest").code == "ADMISSION_FORBIDDEN"
        assert kennel.door.get("/admin/models").code == "ADMISSION_FORBIDDEN"


def sign_again(model: ToServe, version: str | None = None) -> None:
    """By a new key, which takes the place of the one that is believed."""
    (model.path / "model.sig").unlink()
    sign_model(model.path, model_version=version)


def test_a_new_version_that_is_refused_leaves_the_one_before(tmp_path: Path) -> None:
    red = present(tmp_path)
    with keeping([red]) as kennel:
        before = kennel.kept("honest").served.current
        (red.path / "config.json").write_bytes((red.path / "config.json").read_bytes() + b" ")
        told = kennel.reload("honest")
        assert (told.status, told.code) == (409, "GATEWAY_NOT_RELOADED")
        assert "the new version was refused: TRUST_" in told.body.decode()
        assert str(tmp_path) not in told.body.decode()
        assert kennel.say("honest") == "red red red"
        assert kennel.kept("honest").served.current is before
        (kept,) = kennel.of(ModelKept)
        assert kept.code.startswith("TRUST_")  # type: ignore[attr-defined]
        assert kept.opened == before.verdict.correlation_id  # type: ignore[attr-defined, union-attr]
        assert kennel.keeper.budget.taken_bytes == LIMIT
        sign_again(red)
        assert kennel.reload("honest").status == 200


def test_an_older_version_than_was_seen_is_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state_directory: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OSTIARY_POLICY", str(tmp_path / "policy.toml"))
    monkeypatch.setenv("OSTIARY_PASSPHRASE", "correct horse")
    HostilePublisher(tmp_path, "honest").publish_honest()
    rule = [
        "trust",
        "add",
        "rule",
        "acme/*",
        "--signer",
        "alice",
        "--first-use",
        "accept",
        "--source",
        str(tmp_path),
    ]
    for words in (
        ["keygen", "alice"],
        ["trust", "init"],
        ["trust", "add", "signer", "alice", "--key", "alice.pub"],
        [*rule, "--minimum-version", "1.0"],
    ):
        assert main(words) == 0

    def sign(version: str) -> None:
        Path("honest/model.sig").unlink(missing_ok=True)
        assert main(["sign", "honest", "--key", "alice.key", "--id", "acme/m", "--model-version", version]) == 0

    sign("1.2")
    red = make_to_serve("honest", tmp_path / "honest", Path("alice.pub"), state_directory, is_on_demand=False)
    named = Named(policy=tmp_path / "policy.toml")
    red = replace(red, options=replace(red.options, named=named))
    with keeping([speaking(red, "red")]) as kennel:
        sign("1.1")
        told = kennel.reload("honest")
        assert (told.code, "TRUST_ROLLED_BACK" in told.body.decode()) == ("GATEWAY_NOT_RELOADED", True)
        assert kennel.say("honest") == "red red red"
        sign("1.3")
        assert kennel.reload("honest").json["version"] == "1.3"


@pytest.mark.parametrize("engine", ["nothing-like-it", "crash"])
def test_a_new_version_whose_process_does_not_start_leaves_the_one_before(tmp_path: Path, engine: str) -> None:
    red = present(tmp_path)
    settings = {**make_engine("blue").settings, "libraries": 3, "answers": 7} if engine == "crash" else {}
    broken = replace(
        red,
        options=replace(
            red.options, engine=replace(red.options.engine, name="fake" if settings else engine, settings=settings)
        ),
    )
    with keeping([red]) as kennel:
        with pytest.raises(GatewayRefused) as caught:
            kennel.door.run(kennel.keeper.reload("honest", broken))
        assert caught.value.code == "GATEWAY_NOT_RELOADED"
        assert kennel.say("honest") == "red red red"
        assert kennel.kept("honest").to_serve is red, "the next reload begins from what was good"
        assert kennel.reload("honest").status == 200


def test_the_version_that_is_replaced_stays_as_long_as_somebody_holds_it(tmp_path: Path) -> None:
    slow = speaking(present(tmp_path), "slow", milliseconds=60_000)
    with keeping([slow]) as kennel:
        with kennel.door.connect(PATIENCE) as holding:
            holding.sendall(ask("honest", "who", 60, stream=True))
            wait_for(lambda: kennel.kept("honest").served.current.holders == 1)  # type: ignore[union-attr]
            before = kennel.kept("honest").served.current
            assert before is not None
            kennel.door.run(kennel.keeper.reload("honest", speaking(slow, "blue")))
            assert kennel.say("honest") == "blue blue blue"
            assert kennel.kept("honest").leaving == {before}
            assert not before.opened.is_closed
        wait_for(lambda: not kennel.kept("honest").leaving)
        assert before.opened.is_closed


def test_at_most_two_versions_are_there_at_once(tmp_path: Path) -> None:
    slow = speaking(present(tmp_path), "slow", milliseconds=60_000)
    with keeping([slow]) as kennel, kennel.door.connect(PATIENCE) as holding:
        holding.sendall(ask("honest", "who", 60, stream=True))
        wait_for(lambda: kennel.kept("honest").served.current.holders == 1)  # type: ignore[union-attr]
        kennel.door.run(kennel.keeper.reload("honest", speaking(slow, "blue")))
        kennel.keeper._room.seconds = 0.05
        with pytest.raises(GatewayRefused, match="the version before this one still answers"):
            kennel.door.run(kennel.keeper.reload("honest", speaking(slow, "red")))
        assert kennel.say("honest") == "blue blue blue"


def test_a_swap_needs_no_more_of_the_budget_than_the_larger_version(tmp_path: Path) -> None:
    red = present(tmp_path)
    blue = speaking(red, "blue")
    larger = replace(blue, options=replace(blue.options, workers=2))
    with keeping([red, replace(red, name="two", is_on_demand=True)], memory=2 * LIMIT) as kennel:
        for to_serve, taken in ((blue, 1), (larger, 2), (red, 1), (blue, 1)):
            kennel.door.run(kennel.keeper.reload("honest", to_serve))
            wait_for(lambda: not kennel.kept("honest").leaving)
            assert kennel.keeper.budget.taken_bytes == taken * LIMIT
        assert kennel.say("two") == "red red red"
        kennel.keeper.budget.change(LIMIT)
        with pytest.raises(GatewayRefused, match="CELL_MEMORY_BUDGET"):
            kennel.door.run(kennel.keeper.reload("honest", larger))
        kennel.on_loop(lambda: kennel.keeper._begin(kennel.keeper._unload(kennel.kept("honest"))))
        wait_for(lambda: kennel.keeper.budget.taken_bytes == LIMIT)
        assert kennel.say("honest") == "blue blue blue", "as it was opened last, also on demand"


def test_what_the_record_does_not_take_does_not_happen(tmp_path: Path) -> None:
    red = present(tmp_path)
    with keeping([red]) as kennel:
        versions: Any = kennel.keeper._versions
        emit, versions._emit = versions._emit, _refuse
        told = kennel.reload("honest")
        assert (told.status, told.code) == (503, "RECORD_DISK_FULL")
        assert kennel.say("honest") == "red red red"
        assert kennel.keeper.budget.taken_bytes == LIMIT
        versions._emit = emit
        assert kennel.reload("honest").status == 200


def _refuse(_event: object) -> None:
    raise RecordUnwritable(RECORD_DISK_FULL, "the disk is full")


def test_calls_over_grpc_hold_their_version_too(tmp_path: Path) -> None:
    grpc = pytest.importorskip("grpc")
    path = write_echo(tmp_path / "echo")
    echo = make_to_serve("echo", path, sign_model(path), tmp_path / "state")
    with keeping([echo], has_grpc=True) as kennel:
        with grpc.insecure_channel(f"127.0.0.1:{kennel.door.grpc_port}") as channel:
            tell = channel.unary_unary("/inference.GRPCInferenceService/ModelMetadata")
            answers: list[bytes] = []
            is_over = threading.Event()

            def go_on() -> None:
                while not is_over.is_set():
                    answers.append(tell(b"\x0a\x04echo", timeout=PATIENCE))

            asking = threading.Thread(target=go_on)
            asking.start()
            try:
                for swap in range(3):
                    before = len(answers)
                    wait_for(lambda before=before: len(answers) > before)
                    assert kennel.reload("echo").json["is_loaded"] is True, swap
            finally:
                is_over.set()
                asking.join(PATIENCE)
            assert set(answers) == {answers[0]}
        current = kennel.kept("echo").served.current
        assert current is not None
        wait_for(lambda: current.holders == 0)
        wait_for(lambda: len(kennel.of(ModelUnloaded)) == 3)


def test_two_reloads_at_once_take_turns(tmp_path: Path) -> None:
    red = present(tmp_path)
    with keeping([red]) as kennel:
        answers: list[Answer] = []
        threads = [threading.Thread(target=lambda: answers.append(kennel.reload("honest"))) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE)
        assert [answer.status for answer in answers] == [200] * 4
        loaded = kennel.of(ModelLoaded)
        assert [event.replaces for event in loaded[1:]] == [event.opened for event in loaded[:-1]]  # type: ignore[attr-defined]
        wait_for(lambda: len(kennel.of(ModelUnloaded)) == 4)


def test_who_goes_away_while_it_reloads_stops_nothing(tmp_path: Path) -> None:
    red = present(tmp_path)
    with keeping([red]) as kennel:
        with kennel.door.connect(PATIENCE) as leaving:
            leaving.sendall(
                b"POST /admin/models/honest/reload HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 0\r\n\r\n"
            )
            wait_for(kennel.kept("honest").turn.locked)
        wait_for(lambda: len(kennel.of(ModelUnloaded)) == 1)
        assert kennel.say("honest") == "red red red"


def test_a_worker_that_dies_during_a_reload_does_not_disturb_it(tmp_path: Path) -> None:
    red = present(tmp_path)
    with keeping([red]) as kennel:
        current = kennel.kept("honest").served.current
        assert current is not None
        reloading: list[Answer] = []
        thread = threading.Thread(target=lambda: reloading.append(kennel.reload("honest")))
        thread.start()
        wait_for(kennel.kept("honest").turn.locked)
        signal_worker(current.opened._opened.cell)
        thread.join(PATIENCE)
        assert [answer.status for answer in reloading] == [200]
        assert kennel.say("honest") == "red red red"


def test_one_that_is_taken_from_the_settings_stays_for_who_holds_it(tmp_path: Path) -> None:
    steady = speaking(present(tmp_path), "steady", milliseconds=10)
    with keeping([steady]) as kennel:
        with kennel.door.connect(PATIENCE) as holding:
            holding.sendall(ask("honest", "who", 40, stream=True))
            assert holding.recv(2_000).startswith(b"HTTP/1.1 200")
            kennel.on_loop(lambda: kennel.keeper.remove("honest"))
            assert kennel.say("honest") == "GATEWAY_MODEL_UNKNOWN"
            assert b"[DONE]" in read_all(holding)
        wait_for(lambda: [event.why for event in kennel.of(ModelUnloaded)] == ["removed"])  # type: ignore[attr-defined]
        kennel.on_loop(lambda: kennel.keeper.add(speaking(steady, "anew")))
        wait_for(lambda: kennel.loaded == {"honest"})
        assert kennel.say("honest") == "anew anew anew"


@pytest.mark.parametrize("is_on_demand", [False, True])
def test_one_that_is_taken_from_the_settings_while_it_is_opened(tmp_path: Path, is_on_demand: bool) -> None:
    red = replace(present(tmp_path), is_on_demand=is_on_demand)
    with keeping([red]) as kennel:
        kept = kennel.kept("honest")
        answers: list[Answer] = []
        act = (lambda: kennel.ask("honest")) if is_on_demand else (lambda: kennel.reload("honest"))
        thread = threading.Thread(target=lambda: answers.append(act()))
        thread.start()
        wait_for(kept.turn.locked)
        kennel.on_loop(lambda: kennel.keeper.remove("honest"))
        thread.join(PATIENCE)
        assert [answer.code for answer in answers] == ["GATEWAY_MODEL_UNKNOWN"]
        wait_for(lambda: not kept.leaving and kept.loading is None)
        keeper: Any = kennel.keeper
        assert (keeper._of_model, keeper._shares, kept.served.current) == ({}, {}, None)
        assert keeper.budget.taken_bytes == 0
        opened = [event.opened for event in kennel.of(ModelLoaded)]  # type: ignore[attr-defined]
        assert sorted(event.opened for event in kennel.of(ModelUnloaded)) == sorted(opened)  # type: ignore[attr-defined]


def test_one_that_is_taken_from_the_settings_and_closed_before_its_files_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_closed = threading.Event()

    def find_late(model: ToServe) -> Look:
        assert is_closed.wait(PATIENCE)
        return look_at(model)

    with keeping([replace(present(tmp_path), is_on_demand=False)]) as kennel:
        keeper: Any = kennel.keeper
        monkeypatch.setattr("ostiary.gateway.keeper.look_at", find_late)
        kept = kennel.kept("honest")
        answers: list[Answer] = []
        thread = threading.Thread(target=lambda: answers.append(kennel.reload("honest")))
        thread.start()
        wait_for(kept.turn.locked)
        kennel.on_loop(lambda: kennel.keeper.remove("honest"))
        wait_for(lambda: not keeper._of_model)
        is_closed.set()
        thread.join(PATIENCE)
        assert [answer.code for answer in answers] == ["GATEWAY_MODEL_UNKNOWN"]
        wait_for(lambda: not kept.leaving and not keeper._shares)


def test_many_swaps_leave_nothing_behind(tmp_path: Path) -> None:
    red = present(tmp_path)
    with keeping([red]) as kennel:
        counts: list[tuple[int, int]] = []
        for _ in range(12):
            assert kennel.reload("honest").status == 200
            assert kennel.say("honest") == "red red red"
            wait_for(lambda: not kennel.kept("honest").leaving)
            counts.append((count_descriptors(), threading.active_count()))
        assert max(counts[6:]) <= (max(counts[:6])[0] + 2, max(counts[:6])[1] + 2), counts
        keeper: Any = kennel.keeper
        assert len(keeper._of_model) == len(keeper._shares) == 1
        assert len(kennel.of(ModelUnloaded)) == 12
