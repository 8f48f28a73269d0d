"""The language engine: MLX-LM's networks behind the engine contract.

The way of a call: `check_calls` (is it a call at all) -> `prompt` (text to ids, templates in a bounded sandbox) ->
`sequence` (one answer in the making) -> `batch` (many at once, one token each a step) -> `pieces` (tokens to text).
"""

from __future__ import annotations

from ostiary.worker.engines.contract import JsonObject, MakeEngine

__all__ = ["prepare_engine"]


def prepare_engine(settings: JsonObject) -> MakeEngine:
    """Imports MLX and every network that may run, once and before any wall. Raises ImportError, and ValueError."""
    from ostiary.worker.engines.language.prepare import prepare  # noqa: PLC0415  pure parts are used without MLX

    return prepare(settings)
