"""The process that workers are forked from: gone, stopped, or never there."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest
from cell_tools import (
    HOSTILE,
    LINUX_ONLY,
    PATIENCE,
    Events,
    find_worker,
    last_reply,
    make_plan,
    open_cell,
    open_hostile,
    signal_worker,
)

from ostiary._hazmat.pidfd import is_stopped, send_signal, wait_for_end
from ostiary.cell import fork_server, fork_servers
from ostiary.cell.fork_servers import close_fork_servers, find_fork_server
from ostiary.cell.program import WorkerProgram, find_search_path, write_settings
from ostiary.cell.running import RunningCell
from ostiary.cell.start import start_cell
from ostiary.errors import CellRefused, Misuse, OstiaryError, WorkerCrashed, WorkerNotStarted
from ostiary.record.events import CellEnded

pytestmark = LINUX_ONLY


def _server_of(cell: RunningCell) -> int:
    process = find_fork_server(cell._program).process
    assert process is not None
    return os.dup(process)


def test_workers_end_with_their_fork_server_and_start_again_from_another() -> None:
    events, others = Events(), Events()
    with open_cell(events) as one, open_cell(others) as other:
        server = _server_of(one)
        calls = [cell.call("sleep", {"milliseconds": 60_000}) for cell in (one, other)]
        workers = [os.dup(find_worker(cell)) for cell in (one, other)]
        send_signal(server, signal.SIGKILL)
        for call in calls:
            with pytest.raises(WorkerCrashed, match="the process that workers come from"):
                list(call)
        assert all(wait_for_end(worker, PATIENCE) for worker in (*workers, server))
        assert events.causes == others.causes == ["parent"]
        assert last_reply(one.call("echo")).body == {}
        assert last_reply(other.call("echo")).body == {}
        for descriptor in (*workers, server):
            os.close(descriptor)
    assert events.causes == others.causes == ["parent", "closed"]


def test_a_stopped_fork_server_keeps_its_workers_and_is_replaced_unseen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fork_server, "MAX_FORK_MS", 1_000_000)  # that it is stopped is seen
    events, others = Events(), Events()
    with open_cell(events) as old:
        server = _server_of(old)
        send_signal(server, signal.SIGSTOP)
        with open_cell(others) as new:
            assert last_reply(new.call("echo")).body == {}
            assert find_fork_server(new._program) is not old._process._server  # type: ignore[union-attr]
            assert last_reply(old.call("echo", {"still": "there"})).body == {"still": "there"}
    assert events.causes == others.causes == ["closed"]
    assert wait_for_end(server, PATIENCE)  # with the last of its workers
    os.close(server)


def test_one_that_does_not_answer_for_another_reason_is_replaced_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Frozen by a control group, say: nothing shows it."""
    monkeypatch.setattr(fork_server, "MAX_FORK_MS", 500)
    monkeypatch.setattr(fork_server, "is_stopped", lambda _process: False)
    events = Events()
    with open_cell(Events()) as old:
        send_signal(server := _server_of(old), signal.SIGSTOP)
        with open_cell(events) as new:
            assert last_reply(new.call("echo")).body == {}
    assert events.kinds == ["cell.started", "cell.ended"]
    assert wait_for_end(server, PATIENCE)
    os.close(server)


def test_where_the_next_one_does_not_answer_either_the_start_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fork_server.ForkServer, "_wait_for", lambda _server, _birth: False)
    events = Events()
    with pytest.raises(WorkerNotStarted, match="does not answer"):
        start_cell(make_plan(), events.emit, "c")
    assert events.refusals == ["WORKER_NOT_STARTED"]


def test_whether_a_process_is_stopped() -> None:
    with open_cell(Events()) as cell:
        server = _server_of(cell)
        assert not is_stopped(server)
        send_signal(server, signal.SIGSTOP)
        end = time.monotonic() + PATIENCE
        while not is_stopped(server):
            assert time.monotonic() < end
        send_signal(server, signal.SIGKILL)
        assert wait_for_end(server, PATIENCE)
        assert not is_stopped(server)
        os.close(server)
    assert not is_stopped(0)  # which is no descriptor of a process


def test_a_worker_of_a_stopped_fork_server_is_known_to_be_gone() -> None:
    events = Events()
    with open_cell(events) as cell:
        server = _server_of(cell)
        send_signal(server, signal.SIGSTOP)
        signal_worker(cell)
        assert events.wait_for(CellEnded).cause == "killed"
        send_signal(server, signal.SIGKILL)
        assert cell._process._server._pump.join(PATIENCE)  # type: ignore[union-attr]
        os.close(server)


def test_a_fork_server_that_ends_when_it_is_asked_is_replaced_unseen(monkeypatch: pytest.MonkeyPatch) -> None:
    begin, asked = fork_server.ForkServer.begin, []

    def begin_too_late(server: fork_server.ForkServer, *arguments: object) -> object:
        asked.append(server)
        if len(asked) == 1:
            assert server.process is not None
            process = os.dup(server.process)
            send_signal(process, signal.SIGKILL)
            assert wait_for_end(process, PATIENCE)
            os.close(process)
        return begin(server, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(fork_server.ForkServer, "begin", begin_too_late)
    events = Events()
    with open_cell(events) as cell:
        assert last_reply(cell.call("echo")).body == {}
    assert len(set(asked)) == 2
    assert events.kinds == ["cell.started", "cell.ended"]


def test_a_fork_server_that_is_closed_starts_again() -> None:
    with open_cell(Events()) as cell:
        server = _server_of(cell)
        directory = find_fork_server(cell._program)._directory
        assert Path(directory).is_dir()
        assert Path(directory).stat().st_mode & 0o777 == 0o700
    close_fork_servers()
    assert wait_for_end(server, PATIENCE)
    os.close(server)
    assert not Path(directory).exists()
    with open_cell(Events()) as cell:
        assert last_reply(cell.call("echo")).body == {}


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_its_directory_is_removed_however_it_ends(number: signal.Signals) -> None:
    with open_cell(Events()) as cell:
        server = find_fork_server(cell._program)
        process = _server_of(cell)
        send_signal(process, number)
        assert wait_for_end(process, PATIENCE)
        os.close(process)
        assert server._pump.join(PATIENCE)
        assert not Path(server._directory).exists()


def test_an_engine_that_is_not_installed_is_named_with_its_extra() -> None:
    events = Events()
    with (
        pytest.raises(Misuse, match="the engine hostile needs mlx") as caught,
        open_hostile(events, settings={"missing": "mlx"}),
    ):
        pass
    assert caught.value.code == "EXTRA_MISSING"
    assert events.refusals == ["EXTRA_MISSING"]


def test_an_engine_that_is_installed_and_does_not_load() -> None:
    events = Events()
    with (
        pytest.raises(WorkerNotStarted, match="cannot be imported: OSError: input/output error"),
        open_hostile(events, settings={"broken": True}),
    ):
        pass
    assert events.refusals == ["WORKER_NOT_STARTED"]


def test_an_engine_that_nobody_has_heard_of() -> None:
    with pytest.raises(WorkerNotStarted, match="NoSuchEngineError"), open_cell(Events(), "language of birds"):
        pass


def test_an_engine_that_leaves_threads_behind_is_not_forked() -> None:
    with (
        pytest.raises(WorkerNotStarted, match="fork: OSError: device or resource busy"),
        open_hostile(Events(), settings={"threads": True}),
    ):
        pass


@pytest.mark.parametrize("do", ["exit 3", "abort"])
def test_an_engine_that_ends_the_fork_server_while_it_is_imported(do: str) -> None:
    with pytest.raises(WorkerNotStarted, match="its fork server ended"), open_hostile(Events(), "prepare", do):
        pass


def test_an_engine_whose_import_never_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fork_server, "MAX_PREPARE_MS", 500)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(WorkerNotStarted, match="does not answer"), open_hostile(Events(), "prepare", "hang"):
        pass
    assert list(tmp_path.glob("ostiary-*")) == []


@pytest.mark.parametrize("interpreter", ["", "/nonexistent/python", "/bin/false"])
def test_an_interpreter_that_is_not_one(interpreter: str, monkeypatch: pytest.MonkeyPatch) -> None:
    close_fork_servers()
    monkeypatch.setattr(sys, "executable", interpreter)
    events = Events()
    with pytest.raises(WorkerNotStarted), open_cell(events):
        pass
    assert events.refusals == ["WORKER_NOT_STARTED"]


def test_no_place_for_its_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    close_fork_servers()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    with pytest.raises(WorkerNotStarted, match="no such file or directory"), open_cell(Events()):
        pass


def test_programs_that_differ_have_servers_that_differ() -> None:
    with open_cell(Events()) as plain, open_cell(Events(), settings={"a": 1}) as other:
        assert find_fork_server(plain._program) is not find_fork_server(other._program)
    assert write_settings({"b": 1, "a": [None]}) == write_settings({"a": [None], "b": 1}) == '{"a":[null],"b":1}'


def test_those_without_workers_end_but_for_the_ones_used_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fork_servers, "_ASKING_SECONDS", 0.0)
    close_fork_servers()
    programs = [WorkerProgram("fake", write_settings({"number": number})) for number in range(4)]
    with open_cell(Events(), settings={"number": 0}) as cell:
        find_fork_server(cell._program)
        servers = [find_fork_server(program) for program in programs[1:]]
        processes = [os.dup(server.process) for server in servers if server.process is not None]
        assert wait_for_end(processes[0], PATIENCE)
        assert [server.is_usable for server in servers] == [False, True, True]
        assert last_reply(cell.call("echo")).body == {}  # the oldest of all, and it works
        assert find_fork_server(programs[1]) is not servers[0]
        assert wait_for_end(processes[1], PATIENCE)
    close_fork_servers()
    for process in processes:
        os.close(process)


def test_those_that_somebody_may_be_about_to_ask_stay() -> None:
    close_fork_servers()
    servers = [find_fork_server(WorkerProgram("fake", write_settings({"number": n}))) for n in range(4)]
    assert all(server.is_usable for server in servers)
    close_fork_servers()


def test_many_threads_start_one_server() -> None:
    close_fork_servers()
    program = WorkerProgram("fake")
    found: list[object] = []
    threads = [threading.Thread(target=lambda: found.append(find_fork_server(program))) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert len(found) == 5
    assert len(set(found)) == 1


def test_many_cells_start_at_once() -> None:
    errors: list[OstiaryError] = []
    events = Events()

    def start() -> None:
        try:
            with start_cell(make_plan(), events.emit, "c") as cell:
                assert last_reply(cell.call("echo")).body == {}
        except OstiaryError as error:
            errors.append(error)

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert errors == []
    assert events.causes == ["closed"] * 8
    events.check_balance()


def test_without_forking_each_worker_is_a_program_of_its_own() -> None:
    events = Events()
    with open_cell(events, forks=False) as cell:
        assert last_reply(cell.call("echo", {"a": 1})).body == {"a": 1}
        with pytest.raises(WorkerCrashed):
            list(cell.call("end", {"how": "abort"}))
        assert last_reply(cell.call("echo")).body == {}
    assert events.causes == ["crash", "closed"]


def test_without_forking_an_engine_that_is_not_installed_is_still_refused() -> None:
    with (
        pytest.raises(Misuse, match="the engine hostile needs mlx"),
        open_hostile(Events(), settings={"missing": "mlx"}, forks=False),
    ):
        pass


def test_without_forking_workers_end_with_the_process_that_started_them() -> None:
    events = Events()
    with open_cell(events, forks=False) as cell:
        server = _server_of(cell)
        call = cell.call("sleep", {"milliseconds": 60_000})
        send_signal(server, signal.SIGKILL)
        with pytest.raises(WorkerCrashed):
            list(call)
        os.close(server)
    assert events.causes == ["parent"]


def test_a_layer_that_cannot_be_put_up_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The system changed its mind after it was asked: then the worker itself finds out."""
    from ostiary.cell import running
    from ostiary.cell.compile_wall import compile_wall

    def compile_badly(*arguments, **options):
        wall = compile_wall(*arguments, **options)
        return wall._replace(landlock=(1 << 63, 0, 0))

    monkeypatch.setattr(running, "compile_wall", compile_badly)
    events = Events()
    with pytest.raises(CellRefused, match="the layer landlock could not be put up") as caught, open_cell(events):
        pass
    assert caught.value.code == "CELL_WALL_UNAVAILABLE"
    assert events.kinds == ["cell.refused"]


def test_where_python_looks_for_packages(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The places that a person chose, never the current directory or that of the application's script."""
    chosen, script = str(tmp_path / "chosen"), str(tmp_path / "script")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join((chosen, "relative", "", str(tmp_path / "unused"))))
    monkeypatch.setattr(sys, "path", ["", script, "relative", chosen, *sys.path])
    assert chosen in find_search_path()
    assert not {"", script, "relative", str(tmp_path / "unused")} & set(find_search_path())
    assert HOSTILE not in find_search_path()
