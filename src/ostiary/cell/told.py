"""What the record is told of every process of a cell."""

from __future__ import annotations

from ostiary.cell.limits import CellLimits
from ostiary.core.values import dataclass
from ostiary.record.events import CellStarted, Emit


@dataclass(frozen=True, slots=True)
class CellTold:
    """And how it is told."""

    cell: str
    root: str
    engine: str
    layers: tuple[str, ...]
    limits: CellLimits
    is_granted_time: bool
    """Whether the kernel limits its processor time, too, and lets us raise that limit for each call."""
    restart: int
    emit: Emit
    correlation_id: str

    def describe_start(self) -> CellStarted:
        return CellStarted(
            correlation_id=self.correlation_id,
            cell=self.cell,
            root=self.root,
            engine=self.engine,
            layers=self.layers,
            limits=dict(self.limits.by_name()),
            restart=self.restart,
        )
