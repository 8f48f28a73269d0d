"""`ostiary contract`: what a model accepts and returns, written down, tried and compared."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ostiary.cli import ui
from ostiary.cli.contract_test import configure_test
from ostiary.cli.options import add_debug_option, add_state_option
from ostiary.core.terms.values import CONTRACT_FILE
from ostiary.core.text import quote_untrusted
from ostiary.errors import USAGE, Misuse

if TYPE_CHECKING:
    from ostiary.core.terms.values import LanguageTerms

_DESCRIPTION: Final = """\
Say what a model accepts and returns, try it, and compare versions of it.

contract.json lies beside a model's config.json and is signed with it. It narrows what the house takes of any such
model, never widens it. docs/contract.md explains each field."""

_DIFF_EPILOG: Final = """\
exit status:
  0  nothing is wider
  2  the command was held wrong
  3  something is wider: the new version lets through what the old one did not"""

_WIDER: Final = 3


def configure(parser: argparse.ArgumentParser) -> None:
    parser.description = _DESCRIPTION
    verbs = parser.add_subparsers(metavar="VERB", required=True, parser_class=type(parser))
    init = _add(verbs, "init", _run_init, "write a contract for a model, to be edited and then signed with it")
    init.add_argument("model", metavar="MODEL", help="a model directory")
    init.add_argument(
        "--output",
        "-o",
        metavar="FILE",
        type=Path,
        help="write it there (- for standard output), not into the model",
    )
    init.add_argument("--name", metavar="NAME", help="what the model is called in it")
    init.add_argument("--force", action="store_true", help="replace the contract that is there")
    add_state_option(init)
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


def _run_init(options: argparse.Namespace) -> int:
    """The model is judged as by `ostiary inspect` first: a contract for what is refused would be of no use."""
    from ostiary.core.terms.derive_terms import derive_terms
    from ostiary.core.terms.render_terms import render_contract
    from ostiary.record.begin import open_log
    from ostiary.walks.model_walk import inspect_model

    place = _choose_place(options)
    with open_log(options.state) as log, ui.Progress("reading") as progress:
        judgement = inspect_model(
            options.model,
            log.emit,
            allowed_formats=(),
            record_location=False,
            start=progress.start,
            advance=progress.advance,
        )
    facts = judgement.to_manifest().facts
    if facts.architecture is None:
        raise Misuse(USAGE, f"{quote_untrusted(Path(options.model).name)} is no language model with a config.json")
    text = render_contract(derive_terms(facts.vocabulary, facts.context_tokens, options.name))
    if place is None:
        ui.out(text.rstrip("\n"))
        return 0
    ui.write_file(place, text)
    ui.out(f"written: {quote_untrusted(place.name)}")
    if any(
        entry.path == CONTRACT_FILE or entry.path.startswith("model.sig") for entry in judgement.examination.files
    ):
        ui.note("ostiary: the model has another content now: sign it again")
    else:
        ui.note("ostiary: edit it, try it with 'ostiary contract test', then sign the model")
    return 0


def _choose_place(options: argparse.Namespace) -> Path | None:
    """None: standard output."""
    if options.output is not None and str(options.output) == "-":
        return None
    model = Path(options.model)
    place: Path = options.output if options.output is not None else model / CONTRACT_FILE
    if options.output is None and not model.is_dir():
        raise Misuse(USAGE, f"{quote_untrusted(model.name)} is no model directory")
    if place.exists() and not options.force:
        raise Misuse(USAGE, f"there is a {quote_untrusted(place.name)} already", hint="--force replaces it.")
    return place


def _run_show(options: argparse.Namespace) -> int:
    from ostiary.cli.contract_text import describe_shown, render_shown

    terms = _read(options.model)
    if options.json:
        ui.out(json.dumps(describe_shown(options.model.name, terms), indent=2))
    else:
        ui.out("\n".join(render_shown(options.model.name, terms, width=ui.measure_width())))
    return 0


def _run_diff(options: argparse.Namespace) -> int:
    from ostiary.cli.contract_text import describe_differences, render_differences
    from ostiary.core.terms.bounds import Change
    from ostiary.core.terms.list_bounds import compare_terms
    from ostiary.core.terms.values import HOUSE_TERMS

    old, new = _read(options.old), _read(options.new)
    differences = compare_terms(old or HOUSE_TERMS, new or HOUSE_TERMS)
    if options.json:
        ui.out(json.dumps(describe_differences(differences), indent=2))
    else:
        ui.out("\n".join(render_differences(differences, color=ui.has_color_on_stdout())))
    return _WIDER if any(difference.change is Change.WIDER for difference in differences) else 0


def _read(path: Path) -> LanguageTerms | None:
    from ostiary.intake import read_contract

    return read_contract(path)
