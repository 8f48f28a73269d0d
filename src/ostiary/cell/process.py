"""One worker process from its wall to its end: the model goes in, calls go in and out, and it ends exactly once.

Everything that it says is judged frame by frame before anybody else sees it (`loading`, `call_book`). What does not
belong where it stands ends the process.
"""

from __future__ import annotations

import signal
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from select import POLLIN
from typing import Final

from ostiary._hazmat.notify import answer_no_memory, receive_denied_call
from ostiary._hazmat.pidfd import wait_for_end
from ostiary.cell.answers import ReadingTime, UsageAllowance, parse_usage
from ostiary.cell.births import Birth
from ostiary.cell.call_asked import CallAsked
from ostiary.cell.call_book import CallBook
from ostiary.cell.calls import CallInFlight
from ostiary.cell.ending import Cause, Ending, Explain, classify_ending, explain_ending, explain_to_call
from ostiary.cell.fork_server import ForkServer, not_started
from ostiary.cell.idle import IdleAllowance
from ostiary.cell.lent import LentMemory
from ostiary.cell.loading import Loading
from ostiary.cell.machine import count_oom_kills
from ostiary.cell.memory_refusals import MemoryRefusals
from ostiary.cell.meter import Meter, Reading, make_meter
from ostiary.cell.pump import Pump
from ostiary.cell.stopped import StoppedTime
from ostiary.cell.syscalls import describe_call
from ostiary.cell.told import CellTold
from ostiary.cell.usage import CellUsage
from ostiary.cell.watchdog import find_watchdog
from ostiary.core.frames import Frame, FrameUnfit, FromWorker, JsonObject, ToWorker, encode_frame
from ostiary.core.limits import MAX_LAST_WORDS_MS
from ostiary.core.tickets import SealedModel
from ostiary.errors import WORKER_CALL_REFUSED, WORKER_SILENT, CallRefused, OstiaryError, WorkerSilent
from ostiary.record.events import CellCallDenied, CellEnded, Event

_LAST_WORDS_SECONDS: Final = MAX_LAST_WORDS_MS / 1000
_JOINING_SECONDS: Final = 5.0


class CellProcess:
    """Its pump's thread judges what comes; the watchdog's and the callers' threads look in."""

    def __init__(
        self,
        told: CellTold,
        server: ForkServer,
        birth: Birth,
        sock: socket.socket,
        on_end: Callable[[Cause], None],
        *,
        lent: LentMemory | None = None,
    ) -> None:
        limits = told.limits
        self._told: Final = told
        self._limits: Final = limits
        self._server: Final = server
        self._birth: Final = birth
        self._on_end: Final = on_end
        self._pump: Final = Pump(sock, FromWorker, self, "ostiary-cell", takes_descriptors=False)
        self._loading: Final = Loading(told.engine, limits.load_seconds)
        self.lent: Final = lent
        self._calls: Final = CallBook(limits.tokens, self._cancel, self._pump.wake, told.correlation_id)
        if lent is not None:
            self._calls.copy_out = lent.copy_out
        self._allowance: Final = UsageAllowance(time.monotonic())
        self._idle: Final = IdleAllowance(limits.threads)
        self._reading: Final = ReadingTime(time.monotonic())
        self._is_made_to_wait = False
        self._telling: Final = threading.Lock()
        """Held while the record is told of the start or the end, so that they come in order."""
        self._killing: Final = threading.Lock()
        self._meter: Final[Meter] = make_meter(birth)
        self._stopped: Final = StoppedTime()
        self._first: Final = self._meter.read()
        self._oom_kills_before: Final = count_oom_kills()
        self._granted_milliseconds = 0
        self.is_watched = False
        self.is_told = False
        self._is_ended = False
        self._peak_bytes = self._writable_bytes = self._tokens = self._used_milliseconds = 0
        self._device_bytes: int | None = None
        self._ended_for: Cause | None = None
        self._is_call_denied = False
        self._memory_refusals: Final = MemoryRefusals(limits.memory_bytes)
        self._detail = ""
        self._cause = Cause.CRASH
        self._ending = Ending(None, None)
        self.record_error: BaseException | None = None
        """What kept the end from being counted."""
        self._untold: Final[deque[Event]] = deque()
        """What the record would not take."""

    def start(self) -> None:
        """From here on the worker is watched. Raises WorkerNotStarted without a thread to spare."""
        try:
            self._pump.start()
            find_watchdog().watch(self)
        except RuntimeError as error:
            self._give_up_start()
            raise not_started("the system gives no more threads") from error
        if self._birth.process is not None:
            self._pump.watch(self._birth.process, self._see_end)
        else:
            self._birth.on_end = self._see_orphan
        if self._birth.listener is not None:
            self._pump.watch(self._birth.listener, self._see_denied_call)
        self._grant(self._limits.load_seconds * self._limits.threads)

    def _give_up_start(self) -> None:
        self.kill(Cause.CLOSED)
        if self._pump.has_begun:  # then it is what ends all
            self._pump.stop()
            self._pump.join(_JOINING_SECONDS)
        else:
            self._is_ended = True
            self._pump.forget()
            self._server.end_birth(self._birth)
            if self.lent is not None:
                self.lent.close()

    def load(self, sealed: SealedModel) -> JsonObject:
        """What the engine says of the model. Raises a WorkerFault, CellRefused, or whatever the vault says."""
        facts = self._loading.run(sealed, self._pump)
        if facts is None:
            raise self.explain()
        return facts

    def tell_started(self) -> None:
        """Raises what ended it meanwhile, or what the record says."""
        with self._telling:
            if self._is_ended:
                raise self.explain()
            self._told.emit(self._told.describe_start())
            self.is_told = True

    def tell_rest(self) -> None:
        """What the record would not take when it happened. Raises what it says now."""
        while self._untold:
            event = self._untold.popleft()
            try:
                self._told.emit(event)
            except Exception:
                self._untold.appendleft(event)
                raise

    # --- for any thread ---

    @property
    def is_ended(self) -> bool:
        return self._is_ended

    @property
    def in_flight(self) -> int:
        return self._calls.in_flight

    def submit(self, asked: CallAsked, until: float, *, waits: bool = True) -> CallInFlight | None:
        """None where the process ended and never heard of it; and, unless it `waits`, where it would have to.
        Raises CallRefused where it cannot be sent or would not be read, and WorkerSilent.
        """
        used = None if self._is_ended else self._meter.read_cpu()
        call = self._calls.open(until, used or 0, asked.on_ready, waits=waits)
        if call is None:
            if waits and self._calls.is_worn:
                self.kill(Cause.REPLACED)
                self._pump.join(_JOINING_SECONDS)
            return None
        find_watchdog().watch(self)
        try:
            buffers = asked.write(call.id, self._calls, self.lent)
        except FrameUnfit as error:
            self._calls.forget(call.id)
            raise CallRefused(WORKER_CALL_REFUSED, f"the call cannot be sent: {error}") from error
        patience = until if waits else 0.0
        if not self._pump.send(buffers, until=patience, is_wanted=lambda: self._calls.note_sent(call.id)):
            self._calls.forget(call.id)
            if not waits:
                return None
            if self._is_ended or not self._pump.is_open:
                self._pump.join(_JOINING_SECONDS)
                return None
            raise WorkerSilent(WORKER_SILENT, "the worker did not take the call in time")
        if used is not None:
            self._grant(used // 1000)
        return call

    def kill(self, cause: Cause, detail: str = "") -> None:
        """End it now. The first cause counts."""
        with self._killing:
            if self._ended_for is None:
                self._ended_for = cause
                self._detail = detail
        self._birth.kill()

    def close(self) -> None:
        """End it, and wait until the record knows. Any number of times."""
        if not self._is_ended:
            self.kill(Cause.CLOSED)
        if self._birth.process is None:
            self._pump.stop()
        self._pump.join(_JOINING_SECONDS)

    def forget(self) -> None:
        self._is_ended = True
        self._calls.forget_all()
        self._pump.forget()
        self._birth.forget()
        if self.lent is not None:
            self.lent.forget()

    def read_usage(self) -> CellUsage:
        reading = self._read_meter()
        return CellUsage(
            reading.memory_bytes if reading else None,
            reading.cpu_milliseconds if reading else None,
            self._tokens,
            self._device_bytes,
            self._calls.in_flight,
            self._calls.answered,
        )

    def explain(self, explain: Explain = explain_ending) -> OstiaryError:
        """A new error each time: many callers may raise it at once."""
        error = explain(self._cause, self._ending, self._detail)
        error.correlation_id = self._told.correlation_id
        return error

    def _explain_to_call(self, started_cpu_milliseconds: int) -> OstiaryError:
        used = max(self._used_milliseconds, round(self._ending.cpu_seconds * 1000)) - started_cpu_milliseconds
        is_used_up = used > self._limits.cpu_seconds * 1000
        return self.explain(explain_ending if self._cause is Cause.CPU and is_used_up else explain_to_call)

    def _grant(self, used_seconds: int) -> None:
        """The kernel's own limit stays ahead of what one more call may use; the watchdog meters each call."""
        most = self._limits.cpu_seconds
        if self._told.is_granted_time and (used_seconds + most) * 1000 > self._granted_milliseconds:
            self._server.grant(self._birth, used_seconds + 2 * most)
            self._granted_milliseconds = (used_seconds + 2 * most) * 1000

    def _read_meter(self) -> Reading | None:
        return None if self._is_ended else self._meter.read()

    def _cancel(self, call_id: int) -> None:
        self._pump.send(encode_frame(ToWorker.CANCEL, call_id))

    # --- for the watchdog ---

    def check(self, now: float) -> bool:
        if self._is_ended:
            return False
        used = self._look_at_it(now)
        if self._loading.is_overdue(now):
            self.kill(Cause.WALL_TIME, "it did not load the model in time")
        for is_late, started_cpu_milliseconds in self._calls.find_overdue(now):
            if is_late:
                self.kill(Cause.WALL_TIME, "it did not let go of a call whose time was over")
            if used - started_cpu_milliseconds > self._limits.cpu_seconds * 1000:
                self.kill(Cause.CPU)
        if not self._loading.is_done or self._calls.in_flight > 0:
            return True
        self._idle.begin(now, used)
        return False

    def check_idle(self, now: float) -> bool:
        used = self._look_at_it(now)
        if self.is_watched:
            return True  # it has work by now, and was not looked at since
        if self._idle.is_used_up(now, used):
            self.kill(Cause.CPU, "it worked, and nobody had asked it to")
        return not self._is_ended

    def _look_at_it(self, now: float) -> int:
        """Milliseconds of processor time, so far."""
        if self.lent is not None:
            self.lent.trim(now)
        if self._is_made_to_wait:
            self._pump.wake()  # perhaps for long enough
        reading = self._read_meter()
        if reading is None:
            return 0
        self._peak_bytes = max(self._peak_bytes, reading.memory_bytes)
        self._writable_bytes = reading.writable_bytes
        if reading.memory_bytes > self._limits.memory_bytes:
            self.kill(Cause.MEMORY)
        if self._stopped.is_over(now, is_stopped=reading.is_stopped):
            self.kill(Cause.STOPPED)
        self._used_milliseconds = reading.cpu_milliseconds
        return self._used_milliseconds

    def extend(self, seconds: float) -> None:
        self._loading.extend(seconds)
        self._calls.extend(seconds)

    # --- for the pump ---

    def may_read(self) -> bool:
        self._is_made_to_wait = not self._reading.is_left(time.monotonic())
        return not self._calls.is_full and not self._is_made_to_wait

    def take_descriptors(self, descriptors: Sequence[int]) -> None:
        """None can come: the pump does not take any."""

    def take_frame(self, frame: Frame) -> None:
        before = time.thread_time()
        try:
            self._take_frame(frame, frame.parse_body())
        finally:
            self._reading.note(time.thread_time() - before)

    def _take_frame(self, frame: Frame, body: JsonObject) -> None:
        if frame.kind == FromWorker.USAGE:
            self._allowance.take(time.monotonic())
            self._tokens, self._device_bytes = parse_usage(body)
            if (self._device_bytes or 0) > self._limits.memory_bytes:
                self.kill(Cause.MEMORY, "on its device")
        elif self._loading.is_done:
            self._calls.take(frame, body)
            self._allowance.note_answer()
            if self._calls.is_worn_out:
                self.kill(Cause.REPLACED)
        else:
            self._loading.take(frame, body)

    def hang_up(self) -> None:
        """It ended, or will: one that lives on without a channel is ended."""
        if self._birth.process is not None:
            is_gone = wait_for_end(self._birth.process, _LAST_WORDS_SECONDS)
        else:
            is_gone = self._birth.wait(lambda birth: birth.is_over, _LAST_WORDS_SECONDS)
        if not is_gone:
            self.kill(Cause.MALFORMED, "it closed its channel and lived on")
        self._pump.stop()

    def object_to(self, reason: str) -> None:
        self.kill(Cause.MALFORMED, reason)
        self._pump.stop()

    def finish(self) -> None:
        try:
            self._end()
        finally:  # whatever failed, nobody shall wait for ever
            self._is_ended = True
            self._loading.stop()
            self._calls.close(self._explain_to_call)
            self._server.end_birth(self._birth)
            if self.lent is not None:
                self.lent.close()

    def _end(self) -> None:
        self._birth.kill()
        self._birth.wait(lambda birth: birth.exit is not None or birth.is_orphaned, _LAST_WORDS_SECONDS)
        self._ending = self._describe_ending()
        self._cause = classify_ending(self._ending)
        with self._telling:
            self._is_ended = True
            if self.is_told:
                self._tell(self._describe_end())
            try:
                self._on_end(self._cause)
            except BaseException as error:  # noqa: BLE001  there is no caller here; `RunningCell.close` raises it
                self.record_error = error

    def _see_end(self, _events: int) -> None:
        self._pump.drain()
        self._pump.stop()

    def _see_orphan(self) -> None:
        if self._birth.is_orphaned:
            self._pump.stop()

    def _see_denied_call(self, events: int) -> None:
        listener = self._birth.listener
        denied = receive_denied_call(listener) if events & POLLIN and listener is not None else None
        if denied is None or listener is None:
            return
        machine, name = describe_call(denied.architecture, denied.number)
        if self._memory_refusals.is_one(name, denied):
            if self._memory_refusals.note():
                answer_no_memory(listener, denied)
            else:
                self.kill(Cause.MEMORY, "it keeps asking for more at once than its limit")
            return
        self._is_call_denied = True
        self.kill(Cause.VIOLATION, name)
        self._tell(
            CellCallDenied(
                correlation_id=self._told.correlation_id,
                cell=self._told.cell,
                root=self._told.root,
                call=name,
                architecture=machine,
                arguments=tuple(f"{argument:#x}" for argument in denied.arguments),
            )
        )

    def _tell(self, event: Event) -> None:
        """There is no caller here: `tell_rest` tries again, and raises."""
        try:
            self._told.emit(event)
        except BaseException:  # noqa: BLE001
            self._untold.append(event)

    # --- the end ---

    def _describe_ending(self) -> Ending:
        report = self._birth.exit
        shared_bytes = self._first.shared_bytes if self._first else 0
        shared_bytes += self.lent.most_bytes if self.lent else 0
        return Ending(
            signal=report.signal if report else signal.SIGKILL,
            status=report.status if report else None,
            ended_for=self._ended_for,
            is_call_denied=self._is_call_denied,
            is_memory_denied=self._memory_refusals.was_just_now,
            peak_bytes=max(self._peak_bytes, report.peak_bytes - shared_bytes if report else 0),
            last_bytes=self._writable_bytes,
            memory_limit_bytes=self._limits.memory_bytes,
            cpu_seconds=report.cpu_milliseconds / 1000 if report else 0.0,
            cpu_limit_seconds=self._granted_milliseconds // 1000,
            oom_kills=count_oom_kills() - self._oom_kills_before,
            is_parent_gone=self._birth.is_orphaned,
        )

    def _describe_end(self) -> CellEnded:
        report = self._birth.exit
        return CellEnded(
            correlation_id=self._told.correlation_id,
            cell=self._told.cell,
            root=self._told.root,
            cause=self._cause.value,
            signal=self._ending.signal,
            status=self._ending.status,
            requests=self._calls.answered,
            cpu_milliseconds=report.cpu_milliseconds if report else 0,
            peak_bytes=report.peak_bytes if report else self._peak_bytes,
        )
