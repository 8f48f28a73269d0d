"""A long computation in pieces: between two of them somebody else may go in between.

MLX computes what is asked for and all that it needs. Asked for what lies on the way first, it has less left to do
afterwards, and the numbers are the same.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

import mlx.core as mx

from ostiary.worker.engines.language.library import begin_computing


def collect_stages() -> list[list[mx.array]] | None:
    """Where they are wanted. A device takes whole passes at once, and every stage would cost it something."""
    return [] if mx.default_device() == mx.cpu else None


class Stages:
    """Of one result: arrays that lie on the way to it, in the order in which they are computed."""

    def __init__(self, stages: Sequence[list[mx.array]] | None) -> None:
        self._left: Final = deque(stages or ())

    @property
    def are_done(self) -> bool:
        return not self._left

    def compute(self, may_go_on: Callable[[], bool]) -> None:
        """One stage, and more as long as there is time. MLX makes wait who asks a processor for much at once."""
        while self._left:
            begin_computing(self._left.popleft())
            if not may_go_on():
                return
