"""From verified to sealed: the door of the room."""

from __future__ import annotations

import os
import sys
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial

from ostiary.core.tickets import SealedModel, SealedWeights, SealMethod, VerifiedModel
from ostiary.record.events import Emit
from ostiary.vault.announce import Announcer
from ostiary.vault.choose import ALL_METHODS, take_hold
from ostiary.vault.contents import WEIGHTS_KINDS, read_contents
from ostiary.vault.passing import Passing
from ostiary.vault.place import Place
from ostiary.vault.shared_passing import SharedPassing


@contextmanager
def open_sealed(
    path: str | os.PathLike[str],
    verified: VerifiedModel,
    emit: Emit,
    correlation_id: str,
    *,
    methods: Collection[SealMethod] = ALL_METHODS,
) -> Iterator[SealedModel]:
    """The model at `path`, as it was verified or not at all. Raises VaultRefused, VaultFailed, SourceUnreadable.

    The record hears model.sealed when all weights were handed out and finished, model.refused or model.failed when
    that is not to be; for each time that `open_weights` is called. Descriptors are good within the `with` only.
    """
    weights = tuple(entry for entry in verified.files if entry.kind in WEIGHTS_KINDS)
    announcer = Announcer(verified, emit, correlation_id)
    with ExitStack() as stack:
        try:
            place = Place(path)
            stack.callback(place.close)
            contents = read_contents(place, verified.files)
        except Exception as error:
            announcer.tell_no(error)
            raise
        contents_bytes = sum(map(len, contents.values()))

        passings: list[Passing] = []

        def open_weights() -> Iterator[SealedWeights]:
            passings[:] = [passing for passing in passings if not passing.is_over]
            passing = Passing(place, weights, contents_bytes, partial(take_hold, methods), announcer)
            passings.append(passing)
            return passing.run()

        def share_weights(readers: int) -> SharedPassing:
            return SharedPassing(open_weights, readers)

        try:
            can_share = sys.platform == "linux"  # elsewhere a descriptor cannot be opened anew
            yield SealedModel(verified, contents, weights, open_weights, share_weights if can_share else None)
        finally:
            for passing in passings:
                passing.close()
