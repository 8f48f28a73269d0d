"""`ostiary verify MODEL`: does somebody who is believed vouch for every byte of it?"""

from __future__ import annotations

import argparse
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from ostiary.cli import ui
from ostiary.cli.belief_options import add_belief_options, read_named
from ostiary.cli.options import add_debug_option, add_state_option

_DESCRIPTION: Final = """\
Tell whether somebody who is believed vouches for a model: for these files, all of them and no others.

Name a key, or a root certificate with an identity; else the policy decides. Every byte is read once, and judged as
`ostiary inspect` judges it; then the signatures are checked, in the steps of docs/verify.md. The verdict is
written to the record."""

_EPILOG: Final = """\
exit status:
  0  verified
  2  the command was held wrong, or there is nothing at MODEL
  3  refused, and the code says why
  4  the model could not be read, or the verdict could not be written"""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.description = _DESCRIPTION
    parser.epilog = _EPILOG
    parser.add_argument("model", metavar="MODEL", help="a model directory, or a single model file")
    add_belief_options(parser)
    parser.add_argument("--whole", action="store_true", help="hash every file from end to end, never by its chunks")
    parser.add_argument("--json", action="store_true", help="one JSON object, for machines")
    parser.add_argument(
        "--record-location", action="store_true", help="record a salted hash of where the model lies, too"
    )
    parser.add_argument(
        "--unsafe-ignore",
        metavar="PATH",
        action="append",
        default=[],
        help="let this unsigned file or directory be there; it is not vouched for",
    )
    parser.add_argument("--unsafe-ignore-unsigned", action="store_true", help="let any unsigned file be there")
    parser.add_argument(
        "--unsafe-legacy", action="store_true", help="take the faulty statements of model-signing 0.2, too"
    )
    add_state_option(parser)
    add_debug_option(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    from ostiary.cli.belief import ask_to_pin
    from ostiary.cli.verify_text import describe_refusal, describe_verification, render_verification
    from ostiary.errors import Refusal
    from ostiary.library.believe import choose_believed
    from ostiary.record.begin import open_log
    from ostiary.trust.verify import UnsafeAllowances
    from ostiary.walks.model_walk import VerifyRequest, verify_model

    now = datetime.now(UTC)
    allowances = UnsafeAllowances(
        frozenset(options.unsafe_ignore), options.unsafe_ignore_unsigned, options.unsafe_legacy
    )
    try:
        with open_log(options.state) as log, ui.Progress("verifying") as progress:
            believed = choose_believed(read_named(options), options.model, now, log, ask=ask_to_pin)
            request = VerifyRequest(
                material=believed.material,
                decide=believed.decide,
                now=now,
                source=str(Path(options.model).resolve()),
                signatures=options.signature,
                allowances=allowances,
                by_chunks=not options.whole,
                record_location=options.record_location,
                needs_vouching=believed.needs_vouching,
            )
            verification = verify_model(
                options.model, log.emit, request, start=progress.start, advance=progress.advance
            )
    except Refusal as refusal:
        if options.json:
            ui.out(json.dumps(describe_refusal(refusal), indent=2))
            refusal.is_told = True
        raise
    if options.json:
        ui.out(json.dumps(describe_verification(verification), indent=2))
    else:
        ui.out("\n".join(render_verification(verification, color=ui.has_color_on_stdout())))
    return 0
