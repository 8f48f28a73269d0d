"""Where the server listens, and how many connections there may be by the descriptors that the system lets it have."""

from __future__ import annotations

import resource
import socket

import pytest

from ostiary.errors import Misuse
from ostiary.gateway.listen import allow_descriptors, bind_socket, check_bound, check_protection
from ostiary.gateway.settings import Server

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


@pytest.mark.parametrize(("address", "is_refused"), [("127.0.0.1", False), ("0.0.0.0", True)])  # noqa: S104
def test_a_name_of_loopback_that_leads_elsewhere_protects_nobody(
    monkeypatch: pytest.MonkeyPatch, address: str, is_refused: bool
) -> None:
    """As a file of hosts may have it."""
    server = Server(host="localhost", keys=False)
    check_protection(server)
    found = [(socket.AF_INET, socket.SOCK_STREAM, 0, "", (address, 0))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    with bind_socket("localhost", 0) as bound:
        check_bound(bound, Server(host="localhost"))
        if is_refused:
            with pytest.raises(Misuse, match=r"may listen on loopback only, not at 0\.0\.0\.0"):
                check_bound(bound, server)
        else:
            check_bound(bound, server)
