"""A model at work, as the application holds it: calls go to its process; one that ended is started again."""

from __future__ import annotations

import secrets
import socket
import threading
import time
import warnings
from collections.abc import Callable, Sequence
from typing import Final

from ostiary._hazmat.wall import render_wall
from ostiary.cell import lifetime
from ostiary.cell.call_asked import note_call
from ostiary.cell.calls import CallInFlight
from ostiary.cell.compile_wall import compile_wall
from ostiary.cell.ending import COUNTED, Cause
from ostiary.cell.fork_server import ForkServer, not_started
from ostiary.cell.fork_servers import find_fork_server
from ostiary.cell.interrupts import run_apart
from ostiary.cell.lent import LentMemory
from ostiary.cell.limits import CellLimits
from ostiary.cell.plan import CellPlan
from ostiary.cell.probe import count_threads_of_user
from ostiary.cell.process import CellProcess
from ostiary.cell.profile import Layer
from ostiary.cell.restart import LONGEST_DELAY_SECONDS, has_ended_too_often, next_delay_seconds
from ostiary.cell.told import CellTold
from ostiary.cell.usage import CellUsage
from ostiary.cell.watchdog import find_watchdog
from ostiary.core.closing import Closing
from ostiary.core.frames import JsonObject, Tail
from ostiary.core.limits import MAX_CALLS_IN_FLIGHT
from ostiary.core.text import explain_os_error, quote_untrusted
from ostiary.core.tickets import SealedModel
from ostiary.errors import (
    CELL_CLOSED,
    CELL_QUARANTINED,
    HOUSE_INTERNAL,
    WORKER_NOT_STARTED,
    WORKER_SILENT,
    CellRefused,
    Misuse,
    OstiaryError,
    SourceUnreadable,
    VaultFailed,
    VaultRefused,
    WorkerNotStarted,
    WorkerSilent,
)
from ostiary.record.events import CellRefusedToStart, Emit

_MAX_DETAIL_CHARACTERS: Final = 120
_CLOSING_SECONDS: Final = 5.0


class _Ends:
    """How the processes of one cell ended. Apart from the cell, so that a process does not hold it."""

    def __init__(self, plan: CellPlan, correlation_id: str) -> None:
        self._plan: Final = plan
        self._root: Final = plan.root
        self._correlation_id: Final = correlation_id
        self._own: Final[list[float]] = []

    def note(self, cause: Cause) -> None:
        plan = self._plan
        if cause in COUNTED:
            self._own.append(time.time())
        if plan.quarantine is not None:
            name = plan.sealed.verified.manifest.name
            plan.quarantine.note_end(self._root, name, cause, plan.limits.restarts, self._correlation_id)

    def check(self) -> float:
        """Seconds to wait before the next start. Raises CellRefused where there is to be none."""
        now = time.time()
        if self._plan.quarantine is not None:
            return next_delay_seconds(self._plan.quarantine.check(self._root), now)
        if has_ended_too_often(self._own, now, self._plan.limits.restarts):
            raise CellRefused(CELL_QUARANTINED, "the model's processes ended too often")
        return next_delay_seconds(self._own, now)


class RunningCell(Closing):
    """Use `start_cell`. Any number of threads may call at once; each reads its own answers."""

    def __init__(
        self, plan: CellPlan, emit: Emit, correlation_id: str, first_sealed: SealedModel | None = None
    ) -> None:
        """`first_sealed`: what its first process gets of the model, where others get it at the same time."""
        self._first_sealed = first_sealed
        self._process: CellProcess | None = None
        self._young: CellProcess | None = None
        """The one that was started last, loaded or not."""
        self._channel: tuple[socket.socket, ...] = ()
        """Both ends, of the one that was started last: theirs is closed as soon as it was sent."""
        self._is_closed = False
        self._is_foreign = False
        self._plan: Final = plan
        self._program: Final = plan.program
        self._root: Final = plan.root
        self._emit: Final = emit
        self._correlation_id: Final = correlation_id
        self._ends: Final = _Ends(plan, correlation_id)
        self._starting: Final = threading.Lock()
        self._closing: Final = threading.Event()
        self._restart = 0
        self._is_refused = False
        """Whether the last start was refused, as by the quarantine."""
        self._facts: JsonObject = {}
        lifetime.register(self)  # before it has a process: another thread may fork this one while it starts
        try:
            self._find_process(time.monotonic() + plan.limits.load_seconds)
        except CellRefused as refused:
            if not plan.waits_for_release or refused.code != CELL_QUARANTINED.name:
                raise
            self._first_sealed = None  # the others do not wait for this one

    # --- for the application ---

    @property
    def facts(self) -> JsonObject:
        """What the engine says of the model. From behind the wall: not to be believed."""
        return self._facts

    @property
    def limits(self) -> CellLimits:
        return self._plan.limits

    @property
    def layers(self) -> tuple[str, ...]:
        return self._plan.profile.names

    @property
    def root(self) -> str:
        return self._root

    @property
    def is_running(self) -> bool:
        process = self._process
        return process is not None and not process.is_ended

    @property
    def in_flight(self) -> int:
        """Calls that its process works on, or has yet to let go of."""
        process = self._process
        return 0 if process is None or process.is_ended else process.in_flight

    @property
    def standing(self) -> str:
        """`running`; `resting`: its process ended, and the next call starts another; `quarantined`; `closed`."""
        if self._is_closed or self._is_foreign:
            return "closed"
        if self.is_running:
            return "running"
        try:
            self._ends.check()
        except CellRefused:
            return "quarantined"
        return "resting"

    @property
    def last_standing(self) -> str:
        """As `standing`, of when somebody last tried to start it: looks at no disk. For health checks."""
        if self._is_closed or self._is_foreign:
            return "closed"
        if self.is_running:
            return "running"
        return "quarantined" if self._is_refused else "resting"

    def call(
        self,
        operation: str,
        body: JsonObject | None = None,
        tail: Tail | tuple[Tail, ...] = (),
        *,
        answer_bytes: int = 0,
        deadline_seconds: float | None = None,
        on_ready: Callable[[], None] | None = None,
    ) -> CallInFlight:
        """Ask the engine for something. The call is on its way when this returns; iterate over it for its answer.

        `deadline_seconds` can only shorten what the limits allow. `on_ready` is called, from another thread,
        whenever `CallInFlight.take` has something to give. `tail`, or its parts, must not change before the call
        is over. `answer_bytes`: of the data that its answer has to have, where that is known.
        A process that ended is started again first. Raises what keeps it from starting, CallRefused, WorkerSilent.
        """
        until = self._end_time(deadline_seconds)
        asked = note_call(operation, body, tail, answer_bytes, on_ready)
        while True:
            process = self._find_process(until)
            if time.monotonic() > until:
                raise WorkerSilent(WORKER_SILENT, "the time of the call was over before the worker was there")
            call = process.submit(asked, until)
            if call is not None:
                return call

    def call_at_once(
        self,
        operation: str,
        body: JsonObject | None = None,
        tail: Tail | tuple[Tail, ...] = (),
        *,
        answer_bytes: int = 0,
        deadline_seconds: float | None = None,
        on_ready: Callable[[], None] | None = None,
    ) -> CallInFlight | None:
        """As `call`, for event loops and what is short: None where it would have to wait, for whatever it is."""
        process, until = self._process, self._end_time(deadline_seconds)
        if process is None or process.is_ended or self._is_closed or self._is_foreign or time.monotonic() >= until:
            return None
        return process.submit(note_call(operation, body, tail, answer_bytes, on_ready), until, waits=False)

    def take_place(self, size: int) -> memoryview | None:
        """Memory that its process is lent, for data of a call that is still to come: none of it is copied then.

        What stood there before may still do so. None where none is there already: to ask costs nothing.
        """
        lent = self._find_lent()
        return None if lent is None else lent.take(size)

    def hold_still(self, parts: Sequence[memoryview]) -> list[memoryview] | None:
        """The same data where nobody changes it any more, ready to go into a call; None where it stays where it is:
        as it is small, is there already, or no such memory is.
        """
        lent = self._find_lent()
        return None if lent is None or not parts else lent.hold_still(parts)

    def revive(self) -> None:
        """Start its process ahead of the next call, where it ended. Raises as `call`; closed, it does nothing."""
        if not (self._is_closed or self._is_foreign or self.is_running):
            self._find_process(time.monotonic() + self._plan.limits.load_seconds + LONGEST_DELAY_SECONDS)

    def object_to(self, reason: str, _call: CallInFlight | None = None) -> None:
        """What its process answered makes no sense to whoever asked: it is ended, as malformed."""
        process = self._process
        if process is not None and not self._is_foreign:
            process.kill(Cause.MALFORMED, reason)

    def read_usage(self) -> CellUsage:
        """What its process uses now; zeros where there is none."""
        process = self._process
        if process is None or self._is_foreign:
            return CellUsage(None, None, 0, None, 0, 0)
        return process.read_usage()

    def close(self) -> None:
        """End its process. Any number of times. Raises what kept the record from hearing of an end."""
        if self._is_foreign:
            return
        self._is_closed = True  # and all the rest again, should it have been interrupted here before
        self._closing.set()
        for process in (self._young, self._process):
            if process is not None:
                process.close()
        if self._starting.acquire(timeout=_CLOSING_SECONDS):  # whoever was starting it is done with the model
            self._starting.release()
        if self._process is not None:
            self._raise_record_error(self._process)

    def forget(self) -> None:
        self._is_foreign = True
        for process in (self._young, self._process):
            if process is not None:
                process.forget()
        for end in self._channel:
            end.close()

    def __del__(self) -> None:
        process = getattr(self, "_process", None)
        if process is None or process.is_ended or self._is_foreign:
            return
        find_watchdog().do_soon(lambda: process.kill(Cause.CLOSED))
        if not self._is_closed:
            warnings.warn("a RunningCell was not closed", ResourceWarning, source=self, stacklevel=1)

    def _end_time(self, deadline_seconds: float | None) -> float:
        seconds = float(self._plan.limits.wall_seconds)
        if deadline_seconds is not None:
            seconds = max(0.0, min(seconds, deadline_seconds))
        return time.monotonic() + seconds

    # --- its processes, one after the other ---

    def _find_lent(self) -> LentMemory | None:
        process = self._process
        return None if process is None or self._is_foreign else process.lent

    def _find_process(self, until: float) -> CellProcess:
        """The one that runs; started, where none does."""
        self._check_open()
        running = self._process
        if running is not None and not running.is_ended:
            return running
        if not self._starting.acquire(timeout=max(0.0, until - time.monotonic())):
            raise WorkerSilent(WORKER_SILENT, "the worker is being started, and takes longer than the call may")
        try:
            self._check_open()
            process = self._process
            if process is None or process.is_ended:
                process = self._start(until)
            return process
        finally:
            self._starting.release()

    def _check_open(self) -> None:
        if self._is_foreign:
            raise Misuse(CELL_CLOSED, "the model was opened by the process that this one was forked from")
        if self._is_closed:
            raise Misuse(CELL_CLOSED, "the model was closed")

    def _start(self, until: float) -> CellProcess:
        given_up = threading.Event()

        def give_up() -> None:
            given_up.set()
            if self._young is not None:
                self._young.close()

        before = self._young
        try:
            if self._process is not None:
                self._process.close()
                self._raise_record_error(self._process)
            self._wait_for_turn(until)
            self._process = run_apart(
                lambda: self._start_process(given_up), give_up, CellProcess.close, patience_seconds=_CLOSING_SECONDS
            )
        except BaseException as error:
            young = self._young
            if young is None or young is before or not young.is_told:  # else it has an end
                self._tell_refused(error)
            self._is_refused = isinstance(error, CellRefused)
            raise
        self._is_refused = False
        self._restart += 1
        if self._is_closed:
            self._process.close()
        return self._process

    def _raise_record_error(self, process: CellProcess) -> None:
        """What must be recorded and is not lets nothing more happen."""
        process.tell_rest()
        error, process.record_error = process.record_error, None
        if error is not None:
            raise error

    def _wait_for_turn(self, until: float) -> None:
        delay = self._ends.check()
        if delay <= 0:
            return
        if time.monotonic() + delay > until:
            raise WorkerNotStarted(
                WORKER_NOT_STARTED,
                f"the model's processes ended, and the next one starts in {delay:.1f} s",
                hint="Try again then; the record has why they ended.",
            )
        self._closing.wait(delay)
        self._check_open()

    def _start_process(self, given_up: threading.Event) -> CellProcess:
        process = self._young = self._find_birth()
        try:
            process.start()
            self._check_open()  # it may have been closed meanwhile
            if given_up.is_set():
                raise Misuse(CELL_CLOSED, "the start was interrupted")  # noqa: TRY301
            sealed, self._first_sealed = self._first_sealed or self._plan.sealed, None
            self._facts = process.load(sealed)
            process.tell_started()
        except BaseException:
            process.close()
            raise
        return process

    def _find_birth(self) -> CellProcess:
        """From a new fork server where the one that was there turns out to be gone, or stopped."""
        server = find_fork_server(self._program)
        try:
            return self._give_birth(server)
        except WorkerNotStarted:
            if server.is_usable:
                raise
        return self._give_birth(find_fork_server(self._program))

    def _give_birth(self, server: ForkServer) -> CellProcess:
        plan = self._plan
        has_own_count = not plan.profile.layers.isdisjoint({Layer.USER, Layer.NAMESPACES})
        wall = compile_wall(
            plan.profile,
            serial=secrets.randbits(31),
            threads_of_user=0 if has_own_count else count_threads_of_user(),
        )
        try:
            ours, theirs = socket.socketpair()
        except OSError as error:
            raise not_started(explain_os_error(error)) from error
        self._channel = (ours, theirs)
        limits: JsonObject = {
            "memory_bytes": plan.limits.memory_bytes,
            "threads": plan.limits.threads,
            "tokens": plan.limits.tokens,
            "calls": int(MAX_CALLS_IN_FLIGHT),
        }
        lent = LentMemory.create(plan.limits.memory_bytes) if plan.forks else None
        try:
            birth = server.begin(theirs, render_wall(wall), limits, lent)
        except BaseException:
            ours.close()
            if lent is not None:
                lent.close()
            raise
        facts, layers = plan.profile.facts, plan.profile.layers
        told = CellTold(
            cell=secrets.token_hex(8),
            root=self._root,
            engine=plan.engine,
            layers=self.layers,
            limits=plan.limits,
            is_granted_time=Layer.RESOURCES in layers and (facts.can_grant_time or Layer.USER not in layers),
            restart=self._restart,
            emit=self._emit,
            correlation_id=self._correlation_id,
        )
        try:
            return CellProcess(told, server, birth, ours, self._ends.note, lent=lent)
        except OSError as error:
            birth.kill()
            server.end_birth(birth)
            ours.close()
            if lent is not None:
                lent.close()
            raise not_started(explain_os_error(error)) from error

    def _tell_refused(self, error: BaseException) -> None:
        """Of what the vault says, the vault tells the record."""
        if isinstance(error, VaultRefused | VaultFailed | SourceUnreadable):
            return
        code, detail = HOUSE_INTERNAL.name, type(error).__name__
        if isinstance(error, OstiaryError):
            error.correlation_id = error.correlation_id or self._correlation_id
            code, detail = error.code, quote_untrusted(error.message, _MAX_DETAIL_CHARACTERS)
        elif isinstance(error, KeyboardInterrupt):
            code, detail = CELL_CLOSED.name, "interrupted"
        self._emit(
            CellRefusedToStart(correlation_id=self._correlation_id, root=self._root, code=code, detail=detail)
        )
