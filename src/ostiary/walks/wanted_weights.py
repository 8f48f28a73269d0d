"""Weights that are handed out only as long as the model is wanted: looked at before each file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Final

from ostiary.core.tickets import SealedModel, SealedWeights, SharedWeights

CheckWanted = Callable[[], None]
"""Raises where it is not wanted any more."""


def hand_out_while_wanted(sealed: SealedModel, check: CheckWanted) -> SealedModel:
    """The same model. What `check` raises ends whatever loads it."""
    share = sealed.share_weights
    return replace(
        sealed,
        open_weights=lambda: _check_each(sealed.open_weights(), check),
        share_weights=None if share is None else lambda readers: _Shared(share(readers), check),
    )


class _Shared:
    def __init__(self, shared: SharedWeights, check: CheckWanted) -> None:
        self._shared: Final = shared
        self._check: Final = check

    def read(self, reader: int) -> Iterator[SealedWeights]:
        return _check_each(self._shared.read(reader), self._check)

    def leave(self, reader: int) -> None:
        self._shared.leave(reader)


def _check_each(files: Iterator[SealedWeights], check: CheckWanted) -> Iterator[SealedWeights]:
    try:
        for file in files:
            try:
                check()
            except BaseException:
                file.close()
                raise
            yield file
    finally:
        close = getattr(files, "close", None)
        if close is not None:
            close()
