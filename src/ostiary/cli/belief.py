"""Asks the person at the terminal whether a model that was never seen here is the right one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ostiary.cli import ui
from ostiary.core.text import quote_untrusted

if TYPE_CHECKING:
    from ostiary.trust.explanation import Explanation


def ask_to_pin(answer: Explanation) -> bool:
    """Where there is nobody, the answer is no."""
    version = "" if answer.version is None else f" {answer.version}"
    who = ", ".join(sorted(vouching.signer.name for vouching in answer.counted))
    return ui.ask_yes(
        f"{answer.model_id}{version} was never seen here. It is signed by {quote_untrusted(who)}. Is it right?"
    )
