"""`ostiary contract test`: generated good and bad requests against a model's contract."""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ostiary.cli import ui
from ostiary.cli.belief_options import add_belief_options, read_named
from ostiary.cli.options import add_state_option
from ostiary.core.text import quote_untrusted
from ostiary.errors import USAGE, Misuse

if TYPE_CHECKING:
    from ostiary.cli.contract_trial import Trial
    from ostiary.contract import TextContract

_DESCRIPTION: Final = """\
Try generated good and bad requests against a model's contract: just within each bound, and just past it.

Without --run the contract room alone is asked, and no model is started. With --run the model is opened as by
`ostiary run`, verified and walled, and what fits is asked of it. A language model answers with one token, and
bounds that only its tokenizer can count are tried, too; a function computes."""

_EPILOG: Final = """\
exit status:
  0  every request met what the contract says
  2  the command was held wrong, or there is nothing at MODEL
  3  one did not, or the model is refused
  4  failed: the model could not be read or started"""

_NOT_AS_SAID: Final = 3
_TOKENS_IF_UNSAID: Final = 8_192


def configure_test(parser: argparse.ArgumentParser) -> None:
    parser.description = _DESCRIPTION
    parser.epilog = _EPILOG
    parser.add_argument("model", metavar="MODEL", type=Path, help="a model directory")
    parser.add_argument("--run", dest="is_run", action="store_true", help="ask the model, too, behind its wall")
    parser.add_argument("--all", action="store_true", help="list every request, not only those that went otherwise")
    parser.add_argument("--json", action="store_true", help="one JSON object, for machines")
    add_state_option(parser)
    believed = parser.add_argument_group("with --run: whom to believe (docs/verify.md)")
    add_belief_options(believed)
    believed.add_argument("--unsafe-unsigned", action="store_true", help="run a model that nobody vouches for")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    from ostiary.cli.contract_text import describe_trials, render_trials

    trials = _run_model(options) if options.is_run else _try_alone(options)
    if options.json:
        ui.out(json.dumps(describe_trials(options.model.name, trials), indent=2))
    else:
        ui.out("\n".join(render_trials(trials, color=ui.has_color_on_stdout(), show_all=options.all)))
    return 0 if all(trial.is_as_said for trial in trials) else _NOT_AS_SAID


def _try_alone(options: argparse.Namespace) -> list[Trial]:
    from ostiary.cli.contract_trial import try_samples
    from ostiary.contract import derive_contract, make_samples
    from ostiary.record.begin import open_log
    from ostiary.walks.model_walk import inspect_model

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
    if facts.function is not None:
        return _try_function(options.model)
    contract: TextContract = derive_contract(facts, facts.context_tokens or _TOKENS_IF_UNSAID, facts.terms)
    return list(try_samples(make_samples(contract), contract))


def _try_function(model: Path) -> list[Trial]:
    from ostiary.cli.contract_trial import try_tensors
    from ostiary.contract import make_tensor_samples
    from ostiary.core.terms.values import LanguageTerms
    from ostiary.intake import read_contract

    contract = read_contract(model)
    if contract is None or isinstance(contract, LanguageTerms):  # it was a function's when it was judged
        raise Misuse(USAGE, f"{quote_untrusted(model.name)} changes while it is read, or is no directory")
    return list(try_tensors(make_tensor_samples(contract), contract))


def _run_model(options: argparse.Namespace) -> list[Trial]:
    from ostiary.cli.belief import ask_to_pin
    from ostiary.cli.contract_trial import run_samples, run_tensors
    from ostiary.contract import make_samples, make_tensor_samples
    from ostiary.library.opening import open_here
    from ostiary.library.options import read_options

    read = read_options({"signature": options.signature, "state": options.state})
    opened = open_here(options.model, replace(read, named=read_named(options), ask=ask_to_pin))
    try:
        if (function := opened.function) is not None:
            return list(run_tensors(make_tensor_samples(function), opened, function))
        return list(run_samples(make_samples(opened.contract), opened))
    finally:
        opened.close()
