"""The fork server: imports one engine once, with one thread, and forks a worker for each cell that asks.

It never sees a byte of a model. It ends, and every worker with it, as soon as the application is gone: when the
control socket closes, or when the process at its other end ends while somebody else still holds a copy.
"""

from __future__ import annotations

import errno
import gc
import os
import select
import shutil
import signal
import socket
import sys
import tempfile
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, NoReturn

from ostiary._hazmat.pass_descriptors import receive_with_descriptors, send_with_descriptors
from ostiary._hazmat.pidfd import open_process
from ostiary._hazmat.rlimits import grant_processor_time
from ostiary._hazmat.spawn import spawn_python
from ostiary._hazmat.wall import prepare_for_children
from ostiary.core.frames import Control, Frame, FrameReader, JsonObject, encode_frame
from ostiary.worker.engines.contract import MakeEngine
from ostiary.worker.run import FindEngine, Start, describe_error, find_missing, prepare, read_start, run_worker

_BUFFER_BYTES: Final = 1 << 16
_MOST_DESCRIPTORS: Final = 4


class _Child:
    """A worker that was not waited for yet, so that its pid is still its own."""

    def __init__(self, start: int, pid: int, handover: socket.socket) -> None:
        self.start: Final = start
        self.pid: Final = pid
        self.handover: socket.socket | None = handover
        self.reader: Final = FrameReader(Control)


class _ApplicationGone(Exception):
    pass


def serve_forks(control: socket.socket, find: FindEngine, command: Sequence[str]) -> NoReturn:
    """Until the application is gone."""
    server = _ForkServer(control, find, command)
    try:
        server.run()
    except _ApplicationGone:
        pass
    finally:
        server.end_all()
        os._exit(0)


class _ForkServer:
    def __init__(self, control: socket.socket, find: FindEngine, command: Sequence[str]) -> None:
        self._control: Final = control
        self._find: Final = find
        self._command: Final = command
        self._children: Final[dict[int, _Child]] = {}
        self._reader: Final = FrameReader(Control)
        self._buffer: Final = bytearray(_BUFFER_BYTES)
        self._descriptors: Final[deque[int]] = deque()
        self._application: int | None = None
        self._make: MakeEngine | None = None
        self._configuration: Frame | None = None
        self._directory: Path | None = None
        self._is_prepared_for_children = False
        self._child_ended, self._wake = _wake_by_children()

    def run(self) -> None:
        process = open_process(os.getpid())
        descriptors = () if process is None else (process,)
        self._tell(Control.HELLO, body={"descriptors": len(descriptors)}, descriptors=descriptors)
        if process is not None:
            os.close(process)
        while True:
            poll = select.poll()
            for descriptor in (self._control.fileno(), self._child_ended, self._application):
                if descriptor is not None:
                    poll.register(descriptor, select.POLLIN)
            handovers = {
                child.handover.fileno(): child for child in self._children.values() if child.handover is not None
            }
            for descriptor in handovers:
                poll.register(descriptor, select.POLLIN)
            for descriptor, _ in poll.poll():
                if descriptor == self._application:
                    raise _ApplicationGone
                if descriptor == self._control.fileno():
                    self._take_orders()
                elif descriptor in handovers:
                    self._pass_on(handovers[descriptor])
            self._reap()

    def end_all(self) -> None:
        """Every worker, and what lies around."""
        for child in self._children.values():
            with suppress(ProcessLookupError):
                os.kill(child.pid, signal.SIGKILL)
        if self._directory is not None:
            shutil.rmtree(self._directory, ignore_errors=True)

    # --- the application ---

    def _take_orders(self) -> None:
        try:
            received = receive_with_descriptors(self._control, self._buffer, _MOST_DESCRIPTORS)
        except ConnectionError as error:
            raise _ApplicationGone from error
        if not received.size:
            raise _ApplicationGone
        self._descriptors.extend(received.descriptors)
        for frame in self._reader.feed(memoryview(self._buffer)[: received.size]):
            match frame.kind:
                case Control.CONFIGURE:
                    self._configure(frame)
                case Control.START:
                    self._start(frame)
                case Control.KILL:
                    self._kill(frame.call_id)
                case Control.GRANT:
                    self._grant(frame)
                case _:
                    raise _ApplicationGone

    def _configure(self, frame: Frame) -> None:
        body = frame.parse_body()
        if body["has_process"]:
            self._application = self._take_descriptor()
        self._directory = Path(str(body["directory"]))
        tempfile.tempdir = str(self._directory)
        self._configuration = frame
        if body["forks"]:
            try:
                self._make = prepare(body, self._find)
            except BaseException as error:  # noqa: BLE001  what an import may raise
                why: JsonObject = {"missing": find_missing(error), "reason": describe_error(error)}
                self._tell(Control.NOT_PREPARED, body=why)
                return
            gc.collect()
            gc.freeze()  # workers share these pages: the collector shall not write to them
        self._tell(Control.PREPARED)

    def _start(self, frame: Frame) -> None:
        start = read_start(frame)
        found = [self._take_descriptor() for _ in range(3 if start.lent_bytes else 1)]
        descriptor, *lent = [item for item in found if item is not None] or [-1]
        if None in found:
            self._drop_descriptors([descriptor, *lent])
            self._refuse(frame.call_id, "too many open descriptors")
            return
        channel = socket.socket(fileno=descriptor)
        try:
            ours, theirs = socket.socketpair()
        except OSError as error:
            self._refuse(frame.call_id, describe_error(error))
            channel.close()
            self._drop_descriptors(lent)
            return
        try:
            pid = (
                self._fork(channel, ours, theirs, start, lent)
                if self._make
                else self._spawn(channel, ours, theirs, frame)
            )
        except OSError as error:
            ours.close()
            self._refuse(frame.call_id, describe_error(error))
            return
        finally:
            theirs.close()
            channel.close()
            self._drop_descriptors(lent)
        child = _Child(frame.call_id, pid, ours)
        self._children[pid] = child
        self._tell_forked(child)

    def _fork(
        self, channel: socket.socket, ours: socket.socket, theirs: socket.socket, start: Start, lent: Sequence[int]
    ) -> int:
        if _count_threads() != 1:
            raise OSError(errno.EBUSY, "the engine left threads behind")
        if not self._is_prepared_for_children:
            self._is_prepared_for_children = True
            with suppress(OSError):  # then each worker does it for itself
                prepare_for_children(start.wall)
        parent = os.getpid()
        pid = os.fork()
        if pid:
            return pid
        try:
            self._forget_everything()
            ours.close()
            if self._make is not None:
                run_worker(channel, theirs, self._make, start, parent, lent=lent)
        finally:
            os._exit(1)

    def _spawn(self, channel: socket.socket, ours: socket.socket, theirs: socket.socket, frame: Frame) -> int:
        """Where nothing may be forked: a process of its own that imports the engine itself."""
        if self._configuration is None:
            raise OSError(errno.EINVAL, "not configured")
        script, _, _, *test = self._command
        command = [sys.executable, "-I", script, "single", str(theirs.fileno()), *test]
        process = spawn_python(command, environment=dict(os.environ), keep=[theirs.fileno()])
        process.returncode = 0  # we wait for it ourselves
        send_with_descriptors(ours, [self._configuration.encode() + frame.encode()], [channel.fileno()])
        return process.pid

    def _forget_everything(self) -> None:
        """In a new worker: nothing of the server's is its business."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        self._control.close()
        for child in self._children.values():
            if child.handover is not None:
                child.handover.close()
        for descriptor in (self._child_ended, self._wake, self._application, *self._descriptors):
            if descriptor is not None:
                os.close(descriptor)

    @staticmethod
    def _drop_descriptors(descriptors: Sequence[int]) -> None:
        for descriptor in descriptors:
            if descriptor >= 0:
                os.close(descriptor)

    def _kill(self, start: int) -> None:
        for child in self._children.values():
            if child.start == start:
                os.kill(child.pid, signal.SIGKILL)

    def _grant(self, frame: Frame) -> None:
        seconds = frame.parse_body()["seconds"]
        for child in self._children.values():
            if child.start == frame.call_id and isinstance(seconds, int):
                with suppress(OSError):  # then the limit stays where it is
                    grant_processor_time(child.pid, seconds)

    # --- the workers ---

    def _tell_forked(self, child: _Child) -> None:
        """Everything that the cell watches and ends it by. The pid is its own as long as nobody waited for it."""
        descriptors = []
        with suppress(OSError):
            process = open_process(child.pid)
            descriptors = [] if process is None else [process]
            for name in ("statm", "stat"):
                descriptors.append(os.open(f"/proc/{child.pid}/{name}", os.O_RDONLY | os.O_CLOEXEC))
        is_whole = len(descriptors) == 3
        body = {"pid": child.pid, "descriptors": len(descriptors) if is_whole else 0}
        self._tell(Control.FORKED, child.start, body, descriptors if is_whole else ())
        for descriptor in descriptors:
            os.close(descriptor)

    def _pass_on(self, child: _Child) -> None:
        """What a new worker says of its wall."""
        if child.handover is None:
            return
        try:
            received = receive_with_descriptors(child.handover, self._buffer, 1)
        except ConnectionError:
            received = None
        if received is None or not received.size:
            child.handover.close()
            child.handover = None
            return
        for frame in child.reader.feed(memoryview(self._buffer)[: received.size]):
            self._tell(frame.kind, child.start, frame.parse_body(), received.descriptors)
        for descriptor in received.descriptors:
            os.close(descriptor)

    def _reap(self) -> None:
        with suppress(BlockingIOError):
            while os.read(self._child_ended, 4096):
                pass
        while self._children:
            try:
                pid, status, used = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            child = self._children.pop(pid, None)
            if child is None:
                continue
            if child.handover is not None:
                self._pass_on(child)
                if child.handover is not None:
                    child.handover.close()
            code = os.waitstatus_to_exitcode(status)
            body = {
                "signal": -code if code < 0 else None,
                "status": code if code >= 0 else None,
                "cpu_milliseconds": round((used.ru_utime + used.ru_stime) * 1000),
                "peak_bytes": used.ru_maxrss * (1 if sys.platform == "darwin" else 1024),
            }
            self._tell(Control.ENDED, child.start, body)

    # --- speaking ---

    def _refuse(self, start: int, reason: str) -> None:
        self._tell(Control.NOT_STARTED, start, {"layer": "fork", "reason": reason, "missing": None})

    def _tell(
        self,
        kind: int,
        start: int = 0,
        body: JsonObject | None = None,
        descriptors: Sequence[int] = (),
    ) -> None:
        """Waits until the application took it, or is gone."""
        rest = memoryview(b"".join(encode_frame(kind, start, body)))
        poll = select.poll()
        poll.register(self._control, select.POLLOUT)
        if self._application is not None:
            poll.register(self._application, select.POLLIN)
        while rest:
            if any(descriptor == self._application for descriptor, _ in poll.poll()):
                raise _ApplicationGone
            try:
                sent = send_with_descriptors(self._control, [rest], descriptors, socket.MSG_DONTWAIT)
            except BlockingIOError:
                continue
            except ConnectionError as error:
                raise _ApplicationGone from error
            rest, descriptors = rest[sent:], ()

    def _take_descriptor(self) -> int | None:
        """The one that came with the frame whose turn it is; None where there was no room for it."""
        return self._descriptors.popleft() if self._descriptors else None


def _wake_by_children() -> tuple[int, int]:
    """A pipe that is written to whenever a child ends."""
    reading, writing = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK) if sys.platform == "linux" else os.pipe()
    os.set_blocking(reading, False)
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
    return reading, writing


def _count_threads() -> int:
    """As the kernel counts them; 1 where it does not say."""
    try:
        with os.scandir("/proc/self/task") as threads:
            return len(list(threads))
    except OSError:
        return 1
