"""One test for each code of the gate, named by what brings it about."""

from __future__ import annotations

import pytest
from gate_tools import Hall, make_checked, make_claim

from ostiary import errors
from ostiary.admission import Gate, QueueBounds, Room
from ostiary.admission.measure import measure_request
from ostiary.admission.room import Costs
from ostiary.errors import AdmissionRefused
from ostiary.gateway.errors import render_error, render_error_status
from ostiary.gateway.route import Dialect


def _refuse_flood() -> None:
    hall = Hall(bounds=QueueBounds(places=2))
    while True:
        hall.enter(make_claim("flood"))


def _refuse_crowd() -> None:
    hall = Hall(bounds=QueueBounds(places=2))
    number = 0
    while True:
        number += 1
        hall.enter(make_claim(f"tenant{number}"))


def _refuse_late() -> None:
    hall = Hall()
    hall.enter()
    late = hall.enter(timeout=1)
    hall.clock.now += 1
    late.look()
    late.claim_ticket()


def _refuse_greedy() -> None:
    room = Room(
        rows=9,
        bytes=1 << 20,
        largest_bytes=1 << 20,
        costs=Costs(per_token=1 << 20, at_most=1 << 30, context_tokens=1_024),
    )
    gate = Gate(room)
    checked = make_checked(max_tokens=500)
    gate.enter(checked, measure_request(checked, "greedy", room, gate.density))


BRINGS = {
    "ADMISSION_QUEUE_FULL": (_refuse_flood, 429, 8),
    "ADMISSION_OVERLOADED": (_refuse_crowd, 503, 14),
    "ADMISSION_DEADLINE": (_refuse_late, 504, 4),
    "ADMISSION_TOO_LARGE": (_refuse_greedy, 413, 8),
}


@pytest.mark.parametrize("code", BRINGS)
def test_each_code_is_raised_and_said_in_every_protocol(code: str) -> None:
    act, status, grpc_status = BRINGS[code]
    with pytest.raises(AdmissionRefused) as caught:
        act()
    error = caught.value
    assert error.code == code
    says_when = code in {"ADMISSION_QUEUE_FULL", "ADMISSION_OVERLOADED"}
    for dialect in Dialect:
        rendered = render_error(error, dialect, "id")
        assert rendered.status == status
        assert ("retry-after" in dict(rendered.headers)) == says_when
        assert b"flood" not in rendered.body
        assert b"tenant1" not in rendered.body
        assert (b"max_tokens" in rendered.body) == (code == "ADMISSION_TOO_LARGE")
    told = render_error_status(error, "id")
    assert told.status == grpc_status
    assert ("retry-after" in dict(told.metadata)) == says_when


def test_no_code_of_the_gate_is_left_out() -> None:
    from ostiary.codes import admission

    assert set(BRINGS) == {name for name in vars(admission) if name.startswith("ADMISSION_")}
    assert set(BRINGS) <= set(errors.CODES)
