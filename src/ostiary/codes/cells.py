"""Codes of the processes that models run in."""

from __future__ import annotations

from typing import Final

from ostiary.codes.declare import declare

CELL_WALL_UNAVAILABLE: Final = declare(
    "CELL_WALL_UNAVAILABLE",
    "A layer of the wall around models cannot be put up on this system.",
    "`ostiary doctor` tells which and why; docs/cell.md names what going without one means.",
    501,
)
CELL_MEMORY_BUDGET: Final = declare(
    "CELL_MEMORY_BUDGET",
    "The model needs more than its limits allow.",
    "Raise the model's limits in the configuration, or use a smaller or quantized version.",
    507,
)
CELL_ARCHITECTURE_NOT_ALLOWED: Final = declare(
    "CELL_ARCHITECTURE_NOT_ALLOWED",
    "No engine here runs models of this architecture.",
    "docs/reference/architectures.md lists those that run.",
    501,
)
CELL_QUARANTINED: Final = declare(
    "CELL_QUARANTINED",
    "The model ended its process too often and is not started any more.",
    "`ostiary quarantine show` tells how it ended; `ostiary quarantine release` lets it try again.",
    503,
)
CELL_LIMITS_MALFORMED: Final = declare(
    "CELL_LIMITS_MALFORMED",
    "The limits in the configuration cannot be understood.",
    "docs/limits.md lists the settings and their units.",
    400,
)
WORKER_NOT_STARTED: Final = declare(
    "WORKER_NOT_STARTED",
    "The model's process could not be started.",
    "Run `ostiary doctor`; the record has the reason under the correlation id.",
    500,
)
WORKER_CRASHED: Final = declare(
    "WORKER_CRASHED",
    "The model's process ended unexpectedly.",
    "It is started again; if it happens with one input only, keep that input and report it.",
    502,
)
WORKER_SILENT: Final = declare(
    "WORKER_SILENT",
    "The model did not answer in time.",
    "Ask for less, or raise the model's time limit in the configuration.",
    504,
)
WORKER_OUT_OF_MEMORY: Final = declare(
    "WORKER_OUT_OF_MEMORY",
    "The model needed more memory than it may have.",
    "Ask for less, or raise the model's memory limit in the configuration.",
    507,
)
WORKER_CPU_TIME: Final = declare(
    "WORKER_CPU_TIME",
    "The model used up its processor time.",
    "Ask for less, or raise the model's processor time in the configuration.",
    504,
)
WORKER_VIOLATION: Final = declare(
    "WORKER_VIOLATION",
    "The model's process tried something that it may not do, and was ended.",
    "Treat the model as hostile: the record has what it tried. Report it to whoever signed it.",
    502,
)
WORKER_MALFORMED_ANSWER: Final = declare(
    "WORKER_MALFORMED_ANSWER",
    "The model's process answered in a way that it never should, and was ended.",
    "Treat the model as hostile until you know why; the record has the details.",
    502,
)
WORKER_LOAD_FAILED: Final = declare(
    "WORKER_LOAD_FAILED",
    "The model could not be loaded.",
    "The record has the reason under the correlation id; check that the model and the engine fit.",
    422,
)
WORKER_ENGINE_FAILED: Final = declare(
    "WORKER_ENGINE_FAILED",
    "The engine failed on this request.",
    "The record has the reason under the correlation id; other requests are not affected.",
    500,
)
WORKER_CALL_REFUSED: Final = declare(
    "WORKER_CALL_REFUSED",
    "The request does not fit the model.",
    "The message names what does not fit.",
    422,
)
CELL_CLOSED: Final = declare(
    "CELL_CLOSED",
    "The model was closed.",
    "Open it again.",
    409,
)
