"""The door of the room: a sealed model gets a process behind a wall."""

from __future__ import annotations

from ostiary.cell.plan import CellPlan
from ostiary.cell.running import RunningCell
from ostiary.core.text import quote_untrusted
from ostiary.record.events import Emit, UnsafeUsed


def start_cell(plan: CellPlan, emit: Emit, correlation_id: str) -> RunningCell:
    """A process with the model loaded. To be closed, best by `with`; before the sealed model is.

    Raises CellRefused, a WorkerFault, Misuse(EXTRA_MISSING) for an engine that is not installed, or what the vault
    says of the model. The record hears cell.started or cell.refused (or, from the vault, model.refused).
    """
    name = quote_untrusted(plan.sealed.verified.manifest.name)
    for layer in sorted(plan.profile.without):
        hatch = f"--unsafe-without-{layer.value}"
        emit(UnsafeUsed(correlation_id=correlation_id, hatch=hatch, detail=name))
    return RunningCell(plan, emit, correlation_id)
