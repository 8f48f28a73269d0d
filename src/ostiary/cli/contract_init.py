"""`ostiary contract init`: a contract to begin with, from what a model says of itself."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ostiary.cli import ui
from ostiary.cli.options import add_state_option
from ostiary.core.function_files import GRAPH_FILE
from ostiary.core.terms.values import CONTRACT_FILE
from ostiary.core.text import quote_untrusted
from ostiary.errors import USAGE, Misuse

if TYPE_CHECKING:
    from ostiary.intake import Judgement

_NO_CONTRACT: Final = "function.no-contract"


def configure_init(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help="a model directory")
    parser.add_argument(
        "--output",
        "-o",
        metavar="FILE",
        type=Path,
        help="write it there (- for standard output), not into the model",
    )
    parser.add_argument("--name", metavar="NAME", help="what the model is called in it; a function has its graph's")
    parser.add_argument("--force", action="store_true", help="replace the contract that is there")
    add_state_option(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """The model is judged as by `ostiary inspect` first: a contract for what is refused would be of no use."""
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
    paths = {entry.path for entry in judgement.examination.files}
    is_function = GRAPH_FILE in paths
    text = (_derive_of_function if is_function else _derive_of_language_model)(judgement, options)
    if place is None:
        ui.stream(text)  # as it is: a function's contract has one spelling, which ends without a newline
        return 0
    ui.write_file(place, text)
    ui.out(f"written: {quote_untrusted(place.name)}")
    if any(path == CONTRACT_FILE or path.startswith("model.sig") for path in paths):
        ui.note("ostiary: the model has another content now: sign it again")
    else:
        first = "try it" if is_function else "edit it, try it"  # a function's is not for editing by hand
        ui.note(f"ostiary: {first} with 'ostiary contract test', then sign the model")
    return 0


def _derive_of_language_model(judgement: Judgement, options: argparse.Namespace) -> str:
    from ostiary.core.terms.derive_terms import derive_terms
    from ostiary.core.terms.render_terms import render_contract

    facts = judgement.to_manifest().facts
    if facts.architecture is None:
        what = "has neither a config.json of a language model nor a graph.json"
        raise Misuse(USAGE, f"{quote_untrusted(Path(options.model).name)} {what}")
    return render_contract(derive_terms(facts.vocabulary, facts.context_tokens, options.name))


def _derive_of_function(judgement: Judgement, options: argparse.Namespace) -> str:
    """From its graph, which says all but the rules on elements. A missing or bad contract is no hindrance."""
    from ostiary.core.findings import refusal_of
    from ostiary.graph.derive_contract import derive_contract
    from ostiary.graph.render_contract import render_contract
    from ostiary.intake import read_graph

    if options.name is not None:
        raise Misuse(USAGE, "a function is called what its graph says: leave --name out")
    others = [
        finding
        for finding in judgement.examination.findings
        if finding.is_refusing and finding.rule.id != _NO_CONTRACT and finding.path != CONTRACT_FILE
    ]
    if others:
        raise refusal_of(*others)
    graph = read_graph(Path(options.model))
    if graph is None:
        raise Misuse(USAGE, f"there is no {GRAPH_FILE} at the top of a model directory")
    return render_contract(derive_contract(graph)).decode()


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
