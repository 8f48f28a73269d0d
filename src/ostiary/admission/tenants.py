"""What a tenant may use: values, as an operator sets them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ostiary.core.values import dataclass

USUAL_PRIORITY: Final = 10


@dataclass(frozen=True, slots=True)
class TenantLimits:
    """None: as much as there is."""

    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    """Of prompts and answers together, in any 60 seconds."""
    tokens_per_day: int | None = None
    """In any 24 hours."""
    concurrent: int | None = None
    """Requests at once, those that wait included."""
    priority: int = USUAL_PRIORITY
    """Its share where several want the same model: twice the priority, twice the share."""

    @property
    def is_told(self) -> bool:
        """Whether there is a limit of which something can be left."""
        told = (self.requests_per_minute, self.tokens_per_minute, self.tokens_per_day)
        return told != (None, None, None)


@dataclass(frozen=True, slots=True)
class TenantTable:
    """Everybody's limits."""

    usual: TenantLimits
    """Of each tenant that has none of its own."""
    by_name: Mapping[str, TenantLimits]

    def find(self, tenant: str) -> TenantLimits:
        return self.by_name.get(tenant, self.usual)


NO_LIMITS: Final = TenantTable(TenantLimits(), {})
