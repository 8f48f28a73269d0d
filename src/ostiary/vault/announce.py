"""Tells the record what became of a model here: sealed, refused or failed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ostiary.core.digests import compute_root
from ostiary.core.text import quote_untrusted
from ostiary.core.tickets import SealMethod, VerifiedModel
from ostiary.errors import HOUSE_INTERNAL, OstiaryError, Refusal, VaultRefused
from ostiary.record.events import Emit, ModelFailed, ModelRefused, ModelSealed


class Announcer:
    """The events of one sealing."""

    def __init__(self, verified: VerifiedModel, emit: Emit, correlation_id: str) -> None:
        self._name: Final = quote_untrusted(verified.manifest.name)
        self._root: Final = compute_root(entry.sha256 for entry in verified.files)
        self._emit: Final = emit
        self._correlation_id: Final = correlation_id

    def tell_sealed(self, methods: Mapping[SealMethod, int], sealed_bytes: int) -> None:
        counts = {method.value: count for method, count in sorted(methods.items())}
        self._emit(
            ModelSealed(correlation_id=self._correlation_id, root=self._root, methods=counts, bytes=sealed_bytes)
        )

    def tell_no(self, error: Exception) -> None:
        """Why not. Joins the error to the record."""
        code = error.code if isinstance(error, OstiaryError) else HOUSE_INTERNAL.name
        if isinstance(error, OstiaryError):
            error.correlation_id = self._correlation_id
        if not isinstance(error, Refusal):
            self._emit(ModelFailed(correlation_id=self._correlation_id, name=self._name, code=code))
            return
        path = error.path if isinstance(error, VaultRefused) else ""
        self._emit(
            ModelRefused(
                correlation_id=self._correlation_id,
                name=self._name,
                root=self._root,
                code=code,
                rule=None,
                path=quote_untrusted(path) or None,
            )
        )
