"""What applications do: they are killed, stopped and interrupted, they fork, exec and exit without a word."""

from __future__ import annotations

import asyncio
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cell_tools import LINUX_ONLY, PATIENCE, Events, count_descriptors, find_worker, open_cell

import ostiary
from ostiary._hazmat.pidfd import wait_for_end
from ostiary.cell.fork_servers import find_fork_server
from ostiary.core.frames import ReplyKind

pytestmark = LINUX_ONLY

_PLACES = os.pathsep.join(
    (str(Path(__file__).parents[1]), str(Path(ostiary.__file__).parents[1]), os.environ.get("PYTHONPATH", ""))
)
_OPENING = """
import atexit, os, signal, socket, sys, threading, time
from cell_tools import *
from ostiary.cell.fork_servers import find_fork_server
told = socket.socket(fileno=int(sys.argv[1]))
told.set_inheritable(False)
atexit.register(told.close)
events = Events()

def open_one(**options):
    cell = start_cell(make_plan(**options), events.emit, "c")
    socket.send_fds(told, [b"up"], [find_worker(cell), find_fork_server(cell._program).process])
    return cell

def wait_for_nothing():
    try:
        list(cell.call("hang"))
    except Exception:
        pass

def tell(word):
    told.sendall(word.encode().ljust(16))
"""


class Application:
    """A program that opens a cell, with what is needed to see its processes end."""

    def __init__(self, process: subprocess.Popen[str], told: socket.socket) -> None:
        self.process = process
        self.told = told
        self.watched: list[int] = []

    def wait_until_up(self) -> None:
        word, descriptors, _, _ = socket.recv_fds(self.told, 2, 2)
        assert word == b"up", self.process.communicate(timeout=PATIENCE)
        self.watched += descriptors

    def hear(self) -> str:
        word = self.told.recv(16, socket.MSG_WAITALL)
        assert word, self.process.communicate(timeout=PATIENCE)
        return word.decode().strip()

    def end(self) -> tuple[int, str]:
        """Its status, and what it wrote."""
        out, err = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, out + err

    def check_that_all_are_gone(self) -> None:
        assert self.watched
        assert [wait_for_end(process, PATIENCE) for process in self.watched] == [True] * len(self.watched)

    def check_that_all_are_there(self) -> None:
        assert [wait_for_end(process, 0) for process in self.watched] == [False] * len(self.watched)


@contextmanager
def run_application(body: str, **environment: str) -> Iterator[Application]:
    ours, theirs = socket.socketpair()
    ours.settimeout(PATIENCE)
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", _OPENING + body, str(theirs.fileno())],
        env={**os.environ, "PYTHONPATH": _PLACES, **environment},
        pass_fds=[theirs.fileno()],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    theirs.close()
    application = Application(process, ours)
    try:
        yield application
    finally:
        process.kill()
        process.communicate()
        ours.close()
        for descriptor in application.watched:
            os.close(descriptor)


WAIT = "\ntell('waiting')\nsys.stdin.read() if not sys.stdin.isatty() else time.sleep(60)\ntime.sleep(60)\n"
FOREVER = "\nlist(cell.call('hang'))\n"


# --- its end ---


@pytest.mark.parametrize(
    "busy", ["", "cell.call('spin')", "kept = cell.call('hang')", "kept = cell.call('count', {'to': 2000})"]
)
def test_an_application_that_is_killed_takes_its_workers_along(busy: str) -> None:
    with run_application(f"cell = open_one()\n{busy}\ntell('up')\nsignal.pause()") as application:
        application.wait_until_up()
        assert application.hear() == "up"
        application.check_that_all_are_there()
        application.process.kill()
        application.check_that_all_are_gone()


@pytest.mark.parametrize(
    ("ending", "status"),
    [
        ("", 0),
        ("sys.exit(5)", 5),
        ("os._exit(6)", 6),
        ("cell.close()", 0),
        ("kept = cell.call('hang')", 0),
        ("threading.Thread(target=wait_for_nothing, daemon=True).start()", 0),
        ("del cell; import warnings", 0),
    ],
)
def test_an_application_that_exits_without_a_word_leaves_nothing_behind(ending: str, status: int) -> None:
    body = f"import warnings\nwarnings.simplefilter('ignore', ResourceWarning)\ncell = open_one()\n{ending}"
    with run_application(body) as application:
        application.wait_until_up()
        assert application.end() == (status, "")
        application.check_that_all_are_gone()


def test_an_application_that_fails_says_only_that() -> None:
    with run_application("cell = open_one()\nraise SystemExit('its own words')") as application:
        application.wait_until_up()
        assert application.end() == (1, "its own words\n")
        application.check_that_all_are_gone()


def test_the_record_hears_of_the_end_when_the_interpreter_ends() -> None:
    body = """
import atexit
atexit.register(lambda: print(events.kinds, events.causes))
from ostiary.cell import lifetime  # its own hook runs before the one above
cell = open_one()
"""
    with run_application(body.replace("from ostiary.cell import lifetime", "pass")) as application:
        application.wait_until_up()
        status, text = application.end()
        assert status == 0
        assert text in {"['cell.started', 'cell.ended'] ['closed']\n", "['cell.started'] []\n"}


def test_an_application_that_becomes_another_program_ends_its_workers() -> None:
    body = "cell = open_one()\ntell('exec')\nos.execv('/bin/sleep', ['sleep', '60'])"
    with run_application(body) as application:
        application.wait_until_up()
        assert application.hear() == "exec"
        application.check_that_all_are_gone()
        assert application.process.poll() is None


# --- its children ---


def test_a_forked_child_can_neither_use_nor_end_the_cells_of_its_parent() -> None:
    body = """
cell = open_one()
call = cell.call("sleep", {"milliseconds": 60000})
pid = os.fork()
if pid == 0:
    from ostiary.errors import Misuse
    for attempt in (lambda: cell.call("echo"), lambda: next(call)):
        try:
            attempt()
        except (Misuse, StopIteration):
            pass
        else:
            os._exit(1)
    call.close()
    cell.close()
    cell.read_usage()
    del call, cell
    sys.exit(7)  # with all that an interpreter does at its end
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
assert list(cell.call("echo", {"a": 1}))[0].body == {"a": 1}
call.close()
cell.close()
print(events.kinds)
"""
    with run_application(body) as application:
        application.wait_until_up()
        status, text = application.end()
        assert (status, text) == (0, "['cell.started', 'cell.ended']\n")
        application.check_that_all_are_gone()


def test_a_forked_child_can_open_cells_of_its_own() -> None:
    body = """
cell = open_one()
pid = os.fork()
if pid == 0:
    with open_one() as own:
        os._exit(len(list(own.call("count", {"to": 3}))))
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 4
assert list(cell.call("echo"))
cell.close()
"""
    with run_application(body) as application:
        application.wait_until_up()
        application.wait_until_up()
        assert application.end() == (0, "")
        application.check_that_all_are_gone()


def test_a_child_forked_at_any_moment_of_a_start_has_no_descriptor_of_it() -> None:
    body = """
import warnings
warnings.simplefilter("ignore")
from ostiary.cell import fork_server, process, running
seen = {}

def find_own():
    # the weights are the test's own, and have nobody who closes them in children
    places = {}
    for name in os.listdir("/proc/self/fd"):
        try:
            places[name] = os.readlink("/proc/self/fd/" + name)
        except OSError:
            pass
    return {name for name, place in places.items() if "memfd" not in place}

before = find_own()

def fork_here(moment):
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.write(writing, b" ".join(sorted(n.encode() for n in find_own() - before - {str(reading), str(writing)})))
        os._exit(0)
    os.close(writing)
    seen[moment] = os.read(reading, 1000).decode()
    os.close(reading)
    os.waitpid(pid, 0)

def around(place, name):
    work = getattr(place, name)
    def wrapped(*arguments, **options):
        fork_here("before " + name)
        try:
            return work(*arguments, **options)
        finally:
            fork_here("after " + name)
    setattr(place, name, wrapped)

around(fork_server, "spawn_python")
around(fork_server.ForkServer, "prepare")
around(fork_server.ForkServer, "begin")
around(process.CellProcess, "__init__")
around(process.CellProcess, "start")
around(process.CellProcess, "load")
around(process.Loading, "_pass_on")
cell = open_one()
fork_here("when it runs")
cell.close()
print(len(seen), {moment: left for moment, left in seen.items() if left})
"""
    with run_application(body) as application:
        application.wait_until_up()
        assert application.end() == (0, "15 {}\n")


def test_a_fork_while_other_threads_call_harms_neither() -> None:
    body = """
cell = open_one()
stop = threading.Event()
def work():
    while not stop.is_set():
        list(cell.call("count", {"to": 5}))
threads = [threading.Thread(target=work) for _ in range(3)]
for thread in threads:
    thread.start()
import warnings
warnings.simplefilter("ignore")
for _ in range(20):
    pid = os.fork()
    if pid == 0:
        try:
            cell.call("echo")
        except BaseException as error:
            os._exit(0 if type(error).__name__ == "Misuse" else 1)
        os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
stop.set()
for thread in threads:
    thread.join()
cell.close()
print(events.causes)
"""
    with run_application(body) as application:
        application.wait_until_up()
        assert application.end() == (0, "['closed']\n")


def test_workers_end_with_the_application_even_if_a_copy_of_it_lives_on() -> None:
    """A fork that Python knows nothing of keeps every descriptor open."""
    body = """
import ctypes
cell = open_one()
if ctypes.CDLL(None).fork() == 0:
    told.close()
    time.sleep(60)
    os._exit(0)
tell('forked')
signal.pause()
"""
    with run_application(body) as application:
        application.wait_until_up()
        assert application.hear() == "forked"
        group = os.getpgid(application.process.pid)
        application.process.kill()
        application.check_that_all_are_gone()
        os.killpg(group, signal.SIGKILL)


def test_children_of_the_application_inherit_nothing_of_ours() -> None:
    program = "import os; print(sorted(int(n) for n in os.listdir('/proc/self/fd')))"

    def list_descriptors() -> str:
        return subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, close_fds=False, check=True
        ).stdout

    before = list_descriptors()
    with open_cell(Events()):
        assert list_descriptors() == before


def test_the_application_is_nobodys_parent_on_our_account() -> None:
    body = """
seen = []
signal.signal(signal.SIGCHLD, lambda *_: seen.append(1))
cell = open_one()
cell.close()
try:
    os.waitpid(-1, os.WNOHANG)
except ChildProcessError:
    print("no children")
"""
    with run_application(body) as application:
        application.wait_until_up()
        assert application.end() == (0, "no children\n")


@pytest.mark.parametrize("how", ["signal.SIG_IGN", "lambda *_: [os.waitpid(-1, os.WNOHANG) for _ in range(1)]"])
def test_an_application_that_waits_for_all_children_itself(how: str) -> None:
    body = f"""
def reap(*_):
    try:
        os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        pass
signal.signal(signal.SIGCHLD, {how if how.startswith("signal") else "reap"})
with open_one() as cell:
    signal.pthread_kill
    os.kill
    list(cell.call("end", {{"how": "exit", "status": 3}})) if False else None
    try:
        list(cell.call("end", {{"how": "exit", "status": 3}}))
    except Exception as error:
        print(error)
"""
    with run_application(body) as application:
        application.wait_until_up()
        assert application.end() == (0, "WORKER_CRASHED: the worker ended with status 3\n")


def test_an_application_that_blocks_and_ignores_signals_has_workers_that_do_not() -> None:
    body = """
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGCHLD, signal.SIGINT})
signal.signal(signal.SIGTERM, signal.SIG_IGN)
cell = open_one()
call = cell.call("sleep", {"milliseconds": 60000})
signal_worker(cell, signal.SIGTERM)
try:
    list(call)
except Exception as error:
    print(error)
cell.close()
"""
    with run_application(body) as application:
        application.wait_until_up()
        assert application.end() == (0, "WORKER_CRASHED: somebody ended the worker by SIGTERM\n")


# --- interrupted, stopped ---


def test_ctrl_c_interrupts_the_application_and_not_the_worker() -> None:
    body = """
cell = open_one()
try:
    call = cell.call("sleep", {"milliseconds": 60000})
    tell('calling')  # in here: the signal may come before this returns
    list(call)
except KeyboardInterrupt:
    pass
assert list(cell.call("echo", {"a": 1}))[0].body == {"a": 1}
cell.close()
print(events.causes, events.kinds)
"""
    with run_application(body) as application:
        application.wait_until_up()
        assert application.hear() == "calling"
        os.killpg(os.getpgid(application.process.pid), signal.SIGINT)
        assert application.end() == (0, "['closed'] ['cell.started', 'cell.ended']\n")
        application.check_that_all_are_gone()


def test_ctrl_c_while_a_model_loads_leaves_no_process() -> None:
    body = """
settings = {"at": "weights", "do": "hang"}
threading.Timer(0.0, lambda: None).start()
def interrupt():
    while not any(thread.name == "ostiary-cell" for thread in threading.enumerate()):
        time.sleep(0.001)
    os.kill(os.getpid(), signal.SIGINT)
threading.Thread(target=interrupt).start()
try:
    start_cell(make_plan("hostile", script=HOSTILE, settings=settings), events.emit, "c")
except KeyboardInterrupt:
    pass
print(events.kinds, events.refusals)
"""
    with run_application(body) as application:
        assert application.end() == (0, "['cell.refused'] ['CELL_CLOSED']\n")


def test_time_in_which_the_application_was_stopped_does_not_count() -> None:
    body = """
cell = open_one()
call = cell.call("sleep", {"milliseconds": 3300}, deadline_seconds=2.0)
list(cell.call("echo"))  # answered after the worker has heard of both
tell('called')
print([reply.kind.value for reply in call])
cell.close()
"""
    with run_application(body) as application:
        application.wait_until_up()
        assert application.hear() == "called"
        application.process.send_signal(signal.SIGSTOP)
        select.select([], [], [], 3.0)  # the very thing that is tested
        application.process.send_signal(signal.SIGCONT)
        assert application.end() == (0, "['result']\n")


# --- little room ---


def test_a_process_without_descriptors_to_spare_gets_a_typed_error_and_loses_none() -> None:
    body = """
import resource
from ostiary.errors import WorkerNotStarted
sealed = make_sealed(weights={})  # those of the test's own would need descriptors, too
open_one(sealed=sealed).close()
before = count_descriptors()
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
outcomes = []
for room in range(20):
    resource.setrlimit(resource.RLIMIT_NOFILE, (before + room, hard))
    try:
        start_cell(make_plan(sealed=sealed), events.emit, "c").close()
        outcomes.append("started")
    except WorkerNotStarted as error:
        outcomes.append(type(error).__name__)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert count_descriptors() <= before, (room, before, count_descriptors())
print(sorted(set(outcomes)), outcomes[-1])
events.check_balance()
"""
    with run_application(body) as application:
        application.wait_until_up()
        assert application.end() == (0, "['WorkerNotStarted', 'started'] started\n")


def test_a_process_without_threads_to_spare_gets_a_typed_error(monkeypatch: pytest.MonkeyPatch) -> None:
    from ostiary.errors import WorkerNotStarted

    with open_cell(Events()):
        pass  # the fork server has its thread
    start = threading.Thread.start

    def refuse(thread: threading.Thread) -> None:
        if thread.name == "ostiary-cell":
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refuse)
    before = count_descriptors()
    events = Events()
    with pytest.raises(WorkerNotStarted, match="no more threads"), open_cell(events):
        pass
    assert events.kinds == ["cell.refused"]
    assert count_descriptors() == before


# --- how it is used ---


def test_an_event_loop_takes_answers_as_they_come() -> None:
    async def ask(cell, to: int) -> list[object]:
        loop = asyncio.get_running_loop()
        ready = asyncio.Event()
        call = cell.call("count", {"to": to}, on_ready=lambda: loop.call_soon_threadsafe(ready.set))
        found = []
        while True:
            await asyncio.wait_for(ready.wait(), PATIENCE)
            ready.clear()
            while (reply := _take(call)) is not None:
                found.append(reply.body.get("number"))
                if reply.kind is ReplyKind.RESULT:
                    return found

    async def ask_all(cell) -> list[list[object]]:
        return await asyncio.gather(*(ask(cell, to) for to in range(10)))

    with open_cell(Events()) as cell:
        assert asyncio.run(ask_all(cell)) == [[*range(to), None] for to in range(10)]


def test_the_fork_server_has_nothing_of_the_application() -> None:
    secret = "a-secret-of-the-application"  # noqa: S105
    reading, writing = os.pipe()
    os.set_inheritable(reading, True)
    body = f"cell = open_one()\ntell(str(os.getpid()))\nsignal.pause()\n# {secret}"
    try:
        with run_application(body, OSTIARY_TEST_SECRET=secret) as application:
            application.wait_until_up()
            application.hear()
            info = Path(f"/proc/self/fdinfo/{application.watched[1]}").read_text()
            pid = next(line.split()[1] for line in info.splitlines() if line.startswith("Pid:"))
            place = Path("/proc", pid)
            assert secret.encode() not in (place / "environ").read_bytes()
            assert secret.encode() not in (place / "cmdline").read_bytes()
            assert (place / "cwd").readlink() == Path("/")
            links = {int(link.name): str(link.readlink()) for link in (place / "fd").iterdir()}
            assert [links[number] for number in range(3)] == ["/dev/null"] * 3
            kinds = sorted(link.split(":")[0] for number, link in links.items() if number > 2)
            assert kinds == ["anon_inode", "pipe", "pipe", "socket"]
    finally:
        os.close(reading)
        os.close(writing)


def test_workers_of_one_program_come_from_one_fork_server() -> None:
    with open_cell(Events()) as one, open_cell(Events()) as other:
        assert find_fork_server(one._program) is find_fork_server(other._program)
        assert find_worker(one) != find_worker(other)


def _take(call):
    try:
        return call.take()
    except StopIteration:
        return None


def test_where_memory_runs_out_the_worker_goes_first() -> None:
    with open_cell(Events()) as cell:
        info = Path(f"/proc/self/fdinfo/{find_worker(cell)}").read_text()
        place = Path("/proc", next(line.split()[1] for line in info.splitlines() if line.startswith("Pid:")))
        assert place.joinpath("oom_score_adj").read_text() == "800\n"
        assert place.joinpath("comm").read_text() == "ostiary-cell\n"
