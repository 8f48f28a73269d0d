"""The function engine: graphs behind the engine contract, run by ostiary.interpreter.

The way of a call: `infer_call` (does it say what the function takes) -> `group` (calls that can share one run) ->
`engine` (runs them, gives each its part). docs/functions.md explains it.
"""

from __future__ import annotations

from ostiary.worker.engines.contract import JsonObject, MakeEngine

__all__ = ["prepare_engine"]


def prepare_engine(settings: JsonObject) -> MakeEngine:
    """Imports MLX and the interpreter, before any wall. Raises ImportError, and ValueError."""
    from ostiary.worker.engines.function.prepare import prepare  # noqa: PLC0415  pure parts are used without MLX

    return prepare(settings)
