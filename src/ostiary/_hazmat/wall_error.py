"""What is said where a layer of the wall cannot be put up. For the worker."""

from __future__ import annotations

from typing import Final


class WallNotAppliedError(OSError):
    """One layer could not be put up. The process must end without having seen a model."""

    def __init__(self, layer: str, cause: OSError) -> None:
        super().__init__(cause.errno, f"layer {layer}: {cause.strerror}")
        self.layer: Final = layer
