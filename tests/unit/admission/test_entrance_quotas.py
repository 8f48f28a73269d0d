"""What the gate is told of a tenant's quotas: its share, how much is held, and how long an answer may be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from gate_tools import make_checked
from quota_tools import HandClocks, make_table, name_caller

from ostiary.admission import Entrance, Gate, Room, enter
from ostiary.admission.quotas import TenantQuotas, open_quotas
from ostiary.admission.tenants import TenantLimits
from ostiary.admission.usage_file import USAGE_FILE
from ostiary.core.tickets import CheckedTensors
from ostiary.errors import AdmissionRefused

LIMITS = {"anna": TenantLimits(tokens_per_minute=100, priority=40), "bert": TenantLimits(priority=5)}


class ToldGate(Gate):
    """Keeps with which weight whoever enters comes."""

    weight = 0

    def enter(self, *arguments: Any, weight: int = 1, **named: Any) -> Any:
        self.weight = weight
        return super().enter(*arguments, weight=weight, **named)


@pytest.fixture
def quotas(tmp_path: Path) -> TenantQuotas:
    return open_quotas(make_table(**LIMITS), tmp_path, HandClocks().make())


def test_the_priority_is_the_weight(quotas: TenantQuotas) -> None:
    gate = ToldGate(Room(rows=9, bytes=1 << 40, largest_bytes=1 << 40))
    for tenant, weight in (("anna", 40), ("bert", 5), ("clara", 10)):
        enter(Entrance(gate, name_caller(tenant), quotas), make_checked(prompt=[1]))
        assert gate.weight == weight


def test_what_is_held_is_free_again_by_what_was_used(quotas: TenantQuotas) -> None:
    gate = Gate(Room(rows=9, bytes=1 << 40, largest_bytes=1 << 40))
    anna = Entrance(gate, name_caller("anna"), quotas)
    place = enter(anna, make_checked(prompt=[1] * 40, max_tokens=10))
    assert (told := quotas.tell("anna").tokens) is not None
    assert told.remaining == 50
    with pytest.raises(AdmissionRefused):
        enter(anna, make_checked(prompt=[1] * 41, max_tokens=10))
    place.leave(43, 3)
    place.leave(50, 10)
    assert (told := quotas.tell("anna").tokens) is not None
    assert told.remaining == 57


def test_one_that_leaves_the_queue_holds_nothing(quotas: TenantQuotas) -> None:
    gate = Gate(Room(rows=1, bytes=1 << 40, largest_bytes=1 << 40))
    anna = Entrance(gate, name_caller("anna"), quotas)
    first = enter(anna, make_checked(prompt=[1] * 10, max_tokens=10))
    second = enter(anna, make_checked(prompt=[1] * 10, max_tokens=10))
    assert (first.is_waiting, second.is_waiting) == (False, True)
    second.leave()
    first.abandon()
    gate.tidy()
    account = quotas._accounts.by_tenant["anna"]
    assert (account.held, quotas._accounts.open) == (0, {})


def test_the_ticket_bounds_an_answer_of_no_stated_length(
    quotas: TenantQuotas, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ostiary.admission.measure._USUAL_ANSWER", 2)
    gate = Gate(Room(rows=9, bytes=1 << 40, largest_bytes=1 << 40))
    bounded = enter(Entrance(gate, name_caller("anna"), quotas), make_checked(prompt=[1] * 45))
    assert bounded.ticket is not None
    assert bounded.ticket.answer_limit == 5
    free = enter(Entrance(gate, name_caller("bert"), quotas), make_checked(prompt=[1] * 45))
    stated = enter(Entrance(gate, name_caller("anna"), quotas), make_checked(prompt=[1] * 45, max_tokens=5))
    assert free.ticket is not None
    assert stated.ticket is not None
    assert (free.ticket.answer_limit, stated.ticket.answer_limit) == (None, None)


def test_what_takes_no_tokens_is_no_line_in_the_file(quotas: TenantQuotas, tmp_path: Path) -> None:
    """A call of a function is a request, counted at the door. Nothing of it is held, also where nothing is left."""
    gate = Gate(Room(rows=9, bytes=1 << 40, largest_bytes=1 << 40))
    anna = Entrance(gate, name_caller("anna"), quotas)
    enter(anna, make_checked(prompt=[1] * 90, max_tokens=10))
    before = (tmp_path / USAGE_FILE).read_bytes()
    tensors = CheckedTensors(body={}, buffers=(), outputs=(), timeout_seconds=None)
    enter(anna, tensors).leave(7)
    assert (tmp_path / USAGE_FILE).read_bytes() == before
    assert (told := quotas.tell("anna").tokens) is not None
    assert told.remaining == 0
