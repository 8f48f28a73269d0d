"""An error as the one line that an operator's own terminal gets. Pure."""

from __future__ import annotations

from ostiary.errors import Fault, OstiaryError, Refusal


def render_error(error: OstiaryError) -> str:
    return f"ostiary: {word_of(error)}: {error.code}: {error.message}. Hint: {error.hint}"


def word_of(error: OstiaryError) -> str:
    if isinstance(error, Refusal):
        return "refused"
    return "failed" if isinstance(error, Fault) else "misuse"
