"""The fork server as the application sees it: started, asked for workers, noticed when it is gone.

What it says is believed, as it never sees a model; but it may be ended or stopped by anybody, at any time.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from itertools import count
from subprocess import Popen, TimeoutExpired
from typing import Final

from ostiary._hazmat.pidfd import is_stopped, open_process, reap_orphan, send_signal, wait_for_end
from ostiary._hazmat.spawn import spawn_python
from ostiary.cell import lifetime
from ostiary.cell.births import Birth, ExitReport
from ostiary.cell.interrupts import Condition
from ostiary.cell.lent import LentMemory
from ostiary.cell.profile import Layer
from ostiary.cell.program import WorkerProgram
from ostiary.cell.pump import Pump
from ostiary.core.frames import Control, Frame, FrameMalformed, JsonObject, encode_frame
from ostiary.core.limits import MAX_FORK_MS, MAX_LAST_WORDS_MS, MAX_PREPARE_MS
from ostiary.core.text import explain_os_error, quote_untrusted
from ostiary.errors import (
    CELL_WALL_UNAVAILABLE,
    EXTRA_MISSING,
    WORKER_NOT_STARTED,
    CellRefused,
    Misuse,
    OstiaryError,
    WorkerNotStarted,
)

_ENDING_SECONDS: Final = MAX_LAST_WORDS_MS / 1000
_LOOK_SECONDS: Final = 0.2
_JOINING_SECONDS: Final = 5 * _ENDING_SECONDS


class ForkServer:
    """Use `start_fork_server`. May be used by any number of threads."""

    def __init__(self, program: WorkerProgram, sock: socket.socket, directory: str) -> None:
        self.program: Final = program
        self.other_end: socket.socket | None = None
        """Its own, until it has it."""
        self._socket: Final = sock
        self._directory: Final = directory
        self._pump: Final = Pump(sock, Control, self, "ostiary-forks", takes_descriptors=True)
        self._changed: Final = Condition()
        self._births: Final[dict[int, Birth]] = {}
        self._numbers: Final = count(1)
        self._arrived: Final[deque[int]] = deque()
        self._process: int | None = None
        self._has_said_hello = False
        self._is_prepared = False
        self._is_gone = False
        self._is_retired = False
        self._failure: OstiaryError | None = None

    # --- for any thread ---

    @property
    def is_usable(self) -> bool:
        return self._is_prepared and not self._is_gone and not self._is_retired

    @property
    def has_workers(self) -> bool:
        return bool(self._births)

    @property
    def process(self) -> int | None:
        """By which it is watched and ended; None where the system has no such descriptors."""
        return self._process

    def prepare(self, launched: Popen[bytes], until: float) -> None:
        """From the start of its process to the engine's import. Raises WorkerNotStarted or Misuse."""
        self._pump.start()
        own = open_process(os.getpid())
        configuration = self.program.write_configuration(self._directory, has_process=own is not None)
        self._pump.send(
            encode_frame(Control.CONFIGURE, body=configuration), descriptors=() if own is None else (own,)
        )
        with self._changed:
            self._changed.wait_for(lambda: self._has_said_hello or self._is_gone, until - time.monotonic())
        with suppress(TimeoutExpired):
            launched.wait(max(0.0, until - time.monotonic()))  # it forked away from us, and ends at once
        with self._changed:
            self._changed.wait_for(self._is_decided, until - time.monotonic())
            if self._failure is not None:
                raise self._failure
            if not self._is_prepared:
                raise not_started("its fork server ended" if self._is_gone else "its fork server does not answer")

    def begin(
        self, channel_end: socket.socket, wall: bytes, limits: JsonObject, lent: LentMemory | None = None
    ) -> Birth:
        """A new worker, locked. Takes over its end of the channel. Raises WorkerNotStarted, or CellRefused for its
        wall.
        """
        with self._changed:
            birth = Birth(next(self._numbers), self._changed, self._ask_to_kill)
            self._births[birth.number] = birth
        try:
            body: JsonObject = {"limits": dict(limits), "lent_bytes": lent.size if lent else 0}
            frame = encode_frame(Control.START, birth.number, body, wall)
            shared = () if lent is None else lent.detach_for_worker()
            self._pump.send(frame, descriptors=(channel_end.detach(), *shared))
            if not self.is_usable:
                self._drop(birth, "its fork server ended")
            is_decided = self._wait_for(birth)
        except BaseException:
            self._drop(birth, "interrupted")
            birth.close()
            raise
        if not is_decided:
            self.retire()
        if birth.is_locked and birth.refusal is None and not birth.is_orphaned:
            return birth  # if it ended since, whoever loads the model will notice, and find out why
        self._drop(birth, "its fork server does not answer")
        birth.close()
        if birth.refusal is not None:
            raise birth.refusal
        raise not_started("its fork server ended" if birth.is_orphaned else "it ended before its wall was up")

    def grant(self, birth: Birth, seconds: int) -> None:
        """Processor time that the kernel lets its worker have, in all."""
        self._pump.send(encode_frame(Control.GRANT, birth.number, {"seconds": seconds}))

    def end_birth(self, birth: Birth) -> None:
        """Its worker is gone and nobody asks about it any more."""
        with self._changed:
            self._births.pop(birth.number, None)
            is_last = self._is_retired and not self._births
        birth.close()
        if is_last:
            self._pump.stop()

    def retire(self) -> None:
        """No more workers from it: it does not answer. Those that it has live on."""
        with self._changed:
            self._is_retired = True
            is_last = not self._births
        if is_last:
            self._pump.stop()

    def close(self) -> None:
        if self._pump.has_begun:
            self._pump.stop()
            self._pump.join(_JOINING_SECONDS)
        else:
            self._pump.forget()

    def forget(self) -> None:
        self._is_gone = True
        self._pump.forget()
        for birth in self._births.values():
            birth.forget()
        self._births.clear()
        if self.other_end is not None:
            self.other_end.close()
        self._drop_arrived()
        process, self._process = self._process, None
        if process is not None:
            os.close(process)

    def _drop_arrived(self) -> None:
        while self._arrived:
            os.close(self._arrived.popleft())

    def _wait_for(self, birth: Birth) -> bool:
        """Whether there is a worker behind its wall, or there will be none. A fork server that was stopped is not
        waited for: another one takes less time than people need to find out.
        """
        until = time.monotonic() + MAX_FORK_MS / 1000
        while True:
            left = until - time.monotonic()
            if birth.wait(lambda birth: birth.is_locked or birth.is_over, min(left, _LOOK_SECONDS)):
                return True
            process = self._process
            if left <= 0 or (not birth.pid and process is not None and is_stopped(process)):
                return False

    def _is_decided(self) -> bool:
        return self._is_prepared or self._is_gone or self._failure is not None

    def _ask_to_kill(self, number: int) -> None:
        self._pump.send(encode_frame(Control.KILL, number))

    def _drop(self, birth: Birth, reason: str) -> None:
        """Whatever becomes of it, nobody uses it."""
        with self._changed:
            self._births.pop(birth.number, None)
            if not birth.is_over:
                birth.refusal = not_started(reason)
        birth.kill()

    # --- for the pump ---

    def may_read(self) -> bool:
        return True

    def take_descriptors(self, descriptors: Sequence[int]) -> None:
        self._arrived.extend(descriptors)

    def take_frame(self, frame: Frame) -> None:
        body = frame.parse_body()
        descriptors = self._find_descriptors(body)
        told = None
        with self._changed:
            birth = self._births.get(frame.call_id)
            match frame.kind:
                case Control.HELLO:
                    self._process = descriptors.pop() if descriptors else None
                    self._has_said_hello = True
                    if self._process is not None:  # a copy of the socket elsewhere may keep it from closing
                        self._pump.watch(self._process, lambda _: self._pump.stop())
                case Control.PREPARED:
                    self._is_prepared = True
                case Control.NOT_PREPARED:
                    self._failure = self._explain_failure(body)
                case Control.FORKED | Control.LOCKED | Control.NOT_STARTED | Control.ENDED:
                    if birth is not None:
                        self._note(birth, frame.kind, body, descriptors)
                        told = birth.on_end if birth.is_over else None
                case _:
                    raise FrameMalformed("a frame of the application's own")
            self._changed.notify_all()
        for descriptor in descriptors or ():  # of a worker that nobody waits for
            os.close(descriptor)
        if told is not None:
            told()

    def hang_up(self) -> None:
        self._pump.stop()

    def object_to(self, reason: str) -> None:
        self._failure = self._failure or not_started(f"its fork server: {reason}")
        self._pump.stop()

    def finish(self) -> None:
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        with self._changed:
            self._is_gone = True
            births = list(self._births.values())
            for birth in births:
                birth.is_orphaned = True
            self._changed.notify_all()
        for birth in births:
            birth.kill()
            if birth.on_end is not None:
                birth.on_end()
        self._drop_arrived()
        if self._process is not None:
            if not wait_for_end(self._process, _ENDING_SECONDS):
                send_signal(self._process, signal.SIGKILL)
                wait_for_end(self._process, _ENDING_SECONDS)
            reap_orphan(self._process)
            process, self._process = self._process, None
            os.close(process)
        shutil.rmtree(self._directory, ignore_errors=True)

    def _find_descriptors(self, body: JsonObject) -> list[int] | None:
        """Those that came with this frame; None where there was no room for all of them. What comes with a frame is
        there when the frame is, and what comes with the next one may be there as well.
        """
        wanted = _number(body, "descriptors") or 0
        found = [self._arrived.popleft() for _ in range(min(wanted, len(self._arrived)))]
        if len(found) == wanted:
            return found
        for descriptor in found:
            os.close(descriptor)
        return None

    def _note(self, birth: Birth, kind: int, body: JsonObject, descriptors: list[int] | None) -> None:
        if descriptors is None:
            birth.refusal = not_started("too many descriptors are open")
        elif kind == Control.FORKED:
            birth.pid = _number(body, "pid") or 0
            if len(descriptors) == 3:
                birth.stat, birth.statm, birth.process = (descriptors.pop() for _ in range(3))
        elif kind == Control.LOCKED:
            birth.listener = descriptors.pop() if descriptors else None
            birth.is_locked = True
        elif kind == Control.NOT_STARTED:
            birth.refusal = self._explain_refusal(body)
        else:
            birth.exit = ExitReport(
                _number(body, "signal"),
                _number(body, "status"),
                _number(body, "cpu_milliseconds") or 0,
                _number(body, "peak_bytes") or 0,
            )

    def _explain_refusal(self, body: JsonObject) -> OstiaryError:
        layer, reason = str(body.get("layer")), quote_untrusted(str(body.get("reason")))
        if layer in {known.value for known in Layer}:
            return CellRefused(CELL_WALL_UNAVAILABLE, f"the layer {layer} could not be put up: {reason}")
        return self._explain_missing(body) or not_started(f"{quote_untrusted(layer)}: {reason}")

    def _explain_missing(self, body: JsonObject) -> Misuse | None:
        if not isinstance(body.get("missing"), str):
            return None
        engine, missing = quote_untrusted(self.program.engine), quote_untrusted(str(body["missing"]))
        return Misuse(
            EXTRA_MISSING, f"the engine {engine} needs {missing}, which is not installed: take the extra mlx"
        )

    def _explain_failure(self, body: JsonObject) -> OstiaryError:
        engine = quote_untrusted(self.program.engine)
        return self._explain_missing(body) or not_started(
            f"the engine {engine} cannot be imported: {quote_untrusted(str(body.get('reason')))}"
        )


def start_fork_server(program: WorkerProgram) -> ForkServer:
    """Start one and wait until its engine is imported. Raises WorkerNotStarted, or Misuse(EXTRA_MISSING)."""
    if not sys.executable:
        raise not_started("this program does not know its own Python interpreter")
    until = time.monotonic() + MAX_PREPARE_MS / 1000
    ours = theirs = directory = None
    server = launched = None
    try:
        directory = tempfile.mkdtemp(prefix="ostiary-")
        ours, theirs = socket.socketpair()
        server = ForkServer(program, ours, directory)
        server.other_end = theirs
        lifetime.register(server)  # now: another thread may fork this process while it starts
        launched = spawn_python(
            program.write_command(sys.executable, theirs.fileno()),
            environment=program.write_environment(directory),
            keep=[theirs.fileno()],
            closes_descriptors=not program.inherits_descriptors,
        )
        theirs.close()
        server.prepare(launched, until)
    except BaseException as error:
        if server is not None:
            server.close()
        for end in (ours, theirs):
            if end is not None:
                end.close()
        if launched is not None:
            _end_launched(launched)
        if directory is not None:
            shutil.rmtree(directory, ignore_errors=True)
        if isinstance(error, OSError):
            raise not_started(explain_os_error(error)) from error
        if isinstance(error, RuntimeError):
            raise not_started("the system gives no more threads") from error
        raise
    return server


def not_started(reason: str) -> WorkerNotStarted:
    return WorkerNotStarted(WORKER_NOT_STARTED, f"the worker could not be started: {reason}")


def _end_launched(launched: Popen[bytes]) -> None:
    """Where it did not even fork away."""
    with suppress(OSError, TimeoutExpired):
        launched.kill()
        launched.wait(_ENDING_SECONDS)


def _number(body: JsonObject, name: str) -> int | None:
    value = body.get(name)
    return value if isinstance(value, int) else None
