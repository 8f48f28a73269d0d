"""Opens the record of a state directory, and begins one where there is none."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from ostiary.errors import RECORD_NONE, Misuse
from ostiary.record.checkpoint import Checkpoint, sign_checkpoint
from ostiary.record.connection import connect_to_read
from ostiary.record.entry import describe_actor, encode_event, spell_time
from ostiary.record.events import RecordBegun
from ostiary.record.keys import KEY_FILE, create_signers, write_key_file
from ostiary.record.log import Clock, Log, read_clock
from ostiary.record.offers import OWN_CORRELATION
from ostiary.record.place import (
    DATABASE_FILE,
    RECORD_DIRECTORY,
    examine_place,
    find_state_directory,
    is_begun,
    open_staging,
    prepare_state_directory,
    publish_staging,
)
from ostiary.record.reader import Reader
from ostiary.record.store import Store, create_database, explain_os

_ORIGIN_DOMAIN: Final = "ostiary.local"
"""Names need not be reachable; the random part makes them different."""


def open_log(state_dir: Path | None = None, clock: Clock = read_clock, *, hook: Sequence[str] | None = None) -> Log:
    """The record, open for writing; begun where there is none. Use it as a context manager.

    `hook` is the command that is given each new checkpoint; where it is None, hook.json beside the record says.
    """
    state = find_state_directory() if state_dir is None else state_dir
    is_new = False
    if not is_begun(state):
        try:
            is_new = _begin(state, clock)
        except OSError as error:
            raise explain_os(error, "beginning it") from error
    return Log(state / RECORD_DIRECTORY, clock=clock, hook=hook, is_new=is_new)


def open_reader(state_dir: Path | None = None) -> Reader:
    """The record, open for reading; never begins one."""
    state = find_state_directory() if state_dir is None else state_dir
    if not is_begun(state):
        raise Misuse(RECORD_NONE, "there is no record in the state directory")
    return Reader(connect_to_read(examine_place(state / RECORD_DIRECTORY)))


def _begin(state: Path, clock: Clock) -> bool:
    """Builds a whole record beside its place and moves it there; False where another process was first."""
    prepare_state_directory(state)
    staging = open_staging(state)
    try:
        origin = f"{_ORIGIN_DOMAIN}/{os.urandom(8).hex()}"
        signers = create_signers(origin)
        keys = tuple(signer.verifier.text for signer in signers)
        write_key_file(staging / KEY_FILE, signers)
        create_database(staging / DATABASE_FILE)
        store = Store(staging / DATABASE_FILE)
        try:
            with store.transaction():
                now = clock()
                begun = RecordBegun(origin=origin, keys=keys, correlation_id=OWN_CORRELATION)
                store.append((encode_event(begun),), spell_time(now), describe_actor())
                store.add_keys(0, keys)
                note = sign_checkpoint(Checkpoint(origin, store.size, store.root), signers, int(now.timestamp()))
                store.add_checkpoint(store.size, note, is_kept=False)
        finally:
            store.close()
        return publish_staging(staging, state)
    except BaseException:
        shutil.rmtree(staging, ignore_errors=True)
        raise
