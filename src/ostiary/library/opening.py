"""Opens a model with all that belongs to it: the record, the two walks, the requests. Closed once, in order."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ostiary.admission import Entrance, Room, derive_room
from ostiary.answer import RequestEndings
from ostiary.cell import lifetime
from ostiary.cell.ending import Cause
from ostiary.cell.group import find_best
from ostiary.cell.prepare import prepare_engine
from ostiary.cell.quarantine import Quarantine
from ostiary.contract import TextContract, derive_contract
from ostiary.core.function_files import GRAPH_FILE
from ostiary.core.requests import ParsedRequest
from ostiary.core.tensors import ParsedTensors
from ostiary.core.terms.values import CONTRACT_FILE
from ostiary.errors import CELL_CLOSED, USAGE, Misuse
from ostiary.library.arguments import OpenProgress, PathName
from ostiary.library.believe import choose_believed
from ostiary.library.function_files import looks_like_function, read_contract
from ostiary.library.options import OpenOptions
from ostiary.library.verdict import Verdict, write_verdict
from ostiary.record.begin import open_log
from ostiary.record.events import CellEnded, Emit, Event, ModelSealed, ModelVerified
from ostiary.record.place import find_state_directory
from ostiary.trust.verify import UnsafeAllowances
from ostiary.walks.model_walk import VerifyRequest
from ostiary.walks.open_model import OpenModel, OpenRequest, open_model
from ostiary.walks.request_walk import AnswerInFlight, ask_model, ask_model_at_once
from ostiary.walks.tensor_walk import TensorsInFlight, ask_function, ask_function_at_once

if TYPE_CHECKING:
    from ostiary.cell.usage import CellUsage
    from ostiary.core.frames import JsonObject
    from ostiary.record.log import Log


_NO_FUNCTION: Final = "this is a language model: it cannot be called with arrays"
_NO_LANGUAGE_MODEL: Final = "this is a function: it takes arrays, and says nothing"


class _Watcher:
    """Reads along what goes to the record, and tells how far the opening is."""

    def __init__(self, emit: Emit, on_progress: Callable[[OpenProgress], None] | None) -> None:
        self.sealed: dict[str, int] = {}
        self.ended: CellEnded | None = None
        self.on_ended: Callable[[], None] = lambda: None
        self._emit: Final = emit
        self._on_progress: Final = on_progress
        self._lock: Final = threading.Lock()
        self._done = 0
        self._total = 0

    def emit(self, event: Event) -> None:
        self._emit(event)
        if isinstance(event, ModelVerified):
            self.tell("loading")
        elif isinstance(event, ModelSealed):
            self.sealed = dict(event.methods)
        elif isinstance(event, CellEnded):
            self.ended = event
            if event.cause != Cause.CLOSED:
                self.on_ended()

    def start(self, total_bytes: int) -> None:
        self._total = total_bytes
        self.tell("verifying")

    def advance(self, count: int) -> None:
        with self._lock:
            self._done += count
        self.tell("verifying")

    def tell(self, stage: str) -> None:
        if self._on_progress is not None:
            self._on_progress(OpenProgress(stage, self._done, self._total))


class Opened:
    """A model at work. Any number of threads may ask it."""

    def __init__(
        self, stack: ExitStack, log: Log, opened: OpenModel, watcher: _Watcher, options: OpenOptions
    ) -> None:
        self._stack: Final = stack
        self._log: Final = log
        self._opened: Final = opened
        self._watcher: Final = watcher
        self._observe: Final = options.engine.observe
        facts, left_out = opened.verified.manifest.facts, opened.verified.left_out
        terms = None if CONTRACT_FILE in left_out else facts.terms  # what nobody vouches for bounds nothing
        self._contract: Final = derive_contract(facts, opened.cell.limits.tokens, terms)
        self.function: Final = read_contract(opened.contents)
        """What it takes and gives, where it is a function."""
        self._endings: Final = RequestEndings(
            watcher.emit, opened.correlation_id, opened.cell.root, has_content=options.records_content
        )
        self._starts_again: Final = options.starts_again
        if options.starts_again:
            watcher.on_ended = opened.group.revive_soon
        self._closing: Final = threading.Lock()
        self._is_closed = False
        self._is_foreign = False
        self.verdict: Final[Verdict] = write_verdict(
            opened, watcher.sealed, tuple(sorted(layer.value for layer in options.without))
        )

    @property
    def contract(self) -> TextContract:
        """What it takes."""
        return self._contract

    @property
    def room(self) -> Room:
        """What its processes can work on at once, for the gate in front of them."""
        cells = self._opened.group.cells
        facts = self._opened.verified.manifest.facts
        return derive_room(facts, self._opened.cell.limits.memory_bytes, workers=len(cells))

    @property
    def is_closed(self) -> bool:
        return self._is_closed or self._is_foreign

    @property
    def standing(self) -> str:
        """Of the best of its processes: `running`, `resting` until the next request, `quarantined`, `closed`."""
        return find_best(self.standings)

    @property
    def standings(self) -> tuple[str, ...]:
        """Of each of its processes. Looks at no disk where one that ended is started again by itself."""
        group = self._opened.group
        if self.is_closed:
            return ("closed",) * len(group.cells)
        return group.last_standings if self._starts_again else group.standings

    @property
    def memory_bytes(self) -> int:
        """That its processes may have together."""
        return self._opened.group.limits.memory_bytes * len(self._opened.group.cells)

    @property
    def ended(self) -> CellEnded | None:
        """How its process ended, and what it used; None while it runs."""
        return self._watcher.ended

    @property
    def claimed_facts(self) -> JsonObject:
        """What the engine says of the model, from behind the wall: not to be believed."""
        return self._opened.cell.facts

    @property
    def has_new_record(self) -> bool:
        """Whether there was no record before: worth saying aloud, as somebody may have taken the old one away."""
        return self._log.is_new

    @property
    def notices(self) -> list[str]:
        """What went wrong with the record without losing anything."""
        return self._log.notices

    def ask(
        self,
        request: ParsedRequest,
        on_ready: Callable[[], None] | None = None,
        correlation_id: str | None = None,
        entrance: Entrance | None = None,
    ) -> AnswerInFlight:
        """As `walks.request_walk.ask_model`; Misuse(CELL_CLOSED) before that where the model is closed."""
        self._check_open()
        if self.function is not None:
            raise Misuse(
                USAGE, _NO_LANGUAGE_MODEL, hint="Call it: model(name=array); model.inputs lists the names."
            )
        self._observe(request)
        return ask_model(
            self._opened.group,
            self._contract,
            self._endings,
            request,
            on_ready=on_ready,
            correlation_id=correlation_id,
            entrance=entrance,
        )

    def ask_at_once(
        self,
        request: ParsedRequest,
        on_ready: Callable[[], None],
        correlation_id: str | None = None,
        entrance: Entrance | None = None,
    ) -> AnswerInFlight | None:
        """As `walks.request_walk.ask_model_at_once`; None also where `ask` says no."""
        if self.is_closed or self.function is not None:
            return None
        asked = ask_model_at_once(
            self._opened.group,
            self._contract,
            self._endings,
            request,
            on_ready=on_ready,
            correlation_id=correlation_id,
            entrance=entrance,
        )
        if asked is not None:
            self._observe(request)
        return asked

    def ask_function(
        self,
        request: ParsedTensors,
        on_ready: Callable[[], None] | None = None,
        correlation_id: str | None = None,
        entrance: Entrance | None = None,
    ) -> TensorsInFlight:
        """As `walks.tensor_walk.ask_function`; Misuse before that where it is closed, or no function."""
        self._check_open()
        if self.function is None:
            raise Misuse(USAGE, _NO_FUNCTION, hint="Ask it with generate or chat.")
        return ask_function(
            self._opened.group,
            self.function,
            self._endings,
            request,
            on_ready=on_ready,
            correlation_id=correlation_id,
            entrance=entrance,
        )

    def ask_function_at_once(
        self,
        request: ParsedTensors,
        on_ready: Callable[[], None],
        correlation_id: str | None = None,
        entrance: Entrance | None = None,
    ) -> TensorsInFlight | None:
        """As `walks.tensor_walk.ask_function_at_once`; None also where `ask_function` says no."""
        if self.is_closed or self.function is None:
            return None
        return ask_function_at_once(
            self._opened.group,
            self.function,
            self._endings,
            request,
            on_ready=on_ready,
            correlation_id=correlation_id,
            entrance=entrance,
        )

    def take_place(self, size: int) -> memoryview | None:
        """Memory for the data of a call that is still to come; None where there is none that its worker shares."""
        return None if self.is_closed or self.function is None else self._opened.group.take_place(size)

    def _check_open(self) -> None:
        if self._is_foreign:
            raise Misuse(CELL_CLOSED, "the model was opened by the process that this one was forked from")
        if self._is_closed:
            raise Misuse(CELL_CLOSED, "the model was closed")

    def read_usage(self) -> CellUsage:
        return self._opened.group.read_usage()

    def close(self) -> None:
        """Ends what is still asked, then the process, then lets go of files and record. Any number of times.

        Raises what the record says.
        """
        with self._closing:
            if self.is_closed:
                return
            self._is_closed = True
        with self._stack:
            self._endings.close()

    def forget(self) -> None:
        """In a forked child: nothing here is its own."""
        self._is_foreign = True
        self._endings.forget()


def open_here(model: PathName, options: OpenOptions) -> Opened:
    """Raises the first room's no; the record has it then."""
    expected = options.function_engine if looks_like_function(model) else options.engine
    prepare_engine(expected.name, expected.settings, options.without)
    now = datetime.now(UTC)
    with ExitStack() as stack:
        log = stack.enter_context(open_log(options.state))
        watcher = _Watcher(log.emit, options.on_progress)
        believed = choose_believed(options.named, model, now, log, ask=options.ask)
        state = options.state or find_state_directory()
        request = OpenRequest(
            verify=VerifyRequest(
                material=believed.material,
                decide=believed.decide,
                now=now,
                source=str(Path(model).resolve()),
                signatures=options.signatures,
                allowances=UnsafeAllowances(options.leaves_out, unsigned=options.named.allows_unsigned),
                record_location=options.records_location,
                needs_vouching=believed.needs_vouching,
            ),
            engine=options.engine.name,
            settings=options.engine.settings,
            function_engine=options.function_engine.name,
            function_settings=options.function_engine.settings,
            rules=options.rules,
            without=options.without,
            quarantine=Quarantine(state, watcher.emit),
            waits_for_release=options.waits_for_release,
            workers=options.workers,
            take_room=options.take_room,
            check_wanted=options.check_wanted,
        )
        walk = open_model(model, watcher.emit, request, start=watcher.start, advance=watcher.advance)
        at_work = stack.enter_context(walk)
        _check_settings(at_work, options)
        opened = Opened(stack.pop_all(), log, at_work, watcher, options)
    watcher.tell("ready")
    lifetime.register(opened)
    return opened


def _check_settings(opened: OpenModel, options: OpenOptions) -> None:
    """What only a language model has a use for is not passed over."""
    unused = options.engine.settings.keys() & {"adapter", "context_tokens"}
    if GRAPH_FILE in opened.contents and unused:
        raise Misuse(USAGE, f"this is a function: it has no {min(unused)}")
