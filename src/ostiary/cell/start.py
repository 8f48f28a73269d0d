"""The door of the room: a sealed model gets a process behind a wall."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from ostiary.cell.group import CellGroup
from ostiary.cell.plan import CellPlan
from ostiary.cell.running import RunningCell
from ostiary.core.text import quote_untrusted
from ostiary.record.events import Emit, UnsafeUsed


def start_cell(plan: CellPlan, emit: Emit, correlation_id: str) -> RunningCell:
    """A process with the model loaded. To be closed, best by `with`; before the sealed model is.

    Raises CellRefused, a WorkerFault, Misuse(EXTRA_MISSING) for an engine that is not installed, or what the vault
    says of the model. The record hears cell.started or cell.refused (or, from the vault, model.refused).
    """
    _tell_unsafe(plan, emit, correlation_id)
    return RunningCell(plan, emit, correlation_id)


@contextmanager
def start_cells(plan: CellPlan, emit: Emit, correlation_id: str, count: int) -> Iterator[CellGroup]:
    """So many of them, as one. All or none; as `start_cell`."""
    _tell_unsafe(plan, emit, correlation_id)
    with ExitStack() as stack:
        cells = [stack.enter_context(RunningCell(plan, emit, correlation_id)) for _ in range(count)]
        yield CellGroup(cells)


def _tell_unsafe(plan: CellPlan, emit: Emit, correlation_id: str) -> None:
    name = quote_untrusted(plan.sealed.verified.manifest.name)
    for layer in sorted(plan.profile.without):
        hatch = f"--unsafe-without-{layer.value}"
        emit(UnsafeUsed(correlation_id=correlation_id, hatch=hatch, detail=name))
