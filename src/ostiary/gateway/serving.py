"""The life of a server, top to bottom: lock, address, record, models, keys; then requests until it is stopped."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable
from contextlib import AsyncExitStack, ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ostiary.admission.disk_watch import probing
from ostiary.admission.quotas import TenantQuotas, open_quotas
from ostiary.admission.usage_file import Damage
from ostiary.core.text import quote_untrusted
from ostiary.core.values import dataclass
from ostiary.errors import CELL_QUARANTINED, CellRefused, QuotaFailed
from ostiary.gateway.admin import Reload
from ostiary.gateway.app import Door
from ostiary.gateway.authenticators import Authenticators
from ostiary.gateway.connection import ConnectionBounds
from ostiary.gateway.credentials import Credentials
from ostiary.gateway.hang_up import HangUp
from ostiary.gateway.health import is_live
from ostiary.gateway.keeper import ModelKeeper
from ostiary.gateway.key_news import KeyNews, describe_created
from ostiary.gateway.keys import open_keys
from ostiary.gateway.listen import (
    allow_descriptors,
    bind_socket,
    check_bound,
    check_protection,
    render_address,
    render_authority,
)
from ostiary.gateway.memory_budget import MemoryBudget, derive_budget
from ostiary.gateway.origins import choose_origins, is_loopback
from ostiary.gateway.reread import Configured, Rereader
from ostiary.gateway.routes import gather_routes
from ostiary.gateway.served import ServedModel, ServedModels
from ostiary.gateway.server import run_server
from ostiary.gateway.settings import Server
from ostiary.gateway.state_disk import StateDisk
from ostiary.gateway.state_lock import locked_state
from ostiary.gateway.tally import RefusalTally
from ostiary.gateway.versions import Versions
from ostiary.record.begin import open_log
from ostiary.record.events import Emit
from ostiary.record.place import find_state_directory
from ostiary.record.quota_events import UsageDamaged
from ostiary.record.server_events import ServerStarted, ServerStopped

if TYPE_CHECKING:
    from ostiary.library.opening import Opened


@dataclass(frozen=True, slots=True)
class Told:
    """What the operator hears."""

    on_opened: Callable[[str, Opened], None]
    on_closed: Callable[[str, Opened], None]
    on_waiting: Callable[[str], None]
    """A model that is loaded when somebody asks it."""
    on_first_key: Callable[[str], None]
    """The one time that it is shown."""
    on_listening: Callable[[str, int], None]
    """The address, and how many connections there may be."""
    on_grpc: Callable[[str], None]
    """The address for gRPC, where it is offered."""
    on_failure: Callable[[BaseException], None]
    """Of a request, that nobody foresaw."""
    on_note: Callable[[str], None]
    """While it runs: what changed, in a line."""


def serve_models(
    configured: Configured, state: Path | None, told: Told, read: Callable[[], Configured], hang_up: HangUp
) -> None:
    """Until SIGTERM or SIGINT; on SIGHUP, what `read` gives then. Raises what keeps it from starting."""
    server = configured.server
    check_protection(server, configured.credentials)
    place = find_state_directory() if state is None else state
    correlation_id = secrets.token_hex(8)
    with ExitStack() as stack:
        stack.enter_context(locked_state(place))
        bound = stack.enter_context(bind_socket(server.host, server.port))
        check_bound(bound, server, configured.credentials)
        if server.grpc_port:  # that it can be had shows before a model is loaded, too
            bind_socket(server.host, server.grpc_port).close()
        log = stack.enter_context(open_log(state))
        credentials = Credentials(configured.credentials, log.emit, correlation_id, told.on_note)
        credentials.begin()
        quotas = open_quotas(configured.tenants, place)
        stack.callback(quotas.close)
        if quotas.damage is not None:
            _tell_damage(quotas.damage, log.emit, correlation_id, told)
        versions = Versions(
            log.emit, correlation_id, on_opened=told.on_opened, on_closed=told.on_closed, on_note=told.on_note
        )
        budget = MemoryBudget(server.memory or derive_budget())
        keeper = ModelKeeper(versions, budget, server, on_failure=told.on_failure)
        stack.callback(keeper.close)
        served = _open_models(keeper, configured, told)
        keys, first_key = None, None
        if server.keys:  # last: a key is shown once
            keys, first_key = open_keys(place, lambda key: log.emit(describe_created(key, correlation_id)))
        if first_key is not None:
            told.on_first_key(first_key)
        started = time.monotonic()
        log.emit(
            ServerStarted(
                correlation_id=correlation_id,
                models=tuple(model.name for model in served),
                opened=tuple(model.verdict.correlation_id for model in served),
                is_loopback=is_loopback(server.host),
                keys=0 if keys is None else keys.count,
            )
        )
        tally = RefusalTally(log.emit, correlation_id)
        news = KeyNews(log.emit, correlation_id, told.on_note)
        if keys is not None:
            keys.on_change = news.hear
        authenticators = credentials.gather(keys)
        credentials.wait()

        def flush() -> None:
            try:
                quotas.flush()
            except QuotaFailed as error:  # requests are told so, too
                tally.note(error)
            try:
                tally.tell()
            finally:  # the operator hears it, though the record's disk be full
                news.tell()

        tls = credentials.tls
        handshakes = 0 if tls is None else tls.settings.handshakes
        connections = allow_descriptors(server.connections, handshakes, has_grpc=bool(server.grpc_port))
        server = replace(server, connections=connections)
        door = make_door(
            keeper.models,
            server,
            authenticators,
            tally,
            quotas=quotas,
            reload=keeper.reload,
            on_failure=told.on_failure,
        )

        async def run() -> None:
            async with AsyncExitStack() as also:
                at = ""
                if server.grpc_port:
                    from ostiary.gateway.oip.grpc_server import serving_grpc  # noqa: PLC0415  an extra of its own

                    await also.enter_async_context(serving_grpc(door, server, tls))
                    at = render_authority(server.host, server.grpc_port)

                async def tell_listening() -> None:
                    if at:
                        told.on_grpc(at)
                    if connections < configured.server.connections:
                        told.on_note(
                            f"only {connections:,} of {configured.server.connections:,} connections: "
                            "the system lets this process have no more files open (ulimit -n, LimitNOFILE=)"
                        )
                    if tls is None and not is_loopback(server.host):
                        told.on_note("connections are not encrypted: whoever is in between reads keys and answers")
                    told.on_listening(render_address(bound, is_encrypted=tls is not None), connections)

                rereader = Rereader(
                    configured,
                    read,
                    keeper,
                    door,
                    emit=log.emit,
                    correlation_id=correlation_id,
                    on_note=told.on_note,
                    quotas=quotas,
                    credentials=credentials,
                )
                also.enter_context(hang_up.heard_by(asyncio.get_running_loop(), rereader.reread_soon))
                await run_server(
                    door,
                    bound,
                    server,
                    bounds,
                    on_listening=tell_listening,
                    flush=flush,
                    tls=tls,
                    looks=(credentials.look, disk.look),
                    on_draining=lambda count: told.on_note(
                        f"stopping; requests at work: {count:,}, which have {server.drain_time} s to end"
                    ),
                )

        def tell_full(is_full: bool) -> None:
            keeper.models.is_disk_full = is_full

        keeper.models.is_disk_hanging = lambda: quotas.is_disk_hanging
        stack.enter_context(probing(quotas.probe))
        disk = StateDisk(place, tell_full, told.on_note)
        bounds = make_bounds(server, connections, tally)
        try:
            with asyncio.Runner(loop_factory=_choose_loop()) as runner:
                runner.run(run())
        finally:
            _tell_stopped(log.emit, correlation_id, door, started)


def make_door(
    models: ServedModels,
    server: Server,
    authenticators: Authenticators | None,
    tally: RefusalTally,
    *,
    quotas: TenantQuotas | None = None,
    reload: Reload | None = None,
    on_failure: Callable[[BaseException], None] = lambda _: None,
) -> Door:
    """All routes, and who may ask."""
    doors: list[Door] = []
    routes = gather_routes(lambda: doors[0].is_draining, reload)
    origins = choose_origins(server.host, server.hosts, server.origins)
    doors.append(
        Door(
            routes,
            models,
            server=server,
            origins=origins,
            authenticators=authenticators,
            tally=tally,
            quotas=quotas,
            on_failure=on_failure,
        )
    )
    return doors[0]


def make_bounds(server: Server, connections: int, tally: RefusalTally) -> ConnectionBounds:
    return ConnectionBounds(connections, server.head_time, server.body_time, server.write_time, tally.note)


def _tell_damage(damage: Damage, emit: Emit, correlation_id: str, told: Told) -> None:
    emit(UsageDamaged(correlation_id=correlation_id, lines=damage.lines, kept=damage.kept))
    told.on_note(f"{damage.lines} lines of the file of usage could not be read; it was kept as {damage.kept}")


def _open_models(keeper: ModelKeeper, configured: Configured, told: Told) -> tuple[ServedModel, ...]:
    """Those that do not wait for somebody to ask them. Raises CellRefused where all are quarantined."""
    served = []
    for model in configured.models:
        opened = keeper.open_at_start(model, may_exceed=configured.server.memory is None)
        if opened is None:
            told.on_waiting(model.name)
        else:
            served.append(opened)
            if opened.opened.standing == "quarantined":
                root, name = opened.verdict.root[:16], quote_untrusted(model.name, 80)
                told.on_note(f"{name} is quarantined and answers nobody before: ostiary quarantine release {root}")
    if not is_live(keeper.models):
        raise CellRefused(CELL_QUARANTINED, "there is no other model to serve")
    return tuple(served)


def _tell_stopped(emit: Emit, correlation_id: str, door: Door, started: float) -> None:
    milliseconds = round((time.monotonic() - started) * 1000)
    emit(ServerStopped(correlation_id=correlation_id, requests=door.requests, milliseconds=milliseconds))


def _choose_loop() -> Callable[[], asyncio.AbstractEventLoop]:
    import uvloop  # noqa: PLC0415  only for serving

    return uvloop.new_event_loop
