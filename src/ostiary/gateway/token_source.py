"""The issuer's keys as they are now: of a file, read anew when it changes, or of an address, in the background.

What is wrong is not taken: the keys that were good go on, and it is said. A token with the name of an unknown key
has the address asked again, but never more often than the house allows: no client decides how much we ask whom.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from ostiary.core.limits import MAX_JWKS_BYTES, MIN_JWKS_GAP_MS
from ostiary.core.text import explain_os_error
from ostiary.errors import Misuse
from ostiary.gateway.token_fetch import fetch_keys
from ostiary.gateway.token_keys import NO_KEYS, TokenKeys, parse_token_keys, unusable
from ostiary.gateway.token_settings import TokenSettings

_NOTHING: Final = object()
OnKeys = Callable[[int, Misuse | None], None]
"""How many keys there are now, and why newer ones were not taken."""


class TokenSource:
    """Any number of threads may use it."""

    def __init__(
        self,
        settings: TokenSettings,
        on_keys: OnKeys,
        *,
        clock: Callable[[], float] = time.monotonic,
        fetch: Callable[[str, Path | None], bytes] = fetch_keys,
    ) -> None:
        """Raises Misuse(TOKEN_KEYS_UNUSABLE) where a file is no good; an address may be reached later."""
        self._settings: Final = settings
        self._on_keys: Final = on_keys
        self._clock: Final = clock
        self._fetch: Final = fetch
        self._current = NO_KEYS
        self._data = b""
        self._stamp: object = None
        self._pending: object = _NOTHING
        self._is_wanted = True
        self._asked_at: float | None = None
        self._fetching: threading.Thread | None = None
        self._problem = ""
        if settings.keys is not None:
            self._stamp = _stamp(settings.keys)
            self._take(_read_file(settings.keys))

    @property
    def current(self) -> TokenKeys:
        return self._current

    def want(self) -> None:
        """Somebody showed a token whose key is not known: it may be new."""
        self._is_wanted = True

    def look(self) -> None:
        """To be called about once a second. Never waits for a network."""
        if self._settings.keys is not None:
            self._look_at_file(self._settings.keys)
        elif self._is_due():
            self._asked_at, self._is_wanted = self._clock(), False
            self._fetching = threading.Thread(target=self.fetch_now, name="ostiary-token-keys", daemon=True)
            self._fetching.start()

    def wait(self, seconds: float) -> None:
        """For keys that are being fetched."""
        if self._fetching is not None:
            self._fetching.join(seconds)

    def fetch_now(self) -> None:
        """From the address. Returns when it answered, or did not in its time."""
        assert self._settings.keys_url is not None  # noqa: S101  whoever calls it looked
        try:
            data = self._fetch(self._settings.keys_url, self._settings.keys_ca)
            self._take_and_tell(data)
        except Misuse as problem:
            self._tell_problem(problem)
        except Exception:  # noqa: BLE001  a thread of its own, which nobody waits for
            self._tell_problem(unusable("they cannot be fetched"))

    def _is_due(self) -> bool:
        if self._fetching is not None and self._fetching.is_alive():
            return False
        if self._asked_at is None:
            return True
        gone = self._clock() - self._asked_at
        is_missing = self._is_wanted or not self._current.keys or bool(self._problem)
        return gone >= (MIN_JWKS_GAP_MS / 1000 if is_missing else self._settings.keys_time)

    def _look_at_file(self, path: Path) -> None:
        stamp = _stamp(path)
        if stamp == self._stamp:
            return
        try:
            self._take_and_tell(_read_file(path))
        except Misuse as problem:
            if self._pending != stamp:
                self._pending = stamp  # it may be half written: told where it still is so at the next look
                return
            self._tell_problem(problem)
        self._stamp, self._pending = stamp, _NOTHING

    def _take_and_tell(self, data: bytes) -> None:
        is_new = data != self._data
        self._take(data)
        if is_new or self._problem:
            self._problem = ""
            self._on_keys(len(self._current.keys), None)

    def _take(self, data: bytes) -> None:
        self._current = parse_token_keys(data)
        self._data = data

    def _tell_problem(self, problem: Misuse) -> None:
        """Once, until another comes."""
        if problem.message != self._problem:
            self._problem = problem.message
            self._on_keys(len(self._current.keys), problem)


def _read_file(path: Path) -> bytes:
    """Public keys: anybody may read them."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            return os.read(descriptor, MAX_JWKS_BYTES + 1)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise unusable(f"the file cannot be read: {explain_os_error(error)}") from error


def _stamp(path: Path) -> object:
    try:
        found = path.stat()
    except OSError:
        return None
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
