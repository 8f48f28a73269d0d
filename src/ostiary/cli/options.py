"""Options that several verbs have."""

from __future__ import annotations

import argparse


def add_debug_option(parser: argparse.ArgumentParser, words: str = "show where an error came from") -> None:
    """`--debug` before or after the verb; `main` looks for the word itself, as parsing may be what fails."""
    parser.add_argument("--debug", action="store_true", default=argparse.SUPPRESS, help=words)
