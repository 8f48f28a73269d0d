"""Why a function cannot become a graph, before it is known where in its code the reason lies."""

from __future__ import annotations


class CannotTrace(Exception):
    """It cannot be traced: one clause."""


class UnknownOperation(Exception):
    """MLX, or the table here, does not tell all there is to say of an operation of that name."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


class CannotExpress(Exception):
    """What one operation does cannot be said in a graph: one clause, and which operation of the trace it is."""

    def __init__(self, clause: str, operation: int | None = None) -> None:
        super().__init__(clause)
        self.operation = operation


class CannotFollow(CannotExpress):
    """A number in an operation, or an array, follows the sizes of the inputs in a way that a graph cannot say."""
