"""The log: what a room's `emit` ends in. It returns when the event is on the disk, or raises."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Self

from ostiary.core.limits import MAX_CHECKPOINT_GAP
from ostiary.errors import (
    RECORD_CORRUPT,
    RECORD_KEY_UNUSABLE,
    RECORD_MISSING,
    RECORD_UNWRITABLE,
    USAGE,
    Misuse,
    OstiaryError,
    RecordDamaged,
    RecordRefused,
    RecordUnwritable,
)
from ostiary.record.checkpoint import Checkpoint, parse_checkpoint, sign_checkpoint
from ostiary.record.command import CommandFailed, run_command
from ostiary.record.entry import EncodedEvent, describe_actor, encode_event, spell_time
from ostiary.record.events import Event, RecordClockSteppedBack, RecordHookFailed
from ostiary.record.group import GroupWriter, Member
from ostiary.record.keys import Signer, load_active_signers
from ostiary.record.offers import OWN_CORRELATION, Offers
from ostiary.record.place import HOOK_FILE, examine_place, has_keys
from ostiary.record.private_file import read_private_file
from ostiary.record.store import Store

Clock = Callable[[], datetime]

_TOLERATED_STEP_S: Final = 1
"""A clock set back by less is held still until it has caught up; by more, the record says so."""


def read_clock() -> datetime:
    return datetime.now(UTC)


class Log:
    """An open record. Any number of threads may use it; after a fork, open it anew."""

    def __init__(self, record: Path, *, clock: Clock, hook: Sequence[str] | None, is_new: bool) -> None:
        self.is_new: Final = is_new
        """Whether there was no record before: worth saying aloud, as somebody may have taken the old one away."""
        self.notices: Final[list[str]] = []
        """What went wrong without losing anything, one sentence each."""
        self.record: Final = record
        self._clock = clock
        self._pid = os.getpid()
        self._actor = describe_actor()
        self._is_closed = False
        database = examine_place(record)
        if not has_keys(record):
            raise RecordDamaged(RECORD_MISSING, "the record is there, but its key is not")
        self._hook = read_hook(record) if hook is None else tuple(hook)
        self._store = Store(database)
        try:
            with self._store.transaction():
                self._signed_size = self._check_last_checkpoint()
        except BaseException:
            self._store.close()
            raise
        self._group = GroupWriter(self._write_group)
        self._offers = Offers(self.append_many)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def emit(self, event: Event) -> None:
        """Records what must be recorded: on the disk when it returns, `RecordUnwritable` otherwise."""
        self.append_many((event,))

    def append(self, event: Event) -> int:
        """As `emit`; returns the entry's number."""
        return self.append_many((event,))

    def append_many(self, events: Sequence[Event]) -> int:
        """All of them or none, next to one another; returns the number of the first."""
        self._check_usable()
        first = self._group.write([encode_event(event) for event in events])
        if first + len(events) - self._signed_size >= MAX_CHECKPOINT_GAP:
            self._sign_on_the_way()
        return first

    def offer(self, event: Event) -> None:
        """Records what is merely useful: never waits, never raises; what finds no room is counted and told."""
        if not self._is_closed and os.getpid() == self._pid:
            self._offers.put(event)

    def sign_checkpoint(self) -> bytes:
        """A signed checkpoint over everything recorded so far, given to the hook where there is one."""
        self._check_usable()
        with self.change() as store:
            latest = store.reader.read_latest_checkpoint()
            if latest is not None and latest[0] == store.size:
                size, note = latest
            else:
                size, note = self.sign(self.load_signers())
        if self._hook:
            self._run_hook(size, note)
        return note

    @contextmanager
    def change(self) -> Iterator[Store]:
        """For what changes the record itself (rotating, archiving, forgetting): one transaction, alone."""
        self._check_usable()
        with self._group.exclusively(), self._store.transaction():
            yield self._store

    def place(self, event: Event) -> int:
        """Inside `change`: appends; returns the entry's number."""
        return self._place((encode_event(event),))

    def give_back_room(self) -> None:
        """Returns free pages to the disk and empties the write-ahead log, deleted bytes with it."""
        self._check_usable()
        with self._group.exclusively():
            self._store.give_back_room()

    def close(self) -> None:
        """Writes what was offered, signs what is not yet signed. What then fails is told in `notices`."""
        if self._is_closed or os.getpid() != self._pid:
            return
        try:
            self._offers.close()
            with self._group.exclusively():
                size = self._store.reader.read_size()
            if size > self._signed_size:
                self.sign_checkpoint()
        except OstiaryError as error:
            self.notices.append(f"The end of the record is not covered by a checkpoint: {error.message}.")
        finally:
            self._is_closed = True
            self._store.close()

    def _check_usable(self) -> None:
        if self._is_closed or os.getpid() != self._pid:
            raise RecordUnwritable(RECORD_UNWRITABLE, "the record was closed, or opened by another process")

    def _write_group(self, members: Sequence[Member]) -> None:
        if len(members) == len(members[0].events) == 1:
            first = self._store.append_alone(members[0].events[0], self._clock, self._actor)
            if first is not None:
                members[0].first = first
                return
        with self._store.transaction():
            for member in members:
                member.first = self._place(member.events)

    def _place(self, events: Sequence[EncodedEvent]) -> int:
        now = self._clock()
        at, last = spell_time(now), self._store.last_time
        if at < last:
            back = (datetime.fromisoformat(last) - now).total_seconds()
            if back < _TOLERATED_STEP_S:
                at = last
            else:
                stepped = RecordClockSteppedBack(last=last, seconds=int(back), correlation_id=OWN_CORRELATION)
                self._store.append((encode_event(stepped),), at, self._actor)
        return self._store.append(events, at, self._actor)

    def _check_last_checkpoint(self) -> int:
        """The record still has what its own last checkpoint covers; returns that checkpoint's size."""
        latest = self._store.reader.read_latest_checkpoint()
        if latest is None:
            raise RecordDamaged(RECORD_CORRUPT, "the record's own checkpoints are gone")
        size, note = latest
        try:
            signed = parse_checkpoint(note)
        except RecordRefused as error:
            raise RecordDamaged(RECORD_CORRUPT, "the record's own last checkpoint is damaged") from error
        if signed.size != size or size > self._store.size or self._store.reader.read_root(size) != signed.root:
            raise RecordDamaged(RECORD_CORRUPT, "the record does not fit its own last checkpoint")
        return size

    def load_signers(self) -> tuple[Signer, ...]:
        """Inside `change`: the keys that sign now, as the record itself announced them."""
        announced = self._store.reader.read_keys()
        if not announced:
            raise RecordDamaged(RECORD_CORRUPT, "the record names no key")
        return load_active_signers(self.record, announced[-1][1])

    def sign(self, signers: Sequence[Signer], *, is_kept: bool = False) -> tuple[int, bytes]:
        """Inside `change`: a checkpoint over what is there. Never signs what does not continue the last one."""
        self._check_last_checkpoint()
        checkpoint = Checkpoint(signers[0].verifier.name, self._store.size, self._store.root)
        note = sign_checkpoint(checkpoint, signers, int(self._clock().timestamp()))
        self._store.add_checkpoint(checkpoint.size, note, is_kept=is_kept)
        self._signed_size = checkpoint.size
        return checkpoint.size, note

    def _sign_on_the_way(self) -> None:
        """The events before it are acknowledged: a checkpoint that fails now is told, and tried again later."""
        self._signed_size += MAX_CHECKPOINT_GAP
        try:
            self.sign_checkpoint()
        except OstiaryError as error:
            self.notices.append(f"The record could not be signed: {error.message}.")

    def _run_hook(self, size: int, note: bytes) -> None:
        try:
            run_command(self._hook, note, has_answer=False)
        except CommandFailed as error:
            # Once is enough: the entry below grows the record, and would bring on the next checkpoint and failure.
            self._hook = ()
            self.notices.append(f"The checkpoint of size {size} was not kept: the hook {error}.")
            failed = RecordHookFailed(size=size, reason=str(error), correlation_id=OWN_CORRELATION)
            self._group.write((encode_event(failed),))


def read_hook(record: Path) -> tuple[str, ...]:
    """The command that keeps checkpoints elsewhere: hook.json, a JSON list of its words. Empty: there is none."""
    path = record / HOOK_FILE
    if not os.path.lexists(path):
        return ()
    try:
        words = json.loads(read_private_file(path, RECORD_KEY_UNUSABLE))
    except (ValueError, RecursionError) as error:
        raise Misuse(USAGE, f"{HOOK_FILE} is not a JSON list of words") from error
    if not isinstance(words, list) or not words or not all(isinstance(word, str) for word in words):
        raise Misuse(USAGE, f"{HOOK_FILE} is not a JSON list of words")
    return tuple(words)
