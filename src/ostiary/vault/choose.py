"""Chooses how a file is held: the fastest way that is sound for where it lies."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from types import MappingProxyType
from typing import Final

from ostiary.core.text import quote_untrusted
from ostiary.core.tickets import FileEntry, SealMethod
from ostiary.errors import VAULT_NO_METHOD, VaultFailed
from ostiary.vault.hold import GoOn, Hold
from ostiary.vault.hold_by_clone import hold_by_clone
from ostiary.vault.hold_by_lease import hold_by_lease
from ostiary.vault.hold_in_memory import hold_in_memory
from ostiary.vault.place import Place

# In this order: nothing is copied, nothing is copied but the page cache is not used, everything is copied.
_TAKERS: Final[Mapping[SealMethod, Callable[[Place, FileEntry, GoOn], Hold | None]]] = MappingProxyType(
    {
        SealMethod.LEASE: hold_by_lease,
        SealMethod.CLONE: hold_by_clone,
        SealMethod.MEMORY: hold_in_memory,
    }
)
ALL_METHODS: Final = frozenset(_TAKERS)


def take_hold(methods: Collection[SealMethod], place: Place, entry: FileEntry, go_on: GoOn = lambda: None) -> Hold:
    """A hold by the first method that works for this file. Raises VaultFailed where none of `methods` does."""
    for method, take in _TAKERS.items():
        if method in methods:
            hold = take(place, entry, go_on)
            if hold is not None:
                return hold
    names = ", ".join(sorted(methods)) or "none"
    sentence = f"{quote_untrusted(entry.path)} can be kept from changing by none of the ways allowed ({names})"
    raise VaultFailed(VAULT_NO_METHOD, sentence)
