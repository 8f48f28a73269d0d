"""Keys of clients: who is let in with which. A change of their file holds from the next request on.

The first key is made when a server first starts; `ostiary keys` makes, limits and revokes them.
"""

from __future__ import annotations

import hmac
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, TypeAlias

from ostiary.core.callers import Caller
from ostiary.core.limits import MAX_BEARER_CHARACTERS
from ostiary.errors import (
    ADMISSION_EXPIRED,
    ADMISSION_REVOKED,
    ADMISSION_UNAUTHENTICATED,
    USAGE,
    AdmissionRefused,
    Misuse,
)
from ostiary.gateway.authenticators import Shown
from ostiary.gateway.client_key import BEGINNING, KEY_TEXT, KEYS_FILE, ClientKey, compute_hash
from ostiary.gateway.keys_file import Stamp, make_first_key, read_keys, read_stamp

Clock: TypeAlias = Callable[[], float]
_NOBODY: Final = "0" * 64


class ClientKeys:
    """Whom to let in. `clock`: seconds since 1970."""

    def __init__(self, keys: Sequence[ClientKey], *, clock: Clock = time.time) -> None:
        self._kept: Final = {key.id: (key, key.caller()) for key in keys}
        self._clock: Final = clock

    @property
    def count(self) -> int:
        """How many let somebody in now."""
        now = self._clock()
        return sum(key.is_valid(now) for key, _ in self._kept.values())

    def find(self, shown: Shown) -> Caller | None:
        """Whose key it is; None where it does not look like one of ours. Raises AdmissionRefused.

        Why a key is refused hears only who has the whole of it.
        """
        secret = shown.secret
        if not secret.startswith(BEGINNING):
            return None
        if len(secret) > MAX_BEARER_CHARACTERS:
            raise AdmissionRefused(ADMISSION_UNAUTHENTICATED, "what was shown is longer than any key")
        found = KEY_TEXT.fullmatch(secret)
        kept = self._kept.get(found[1]) if found else None
        if not hmac.compare_digest(compute_hash(secret), kept[0].sha256 if kept else _NOBODY) or not kept:
            raise AdmissionRefused(ADMISSION_UNAUTHENTICATED, "the key that was shown is none that is known here")
        key, caller = kept
        if key.revoked is not None:
            raise AdmissionRefused(ADMISSION_REVOKED, f"key {key.id} was revoked")
        if key.has_expired(self._clock()):
            raise AdmissionRefused(ADMISSION_EXPIRED, f"key {key.id} has expired")
        return caller


class WatchedKeys:
    """The keys of a state directory, as its file has them at each request.

    A file that is gone lets nobody in. One that cannot be used changes nothing: whoever has a key goes on, and the
    operator is told. Looking costs ten microseconds.
    """

    def __init__(self, path: Path, *, clock: Clock = time.time, on_change: OnChange | None = None) -> None:
        """Raises Misuse(KEY_UNUSABLE). `on_change` is told on the thread that asks, and must not wait."""
        self._path: Final = path
        self._name: Final = os.fspath(path)
        self._clock: Final = clock
        self.on_change = on_change
        keys, stamp = read_keys(path)
        self._keys = ClientKeys(keys, clock=clock)
        self._stamp: Stamp | None = stamp
        self._told: tuple[Stamp | None, str] = (stamp, "")

    @property
    def count(self) -> int:
        return self._keys.count

    def find(self, shown: Shown) -> Caller | None:
        """As `ClientKeys.find`."""
        if not shown.secret.startswith(BEGINNING):
            return None
        self._look()
        return self._keys.find(shown)

    def _look(self) -> None:
        try:
            stamp = read_stamp(self._name)
        except OSError:  # a disk that does not answer: the next request looks again
            return
        if stamp == self._stamp:
            return
        problem = ""
        if stamp is None:
            self._keys, self._stamp = ClientKeys((), clock=self._clock), None
        else:
            try:
                keys, self._stamp = read_keys(self._path)
                self._keys = ClientKeys(keys, clock=self._clock)
            except Misuse as error:
                problem = error.message
                if not isinstance(error.__cause__, OSError):  # else the next request tries again
                    self._stamp = stamp
        if self.on_change is not None and (stamp, problem) != self._told:
            self._told = (stamp, problem)
            self.on_change(self._keys.count, problem)


OnChange: TypeAlias = Callable[[int, str], None]
"""How many keys let somebody in now, and what is wrong with the file, where something is."""


def open_keys(
    state: Path, announce: Callable[[ClientKey], None] = lambda _: None, *, clock: Clock = time.time
) -> tuple[WatchedKeys, str | None]:
    """The keys of this state directory, and in clear the first one where it was made just now.

    `announce` hears of it before it is there: where that raises, no key is made. Raises Misuse(KEY_UNUSABLE)
    where the file is not ours alone, and OutputUnwritable.
    """
    made = make_first_key(state, int(clock()), announce)
    return WatchedKeys(state / KEYS_FILE, clock=clock), None if made is None else made[1]


def find_key(keys: Sequence[ClientKey], named: str) -> ClientKey:
    """By its id, or by the whole key, as somebody finds it where it should not be. Raises Misuse."""
    shown = KEY_TEXT.fullmatch(named)
    key_id = shown[1] if shown else named
    for key in keys:
        if key.id == key_id:
            return key
    hint = "Run 'ostiary keys list' for all of them; the server's state directory may be another one (--state DIR)."
    raise Misuse(USAGE, "there is no key with this id", hint=hint)
