"""Why a model is not taken."""

from __future__ import annotations

from ostiary.core.frames import ErrorName


class ModelUnfit(Exception):
    """Raised while loading. The sentence is ours and safe to show."""

    def __init__(self, name: ErrorName, sentence: str) -> None:
        super().__init__(sentence)
        self.name = name
