"""Encrypted connections for gRPC, by the same certificates."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from door_tools import RunningDoor, running_door
from tls_forge import CLIENT, SERVER, Made, make_authority, make_certificate, make_client, make_server

from ostiary.gateway.client_certificates import CertifiedClients
from ostiary.gateway.tls import Tls
from ostiary.gateway.tls_settings import ClientEntry, TlsSettings

grpc: Any = pytest.importorskip("grpc")

NAME = "/inference.GRPCInferenceService/"
ENTRIES = {"dns:app.example": ClientEntry(tenant="acme")}


@contextmanager
def serving(place: Path, *, is_required: bool = False) -> Iterator[tuple[RunningDoor, Tls]]:
    certificate, key, ca = place / "server.pem", place / "server.key", place / "clients.pem"
    make_server().write(certificate, key)
    ca.write_bytes(make_authority("Clients").pem)
    settings = TlsSettings(certificate=certificate, key=key)
    if is_required:
        settings = replace(settings, client_ca=ca, client_required=True)
    tls = Tls(settings, lambda _: None)
    keys = CertifiedClients(ENTRIES, lambda: tls.current.issuers) if is_required else None
    with running_door((), tls=tls, keys=keys, has_grpc=True) as door:
        yield door, tls


def ask(door: RunningDoor, name: str, authority: Made | None = None, client: Made | None = None) -> Any:
    """The code where it was refused."""
    credentials = grpc.ssl_channel_credentials(
        (authority or make_authority()).pem,
        None if client is None else client.render_key(),
        None if client is None else client.pem,
    )
    with grpc.secure_channel(f"localhost:{door.grpc_port}", credentials) as channel:
        try:
            return channel.unary_unary(f"{NAME}{name}")(b"", timeout=30)
        except grpc.RpcError as error:
            return error.code()  # type: ignore[attr-defined]


def test_an_answer(tmp_path: Path) -> None:
    with serving(tmp_path) as (door, _):
        assert b"ostiary" in ask(door, "ServerMetadata")
        assert ask(door, "ServerMetadata", make_authority("Others")) is grpc.StatusCode.UNAVAILABLE


def test_nobody_is_answered_in_clear(tmp_path: Path) -> None:
    with (
        serving(tmp_path) as (door, _),
        grpc.insecure_channel(f"localhost:{door.grpc_port}") as channel,
        pytest.raises(grpc.RpcError),
    ):
        channel.unary_unary(f"{NAME}ServerLive")(b"", timeout=30)


def test_a_client_with_a_certificate(tmp_path: Path) -> None:
    with serving(tmp_path, is_required=True) as (door, _):
        assert b"ostiary" in ask(door, "ServerMetadata", client=make_client("app", "Clients"))
        assert (
            ask(door, "ServerMetadata", client=make_client("other", "Clients")) is grpc.StatusCode.UNAUTHENTICATED
        )
        for client in (
            None,
            make_client("app"),
            make_certificate("app", hosts=("app.example",), usage=CLIENT),
            make_certificate("app", make_authority("Clients"), hosts=("app.example",), usage=SERVER),
        ):
            assert ask(door, "ServerLive", client=client) is grpc.StatusCode.UNAVAILABLE


def test_a_certificate_is_renewed_while_the_server_runs(tmp_path: Path) -> None:
    with serving(tmp_path) as (door, tls):
        assert b"ostiary" in ask(door, "ServerMetadata")
        other = make_certificate("server", make_authority("Others"), hosts=("localhost",))
        other.write(tls.settings.certificate, tls.settings.key)
        tls.look()
        assert b"ostiary" in ask(door, "ServerMetadata", make_authority("Others"))
        assert ask(door, "ServerMetadata") is grpc.StatusCode.UNAVAILABLE
        tls.settings.key.write_bytes(b"broken")
        tls.look()
        tls.look()
        assert b"ostiary" in ask(door, "ServerMetadata", make_authority("Others"))
