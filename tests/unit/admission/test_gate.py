"""The gate: who goes in at once, who waits for whom and how long, who is refused and with which words."""

from __future__ import annotations

import pytest
from gate_tools import Hall, make_claim

from ostiary.admission import Place, QueueBounds
from ostiary.errors import AdmissionRefused


def _refusal(place: Place) -> str:
    assert place.error is not None
    return place.error.code


def test_where_there_is_room_a_request_goes_in_at_once_and_unheard() -> None:
    hall = Hall(rows=2)
    place = hall.enter(make_claim("anna", need=7), timeout=30)
    assert place.ticket is not None
    assert (place.ticket.tenant, place.ticket.reserved_bytes, place.ticket.timeout_seconds) == ("anna", 7, 30)
    assert hall.heard == []
    assert hall.gate.load.inside == 1


def test_who_leaves_lets_in_the_next_who_is_told() -> None:
    hall = Hall()
    first, second = hall.enter(), hall.enter(name="second")
    assert second.is_waiting
    hall.clock.now += 3
    first.leave(25, 5)
    assert second.ticket is not None
    assert hall.heard == ["second"]
    assert hall.ledger.settled == [(25, 5)]


def test_the_time_that_somebody_waited_is_taken_from_what_the_request_has() -> None:
    hall = Hall()
    first, second = hall.enter(), hall.enter(timeout=10)
    hall.clock.now += 4
    first.leave()
    assert second.ticket is not None
    assert second.ticket.timeout_seconds == pytest.approx(6)


def test_who_is_started_late_or_once_more_has_no_more_time_than_was_asked_for() -> None:
    hall = Hall(rows=2)
    place, endless = hall.enter(timeout=10), hall.enter()
    hall.clock.now += 4
    ticket, other = place.claim_ticket(), endless.claim_ticket()
    assert ticket is not None
    assert other is not None
    assert ticket.timeout_seconds == pytest.approx(6)
    assert other.timeout_seconds is None
    hall.clock.now += 40
    late = place.claim_ticket()
    assert late is not None
    assert late.timeout_seconds == 0


def test_tenants_take_turns_however_many_requests_one_of_them_has() -> None:
    hall = Hall()
    inside = hall.enter(make_claim("anna"))
    floods = [hall.enter(make_claim("anna"), name=f"anna{number}") for number in range(20)]
    late = [hall.enter(make_claim("ben"), name=f"ben{number}") for number in range(3)]
    for _ in range(6):
        inside.leave(10)
        inside = next(place for place in (*late, *floods) if place.ticket is not None and not place.is_over)
    assert hall.heard == ["ben0", "anna0", "ben1", "anna1", "ben2", "anna2"]


def test_one_with_thrice_the_weight_gets_thrice_the_turns() -> None:
    hall = Hall()
    inside = hall.enter(make_claim("carl"))
    places = [
        hall.enter(make_claim(tenant), name=tenant, weight=weight)
        for tenant, weight in (("anna", 3), ("ben", 1))
        for _ in range(12)
    ]
    for _ in range(12):
        inside.leave(10)
        inside = next(place for place in places if place.ticket is not None and not place.is_over)
    assert (hall.heard.count("anna"), hall.heard.count("ben")) == (9, 3)


def _serve(hall: Hall, inside: Place, places: list[Place], turns: int) -> None:
    for _ in range(turns):
        inside.leave(10)
        inside = next(place for place in places if place.ticket is not None and not place.is_over)


def test_who_asked_for_little_and_used_much_pays_for_it_with_the_next_turns() -> None:
    hall = Hall()
    inside = hall.enter(make_claim("anna"))
    places = [hall.enter(make_claim(tenant), name=tenant) for tenant in ("anna", "anna", "ben", "ben", "ben")]
    inside.leave(25)
    _serve(hall, next(place for place in places if place.ticket is not None), places, 3)
    assert hall.heard == ["ben", "ben", "ben", "anna"]


def test_nobody_saves_up_turns_by_asking_nothing() -> None:
    hall = Hall()
    inside = hall.enter(make_claim("anna"))
    places = [hall.enter(make_claim("anna"), name="anna") for _ in range(20)]
    _serve(hall, inside, places, 10)
    places += [hall.enter(make_claim("ben"), name="ben") for _ in range(20)]
    hall.heard.clear()
    inside = next(place for place in places if place.ticket is not None and not place.is_over)
    _serve(hall, inside, places, 8)
    assert hall.heard.count("ben") in (4, 5)


def test_a_place_in_so_many_is_kept_for_who_has_nothing_inside() -> None:
    hall = Hall(rows=9)
    floods = [hall.enter(make_claim("anna")) for _ in range(20)]
    assert sum(place.ticket is not None for place in floods) == 8
    assert hall.enter(make_claim("ben")).ticket is not None
    assert hall.enter(make_claim("ben")).is_waiting


def test_a_share_of_the_memory_is_kept_as_well() -> None:
    hall = Hall(rows=90, size=100)
    floods = [hall.enter(make_claim("anna", need=25)) for _ in range(8)]
    assert sum(place.ticket is not None for place in floods) == 3
    assert hall.enter(make_claim("ben", need=25)).ticket is not None
    assert hall.gate.load.bytes == 100


def test_what_does_not_fit_now_waits_until_it_does() -> None:
    hall = Hall(rows=9, size=100)
    first = hall.enter(make_claim("anna", need=70))
    second = hall.enter(make_claim("ben", need=60))
    assert second.is_waiting
    first.leave()
    assert second.ticket is not None


def test_what_can_never_fit_is_refused_at_once_and_says_which_field() -> None:
    hall = Hall(size=100 << 20)
    with pytest.raises(AdmissionRefused) as refused:
        hall.enter(make_claim(need=300 << 20, least=200 << 20))
    assert (refused.value.code, refused.value.field) == ("ADMISSION_TOO_LARGE", "max_tokens")
    assert (
        refused.value.public_detail
        == "max_tokens makes it need 200 MiB at least; there are 100 MiB for all requests"
    )
    assert hall.ledger.taken == 0


def test_what_only_may_be_too_large_goes_in_when_nobody_else_is_there() -> None:
    hall = Hall(rows=4, size=100)
    first = hall.enter(make_claim("anna", need=1))
    large = hall.enter(make_claim("ben", need=500, least=50, rows=9))
    assert large.is_waiting
    first.leave()
    assert large.ticket is not None
    assert hall.gate.load.bytes == 100


def test_small_requests_overtake_a_large_one_so_often_and_no_more() -> None:
    hall = Hall(rows=90, size=100)
    holder = hall.enter(make_claim("anna", need=70))
    large = hall.enter(make_claim("ben", need=50))
    small = [hall.enter(make_claim(f"tenant{number}", need=1)) for number in range(20)]
    assert sum(place.ticket is not None for place in small) == 16
    assert large.is_waiting
    holder.leave()
    assert large.ticket is not None
    assert all(place.ticket is not None for place in small)


def test_one_tenant_may_have_half_of_the_queue_and_then_hears_when_to_come_again() -> None:
    hall = Hall(bounds=QueueBounds(places=8))
    for _ in range(5):
        hall.enter(make_claim("anna"))
    with pytest.raises(AdmissionRefused) as refused:
        hall.enter(make_claim("anna"))
    assert refused.value.code == "ADMISSION_QUEUE_FULL"
    assert refused.value.retry_after_seconds == 5
    assert hall.enter(make_claim("ben")).is_waiting


def test_the_queue_is_bounded_for_all_together_but_who_has_nothing_there_finds_a_place() -> None:
    hall = Hall(bounds=QueueBounds(places=8))
    hall.enter(make_claim("first"))
    for tenant in ("anna", "ben"):
        for _ in range(4):
            hall.enter(make_claim(tenant))
    carl = hall.enter(make_claim("carl"))
    assert carl.is_waiting
    with pytest.raises(AdmissionRefused) as refused:
        hall.enter(make_claim("carl"))
    assert refused.value.code == "ADMISSION_OVERLOADED"
    assert refused.value.retry_after_seconds is not None
    for number in range(7):
        hall.enter(make_claim(f"tenant{number}"))
    with pytest.raises(AdmissionRefused):
        hall.enter(make_claim("dora"))


@pytest.mark.parametrize("seconds", [2.0, 40.0])
def test_when_to_come_again_is_what_it_takes_then(seconds: float) -> None:
    """Twelve ahead of it, each of whom has the one place for so long."""
    hall = Hall(bounds=QueueBounds(places=24, seconds=3_600))
    inside = hall.enter()
    waiting = [hall.enter() for _ in range(12)]
    for _ in range(20):
        hall.clock.now += seconds
        inside.leave(10)
        inside = waiting.pop(0)
        waiting.append(hall.enter())
    with pytest.raises(AdmissionRefused) as refused:
        hall.enter()
    foreseen, began = refused.value.retry_after_seconds, hall.clock.now
    last = waiting[-1]
    while last.is_waiting:
        hall.clock.now += seconds
        inside.leave(10)
        inside = waiting.pop(0)
    assert foreseen is not None
    assert 0.8 <= foreseen / (hall.clock.now + seconds - began) <= 1.25


def test_where_nothing_leaves_any_more_who_comes_is_told_to_wait_longer() -> None:
    hall = Hall(bounds=QueueBounds(places=2, seconds=3_600))
    first, _ = hall.enter(), hall.enter()
    hall.clock.now += 1
    first.leave()
    hall.enter()

    def ask() -> float:
        with pytest.raises(AdmissionRefused) as refused:
            hall.enter()
        return refused.value.retry_after_seconds or 0

    before = ask()
    hall.clock.now += 300
    assert ask() >= before + 100


def test_nobody_waits_longer_than_anybody_may() -> None:
    hall = Hall(bounds=QueueBounds(seconds=60))
    hall.enter()
    place = hall.enter(name="late")
    hall.clock.now += 59
    place.look()
    assert place.is_waiting
    assert place.patience_seconds == pytest.approx(1)
    hall.clock.now += 1
    place.look()
    assert _refusal(place) == "ADMISSION_OVERLOADED"
    assert hall.heard == ["late"]
    with pytest.raises(AdmissionRefused):
        place.claim_ticket()
    place.leave()
    assert hall.ledger.settled == [(0, 0)]


def test_a_request_without_time_left_is_refused_while_it_waits() -> None:
    hall = Hall()
    hall.enter()
    place = hall.enter(timeout=5)
    hall.clock.now += 5
    hall.enter(make_claim("ben"))
    assert _refusal(place) == "ADMISSION_DEADLINE"


def test_who_goes_away_while_waiting_frees_the_place_in_the_queue_at_once() -> None:
    hall = Hall(bounds=QueueBounds(places=2))
    first, second = hall.enter(), hall.enter()
    with pytest.raises(AdmissionRefused):
        hall.enter()
    second.leave()
    third = hall.enter(name="third")
    first.leave()
    assert hall.heard == ["third"]
    assert third.ticket is not None
    assert second.ticket is None


def test_a_place_that_nobody_holds_any_more_is_noticed_by_the_next_who_looks() -> None:
    hall = Hall()
    first, second = hall.enter(), hall.enter()
    first.abandon()
    assert second.is_waiting
    second.look()
    assert second.ticket is not None
    assert hall.ledger.settled == [(10, 0)]  # what was begun is charged


def test_leaving_twice_counts_once() -> None:
    hall = Hall()
    first = hall.enter()
    first.leave(5)
    first.leave(7)
    first.abandon()
    hall.gate.tidy()
    assert hall.ledger.settled == [(5, 0)]
    assert hall.gate.load == type(hall.gate.load)(0, 0, 0, 0)


def test_a_refusal_of_the_quotas_takes_no_place() -> None:
    hall = Hall()

    def refuse() -> None:
        raise RuntimeError

    with pytest.raises(RuntimeError):
        hall.gate.enter(hall.enter().checked, make_claim(), reserve=refuse)  # type: ignore[arg-type, return-value]
    assert (hall.gate.load.inside, hall.gate.load.waiting) == (1, 0)


def test_what_is_refused_after_the_quotas_gives_back_what_they_held() -> None:
    hall = Hall(bounds=QueueBounds(places=2))
    first = hall.enter()

    def fill_meanwhile() -> object:
        hall.enter()
        return hall.ledger.reserve()

    with pytest.raises(AdmissionRefused):
        hall.gate.enter(first.checked, make_claim(), reserve=fill_meanwhile)  # type: ignore[arg-type]
    assert hall.ledger.settled == [(0, 0)]
    assert hall.gate.load.waiting == 1


def test_an_event_loop_that_is_closed_keeps_nobody_else_waiting() -> None:
    hall = Hall(rows=2)
    first, second = hall.enter(make_claim(rows=2)), None

    def fail() -> None:
        raise RuntimeError("closed")

    second = hall.gate.enter(first.checked, make_claim("ben"), on_change=fail)
    third = hall.enter(make_claim("carl"), name="carl")
    first.leave()
    assert second.ticket is not None
    assert third.ticket is not None
    assert hall.heard == ["carl"]


def test_requests_that_are_worked_on_one_by_one_do_not_fill_the_engine() -> None:
    hall = Hall(rows=72)
    floods = [hall.enter(make_claim("anna", is_serial=True)) for _ in range(30)]
    assert sum(place.ticket is not None for place in floods) == 2
    assert hall.enter(make_claim("ben", is_serial=True)).ticket is not None
    assert hall.enter(make_claim("carl")).ticket is not None
    assert hall.enter(make_claim("dora", is_serial=True)).is_waiting
