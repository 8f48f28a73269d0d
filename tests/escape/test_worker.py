"""Every attempt in the real worker, behind the whole wall, after it was locked and has loaded a model."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

if sys.platform != "linux":
    pytest.skip("the wall of Linux", allow_module_level=True)

from cell_tools import LIMITS, Events, open_cell
from escape import every  # noqa: F401  registers the attempts
from escape.attempt import ATTEMPTS, DONE
from escape.from_outside import REACH
from escape.outside import plant

from ostiary.cell.probe import read_facts
from ostiary.cell.profile import Layer, choose_profile
from ostiary.errors import SandboxViolation, WorkerFault, WorkerOutOfTime
from ostiary.record.events import CellCallDenied, UnsafeUsed

WORKER = str(Path(__file__).with_name("escape_worker.py"))
WHO = "root" if os.geteuid() == 0 else "user"
FIRST_INHERITED = 200
"""A number that no descriptor of the worker's own has."""


@pytest.fixture(scope="module")
def world() -> Iterator[dict[str, Any]]:
    directory = Path(tempfile.mkdtemp(prefix="ostiary-escape-", dir="/tmp"))
    (directory / "empty").mkdir()
    for name in ("anybody", "anybody-else"):
        (directory / name).write_text("something")
        (directory / name).chmod(0o666)
    try:
        with plant(directory, os.geteuid()) as planted:
            secret = planted["secret"].encode()
            (directory / "own").write_bytes(secret)
            (directory / "own").chmod(0o600)
            victim = subprocess.Popen([sys.executable, "-c", _VICTIM, secret], stdout=subprocess.PIPE, text=True)
            assert victim.stdout is not None
            address = int(victim.stdout.readline())
            opened = os.open(directory / "secret", os.O_RDONLY)
            inherited = fcntl.fcntl(opened, fcntl.F_DUPFD, FIRST_INHERITED)  # nobody else's, unlike dup2
            os.close(opened)
            yield {
                **planted,
                "directory": str(directory),
                "victim": victim.pid,
                "victim_address": address,
                "inherited": inherited,
                "key_id": 0,
                "user_id": os.geteuid(),
            }
            assert victim.poll() is None, "an attempt reached another process"
            assert {path.name for path in directory.iterdir()} <= _PLANTED, "an attempt left something"
            victim.kill()
            victim.communicate()
            os.close(inherited)
    finally:
        shutil.rmtree(directory)


_PLANTED = {"anybody", "anybody-else", "empty", "link", "own", "secret", "setuid", "unix", "weights"}
_VICTIM = """
import ctypes, signal, sys
secret = ctypes.create_string_buffer(sys.argv[1].encode())
print(ctypes.addressof(secret), flush=True)
signal.pause()
"""


@pytest.fixture(autouse=True)
def in_environment(world: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OSTIARY_ESCAPE_SECRET", world["secret"])


def _try_out(name: str, world: dict[str, Any], events: Events, without: tuple[Layer, ...] = ()) -> dict[str, Any]:
    """What came back; or the fault that the caller was told of."""
    try:
        with open_cell(events, "escape", script=WORKER, without=without, cpu_seconds=1, wall_seconds=15) as cell:
            body = [dict(reply.body) for reply in cell.call(name, world)][-1]
    except WorkerFault as error:
        return {"fault": error}
    return body


def _got_out(came_of_it: dict[str, Any], world: dict[str, Any]) -> bool:
    evidence = bytes.fromhex(came_of_it.get("evidence", ""))
    return evidence == DONE or world["secret"].encode() in evidence


# Those from outside are tried on a process that the test knows the addresses of: test_alone.py.
NAMES = [name for name, attempt in ATTEMPTS.items() if WHO in attempt.stopped_by and name not in REACH]


@pytest.mark.parametrize("name", NAMES)
def test_it_does_not_get_out_and_the_record_knows(name: str, world: dict[str, Any]) -> None:
    attempt, events = ATTEMPTS[name], Events()
    came_of_it = _try_out(name, world, events)
    assert not _got_out(came_of_it, world), came_of_it
    denied = [event.call for event in events.all if isinstance(event, CellCallDenied)]
    if attempt.call is not None:
        assert denied == [attempt.call]
        assert isinstance(came_of_it["fault"], SandboxViolation)
        assert events.causes == ["violation"]
    elif attempt.stopped_by[WHO] == (frozenset({Layer.SECCOMP}),) and "fault" in came_of_it:
        assert events.causes == ["violation"]  # ended by the kernel, which names no call
    assert events.kinds.count("cell.started") == events.kinds.count("cell.ended") == 1


def test_many_threads_of_an_honest_engine_ask_for_nothing_that_is_denied(world: dict[str, Any]) -> None:
    """C libraries count the processors, in a file, once there are many threads that allocate."""
    events = Events()
    with open_cell(events, "escape", script=WORKER, threads=24) as cell:
        assert [dict(reply.body) for reply in cell.call("many honest threads", world)][-1] == {"threads": 20}
    assert events.causes == ["closed"]


def test_processor_time_is_metered_though_the_signal_of_the_kernel_is_held_back(world: dict[str, Any]) -> None:
    events = Events()
    came_of_it = _try_out("hold back the signal", world, events)
    assert isinstance(came_of_it["fault"], WorkerOutOfTime)
    assert events.causes == ["cpu"]


# For each layer an attempt that shows its absence, with the others that would stop it left out as well.
SHOWN_BY = {
    Layer.ENVIRONMENT: "read_its_own_environment",
    Layer.DESCRIPTORS: "read_an_inherited_descriptor",
    Layer.NAMESPACES: "connect_to_a_unix_socket",
    Layer.RESOURCES: "take_more_memory_than_allowed_piece_by_piece",
    Layer.LANDLOCK: "openat_a_file",
    Layer.USER: "open_a_file_of_the_owner_alone",
    Layer.PRIVILEGES: "change_the_root" if WHO == "root" else "become_root_by_a_program_that_is_roots",
    Layer.NO_NEW_CODE: "run_code_from_writable_memory",
    Layer.NOT_DUMPABLE: "write_to_read_only_memory_through_proc",
    Layer.SECCOMP: "open_a_socket_of_the_family_vsock",
}


@pytest.mark.parametrize("layer", SHOWN_BY)
def test_without_the_layer_it_gets_out_and_the_record_knows_that_too(layer: Layer, world: dict[str, Any]) -> None:
    present = choose_profile(read_facts(), LIMITS).layers
    if layer not in present:
        pytest.skip("this system has no such layer for this user")
    if layer is Layer.PRIVILEGES and WHO == "user" and not world["setuid_program"]:
        pytest.skip("only root can plant a program of root's")
    attempt = ATTEMPTS[SHOWN_BY[layer]]
    groups = [group for group in attempt.stopped_by[WHO] if group <= present]
    group = next(group for group in groups if layer in group)
    without = (attempt.mentioned(WHO) - group) & present
    stopped = _try_out(attempt.name, world, Events(), _with_what_stands_on_it(without))
    assert not _got_out(stopped, world)

    events = Events()
    without = _with_what_stands_on_it({*without, layer})
    assert _got_out(_try_out(attempt.name, world, events, without), world)
    told = {event.hatch for event in events.all if isinstance(event, UnsafeUsed)}
    assert told == {f"--unsafe-without-{left_out.value}" for left_out in without}


def _with_what_stands_on_it(layers: Iterable[Layer]) -> tuple[Layer, ...]:
    wanted = set(layers)
    return tuple(wanted | ({Layer.LANDLOCK, Layer.SECCOMP} if Layer.PRIVILEGES in wanted else set()))
