"""The authenticator of signed tokens."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from ostiary.core.callers import Caller
from ostiary.gateway.authenticators import Shown
from ostiary.gateway.token_settings import TokenSettings
from ostiary.gateway.token_source import TokenSource
from ostiary.gateway.tokens import is_token, verify_token


class BearerTokens:
    """Of one issuer."""

    def __init__(self, rules: TokenSettings, source: TokenSource, now: Callable[[], float] = time.time) -> None:
        self.rules = rules
        """Replaced where the settings are read anew."""
        self._source: Final = source
        self._now: Final = now

    def find(self, shown: Shown) -> Caller | None:
        """None where no token was shown. Raises AdmissionRefused."""
        if not is_token(shown.secret):
            return None
        return verify_token(shown.secret, self._source.current, self.rules, self._now(), self._source.want)
