"""The wall put up for real, in a process of its own: what the kernel says of it afterwards, and what happens where it fails."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

if sys.platform != "linux":
    pytest.skip("the wall of Linux", allow_module_level=True)

import ostiary
from ostiary._hazmat.wall import render_wall
from ostiary._hazmat.wall_linux import LinuxWall
from ostiary.cell.compile_linux import compile_linux
from ostiary.cell.limits import CellLimits
from ostiary.cell.probe import count_threads_of_user, read_facts
from ostiary.cell.profile import Layer, choose_profile

LIMITS = CellLimits(1 << 30, 60, 60, 60, 8, 100, 32, 3)

# Puts up the wall that it is given on standard input; `body` decides what happens before, after and on handing over.
PRELUDE = """
import json, os, signal, socket, sys, threading
sys.path.insert(0, sys.argv[1])
from ostiary._hazmat import prctl, seccomp
from ostiary._hazmat.wall import apply_wall, parse_wall
from ostiary._hazmat.wall_error import WallNotAppliedError
wall = parse_wall(sys.stdin.buffer.read())
out = os.dup(1)
os.set_inheritable(out, False)
def tell(**what):
    os.write(out, (json.dumps(what) + "\\n").encode())
"""


def _wall(*without: Layer) -> LinuxWall:
    profile = choose_profile(read_facts(), LIMITS, without)
    return compile_linux(profile, serial=os.getpid(), threads_of_user=count_threads_of_user())


def _start(body: str, wall: LinuxWall) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        [sys.executable, "-c", PRELUDE + body, str(Path(ostiary.__file__).parents[1])],
        env={"OSTIARY_WALL_TEST": "secret"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdin is not None
    process.stdin.write(render_wall(wall))
    process.stdin.close()
    process.stdin = None
    return process


def _run(body: str, wall: LinuxWall) -> tuple[list[dict[str, object]], int]:
    process = _start(body, wall)
    told, errors = process.communicate(timeout=30)
    assert not errors, errors.decode()
    return [json.loads(line) for line in told.splitlines()], process.returncode


def test_the_kernel_says_that_every_layer_stands() -> None:
    wall = _wall()
    process = _start("apply_wall(wall, keep=[out]); tell(up=True); sys.stdin; os.read(out, 1)", wall)
    assert process.stdout is not None
    try:
        assert json.loads(process.stdout.readline()) == {"up": True}
        place = Path("/proc") / str(process.pid)
        status = dict(re.findall(r"^(\w+):[ \t]*(.*)$", (place / "status").read_text(), re.MULTILINE))
        assert status["NoNewPrivs"] == "1"
        assert status["Seccomp"] == "2"
        assert status["Seccomp_filters"] == "2"
        assert {status[name] for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")} == {"0" * 16}
        if os.geteuid() == 0 or wall.namespaces:
            assert status["CapBnd"] == "0" * 16
        if os.geteuid() == 0:
            user, group = wall.user or (0, 0)
            assert status["Uid"].split() == [str(user)] * 4
            assert status["Gid"].split() == [str(group)] * 4
            assert not status["Groups"].strip()
        limits = (place / "limits").read_text()
        assert re.search(r"^Max data size +1073741824 +1073741824", limits, re.MULTILINE)
        assert re.search(r"^Max file size +0 +0", limits, re.MULTILINE)
        if os.geteuid() == 0:
            assert {path.name for path in (place / "fd").iterdir()} == {"0", "1", "2", "3"}
            assert {str((place / "fd" / number).readlink()) for number in "012"} == {"/dev/null"}
            assert (place / "environ").read_bytes().strip(b"\0") == b""
            assert not list((place / "root").iterdir())
            for kind in ("net", "mnt", "ipc", "uts"):
                assert (place / "ns" / kind).readlink() != Path(f"/proc/self/ns/{kind}").readlink()
    finally:
        process.kill()
        process.communicate()


def test_a_denied_call_is_told_to_the_listener() -> None:
    body = """
import select
from ostiary._hazmat.notify import receive_denied_call
ours, theirs = socket.socketpair()
child = os.fork()
if child == 0:
    apply_wall(wall, keep=[theirs.fileno()], hand_over=lambda listener: socket.send_fds(theirs, [b"L"], [listener]))
    os.open("/etc/hostname", os.O_RDONLY)
    os._exit(0)
_, descriptors, _, _ = socket.recv_fds(ours, 1, 1)
select.select(descriptors, [], [])
denied = receive_denied_call(descriptors[0])
os.kill(child, signal.SIGKILL)
_, status = os.waitpid(child, 0)
tell(number=denied.number, architecture=denied.architecture, arguments=len(denied.arguments), thread=denied.thread == child)
"""
    told, status = _run(
        body, _wall(*([Layer.USER] if Layer.USER in choose_profile(read_facts(), LIMITS).layers else []))
    )
    assert status == 0
    machine = {"x86_64": (257, 0xC000_003E), "aarch64": (56, 0xC000_00B7)}[os.uname().machine]
    assert told == [{"number": machine[0], "architecture": machine[1], "arguments": 6, "thread": True}]


def test_nobody_to_tell_means_that_the_kernel_ends_the_process() -> None:
    told, status = _run("apply_wall(wall, keep=[out]); tell(up=True); os.open('/etc/hostname', 0)", _wall())
    assert told == [{"up": True}]
    assert status == -signal.SIGSYS


def test_somebody_else_who_listens_already_means_that_the_kernel_ends_the_process() -> None:
    """Container managers do that. There can be one listener only."""
    body = """
allow_all = (6).to_bytes(2, "little") + bytes(2) + (0x7FFF0000).to_bytes(4, "little")
from ostiary._hazmat.capabilities import forbid_new_privileges
forbid_new_privileges()
other = seccomp.install_with_listener(allow_all, wall.machine)
apply_wall(wall, keep=[out, other], hand_over=lambda listener: tell(listener=listener))
os.open("/etc/hostname", 0)
"""
    told, status = _run(body, _wall())
    assert told == [{"listener": None}]
    assert status == -signal.SIGSYS


@pytest.mark.parametrize(
    ("layer", "wall"),
    [
        ("landlock", _wall()._replace(landlock=(1 << 63, 0, 0))),
        ("namespaces", _wall()._replace(namespaces=0x0000_0001)),
        ("seccomp", _wall()._replace(filter_killing=bytes(8))),
        ("user", _wall()._replace(user=(0xFFFF_FFFF, 0xFFFF_FFFF))),  # what the call takes for "leave it"
    ],
)
def test_a_layer_that_cannot_be_put_up_is_named(layer: str, wall: LinuxWall) -> None:
    body = """
try:
    apply_wall(wall, keep=[out])
except WallNotAppliedError as error:
    tell(layer=error.layer, errno=bool(error.errno))
"""
    told, _ = _run(body, wall)
    assert told == [{"layer": layer, "errno": True}]


def test_a_second_thread_is_one_too_many() -> None:
    """Landlock and the user's id would bind one of them only."""
    body = """
threading.Thread(target=signal.pause, daemon=True).start()
try:
    apply_wall(wall, keep=[out])
except WallNotAppliedError as error:
    tell(layer=error.layer)
os._exit(0)
"""
    assert _run(body, _wall())[0] == [{"layer": "threads"}]


def test_it_dies_with_its_parent() -> None:
    body = """
ours, theirs = socket.socketpair()
child = os.fork()
if child == 0:
    middle = os.getpid()
    if os.fork() == 0:
        apply_wall(wall, keep=[theirs.fileno(), out], parent=middle)
        theirs.send(b"up")
        theirs.recv(1)
        tell(survived=True)
        os._exit(0)
    theirs.close()
    ours.recv(2)
    os._exit(0)
theirs.close()
os.waitpid(child, 0)
tell(ended=ours.recv(1) == b"")
"""
    told, _ = _run(body, _wall())
    assert told == [{"ended": True}]


def test_a_parent_that_is_gone_already_is_noticed() -> None:
    body = """
try:
    apply_wall(wall, keep=[out], parent=1)
except WallNotAppliedError as error:
    tell(layer=error.layer)
"""
    assert _run(body, _wall())[0] == [{"layer": "parent"}]
