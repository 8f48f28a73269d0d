"""How somebody comes before a gate: with a checked request in, with a place out."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from ostiary.admission.claims import Claim
from ostiary.admission.gate import Checked, Gate, Place
from ostiary.admission.measure import measure_request, measure_tensors
from ostiary.admission.room import Room
from ostiary.core.tickets import CheckedRequest
from ostiary.core.values import dataclass

if TYPE_CHECKING:
    from ostiary.admission.claims import Quotas
    from ostiary.core.callers import Caller

_ENDLESS: Final = Room(rows=1 << 62, bytes=1 << 62, largest_bytes=1 << 62)


@dataclass(frozen=True, slots=True)
class Entrance:
    """Who asks, and the gate of the model that is asked."""

    gate: Gate
    caller: Caller
    quotas: Quotas | None = None


def enter(entrance: Entrance | None, checked: Checked, on_change: Callable[[], None] | None = None) -> Place:
    """Its place. Raises AdmissionRefused. Without an entrance nobody shares the model: it goes straight on."""
    if entrance is None:
        gate = Gate(_ENDLESS)
        return gate.enter(checked, _measure(checked, "", gate))
    caller, quotas = entrance.caller, entrance.quotas
    claim = _measure(checked, caller.tenant, entrance.gate)
    takes_tokens = claim.tokens > 0 or claim.most_tokens > 0  # else there is nothing to hold, nor to write down
    return entrance.gate.enter(
        checked,
        claim,
        weight=1 if quotas is None else quotas.weight_of(caller.tenant),
        reserve=(
            None
            if quotas is None or not takes_tokens
            else lambda: quotas.reserve(caller, claim.tokens, claim.most_tokens)
        ),
        on_change=on_change,
    )


def _measure(checked: Checked, tenant: str, gate: Gate) -> Claim:
    if isinstance(checked, CheckedRequest):
        return measure_request(checked, tenant, gate.room, gate.density)
    return measure_tensors(checked, tenant)
