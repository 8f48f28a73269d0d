"""A model's whole way, top to bottom: directory -> intake -> trust -> vault -> cell -> an engine that answers."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING

from ostiary.cell.limits_file import NO_RULES, LimitRules
from ostiary.cell.plan import plan_cell
from ostiary.cell.start import start_cells
from ostiary.core.function_files import GRAPH_FILE
from ostiary.core.tickets import SealMethod, VerifiedModel
from ostiary.core.values import dataclass
from ostiary.record.events import Emit
from ostiary.vault import ALL_METHODS, open_sealed
from ostiary.walks.model_walk import VerifyRequest, verify_model
from ostiary.walks.wanted_weights import CheckWanted, hand_out_while_wanted

if TYPE_CHECKING:
    from ostiary.cell.group import CellGroup
    from ostiary.cell.profile import Layer
    from ostiary.cell.quarantine import Quarantine
    from ostiary.cell.running import RunningCell
    from ostiary.core.frames import JsonObject


@dataclass(frozen=True, slots=True)
class OpenRequest:
    """Whom an operator believes, and how the model is to run."""

    verify: VerifyRequest
    engine: str
    settings: JsonObject | None = None
    """For the engine."""
    function_engine: str | None = None
    """For models that are functions; None: as others."""
    function_settings: JsonObject | None = None
    rules: LimitRules = NO_RULES
    """Limits that the operator set."""
    without: Collection[Layer] = ()
    """Layers of the wall that the operator chose to leave out."""
    methods: Collection[SealMethod] = ALL_METHODS
    quarantine: Quarantine | None = None
    waits_for_release: bool = False
    """As `CellPlan` has it."""
    workers: int = 1
    """Processes that share the work."""
    take_room: Callable[[int], AbstractContextManager[None]] = lambda _: nullcontext()
    """For so many bytes, which all of its processes may have together; left when they have ended."""
    check_wanted: CheckWanted = lambda: None
    """Raises where nobody wants the model any more: looked at before each file of weights is handed out."""


@dataclass(frozen=True, slots=True)
class OpenModel:
    """A model at work, and why it is."""

    verified: VerifiedModel
    group: CellGroup
    correlation_id: str
    engine: str
    contents: Mapping[str, bytes]
    """Its small files, as they were verified."""

    @property
    def cell(self) -> RunningCell:
        """The first of its processes; all have the same limits, and the same wall."""
        return self.group.cells[0]


@contextmanager
def open_model(
    path: str | os.PathLike[str],
    emit: Emit,
    request: OpenRequest,
    *,
    start: Callable[[int], None] = lambda _: None,
    advance: Callable[[int], None] = lambda _: None,
) -> Iterator[OpenModel]:
    """Raises the first room's no. The record then has exactly one ending: model.refused or .failed, cell.refused,
    or cell.ended for each cell.started. `start` and `advance` hear of the bytes that are read.
    """
    asked = replace(request.verify, defers_weights=True)  # the vault hashes them, once
    verification = verify_model(path, emit, asked, start=start, advance=advance)
    verified, correlation_id = verification.ticket, verification.correlation_id
    with open_sealed(path, verified, emit, correlation_id, methods=request.methods) as sealed:
        engine, settings = request.engine, request.settings
        if GRAPH_FILE in sealed.contents and request.function_engine is not None:
            engine, settings = request.function_engine, request.function_settings
        plan = plan_cell(
            hand_out_while_wanted(sealed, request.check_wanted),
            engine,
            emit,
            correlation_id,
            settings=settings,
            rules=request.rules,
            without=request.without,
            quarantine=request.quarantine,
            waits_for_release=request.waits_for_release,
        )
        with (
            request.take_room(plan.limits.memory_bytes * request.workers),
            start_cells(plan, emit, correlation_id, request.workers) as group,
        ):
            yield OpenModel(verified, group, correlation_id, engine, sealed.contents)
