"""How many connections there may be, by the descriptors that the system lets the server have."""

from __future__ import annotations

import resource

import pytest

from ostiary.gateway.listen import allow_descriptors

OWN = 256


@pytest.fixture
def limits(monkeypatch: pytest.MonkeyPatch) -> dict[str, tuple[int, int]]:
    held = {"now": (1_024, 1_024)}
    monkeypatch.setattr(resource, "getrlimit", lambda _which: held["now"])
    monkeypatch.setattr(resource, "setrlimit", lambda _which, wanted: held.update(now=wanted))
    return held


@pytest.mark.parametrize(
    ("has_grpc", "before", "expected", "then"),
    [
        (False, (1_024, 524_288), 2_048, 2_048 + OWN),
        (True, (1_024, 524_288), 2_048, 2 * 2_048 + OWN),
        (False, (1_024, 1_024), 1_024 - OWN, 1_024),
        (True, (1_024, 1_024), (1_024 - OWN) // 2, 1_024),
        (True, (100, 100), 1, 100),
        (True, (resource.RLIM_INFINITY, resource.RLIM_INFINITY), 2_048, resource.RLIM_INFINITY),
    ],
)
def test_a_crowd_at_one_port_leaves_the_other_its_own(
    limits: dict[str, tuple[int, int]], has_grpc: bool, before: tuple[int, int], expected: int, then: int
) -> None:
    """Else whoever opens connections for gRPC and asks nothing, which needs no key, would close the door to others."""
    limits["now"] = before
    assert allow_descriptors(2_048, has_grpc=has_grpc) == expected
    assert limits["now"] == (then, before[1])
