"""Why the interpreter does not run something. The sentences are ours: no values, no foreign text."""

from __future__ import annotations

from ostiary.core.frames import ErrorName


class GraphUnfit(Exception):
    """The graph, or what came with it, cannot be run here at all."""

    def __init__(self, sentence: str, name: ErrorName = ErrorName.LOAD_FAILED) -> None:
        super().__init__(sentence)
        self.name = name


class InputUnfit(Exception):
    """This call does not fit the graph, or would need more than it may have."""


class CallTooLarge(InputUnfit):
    """This call would need more than it may have. A smaller one may fit."""
