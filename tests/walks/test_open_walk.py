"""`open_model` from the directory to an answer: the order of events, and one ending wherever it breaks off."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cell_tools import LINUX_ONLY, Events, find_worker, last_reply, signal_worker
from forge import ALICE, MALLORY, NOW, make_manifest, sign

from ostiary._hazmat.pidfd import send_signal, wait_for_end
from ostiary.cell import plan as planning
from ostiary.cell.fork_servers import find_fork_server
from ostiary.cell.limits_file import LimitRules
from ostiary.cell.process import CellProcess
from ostiary.cell.profile import Layer
from ostiary.cell.quarantine import Quarantine
from ostiary.core.tickets import SealMethod
from ostiary.errors import (
    CELL_CLOSED,
    WORKER_NOT_STARTED,
    CellRefused,
    Misuse,
    OstiaryError,
    SandboxViolation,
    TrustRefused,
    VaultRefused,
    WorkerCrashed,
    WorkerNotStarted,
)
from ostiary.record.events import (
    CellEnded,
    CellRefusedToStart,
    CellStarted,
    Event,
    ModelFailed,
    ModelRefused,
    ModelSealed,
    ModelVerified,
    UnsafeUsed,
)
from ostiary.testing import HostilePublisher
from ostiary.trust.decide_by_key import decide_by_key
from ostiary.trust.material import TrustMaterial
from ostiary.walks.model_walk import VerifyRequest
from ostiary.walks.open_model import OpenRequest, open_model

pytestmark = LINUX_ONLY

GOLDEN = ["model.inspected", "model.verified", "model.sealed", "cell.started", "cell.ended"]
ENDINGS = (ModelRefused, ModelFailed, CellRefusedToStart, CellEnded)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    model = HostilePublisher(tmp_path).publish_honest()
    _sign(model)
    return model


def _sign(model: Path, holder=ALICE) -> None:
    files = {path.name: path.read_bytes() for path in model.iterdir() if path.suffix != ".sig"}
    (model / "model.sig").write_bytes(sign(make_manifest(files, model.name), holder).data)


def ask(**options: object) -> OpenRequest:
    material = TrustMaterial(keys=[ALICE.public_key])
    verify = VerifyRequest(material, lambda evidence: decide_by_key(evidence, NOW), NOW, "")
    return OpenRequest(**{"verify": verify, "engine": "fake", **options})  # type: ignore[arg-type]


def check_one_ending(events: Events, error: OstiaryError | None = None) -> None:
    endings = [event for event in events.all if isinstance(event, ENDINGS)]
    assert len(endings) == 1, events.kinds
    assert endings[0] is events.all[-1]
    assert len({event.correlation_id for event in events.all}) == 1
    if error is not None:
        assert error.correlation_id == endings[0].correlation_id


def test_the_golden_order_of_events(model: Path) -> None:
    events = Events()
    with open_model(model, events.emit, ask()) as opened:
        assert opened.verified.signers == (f"key:{ALICE.public_key.key_id}",)
        assert opened.cell.facts["files"] == ["config.json", "tokenizer.json", "tokenizer_config.json"]
        assert last_reply(opened.cell.call("echo", {"a": 1})).body == {"a": 1}
    assert events.kinds == GOLDEN
    check_one_ending(events)
    roots = {event.root for event in events.all}  # type: ignore[attr-defined]
    assert roots == {opened.verified.manifest.root}


def test_every_layer_that_the_system_has_is_in_the_record(model: Path) -> None:
    events = Events()
    with open_model(model, events.emit, ask()) as opened:
        started = events.wait_for(CellStarted)
        assert started.layers == opened.cell.layers
        assert {"environment", "descriptors", "resources", "landlock", "seccomp"} <= set(started.layers)
        assert started.limits == opened.cell.limits.by_name()


@pytest.mark.parametrize("method", SealMethod)
def test_a_model_held_by_any_method_is_loaded(model: Path, method: SealMethod) -> None:
    events = Events()
    refusal = None
    try:
        with open_model(model, events.emit, ask(methods=(method,))) as opened:
            assert last_reply(opened.cell.call("echo")).body == {}
    except OstiaryError as error:
        refusal = error
    if refusal is None:
        assert events.wait_for(ModelSealed).methods == {method.value: 1}
    else:
        assert refusal.code == "VAULT_NO_METHOD"  # not on this file system
    check_one_ending(events, refusal)


def test_a_layer_left_out_is_recorded_as_such(model: Path) -> None:
    events = Events()
    with open_model(model, events.emit, ask(without=(Layer.LANDLOCK,))) as opened:
        assert "landlock" not in opened.cell.layers
    (used,) = (event for event in events.all if isinstance(event, UnsafeUsed))
    assert (used.hatch, used.detail) == ("--unsafe-without-landlock", "honest")


def test_limits_that_an_operator_set_hold(model: Path) -> None:
    events = Events()
    rules = LimitRules({"tokens": 5, "wall_seconds": 7}, ())
    with open_model(model, events.emit, ask(rules=rules)) as opened:
        assert (opened.cell.limits.tokens, opened.cell.limits.wall_seconds) == (5, 7)
        with pytest.raises(SandboxViolation):
            list(opened.cell.call("count", {"to": 6}))


# --- no, at each door ---


def _by_a_stranger(model: Path) -> None:
    _sign(model, MALLORY)


def _altered(model: Path) -> None:
    (model / "config.json").write_bytes(b"{}")


@pytest.mark.parametrize("harm", [_by_a_stranger, _altered])
def test_trust_says_no(model: Path, harm: Callable[[Path], None]) -> None:
    harm(model)
    events = Events()
    with pytest.raises(TrustRefused) as caught, open_model(model, events.emit, ask()):
        pass
    check_one_ending(events, caught.value)


def test_the_vault_says_no_to_what_changed_after_it_was_verified(model: Path) -> None:
    """Between two rooms: the record knows that it was verified, and then that it was refused."""
    events = Events()

    def emit(event: Event) -> None:
        events.emit(event)
        if isinstance(event, ModelVerified):
            weights = model / "model.safetensors"
            weights.write_bytes(weights.read_bytes()[:-1] + b"\0")

    with pytest.raises(VaultRefused) as caught, open_model(model, emit, ask()):
        pass
    assert events.kinds == ["model.inspected", "model.verified", "model.refused"]
    check_one_ending(events, caught.value)


def test_the_cell_says_no_to_what_does_not_fit(model: Path) -> None:
    events = Events()
    rules = LimitRules({"memory_bytes": 1}, ())
    with pytest.raises(CellRefused) as caught, open_model(model, events.emit, ask(rules=rules)):
        pass
    assert events.kinds == ["model.inspected", "model.verified", "cell.refused"]
    check_one_ending(events, caught.value)


def test_the_cell_says_no_where_a_layer_is_missing(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    facts = planning.read_facts()
    monkeypatch.setattr(planning, "read_facts", lambda: replace(facts, landlock_version=0))
    events = Events()
    with pytest.raises(CellRefused, match="landlock") as caught, open_model(model, events.emit, ask()):
        pass
    assert caught.value.code == "CELL_WALL_UNAVAILABLE"
    check_one_ending(events, caught.value)


@pytest.mark.parametrize("engine", ["nobody", ""])
def test_the_engine_is_not_there(model: Path, engine: str) -> None:
    events = Events()
    with pytest.raises(WorkerNotStarted) as caught, open_model(model, events.emit, ask(engine=engine)):
        pass
    check_one_ending(events, caught.value)


def test_a_quarantined_model_is_not_started(model: Path, tmp_path: Path) -> None:
    events = Events()
    quarantine = Quarantine(tmp_path / "state", events.emit)
    rules = LimitRules({"restarts": 0}, ())
    with open_model(model, events.emit, ask(quarantine=quarantine, rules=rules)) as opened:
        signal_worker(opened.cell)
        events.wait_for(CellEnded)
    later = Events()
    with (
        pytest.raises(CellRefused, match="killed") as caught,
        open_model(model, later.emit, ask(quarantine=quarantine, rules=rules)),
    ):
        pass
    assert caught.value.code == "CELL_QUARANTINED"
    check_one_ending(later, caught.value)


# --- killed at each step ---


def _kill(process: CellProcess) -> None:
    descriptor = process._birth.process
    assert descriptor is not None
    send_signal(descriptor, signal.SIGKILL)
    assert wait_for_end(descriptor, 30)


@pytest.mark.parametrize("number", [0, 1])
@pytest.mark.parametrize("step", ["start", "load", "tell_started"])
def test_killed_at_each_step_before_it_is_told(
    model: Path, step: str, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`number`: before or after the step."""
    real = getattr(CellProcess, step)

    def killed(self: CellProcess, *arguments: object) -> object:
        if number == 0:
            _kill(self)
        result = real(self, *arguments)
        if number == 1:
            _kill(self)
        return result

    monkeypatch.setattr(CellProcess, step, killed)
    events = Events()
    error = None
    try:
        with open_model(model, events.emit, ask()):
            events.wait_for(CellEnded)
    except WorkerCrashed as crashed:
        error = crashed
    check_one_ending(events, error)
    if error is None:  # it was loaded by then, and the end was noticed after it was told
        assert (step, number) in {("load", 1), ("tell_started", 0), ("tell_started", 1)}
        assert events.kinds == GOLDEN
        assert events.causes == ["killed"]
    else:
        assert "cell.started" not in events.kinds
        assert (step, number) != ("tell_started", 1)


def test_killed_in_the_middle_of_a_call(model: Path) -> None:
    events = Events()
    with open_model(model, events.emit, ask()) as opened:
        call = opened.cell.call("sleep", {"milliseconds": 60_000})
        signal_worker(opened.cell)
        with pytest.raises(WorkerCrashed) as caught:
            list(call)
    assert events.kinds == GOLDEN
    check_one_ending(events, caught.value)


def test_the_fork_server_killed_in_the_middle_of_a_call(model: Path) -> None:
    events = Events()
    with open_model(model, events.emit, ask()) as opened:
        call = opened.cell.call("sleep", {"milliseconds": 60_000})
        process = find_fork_server(opened.cell._program).process
        assert process is not None
        send_signal(process, signal.SIGKILL)
        with pytest.raises(WorkerCrashed):
            list(call)
    assert events.kinds == GOLDEN
    assert events.causes == ["parent"]


@pytest.mark.parametrize("kind", ["model.sealed", "cell.started", "cell.ended"])
def test_a_record_that_fails_at_each_step_leaves_no_process(model: Path, kind: str) -> None:
    told: list[str] = []

    def emit(event: Event) -> None:
        if event.kind == kind:
            raise OSError(28, os.strerror(28))
        told.append(event.kind)

    workers: list[int] = []
    with pytest.raises(OSError, match="No space left"), open_model(model, emit, ask()) as opened:
        workers.append(os.dup(find_worker(opened.cell)))
    for worker in workers:
        assert wait_for_end(worker, 30)
        os.close(worker)
    assert (kind == "cell.ended") == bool(workers)


def test_interrupted_between_the_doors(model: Path) -> None:
    events = Events()

    def emit(event: Event) -> None:
        events.emit(event)
        if isinstance(event, ModelSealed):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), open_model(model, emit, ask()):
        pass
    check_one_ending(events)
    assert events.refusals == ["CELL_CLOSED"]


def test_what_the_application_raises_inside_comes_out_and_closes(model: Path) -> None:
    events = Events()

    def use() -> None:
        with open_model(model, events.emit, ask()) as opened:
            opened.cell.close()
            opened.cell.call("echo")

    with pytest.raises(Misuse):
        use()
    assert events.kinds == GOLDEN


def test_several_workers_get_the_model_from_one_passing(model: Path) -> None:
    events = Events()
    with open_model(model, events.emit, ask(workers=3)) as opened:
        assert [last_reply(cell.call("echo", {"a": 1})).body for cell in opened.group.cells] == [{"a": 1}] * 3
        assert opened.cell is opened.group.cells[0]
    assert events.kinds.count("model.sealed") == 1, "sealed and compared once"
    assert events.kinds.count("cell.started") == events.kinds.count("cell.ended") == 3
    events.check_balance()


@pytest.mark.parametrize("workers", [1, 2])
def test_what_is_not_wanted_any_more_is_given_up(model: Path, workers: int) -> None:
    events = Events()

    def check() -> None:
        raise Misuse(CELL_CLOSED, "the server was stopped")

    with (
        pytest.raises(Misuse, match="the server was stopped"),
        open_model(model, events.emit, ask(workers=workers, check_wanted=check)),
    ):
        pytest.fail("it was opened")
    events.check_balance()
    assert set(events.refusals) == {"CELL_CLOSED"}
    assert len(events.refusals) <= workers  # the first may be given up before the second has begun


def test_where_one_worker_does_not_start_none_does(model: Path) -> None:
    events = Events()
    refused = 0

    def emit(event: Event) -> None:
        nonlocal refused
        if event.kind == "cell.started" and not refused:
            refused += 1
            raise WorkerNotStarted(WORKER_NOT_STARTED, "not this one")
        events.emit(event)

    with pytest.raises(WorkerNotStarted), open_model(model, emit, ask(workers=3)):
        pytest.fail("it was opened")
    events.check_balance()


def test_room_is_taken_before_the_first_process_and_given_back_after_the_last(model: Path) -> None:
    events = Events()
    told: list[tuple[str, int]] = []

    @contextmanager
    def take_room(count: int) -> Iterator[None]:
        told.append(("taken", events.kinds.count("cell.started")))
        assert count % 3 == 0
        yield
        told.append(("given back", events.kinds.count("cell.ended")))

    with open_model(model, events.emit, ask(workers=3, take_room=take_room)):
        assert told == [("taken", 0)]
    assert told == [("taken", 0), ("given back", 3)]
