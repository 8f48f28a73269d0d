"""`ostiary contract`: what a model accepts and returns, written down, tried and compared."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ostiary.cli import ui
from ostiary.cli.contract_init import configure_init
from ostiary.cli.contract_test import configure_test
from ostiary.cli.options import add_debug_option
from ostiary.errors import USAGE, Misuse

if TYPE_CHECKING:
    from ostiary.core.terms.bounds import Difference
    from ostiary.core.terms.values import LanguageTerms
    from ostiary.graph.function_contract import FunctionContract

_DESCRIPTION: Final = """\
Say what a model accepts and returns, try it, and compare versions of it.

contract.json lies beside a language model's config.json, or a function's graph.json, and is signed with it. It
narrows what the house takes of any such model, never widens it. docs/contract.md explains each field."""

_DIFF_EPILOG: Final = """\
exit status:
  0  nothing is wider
  2  the command was held wrong
  3  something is wider: the new version lets through what the old one did not"""

_WIDER: Final = 3


def configure(parser: argparse.ArgumentParser) -> None:
    parser.description = _DESCRIPTION
    verbs = parser.add_subparsers(metavar="VERB", required=True, parser_class=type(parser))
    configure_init(_add(verbs, "init", None, "write a contract for a model, to be edited and then signed with it"))
    show = _add(verbs, "show", _run_show, "show what a model's contract says, or what holds without one")
    show.add_argument("model", metavar="MODEL", type=Path, help="a model directory, or a contract file")
    configure_test(_add(verbs, "test", None, "try generated good and bad requests against a model's contract"))
    diff = _add(verbs, "diff", _run_diff, "tell what a new version lets through beside the old one")
    diff.epilog = _DIFF_EPILOG
    for name in ("old", "new"):
        diff.add_argument(name, metavar=name.upper(), type=Path, help="a model directory, or a contract file")
    for one in (show, diff):
        one.add_argument("--json", action="store_true", help="one JSON object, for machines")


def _add(
    verbs: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    run: Callable[[argparse.Namespace], int] | None,
    summary: str,
) -> argparse.ArgumentParser:
    parser = verbs.add_parser(name, help=summary, description=f"{summary[0].upper()}{summary[1:]}.")
    add_debug_option(parser, argparse.SUPPRESS)
    if run is not None:
        parser.set_defaults(run=run)
    return parser


def _run_show(options: argparse.Namespace) -> int:
    from ostiary.cli.contract_text import describe_shown, render_shown
    from ostiary.intake import read_contract

    contract = read_contract(options.model)
    if options.json:
        ui.out(json.dumps(describe_shown(options.model.name, contract), indent=2))
    else:
        ui.out("\n".join(render_shown(options.model.name, contract, width=ui.measure_width())))
    return 0


def _run_diff(options: argparse.Namespace) -> int:
    from ostiary.cli.contract_text import describe_differences, render_differences
    from ostiary.core.terms.bounds import Change
    from ostiary.intake import read_contract

    differences = _compare(read_contract(options.old), read_contract(options.new))
    if options.json:
        ui.out(json.dumps(describe_differences(differences), indent=2))
    else:
        ui.out("\n".join(render_differences(differences, color=ui.has_color_on_stdout())))
    return _WIDER if any(difference.change is Change.WIDER for difference in differences) else 0


def _compare(
    old: LanguageTerms | FunctionContract | None, new: LanguageTerms | FunctionContract | None
) -> Sequence[Difference]:
    """A language model without a contract has the house's own."""
    from ostiary.core.terms.list_bounds import compare_terms
    from ostiary.core.terms.values import HOUSE_TERMS, LanguageTerms

    old, new = HOUSE_TERMS if old is None else old, HOUSE_TERMS if new is None else new
    if isinstance(old, LanguageTerms) and isinstance(new, LanguageTerms):
        return compare_terms(old, new)
    if isinstance(old, LanguageTerms) or isinstance(new, LanguageTerms):
        raise Misuse(
            USAGE, "one is the contract of a language model, the other of a function: nothing can be compared"
        )
    from ostiary.graph.list_bounds import compare_contracts

    return compare_contracts(old, new)
