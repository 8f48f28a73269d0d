"""What the tests of the record share: events, a clock that is told what to say, and ways to damage a file."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ostiary.errors import RecordRefused
from ostiary.record.begin import open_log, open_reader
from ostiary.record.events import Content, Event, ModelInspected, ModelRefused
from ostiary.record.verify import OutsideCheckpoint, Verified, verify_record


class ToldClock:
    """A clock that moves by a millisecond each time it is asked, and otherwise when it is told to."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        self.now += timedelta(milliseconds=1)
        return self.now


def make_event(number: int = 0, *, location: bytes | None = None) -> Event:
    return ModelInspected(
        name=f"model-{number}",
        root=f"{number:064x}",
        files=7,
        bytes=1_234_567,
        format="safetensors",
        architecture="llama",
        findings={"config.unknown-key": 2},
        correlation_id=f"{number:016x}",
        location=None if location is None else Content(location),
    )


def make_refusal(number: int = 0) -> Event:
    return ModelRefused(
        name=f"bad-{number}",
        root=None,
        code="INTAKE_MALFORMED",
        rule="safetensors.hole",
        path="model.safetensors",
        findings={"safetensors.hole": 1},
        correlation_id=f"{number:016x}",
    )


def fill(state: Path, count: int, *, location: bytes | None = None) -> bytes:
    """Adds entries, in groups of several sizes; returns a checkpoint over all of them."""
    with open_log(state) as log:
        done = 0
        while done < count:
            group = min(1 + done % 7, count - done)
            log.append_many([make_event(done + i, location=location) for i in range(group)])
            done += group
        return log.sign_checkpoint()


def verify(state: Path, *checkpoints: bytes) -> Verified:
    with open_reader(state) as reader:
        outside = [OutsideCheckpoint(f"number {i}", note) for i, note in enumerate(checkpoints)]
        return verify_record(reader, outside=outside, archive_directory=state / "record" / "archive")


def find_problems(state: Path, *checkpoints: bytes) -> set[str]:
    """The codes of everything that verifying refuses."""
    try:
        verify(state, *checkpoints)
    except RecordRefused as refused:
        return {problem.code for problem in refused.problems}
    return set()


def database_of(state: Path) -> Path:
    return state / "record" / "log.db"


def edit(state: Path, *statements: tuple[str, Sequence[object]] | str) -> None:
    """What somebody with an SQLite tool can do to the record."""
    connection = sqlite3.connect(database_of(state), isolation_level=None)
    for statement in statements:
        sql, values = (statement, ()) if isinstance(statement, str) else statement
        connection.execute(sql, values)
    connection.close()
