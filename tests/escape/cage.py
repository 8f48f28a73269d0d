"""A small fork server of the tests' own: for each order it forks, puts up a wall with layers of one's choice, and tries.

Run as `python cage.py <directory> <user id> <what is planted> <is prepared>`, with PYTHONPATH set; orders come as lines
of JSON on standard input. A cage that is prepared has entered the namespaces that cells share, as the house's own fork
server does: orders that leave out NAMESPACES need one that has not. `test_worker.py` tries the same in the real worker.
"""

from __future__ import annotations

import ctypes
import fcntl
import itertools
import json
import mmap
import os
import resource
import select
import signal
import socket
import sys
import termios
from dataclasses import replace
from pathlib import Path
from typing import Any

from escape import every  # noqa: F401  registers the attempts
from escape.attempt import ATTEMPTS, DONE, World
from escape.calls import MACHINE, call
from escape.from_outside import REACH, Reach

from ostiary._hazmat import namespaces, prctl
from ostiary._hazmat.notify import answer_no_memory, receive_denied_call
from ostiary._hazmat.wall import apply_wall, prepare_for_children
from ostiary.cell.allowed_calls import MEMORY_CALLS
from ostiary.cell.compile_wall import compile_wall
from ostiary.cell.limits import CellLimits
from ostiary.cell.probe import count_threads_of_user, read_facts
from ostiary.cell.profile import Layer, SystemFacts, WallProfile, choose_profile
from ostiary.cell.syscalls import describe_call

PATIENCE_S = 20
_MOST_HEAPS = -8  # M_ARENA_MAX
LIMITS = CellLimits(
    memory_bytes=512 << 20,
    cpu_seconds=1,
    wall_seconds=10,
    load_seconds=10,
    threads=6,
    tokens=1,
    descriptors=64,
    restarts=0,
)


def read_facts_of(user: int) -> SystemFacts:
    """What the system can do for this user, who may not be the one that can start another interpreter."""
    facts = read_facts()
    if user == 0 or os.geteuid() != 0:
        return facts
    kinds = facts.namespaces | {"user"}
    flags = sum(namespaces.NAMES[kind] for kind in kinds)
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            become(user)
            namespaces.enter(flags, MACHINE)
            status = 0
        finally:
            os._exit(status)
    has_them = os.waitpid(pid, 0)[1] == 0
    return replace(
        facts,
        user_id=user,
        group_id=user,
        can_change_user=False,
        namespaces=kinds if has_them else frozenset(),
    )


def become(user: int) -> None:
    if user != os.geteuid():
        os.setgroups(())
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)
        prctl.set_dumpable(True)  # as a program that an ordinary user starts


def make_gadget() -> int:
    """Before any wall: four bytes that a library could have anywhere in its code."""
    if MACHINE != "x86_64":
        return 0
    place = mmap.mmap(-1, 4096, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, 7)
    place.write(b"\xb8\x14\x00\x00\x00\xcd\x80\xc3")  # mov eax, 20; int 0x80; ret
    _kept.append(place)
    return ctypes.addressof(ctypes.c_char.from_buffer(place))


_kept: list[Any] = []
_serials = itertools.count(os.getpid() << 8)


def find_environment() -> int:
    """Where the C library has the secret among the variables that this process was started with."""
    variables = ctypes.POINTER(ctypes.c_void_p).in_dll(ctypes.CDLL(None), "environ")
    place = 0
    while (address := variables[place]) is not None:
        if ctypes.string_at(address).startswith(b"OSTIARY_ESCAPE_SECRET="):
            return address + len("OSTIARY_ESCAPE_SECRET=")
        place += 1
    return 0


class Nursery:
    """A process beside the cage that keeps one victim alive: what attempts reach for is never inside with them."""

    def __init__(self) -> None:
        self._ask, theirs = socket.socketpair()
        if os.fork() == 0:
            prctl.die_with_parent(os.getppid())
            self._ask.close()
            self._serve(theirs)
        theirs.close()

    def find_victim(self) -> int:
        """Its process id; a new one where the last was hurt."""
        self._ask.send(b"?")
        return int(self._ask.recv(16))

    @staticmethod
    def _serve(asked: socket.socket) -> None:
        victim = 0
        while asked.recv(1):
            if not victim or os.waitpid(victim, os.WNOHANG)[0]:
                victim = os.fork()
                if victim == 0:
                    prctl.die_with_parent(os.getppid())
                    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
                    while True:
                        signal.pause()
            asked.send(str(victim).encode())
        os._exit(0)


def tidy(directory: Path) -> None:
    """Every file where attempts expect it, and none that an attempt made."""
    for name in (
        "created",
        "written",
        "second",
        "made-link",
        "renamed",
        "made-pipe",
        "made-device",
        "made-socket",
        "code",
    ):
        (directory / name).unlink(missing_ok=True)
    for core in directory.glob("core*"):
        core.unlink()
    if (directory / "made").exists():
        (directory / "made").rmdir()
    (directory / "empty").mkdir(exist_ok=True)
    for name in ("anybody", "anybody-else"):
        (directory / name).write_text("something")
        (directory / name).chmod(0o666)


def leave_out(profile: WallProfile, without: set[Layer]) -> WallProfile:
    """The wall without some layers, and without those that cannot stand then: unlike the house, which refuses that."""
    layers = profile.layers - without
    if Layer.PRIVILEGES in without and (profile.facts.user_id != 0 or Layer.USER in layers):
        layers -= {Layer.SECCOMP}
    if Layer.PRIVILEGES in without and profile.facts.user_id != 0:
        layers -= {Layer.LANDLOCK}
    return replace(profile, layers=layers, without=frozenset(without))


def run(name: str, without: set[Layer], world: World, facts: SystemFacts) -> dict[str, Any]:
    """Fork, wall, attempt; what came of it."""
    profile = leave_out(choose_profile(facts, LIMITS), without)
    is_counted_with_others = facts.user_id != 0 and Layer.NAMESPACES not in profile.layers
    others = count_threads_of_user() if is_counted_with_others else 0
    wall = compile_wall(profile, serial=next(_serials), threads_of_user=others)
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    me = os.getpid()
    pid = os.fork()
    if pid == 0:
        _be_inside(name, wall, world, theirs, me)
    theirs.close()
    said, denied = _listen(ours, pid, REACH.get(name), world)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return {
        "said": said,
        "denied": denied,
        "status": status,
        "made": sorted(path.name for path in Path().iterdir()),
    }


def _listen(channel: socket.socket, pid: int, reach: Reach | None, world: World) -> tuple[list[str], str | None]:
    """What the process inside says until it is gone, and the call that ended it. `reach`: what is done to it."""
    said, denied, listener = [], None, None
    with channel:
        while True:
            watched = [channel] if listener is None else [channel, listener]
            ready, _, _ = select.select(watched, [], [], PATIENCE_S)
            if channel in ready:
                text, descriptors, _, _ = socket.recv_fds(channel, 4096, 1)
                if text == b"L" and not said:
                    listener = descriptors[0] if descriptors else None
                    if reach is not None:
                        said.append(_reach_in(reach, pid, world))
                        channel.send(b"?")
                    continue
                if descriptors:  # only an attempt sends one
                    os.close(descriptors[0])
                    text = b"R" + DONE
                if not text:
                    break
                said.append(text.decode("latin-1"))
                continue
            if listener in ready:
                asked = receive_denied_call(listener)
                if asked is None:
                    continue
                denied = describe_call(asked.architecture, asked.number)[1]
                if denied in MEMORY_CALLS and asked.arguments[MEMORY_CALLS[denied]] >= LIMITS.memory_bytes:
                    answer_no_memory(listener, asked)
                    continue
            else:
                said.append("T")
            os.kill(pid, signal.SIGKILL)
            if listener is not None:
                os.close(listener)
                listener = None
    if listener is not None:
        os.close(listener)
    return said, denied


def _reach_in(reach: Reach, pid: int, world: World) -> str:
    try:
        return "R" + reach(pid, world.victim_address, len(world.secret)).decode("latin-1")
    except OSError as error:
        return f"E{error.errno}"


def _sit_at_a_terminal() -> None:
    """With a screen of its own, which goes with the process."""
    os.setsid()
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    screen, terminal = os.openpty()
    fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)
    os.dup2(terminal, 0)
    _kept.append(screen)


def _be_inside(name: str, wall: Any, world: World, channel: socket.socket, parent: int) -> None:
    """Never returns. What it says: `L` once locked, then `R` and the evidence, or `E` and the error."""
    status = 1
    try:
        world = world._replace(kept=channel.fileno())
        _sit_at_a_terminal()

        def hand_over(listener: int | None) -> None:
            socket.send_fds(channel, [b"L"], [] if listener is None else [listener])

        apply_wall(wall, keep=(channel.fileno(), world.weights), parent=parent, hand_over=hand_over)
        try:
            channel.send(b"R" + ATTEMPTS[name].run(world))
        except OSError as error:
            channel.send(b"E%d" % (error.errno or 0))
        except BaseException as error:  # noqa: BLE001
            channel.send(b"E" + type(error).__name__.encode())
        status = 0
    except BaseException as error:  # noqa: BLE001
        channel.send(b"X" + repr(error).encode())
    finally:
        os._exit(status)


def plant_key(secret: bytes) -> int:
    """In the user's keyring, readable for the user; 0 where this kernel keeps no keys."""
    try:
        key = call("add_key", b"user", b"ostiary-escape", secret, len(secret), -4)
        call("keyctl", 5, key, 0x3F3F_0000)
    except OSError:
        return 0
    return key


def say(answer: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


def main() -> None:
    directory, user, planted = Path(sys.argv[1]), int(sys.argv[2]), json.loads(sys.argv[3])
    is_prepared = sys.argv[4] == "prepared"
    secret = ctypes.create_string_buffer(planted["secret"].encode())
    facts = read_facts_of(user)
    become(user)
    os.chdir(directory)
    ctypes.CDLL(None).mallopt(_MOST_HEAPS, 4)  # else the C library counts processors where there are many threads
    (directory / "own").write_bytes(secret.value)
    (directory / "own").chmod(0o600)
    soft_core = 1 << 20
    resource.setrlimit(resource.RLIMIT_CORE, (soft_core, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    world = World(
        **planted
        | {
            "secret": secret.value,
            "directory": str(directory),
            "victim": 0,
            "victim_address": ctypes.addressof(secret),
            "parent": os.getpid(),
            "inherited": os.open(directory / "secret", os.O_RDONLY),
            "kept": -1,
            "weights": os.open(directory / "weights", os.O_RDONLY),
            "key_id": plant_key(secret.value),
            "gadget": make_gadget(),
            "environment": find_environment(),
            "user_id": user,
        }
    )
    say({"layers": choose_profile(facts, LIMITS).names})
    nursery = Nursery()
    if is_prepared:
        prepare_for_children(compile_wall(choose_profile(facts, LIMITS)))
    for line in sys.stdin:
        order = json.loads(line)
        tidy(directory)
        os.lseek(world.inherited, 0, os.SEEK_SET)
        without = {Layer(layer) for layer in order["without"]}
        say(run(order["attempt"], without, world._replace(victim=nursery.find_victim()), facts))


if __name__ == "__main__":
    main()
