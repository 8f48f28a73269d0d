"""Which names and which web pages are let in."""

from __future__ import annotations

import pytest

from ostiary.gateway.origins import choose_origins, is_host_name, is_loopback, is_origin


@pytest.mark.parametrize(
    "claimed", ["127.0.0.1", "127.0.0.1:8151", "localhost", "LOCALHOST:1", "localhost.", "[::1]:80"]
)
def test_loopback_is_known_by_its_usual_names(claimed: str) -> None:
    assert choose_origins("127.0.0.1", (), ()).is_own_host(claimed)


@pytest.mark.parametrize(
    "claimed",
    ["", "evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "localhost:x", "localhost:", "a@localhost",
     "localhost:80:80", "[::2]", "10.0.0.1", "localhost:999999"],
)  # fmt: skip
def test_any_other_name_is_none_of_ours(claimed: str) -> None:
    assert not choose_origins("127.0.0.1", (), ()).is_own_host(claimed)


def test_names_that_were_set_are_ours_too() -> None:
    origins = choose_origins("10.0.0.1", ["Models.Example"], ["https://app.example"])
    assert origins.is_own_host("models.example:443")
    assert origins.is_own_host("10.0.0.1")
    assert not origins.is_own_host("localhost")
    assert origins.is_own_origin("https://APP.example")
    assert not origins.is_own_origin("http://app.example")
    assert not origins.is_own_origin("null")


def test_listening_everywhere_takes_any_address_but_no_name() -> None:
    origins = choose_origins("0.0.0.0", (), ())  # noqa: S104
    assert origins.is_own_host("192.0.2.7:8151")
    assert origins.is_own_host("[2001:db8::1]:8151")
    assert not origins.is_own_host("evil.example")


def test_what_is_loopback() -> None:
    assert all(is_loopback(host) for host in ("127.0.0.1", "127.9.9.9", "::1", "localhost"))
    assert not any(is_loopback(host) for host in ("0.0.0.0", "::", "10.0.0.1", "example", "127.0.0.1.example"))  # noqa: S104


def test_what_is_a_name_and_what_an_origin() -> None:
    assert all(is_host_name(text) for text in ("a", "a.b-c.example", "10.0.0.1", "[::1]", "a_b"))
    assert not any(is_host_name(text) for text in ("", "a b", "a..b", "-a", "a:80", "a/b", "x" * 254, "[::1", "*"))
    assert all(is_origin(text) for text in ("https://a.example", "http://localhost:3000", "http://[::1]:80"))
    assert not any(
        is_origin(text) for text in ("a.example", "https://a.example/", "https://u@a", "*", "null", "ftp://a")
    )


@pytest.mark.parametrize(("package", "name"), [("openai", "OpenAI"), ("anthropic", "Anthropic")])
def test_a_page_may_send_what_the_usual_clients_send(package: str, name: str) -> None:
    """A browser sends nothing at all where one header of it is not let in."""
    client = getattr(pytest.importorskip(package), name)(api_key="any")
    told = dict(choose_origins("127.0.0.1", (), ()).preflight_headers("https://app.example"))
    taken = told["access-control-allow-headers"].split(", ")
    sent = {header.lower() for header in client.default_headers} | {
        "x-stainless-retry-count",
        "x-stainless-timeout",
    }
    assert sent - {"accept"} <= set(taken), "what any page may send, no server has to name"
    assert "ostiary-timeout" in taken
    exposed = told["access-control-expose-headers"].split(", ")
    assert {"x-should-retry", "x-request-id", "traceparent"} <= set(exposed)
