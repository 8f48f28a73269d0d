"""Codes of MLX in an application's own process."""

from __future__ import annotations

from typing import Final

from ostiary.codes.declare import declare

EMBED_ARCHITECTURE_NOT_ALLOWED: Final = declare(
    "EMBED_ARCHITECTURE_NOT_ALLOWED",
    "Models of this architecture are not loaded here.",
    "docs/reference/architectures.md lists those that are.",
    501,
)
EMBED_INPUT: Final = declare(
    "EMBED_INPUT",
    "What was asked does not fit the model.",
    "The message names the argument and what does not fit.",
    422,
)
EMBED_LOAD_FAILED: Final = declare(
    "EMBED_LOAD_FAILED",
    "The model could not be loaded.",
    "The message names what does not fit; the exception that caused it has what MLX said.",
    422,
)
EMBED_ENGINE_FAILED: Final = declare(
    "EMBED_ENGINE_FAILED",
    "The model could not be computed.",
    "The message has the kind of failure; the exception that caused it has what MLX said.",
    500,
)
EMBED_OUT_OF_MEMORY: Final = declare(
    "EMBED_OUT_OF_MEMORY",
    "There was not enough memory.",
    "Ask for less, or use a smaller or quantized version of the model.",
    507,
)
