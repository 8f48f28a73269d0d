"""The door of the room: a sealed model gets a process behind a wall."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from typing import Final

from ostiary.cell.fork_server import not_started
from ostiary.cell.group import CellGroup
from ostiary.cell.plan import CellPlan
from ostiary.cell.running import RunningCell
from ostiary.core.text import quote_untrusted
from ostiary.record.events import Emit, UnsafeUsed

_PATIENCE_SECONDS: Final = 5.0
"""For processes that start while another one of the same model does not. They are closed in any case."""


def start_cell(plan: CellPlan, emit: Emit, correlation_id: str) -> RunningCell:
    """A process with the model loaded. To be closed, best by `with`; before the sealed model is.

    Raises CellRefused, a WorkerFault, Misuse(EXTRA_MISSING) for an engine that is not installed, or what the vault
    says of the model. The record hears cell.started or cell.refused (or, from the vault, model.refused).
    """
    _tell_unsafe(plan, emit, correlation_id)
    return RunningCell(plan, emit, correlation_id)


@contextmanager
def start_cells(plan: CellPlan, emit: Emit, correlation_id: str, count: int) -> Iterator[CellGroup]:
    """So many of them, as one. All or none; as `start_cell`. The model is sealed and compared once for all."""
    _tell_unsafe(plan, emit, correlation_id)
    with ExitStack() as stack:
        if count > 1 and plan.sealed.share_weights is not None:
            cells = _start_together(stack, plan, emit, correlation_id, count)
        else:
            cells = [stack.enter_context(RunningCell(plan, emit, correlation_id)) for _ in range(count)]
        yield CellGroup(cells)


def _start_together(
    stack: ExitStack, plan: CellPlan, emit: Emit, correlation_id: str, count: int
) -> list[RunningCell]:
    assert plan.sealed.share_weights is not None  # noqa: S101  whoever calls it looked
    shared = plan.sealed.share_weights(count)

    def start(reader: int) -> RunningCell:
        sealed = replace(plan.sealed, open_weights=lambda: shared.read(reader))
        try:
            return RunningCell(plan, emit, correlation_id, sealed)
        finally:
            shared.leave(reader)

    threads = ThreadPoolExecutor(count, "ostiary-start")
    starting: list[Future[RunningCell]] = []
    try:
        starting += (threads.submit(start, reader) for reader in range(count))
        for started in starting:
            stack.enter_context(started.result())
    except BaseException as error:
        for reader in range(count):
            shared.leave(reader)
        for started in wait(starting, timeout=_PATIENCE_SECONDS).done:
            _close_late(started)
        for started in starting:
            started.add_done_callback(_close_late)
        if isinstance(error, RuntimeError) and len(starting) < count:
            raise not_started("the system gives no more threads") from error
        raise
    finally:
        threads.shutdown(wait=False, cancel_futures=True)
    return [started.result() for started in starting]


def _close_late(started: Future[RunningCell]) -> None:
    if not started.cancelled() and started.exception() is None:
        with suppress(Exception):  # the others are closed, too; whoever raised says why
            started.result().close()


def _tell_unsafe(plan: CellPlan, emit: Emit, correlation_id: str) -> None:
    name = quote_untrusted(plan.sealed.verified.manifest.name)
    for layer in sorted(plan.profile.without):
        hatch = f"--unsafe-without-{layer.value}"
        emit(UnsafeUsed(correlation_id=correlation_id, hatch=hatch, detail=name))
