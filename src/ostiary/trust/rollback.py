"""Remembers the newest version of each model that was let in, so that an older one cannot come back unseen, and
which repository of trust is followed, so that it cannot go away unseen.

The record is the truth, the file a shortcut: every change is first an entry of the record, which also has the
digest of everything remembered from there on, and only then a new file. Looking and adding is one transaction of
the record, which is so the lock between processes. Reading takes the file, checks that the record has the entry
which it names, and follows the entries after it. So

- a file that was changed does not fit the digest in its entry and is refused,
- a file that was put back from an older day is brought up to date by the record, which gains an attacker nothing,
- a file that is damaged or gone while the record knows of it is refused, and built anew only when somebody asks,
- a crash or a full disk between entry and file loses nothing, and of two writers the slower one harms nothing.

Who puts back an older record as well, or takes entries out of it, is found by verifying the record against
checkpoints that are kept elsewhere, not here (docs/policy.md, "Limits").
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from ostiary.core.limits import MAX_MEMORY_BYTES, MAX_REMEMBERED_MODELS
from ostiary.core.text import quote_untrusted
from ostiary.errors import (
    TRUST_ROLLED_BACK,
    TRUST_TOO_LARGE,
    RecordDamaged,
    RecordRefused,
    TrustRefused,
)
from ostiary.record.durable import replace_file
from ostiary.record.entry import MARK_OF_MEMORY, Entry, parse_entry
from ostiary.record.events import Event, ModelRemembered, RepositoryRemembered
from ostiary.record.log import Log
from ostiary.record.merkle import hash_leaf
from ostiary.record.reader import Reader
from ostiary.record.store import Store, explain_os
from ostiary.trust.explanation import Remembered
from ostiary.trust.memory_file import (
    EMPTY,
    MEMORY_FILE,
    Memory,
    parse_memory,
    parse_remembered,
    parse_repository,
    refuse_memory,
    render_memory,
)
from ostiary.trust.version import Version

TRUST_DIRECTORY: Final = "trust"
_KINDS: Final = (ModelRemembered.kind, RepositoryRemembered.kind)


class VersionMemory:
    """The memory beside an open record. Any number of processes may use it."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._directory = log.record.parent / TRUST_DIRECTORY

    def read(self) -> Mapping[str, Remembered]:
        """Everything that is remembered, as of now."""
        with self._log.change() as store:
            return self._load(store.reader).models

    def read_repository(self) -> str | None:
        """Which repository of trust is followed: the SHA-256 of the root that an operator gave; None: none is."""
        with self._log.change() as store:
            return self._load(store.reader).repository

    def remember_repository(self, repository: str | None, *, correlation_id: str) -> None:
        """In the record when it returns; what is known already is not written again."""
        with self._log.change() as store:
            memory = self._load(store.reader)
            if memory.repository == repository:
                return
            said = Memory(memory.models, repository=repository)
            event = RepositoryRemembered(correlation_id=correlation_id, repository=repository, memory=said.digest)
            fresh = self._place(store, memory, said, event)
        self._write(fresh)

    def remember(
        self, model_id: str, version: Version | None, root: str, *, correlation_id: str, is_pinned: bool = False
    ) -> None:
        """In the record when it returns. Only a pin may go back; what is known already is not written again."""
        asked = Remembered(version, root, is_pinned)
        with self._log.change() as store:
            memory = self._load(store.reader)
            seen = memory.models.get(model_id)
            if _is_known(seen, asked):
                return
            if not is_pinned:
                _check_newer(model_id, seen, asked)
            models = {**memory.models, model_id: asked}
            if len(models) > MAX_REMEMBERED_MODELS:
                raise TrustRefused(
                    TRUST_TOO_LARGE, f"{int(MAX_REMEMBERED_MODELS)} models are remembered, which is the ceiling"
                )
            said = Memory(models, repository=memory.repository)
            event = ModelRemembered(
                correlation_id=correlation_id,
                model_id=model_id,
                root=root,
                is_pinned=is_pinned,
                memory=said.digest,
                model_version=None if version is None else version.text,
            )
            fresh = self._place(store, memory, said, event)
        self._write(fresh)

    def rebuild(self) -> int:
        """Writes the file anew from the record alone; returns how many models are remembered."""
        with self._log.change() as store:
            memory = _follow(store.reader, EMPTY)
        self._write(memory)
        return len(memory.models)

    def _place(self, store: Store, before: Memory, said: Memory, event: Event) -> Memory:
        """Puts the event into the record; returns what the file will say."""
        if before is EMPTY:
            self._write(EMPTY)  # a file that is missing later was taken away
        index = self._log.place(event)
        return replace(said, index=index, entry=store.reader.read_body(index) or b"")

    def _load(self, reader: Reader) -> Memory:
        data = self._read_file()
        if data is None:
            if _follow(reader, EMPTY) is not EMPTY:
                raise refuse_memory("is gone, but the record knows of it")
            return EMPTY
        memory = parse_memory(data)
        _check_entry(reader, memory)
        return _follow(reader, memory)

    def _read_file(self) -> bytes | None:
        try:
            descriptor = os.open(
                self._directory / MEMORY_FILE, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
            )
        except FileNotFoundError:
            return None
        except OSError as error:
            raise refuse_memory("cannot be opened") from error
        try:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode) or found.st_uid not in (os.geteuid(), 0) or found.st_mode & 0o022:
                raise refuse_memory("is not a file that only its owner can write")
            with os.fdopen(os.dup(descriptor), "rb") as file:
                return file.read(MAX_MEMORY_BYTES + 1)
        except OSError as error:
            raise refuse_memory("cannot be read") from error
        finally:
            os.close(descriptor)

    def _write(self, memory: Memory) -> None:
        """The whole file under its name, or none of it."""
        try:
            self._directory.mkdir(mode=0o700, exist_ok=True)
            replace_file(self._directory / MEMORY_FILE, render_memory(memory), mode=0o600)
        except OSError as error:
            raise explain_os(error, "remembering a version") from error


def _is_known(seen: Remembered | None, asked: Remembered) -> bool:
    """A pin of what was merely let in is news; being let in again after a pin is none."""
    if seen is None or (seen.version, seen.root) != (asked.version, asked.root):
        return False
    return seen.is_pinned or not asked.is_pinned


def _check_newer(model_id: str, seen: Remembered | None, asked: Remembered) -> None:
    """The decision was made on what was remembered then; another process may have been faster since."""
    if seen is None or (seen.version is None and asked.version is not None):
        return
    if seen.version is not None and asked.version is not None and asked.version > seen.version:
        return
    raise TrustRefused(
        TRUST_ROLLED_BACK,
        f"{quote_untrusted(model_id)}: version {seen.version or 'without a number'} was let in meanwhile",
    )


def _check_entry(reader: Reader, memory: Memory) -> None:
    """The record has the very entry that the file names, and the file is what that entry speaks of."""
    if memory.index is None:
        return
    is_there = _has_entry(reader, memory.index, memory.entry)
    entry = _parse(memory.entry, memory.index) if is_there else None
    if entry is None:
        raise refuse_memory("names an entry that the record does not have")
    if entry.data.get("memory") != memory.digest:
        raise refuse_memory("is not the one that the record speaks of")


def _follow(reader: Reader, memory: Memory) -> Memory:
    """The memory brought up to date by the entries after its own. The last digest covers all of it."""
    models, repository = dict(memory.models), memory.repository
    newest: Entry | None = None
    first = 0 if memory.index is None else memory.index + 1
    for index, body in reader.read_bodies(first, reader.read_size(), holding=MARK_OF_MEMORY):
        entry = _parse(body, index)
        if entry is None:
            continue
        if not _has_entry(reader, index, body):
            raise refuse_memory(f"cannot be followed: entry {index} of the record was changed")
        data = entry.data
        if entry.kind == RepositoryRemembered.kind:
            repository = parse_repository(data.get("repository"))
        else:
            model_id, seen = parse_remembered(
                data.get("model_id"), data.get("model_version"), data.get("root"), data.get("is_pinned")
            )
            models[model_id] = seen
        newest = entry
    if newest is None:
        return memory
    followed = Memory(models, newest.index, newest.body, repository)
    if newest.data.get("memory") != followed.digest:
        raise refuse_memory(f"does not follow from entry {newest.index} of the record")
    return followed


def _has_entry(reader: Reader, index: int, body: bytes) -> bool:
    try:
        return 0 <= index < reader.read_size() and reader.read_node(0, index) == hash_leaf(body)
    except RecordDamaged:
        return False


def _parse(body: bytes, index: int) -> Entry | None:
    """The entry, if it is one of ours."""
    try:
        entry = parse_entry(body, index)
    except RecordRefused as error:
        raise refuse_memory(f"cannot be followed: entry {index} of the record is damaged") from error
    return entry if entry.kind in _KINDS and entry.index == index else None
