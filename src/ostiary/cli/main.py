"""`ostiary`: finds the verb, runs it, and turns whatever it raises into one line and an exit status.

The verbs' own modules are imported when their verb is named, so that `--help` stays fast.
"""

from __future__ import annotations

import argparse
import gc
import json
import secrets
import sys
from collections.abc import Callable, Collection, Sequence
from importlib import import_module
from typing import Final, NoReturn

from ostiary._version import __version__
from ostiary.cli import ui
from ostiary.cli.error_text import render_error, word_of
from ostiary.cli.options import add_debug_option
from ostiary.cli.standard_descriptors import hold_standard_descriptors
from ostiary.errors import (
    HOUSE_INTERNAL,
    USAGE,
    InternalFault,
    Misuse,
    OstiaryError,
)

_DESCRIPTION: Final = """\
The doorkeeper for MLX models.

Reads and judges a model before anything loads it, and keeps a record that cannot be quietly changed."""

_EPILOG: Final = """\
exit status:
  0  done, and the answer is yes
  2  the command was held wrong
  3  refused: the work was done and the answer is no
  4  failed: the work could not be done"""

_OBJECTS_BEFORE_A_COLLECTION: Final = 100_000  # by default 700, which every import passes many times

# The order is the order of --help.
_VERBS: Final = {
    "inspect": ("ostiary.cli.inspect", "tell what is in a model and what in it could hurt"),
    "verify": ("ostiary.cli.verify", "tell whether somebody who is believed vouches for a model"),
    "contract": ("ostiary.cli.contract", "say what a model accepts and returns, try it, and compare versions"),
    "run": ("ostiary.cli.run", "let a verified model answer a prompt, behind the wall"),
    "serve": ("ostiary.cli.serve", "let verified models answer over HTTP, each behind its wall"),
    "keys": ("ostiary.cli.keys", "make, list and revoke the keys that clients of a server show"),
    "usage": ("ostiary.cli.usage", "tell what each tenant of a server used"),
    "sign": ("ostiary.cli.sign", "vouch for a model with a key"),
    "keygen": ("ostiary.cli.keygen", "make a signing key"),
    "key": ("ostiary.cli.key", "let a key vouch for the next one, or revoke it"),
    "trust": ("ostiary.cli.trust", "say whom to believe for what, and ask why"),
    "doctor": ("ostiary.cli.doctor", "tell whether models can run here behind a whole wall"),
    "config": ("ostiary.cli.config", "check the file of settings, and explain each setting"),
    "quarantine": ("ostiary.cli.quarantine", "show the models that died too often, and let them start again"),
    "record": ("ostiary.cli.record", "read, check and prove the record of what was decided"),
}


class Parser(argparse.ArgumentParser):
    """argparse, with our errors instead of a usage dump."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        kwargs.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        kwargs.setdefault("allow_abbrev", False)
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]

    def error(self, message: str) -> NoReturn:
        raise Misuse(USAGE, message, hint=f"Run '{self.prog} --help'.")


def build_parser(configured: Collection[str] = tuple(_VERBS)) -> Parser:
    """The parser of every verb; only the `configured` ones have their module imported and their options."""
    parser = Parser(prog="ostiary", description=_DESCRIPTION, epilog=_EPILOG)
    parser.add_argument("--version", action="version", version=f"ostiary {__version__}")
    add_debug_option(parser, "show the full detail of an error")
    subparsers = parser.add_subparsers(metavar="COMMAND", required=True, parser_class=Parser)
    for verb, (module, summary) in _VERBS.items():
        subparser: Parser = subparsers.add_parser(
            verb, help=summary, description=f"{summary[0].upper()}{summary[1:]}."
        )
        if verb in configured:
            import_module(module).configure(subparser)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """The program. Returns the exit status; never raises anything but SystemExit from --help and --version."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    is_json = "--json" in words
    is_debug = "--debug" in words
    try:
        options = _parse(words)
        run: Callable[[argparse.Namespace], int] = options.run
        return run(options)
    except KeyboardInterrupt:
        ui.note("ostiary: interrupted")
        return 130
    except OstiaryError as error:
        return _tell(error, is_json=is_json, is_debug=is_debug)
    except Exception as error:  # noqa: BLE001  the last door: nothing may leave as a traceback
        fault = InternalFault(HOUSE_INTERNAL, f"unforeseen {type(error).__name__}")
        fault.__cause__ = error
        return _tell(fault, is_json=is_json, is_debug=is_debug)


def run_program() -> int:
    """`main` in a process of its own, which lives for one command and then ends.

    Looking for reference cycles, and once more for all that is left, took a tenth of a small verification: here it
    waits until there may be something to find, and what is left goes with the process.
    """
    hold_standard_descriptors()
    ui.open_closed_streams()
    gc.set_threshold(_OBJECTS_BEFORE_A_COLLECTION)
    try:
        return main()
    finally:
        ui.forget_notes()
        gc.freeze()


def _parse(words: Sequence[str]) -> argparse.Namespace:
    named = next((word for word in words if not word.startswith("-")), "")
    return build_parser((named,)).parse_args(words or ["--help"])


def _tell(error: OstiaryError, *, is_json: bool, is_debug: bool) -> int:
    """The one line that an operator's own terminal gets; with --debug also where it came from."""
    correlation_id = error.correlation_id or secrets.token_hex(8)
    if is_debug and error.__cause__ is not None:
        import traceback

        ui.note("".join(traceback.format_exception(error)).rstrip())
    if is_json and not getattr(error, "is_told", False):
        value = {
            "verdict": word_of(error),
            "error": {"code": error.code, "message": error.message, "hint": error.hint},
            "correlation_id": correlation_id,
        }
        try:
            ui.out(json.dumps(value, indent=2))
        except OstiaryError as unwritable:
            error = unwritable
    ui.note(render_error(error))
    return error.exit_status
