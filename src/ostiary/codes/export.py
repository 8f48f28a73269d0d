"""Codes of functions on their way into a graph. They are for whoever exports: no stranger sees them."""

from __future__ import annotations

from typing import Final

from ostiary.codes.declare import declare

EXPORT_OPERATION: Final = declare(
    "EXPORT_OPERATION",
    "The function does something that a graph cannot say.",
    "The message names the operation and where it comes from; docs/reference/primitives.md lists those there are.",
    422,
)
EXPORT_SIZE: Final = declare(
    "EXPORT_SIZE",
    "The function does not follow the sizes of its inputs in a way that a graph can say.",
    "Leave the dim out, so that its size is fixed; docs/export.md says which sizes can vary.",
    422,
)
EXPORT_FUNCTION: Final = declare(
    "EXPORT_FUNCTION",
    "The function cannot be traced.",
    "What it does must follow from its inputs alone, and not from their values; docs/export.md says how.",
    422,
)
EXPORT_VALUE: Final = declare(
    "EXPORT_VALUE",
    "The function takes or gives something that is no array for a model.",
    "Inputs and results are arrays of numbers that the Open Inference Protocol has; docs/export.md lists them.",
    422,
)
EXPORT_DIFFERS: Final = declare(
    "EXPORT_DIFFERS",
    "The exported graph does not compute what the function computes.",
    "Nothing was written. The message names the result; please report it with the function.",
    500,
)
EXPORT_EXISTS: Final = declare(
    "EXPORT_EXISTS",
    "There is something at the place of the export.",
    "Name another place, or pass overwrite=True to replace an earlier export.",
    409,
)
