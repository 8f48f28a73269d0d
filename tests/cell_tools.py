"""Cells for tests: a sealed model made in memory, small limits, a list of events that can be waited for."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from forge import make_manifest

from ostiary._hazmat.pidfd import send_signal, wait_for_end
from ostiary.cell.limits import CellLimits
from ostiary.cell.plan import CellPlan
from ostiary.cell.probe import read_facts
from ostiary.cell.profile import Layer, choose_profile
from ostiary.cell.quarantine import Quarantine
from ostiary.cell.running import RunningCell
from ostiary.cell.start import start_cell
from ostiary.core.tickets import FileEntry, SealedModel, SealMethod, VerifiedModel
from ostiary.record.events import CellEnded, CellRefusedToStart, CellStarted, Event

LINUX_ONLY = pytest.mark.skipif(sys.platform != "linux", reason="cells run on Linux; macOS has no CI here")
HOSTILE = str(Path(__file__).parent / "cell" / "hostile_worker.py")
PATIENCE = 30.0
"""Seconds. Nothing here takes a second; whoever waits this long waits for what will not come."""

LIMITS = CellLimits(
    memory_bytes=1 << 30,
    cpu_seconds=20,
    wall_seconds=20,
    load_seconds=20,
    threads=16,
    tokens=2_000,
    descriptors=32,
    restarts=3,
)
CONTENTS = {"config.json": b"{}", "tokenizer.json": b"tokens"}
WEIGHTS = {"model-1.safetensors": b"one", "model-2.safetensors": b"two and more"}


class MemoryWeights:
    """A weights file in a memfd that counts what was done to it."""

    method = SealMethod.MEMORY

    def __init__(self, entry: FileEntry, data: bytes) -> None:
        self.entry = entry
        self.descriptor = os.memfd_create("weights", os.MFD_CLOEXEC)
        os.write(self.descriptor, data)
        os.lseek(self.descriptor, 0, os.SEEK_SET)
        self.is_finished = False

    def finish(self) -> None:
        self.is_finished = True
        self.close()

    def close(self) -> None:
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1


def make_sealed(contents: Mapping[str, bytes] = CONTENTS, weights: Mapping[str, bytes] = WEIGHTS) -> SealedModel:
    manifest = make_manifest({**contents, **weights})
    entries = manifest.by_path()
    verified = VerifiedModel(manifest, None, None, None, (), "key", (), True)

    def open_weights() -> Iterator[MemoryWeights]:
        for path, data in weights.items():
            yield MemoryWeights(entries[path], data)

    return SealedModel(verified, contents, tuple(entries[path] for path in weights), open_weights)


class Events:
    """An `emit` whose events can be waited for."""

    def __init__(self) -> None:
        self.all: list[Event] = []
        self._changed = threading.Condition()

    def emit(self, event: Event) -> None:
        with self._changed:
            self.all.append(event)
            self._changed.notify_all()

    def wait_for(self, kind: type[Event]) -> Any:
        """The last one of its kind."""
        with self._changed:
            there = self._changed.wait_for(lambda: any(isinstance(event, kind) for event in self.all), PATIENCE)
        assert there, f"no {kind.kind} among {self.kinds}"
        return next(event for event in reversed(self.all) if isinstance(event, kind))

    @property
    def kinds(self) -> list[str]:
        return [event.kind for event in self.all]

    @property
    def causes(self) -> list[str]:
        return [event.cause for event in self.all if isinstance(event, CellEnded)]

    def check_balance(self) -> None:
        """One end for each start, by its cell; and nothing both started and refused."""
        started = [event.cell for event in self.all if isinstance(event, CellStarted)]
        ended = [event.cell for event in self.all if isinstance(event, CellEnded)]
        assert sorted(started) == sorted(ended)
        assert len(set(started)) == len(started)

    @property
    def refusals(self) -> list[str]:
        return [event.code for event in self.all if isinstance(event, CellRefusedToStart)]


def make_plan(
    engine: str = "fake",
    *,
    sealed: SealedModel | None = None,
    without: tuple[Layer, ...] = (),
    settings: Mapping[str, Any] | None = None,
    script: str | None = None,
    quarantine: Quarantine | None = None,
    forks: bool = True,
    **limits: int,
) -> CellPlan:
    """`limits` change those of LIMITS."""
    chosen = replace(LIMITS, **limits)
    return CellPlan(
        sealed or make_sealed(),
        engine,
        chosen,
        choose_profile(read_facts(), chosen, without),
        settings=json.dumps(settings or {}),
        quarantine=quarantine,
        forks=forks,
        script=script,
    )


@contextmanager
def open_cell(events: Events, engine: str = "fake", **options: Any) -> Iterator[RunningCell]:
    with start_cell(make_plan(engine, **options), events.emit, "correlation") as cell:
        yield cell
    events.check_balance()


@contextmanager
def open_hostile(events: Events, at: str = "", do: str = "", **options: Any) -> Iterator[RunningCell]:
    """A worker that does something, at some moment: see hostile_worker.py."""
    settings = {"at": at, "do": do, **options.pop("settings", {})}
    with open_cell(events, "hostile", script=HOSTILE, settings=settings, **options) as cell:
        yield cell


def signal_worker(cell: RunningCell, number: int = signal.SIGKILL) -> None:
    process = find_worker(cell)
    send_signal(process, number)
    if number == signal.SIGKILL:
        assert wait_for_end(process, PATIENCE)


def find_worker(cell: RunningCell) -> int:
    """The descriptor of its process."""
    assert cell._process is not None
    process = cell._process._birth.process
    assert process is not None
    return process


def last_reply(replies: Iterator[Any]) -> Any:
    return list(replies)[-1]


def count_descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())
