"""Says whether there is right and room for a request now: what fits is let in, what does not waits or is refused.

In: CheckedRequest or CheckedTensors, and the Caller who asks
Out: AdmittedRequest
Trusts: the clock, what was verified of the model, and the limits that it runs within
Refuses: AdmissionRefused
Emits: nothing
"""

from __future__ import annotations

from ostiary.admission.claims import Claim, Quotas, Reservation
from ostiary.admission.entrance import Entrance, enter
from ostiary.admission.gate import Gate, GateLoad, Place, QueueBounds
from ostiary.admission.room import Room, derive_room

__all__ = [
    "Claim",
    "Entrance",
    "Gate",
    "GateLoad",
    "Place",
    "QueueBounds",
    "Quotas",
    "Reservation",
    "Room",
    "derive_room",
    "enter",
]
