"""Shares of what all requests have together: places to be answered in, and bytes while they are received."""

from __future__ import annotations

from contextlib import ExitStack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ostiary.errors import GatewayRefused
from ostiary.gateway.places import Places
from ostiary.gateway.receive import BodyBudget


def test_one_tenant_alone_leaves_the_last_eighth_to_others() -> None:
    places = Places(240)
    with ExitStack() as held:
        for _ in range(210):
            held.enter_context(places.take("greedy"))
        with pytest.raises(GatewayRefused) as caught:
            places.judge("greedy")
        assert caught.value.code == "GATEWAY_BUSY"
        for number in range(30):
            held.enter_context(places.take(f"other{number}"))
        with pytest.raises(GatewayRefused):
            places.judge("another")
    for _ in range(210):
        with places.take("greedy"):
            pass


def test_who_has_less_than_half_may_have_the_last_place() -> None:
    places = Places(8)
    with ExitStack() as held:
        for tenant in "abababab":
            held.enter_context(places.take(tenant))
        with pytest.raises(GatewayRefused):
            held.enter_context(places.take("a"))


@given(most=st.integers(1, 20), tenants=st.lists(st.sampled_from("abc"), max_size=40))
def test_places_come_back_and_are_never_too_many(most: int, tenants: list[str]) -> None:
    places = Places(most)
    with ExitStack() as held:
        taken = 0
        for tenant in tenants:
            try:
                held.enter_context(places.take(tenant))
                taken += 1
            except GatewayRefused:
                pass
        assert taken <= most
        assert taken > 0 or not tenants
    with places.take("a"):
        assert places.taken == 1
    assert (places.taken, places._by_tenant) == (0, {})


def test_many_long_bodies_of_one_tenant_leave_as_much_to_others() -> None:
    budget = BodyBudget(256 << 20)
    with ExitStack() as held:
        count = 0
        with pytest.raises(GatewayRefused):  # noqa: PT012  it is refused at some time
            while True:
                held.enter_context(budget.hold("greedy")).grow(8 << 20)
                count += 1
        assert count == 16
        held.enter_context(budget.hold("greedy")).grow(1_000)
        held.enter_context(budget.hold("other")).grow(72 << 20)


def test_a_first_body_may_have_all_there_is() -> None:
    budget = BodyBudget(1 << 20)
    with budget.hold("a") as held:
        held.grow(1 << 20)
        with budget.hold("b") as none, pytest.raises(GatewayRefused):
            none.grow(1)
    with budget.hold("b") as held:
        held.grow(1 << 20)
    assert (budget._left, budget._by_tenant) == (1 << 20, {})
