"""The certificate that the server shows, as it is now: read anew when its files change, kept where they are bad.

Connections that are open stay as they are; each new one takes what is current then. Nothing here needs a restart,
and nothing that somebody writes into those files can end a server that runs.
"""

from __future__ import annotations

import os
import ssl
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from ostiary.core.values import dataclass
from ostiary.errors import Misuse
from ostiary.gateway.tls_files import TlsFacts, TlsFiles, judge_tls_files, make_context, read_tls_files, unusable
from ostiary.gateway.tls_settings import TlsSettings

_SOON_SECONDS: Final = 7 * 86_400
_DAY_SECONDS: Final = 86_400
Stamp = tuple[tuple[int, ...] | None, ...]


@dataclass(frozen=True, slots=True)
class TlsNow:
    """What new connections are made with."""

    context: ssl.SSLContext
    files: TlsFiles
    facts: TlsFacts
    issuers: int
    """How often the list of those who issue certificates to clients was changed."""


@dataclass(frozen=True, slots=True)
class TlsTold:
    """What became of the files. One of `refused` and `facts` is there."""

    refused: Misuse | None
    facts: TlsFacts | None
    expires_soon: bool = False


class Tls:
    """Any number of threads may use it."""

    def __init__(
        self,
        settings: TlsSettings,
        tell: Callable[[TlsTold], None],
        now: Callable[[], float] = time.time,
    ) -> None:
        """Raises Misuse(TLS_UNUSABLE) where the files are no good to begin with."""
        self.settings: Final = settings
        self._tell: Final = tell
        self._now: Final = now
        self._lock: Final = threading.Lock()
        self._stamp = self._look_at_files()
        self._pending: Stamp | None = None
        """Files that were no good when they were last looked at; told where they still are at the next look."""
        self._current: TlsNow = self._load(None)
        self._warned_at: float | None = None

    @property
    def current(self) -> TlsNow:
        return self._current

    def look(self) -> None:
        """To be called about once a second: takes files that were changed since, if they are good.

        Two files are not replaced at one moment. So what is bad is told only where it is still the same at the next
        look; what is good is taken at once.
        """
        with self._lock:
            stamp = self._look_at_files()
            if stamp != self._stamp:
                self._take(stamp)
            self._warn()

    def _take(self, stamp: Stamp) -> None:
        try:
            taken = self._load(self._current)
        except Exception as error:  # noqa: BLE001  whatever it is: these files end nothing
            refused = error if isinstance(error, Misuse) else unusable("the files cannot be judged")
            if self._pending == stamp:
                self._stamp, self._pending = stamp, None
                self._tell(TlsTold(refused, None))
            else:
                self._pending = stamp
            return
        is_new = taken.files != self._current.files
        self._current, self._stamp, self._pending = taken, stamp, None
        if is_new:
            self._warned_at = None
            self._tell(TlsTold(None, taken.facts))

    def _load(self, before: TlsNow | None) -> TlsNow:
        files = read_tls_files(self.settings)
        facts = judge_tls_files(files, datetime.fromtimestamp(self._now(), UTC))
        issuers = 0 if before is None else before.issuers + (files.client_ca != before.files.client_ca)
        return TlsNow(make_context(files, self.settings), files, facts, issuers)

    def _warn(self) -> None:
        """Once a day, while it is about to expire."""
        now, facts = self._now(), self._current.facts
        is_due = self._warned_at is None or not 0 <= now - self._warned_at < _DAY_SECONDS
        if facts.not_after.timestamp() - now < _SOON_SECONDS and is_due:
            self._warned_at = now
            self._tell(TlsTold(None, facts, expires_soon=True))

    def _look_at_files(self) -> Stamp:
        paths = (self.settings.certificate, self.settings.key, self.settings.client_ca)
        return tuple(None if path is None else _stamp(path) for path in paths)


def _stamp(path: Path) -> tuple[int, ...] | None:
    """What changes when somebody writes or replaces it."""
    try:
        found = os.stat(path)  # noqa: PTH116  links are followed
    except OSError:
        return None
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_mode)
