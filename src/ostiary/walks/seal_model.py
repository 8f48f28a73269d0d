"""A model's way into an application's own process: directory -> intake -> trust -> vault. No wall follows."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from ostiary.core.values import dataclass
from ostiary.vault import ALL_METHODS, open_sealed
from ostiary.walks.model_walk import VerifyRequest, verify_model

if TYPE_CHECKING:
    from ostiary.core.tickets import SealedModel, SealMethod
    from ostiary.record.events import Emit


@dataclass(frozen=True, slots=True)
class Sealed:
    """Bytes that can no longer change, and what joins them to the record."""

    model: SealedModel
    correlation_id: str


@contextmanager
def seal_model(
    path: str | os.PathLike[str],
    emit: Emit,
    request: VerifyRequest,
    *,
    methods: Collection[SealMethod] = ALL_METHODS,
) -> Iterator[Sealed]:
    """Raises the first room's no; the record has it then."""
    asked = replace(request, defers_weights=True)  # the vault hashes them, once
    verification = verify_model(path, emit, asked, start=lambda _: None, advance=lambda _: None)
    with open_sealed(path, verification.ticket, emit, verification.correlation_id, methods=methods) as sealed:
        yield Sealed(sealed, verification.correlation_id)
