"""`ostiary doctor`: whether models can run here behind a whole wall, and what is missing where not."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Final

from ostiary.cli import ui
from ostiary.cli.options import add_debug_option
from ostiary.core.text import quote_untrusted
from ostiary.errors import MODEL_NOT_FOUND, Misuse

_DESCRIPTION: Final = """\
Tell whether models can run here behind a whole wall, and what is missing where not.

Looks at the kernel, the user, the machine and the places that Ostiary needs, and puts a wall up around an empty
process. Changes nothing and starts no model. docs/cell.md explains the layers."""

_EPILOG: Final = """\
exit status:
  0  ready: a model would start here
  2  the command was held wrong
  3  not ready: a required layer, MLX, or a place is missing; the last line says which"""

_NOT_READY: Final = 3


def configure(parser: argparse.ArgumentParser) -> None:
    parser.description = _DESCRIPTION
    parser.epilog = _EPILOG
    parser.add_argument(
        "model", metavar="MODEL", nargs="?", type=Path, help="try also how the files of this model can be held"
    )
    parser.add_argument("--config", metavar="FILE", type=Path, help="the file of settings (OSTIARY_CONFIG)")
    parser.add_argument("--json", action="store_true", help="for machines")
    add_debug_option(parser)
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from ostiary.cli.checkup import examine_system
    from ostiary.cli.doctor_text import describe_checkup, is_ready, render_checkup

    if options.model is not None and not options.model.exists():
        raise Misuse(MODEL_NOT_FOUND, f"there is no {quote_untrusted(options.model.name)}")
    checkup = examine_system(options.model, options.config)
    if options.json:
        ui.out(json.dumps(describe_checkup(checkup), indent=2))
    else:
        lines = render_checkup(checkup, color=ui.has_color_on_stdout(), width=ui.measure_width())
        ui.out("\n".join(lines))
    return 0 if is_ready(checkup) else _NOT_READY
