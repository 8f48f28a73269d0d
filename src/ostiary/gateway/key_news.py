"""Keys of clients as the record hears of them, and what a running server tells of a changed file."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final

from ostiary.gateway.client_key import ClientKey, render_time
from ostiary.record.access_events import KeysCreated, KeysReread, KeysUnusable
from ostiary.record.events import Emit

_MOST_UNTOLD: Final = 64
"""While the record cannot be written; the oldest are dropped then."""


def describe_created(key: ClientKey, correlation_id: str) -> KeysCreated:
    return KeysCreated(
        correlation_id=correlation_id,
        key=key.id,
        name=key.name,
        tenant=key.tenant,
        scopes=tuple(sorted(scope.value for scope in key.scopes)),
        models=None if key.models is None else tuple(sorted(key.models)),
        expires=None if key.expires is None else render_time(key.expires),
    )


class KeyNews:
    """Heard while a request waits, so it is told later, by whoever may wait for a disk or a terminal."""

    def __init__(self, emit: Emit, server: str, say: Callable[[str], None]) -> None:
        """`server`: the correlation id of the running server. `say`: to its operator."""
        self._emit: Final = emit
        self._server: Final = server
        self._say: Final = say
        self._unsaid: Final[deque[str]] = deque(maxlen=_MOST_UNTOLD)
        self._untold: Final[deque[KeysReread | KeysUnusable]] = deque(maxlen=_MOST_UNTOLD)

    def hear(self, count: int, problem: str) -> None:
        """As `keys.OnChange` has it."""
        if problem:
            self._untold.append(KeysUnusable(correlation_id=self._server, reason=problem))
            self._unsaid.append(f"the keys stay as they were: {problem}")
        else:
            self._untold.append(KeysReread(correlation_id=self._server, keys=count))
            self._unsaid.append(
                f"the keys have changed; {count:,} {'lets' if count == 1 else 'let'} somebody in now"
            )

    def tell(self) -> None:
        """What came since the last time. Raises what the record says; nothing is lost then."""
        while self._unsaid:
            self._say(self._unsaid.popleft())
        while self._untold:
            event = self._untold.popleft()
            try:
                self._emit(event)
            except BaseException:
                self._untold.appendleft(event)
                raise
