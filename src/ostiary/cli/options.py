"""Options that several verbs have."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_debug_option(parser: argparse.ArgumentParser, words: str = "show where an error came from") -> None:
    """`--debug` before or after the verb; `main` looks for the word itself, as parsing may be what fails."""
    parser.add_argument("--debug", action="store_true", default=argparse.SUPPRESS, help=words)


def add_state_option(parser: argparse._ActionsContainer) -> None:
    """`--state DIR`: where the record and what is remembered lie, for this one command."""
    parser.add_argument(
        "--state", metavar="DIR", type=Path, help="the state directory (else OSTIARY_STATE_DIR, or the platform's)"
    )
