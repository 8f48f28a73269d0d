"""The gRPC server: bounded, without compression and without reflection, in the event loop of the door."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

import grpc  # type: ignore[import-untyped]

from ostiary.core.limits import MAX_FRAME_TAIL_BYTES, MAX_HEADER_BYTES
from ostiary.core.text import quote_untrusted
from ostiary.errors import SERVER_NOT_LISTENING, ServerFailed
from ostiary.gateway.oip.grpc_service import InferenceService

if TYPE_CHECKING:
    from ostiary.gateway.app import Door
    from ostiary.gateway.settings import Server
    from ostiary.gateway.tls import Tls, TlsNow

_STREAMS: Final = 100
"""Calls at once of one connection."""
_LEAST_RECEIVING: Final = 4
_ANSWER_HEAD_BYTES: Final = 1 << 20
_AGE_SECONDS: Final = 600
_WAITING: Final = 64
"""Calls beyond those that are answered, which are told to come again."""


@asynccontextmanager
async def serving_grpc(door: Door, server: Server, tls: Tls | None = None) -> AsyncIterator[int]:
    """The port that it listens at. On leaving, what is being answered has the time to end. Raises ServerFailed."""
    receiving = max(_LEAST_RECEIVING, server.buffers // server.tensor_body)
    calls = server.requests + _WAITING
    running = grpc.aio.server(
        handlers=(InferenceService(door, server.body_time, coming=calls, receiving=receiving),),
        options=(
            ("grpc.max_receive_message_length", server.tensor_body),
            ("grpc.max_send_message_length", MAX_FRAME_TAIL_BYTES + _ANSWER_HEAD_BYTES),
            ("grpc.max_metadata_size", int(MAX_HEADER_BYTES)),
            ("grpc.absolute_max_metadata_size", int(MAX_HEADER_BYTES)),
            ("grpc.max_concurrent_streams", _STREAMS),
            ("grpc.max_allowed_incoming_connections", server.connections),
            ("grpc.max_connection_idle_ms", server.idle_time * 1000),
            (
                "grpc.server_handshake_timeout_ms",
                (server.head_time if tls is None else tls.settings.handshake_time) * 1000,
            ),
            ("grpc.keepalive_time_ms", server.idle_time * 1000),
            ("grpc.keepalive_timeout_ms", server.write_time * 1000),
            ("grpc.compression_enabled_algorithms_bitset", 1),  # a small message cannot become a large one
            ("grpc.so_reuseport", 0),
            *_choose_age(tls),
        ),
        maximum_concurrent_rpcs=calls,
    )
    host = f"[{server.host}]" if ":" in server.host else server.host
    try:
        address = f"{host}:{server.grpc_port}"
        if tls is None:
            port = running.add_insecure_port(address)
        else:
            port = running.add_secure_port(address, _make_credentials(tls))
    except RuntimeError as error:
        port = 0
        raise _not_listening(server) from error
    finally:
        if not port:
            await running.stop(None)
    await running.start()
    try:
        yield port
    finally:
        await running.stop(server.drain_time)


def _make_credentials(tls: Tls) -> Any:
    """Asked for anew before each handshake: a connection takes the certificate that is current when it comes."""
    is_required = tls.settings.client_required
    shown: list[TlsNow] = []

    def choose() -> Any:
        now = tls.current
        if shown and shown[-1] is now:
            return None
        shown[:] = [now]
        return grpc.ssl_server_certificate_configuration(
            [(now.files.key, now.files.certificate)], now.files.client_ca if is_required else None
        )

    return grpc.dynamic_ssl_server_credentials(choose(), choose, is_required)


def _choose_age(tls: Tls | None) -> tuple[tuple[str, int], ...]:
    """A certificate is looked at when a connection is made; so one that rests on it must end some time."""
    if tls is None or not tls.settings.client_required:
        return ()
    return (("grpc.max_connection_age_ms", _AGE_SECONDS * 1000),)


def _not_listening(server: Server) -> ServerFailed:
    shown = quote_untrusted(server.host, 80)
    return ServerFailed(SERVER_NOT_LISTENING, f"{shown}, port {server.grpc_port}, for gRPC")
