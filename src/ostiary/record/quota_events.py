"""The event of what is counted of tenants: that some of it was lost."""

from __future__ import annotations

from typing import Annotated, ClassVar

from ostiary.core.values import dataclass
from ostiary.record.event import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageDamaged(Event):
    """The file in which usage is counted had lines that cannot be read: a copy was kept, and the rest counts on."""

    kind: ClassVar[str] = "usage.damaged"

    lines: Annotated[int, "how many"]
    kept: Annotated[str, "the name of the copy, in the state directory"]
