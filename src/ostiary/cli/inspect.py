"""`ostiary inspect MODEL`: what is in a model, and what in it could hurt."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Final

from ostiary.cli import ui
from ostiary.cli.options import add_debug_option, add_state_option
from ostiary.core.tickets import FileKind

_DESCRIPTION: Final = """\
Tell what is in a model and what in it could hurt, before anything loads it.

MODEL is a directory or a single file. Every byte is read once, no link is followed, and nothing is
executed or handed to MLX. The verdict is written to the record."""

_EPILOG: Final = """\
exit status:
  0  accepted: nothing refuses the model (there may be notes)
  2  the command was held wrong, or there is nothing at MODEL
  3  refused
  4  the model could not be read, or the verdict could not be written"""

# What a careful person may still want to describe with its own strict reader. `.mlxfn` is a program: never.
_ALLOWABLE: Final = {kind.value: kind for kind in (FileKind.GGUF, FileKind.NPY, FileKind.NPZ)}


def configure(parser: argparse.ArgumentParser) -> None:
    parser.description = _DESCRIPTION
    parser.epilog = _EPILOG
    parser.add_argument("model", metavar="MODEL", help="a model directory, or a single model file")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="one JSON object, for machines")
    form.add_argument("--sarif", action="store_true", help="a SARIF 2.1.0 log, for code scanning")
    parser.add_argument(
        "--output", "-o", metavar="FILE", type=Path, help="write the answer to FILE, whole or not at all"
    )
    parser.add_argument("--all", action="store_true", help="list every file and every finding")
    parser.add_argument(
        "--unsafe-allow",
        metavar="FORMAT",
        action="append",
        choices=sorted(_ALLOWABLE),
        default=[],
        help="let in a format that MLX does not read safely: " + ", ".join(sorted(_ALLOWABLE)),
    )
    add_state_option(parser)
    parser.add_argument(
        "--record-location",
        action="store_true",
        help="record where the model lay too, as a salted hash that 'record forget' makes untestable",
    )
    add_debug_option(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    from ostiary.record.begin import open_log
    from ostiary.walks.model_walk import inspect_model

    with open_log(options.state) as log, ui.Progress("reading") as progress:
        judgement = inspect_model(
            options.model,
            log.emit,
            allowed_formats=[_ALLOWABLE[name] for name in options.unsafe_allow],
            record_location=options.record_location,
            start=progress.start,
            advance=progress.advance,
        )
    if log.is_new:  # said aloud, as somebody may have taken the old one away
        ui.note("ostiary: a new record was begun; 'ostiary record --help' says what it is for")
    for notice in log.notices:
        ui.note(f"ostiary: {notice}")
    examination = judgement.examination
    if options.json:
        from ostiary.cli.inspect_json import describe_inspection

        _deliver(json.dumps(describe_inspection(examination, judgement.correlation_id), indent=2), options.output)
    elif options.sarif:
        from ostiary.cli.inspect_sarif import describe_sarif

        _deliver(json.dumps(describe_sarif(examination), indent=2), options.output)
    else:
        from ostiary.cli.inspect_text import render_inspection

        color = options.output is None and ui.has_color_on_stdout()
        lines = render_inspection(examination, color=color, width=ui.measure_width(), show_all=options.all)
        _deliver("\n".join(lines), options.output)
    refusal = examination.refusal
    if refusal is None:
        return 0
    others = sum(finding.is_refusing for finding in refusal.findings) - 1
    more = f" (and {others} more)" if others else ""
    ui.note(f"ostiary: refused: {refusal.code}: {refusal.message}{more}. Hint: {refusal.hint}")
    return refusal.exit_status


def _deliver(text: str, path: Path | None) -> None:
    if path is None:
        ui.out(text)
    else:
        ui.write_file(path, f"{text}\n")
