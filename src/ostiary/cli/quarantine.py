"""`ostiary quarantine`: the models that ended their processes too often, and the way out."""

from __future__ import annotations

import argparse
import json
import re
import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

from ostiary.cli import ui
from ostiary.cli.options import add_debug_option
from ostiary.errors import USAGE, Misuse

if TYPE_CHECKING:
    from ostiary.cell.quarantine import KeptModel, Quarantine
    from ostiary.record.events import Event

_DESCRIPTION: Final = """\
The models that ended their processes too often, and the way out.

A model whose processes keep dying is not started any more until somebody releases it. docs/cell.md explains it."""

_SHORTEST_ROOT: Final = 8
_HEXADECIMAL: Final = re.compile(r"[0-9a-f]+", re.ASCII)


def configure(parser: argparse.ArgumentParser) -> None:
    parser.description = _DESCRIPTION
    verbs = parser.add_subparsers(metavar="VERB", required=True, parser_class=type(parser))
    listing = _add(verbs, "list", _run_list, "show every model of which ends are kept, and which may not start")
    show = _add(verbs, "show", _run_show, "show how one model's processes ended")
    release = _add(verbs, "release", _run_release, "let a model start again, and forget how it ended")
    for one in (show, release):
        one.add_argument("root", metavar="ROOT", help="the model's root digest, or its first digits")
    for one in (listing, show):
        one.add_argument("--json", action="store_true", help="for machines")


def _add(
    verbs: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    run: Callable[[argparse.Namespace], int],
    summary: str,
) -> argparse.ArgumentParser:
    parser = verbs.add_parser(name, help=summary, description=f"{summary[0].upper()}{summary[1:]}.")
    parser.add_argument("--state", metavar="DIR", type=Path, help="the state directory (OSTIARY_STATE_DIR)")
    add_debug_option(parser, argparse.SUPPRESS)
    parser.set_defaults(run=run)
    return parser


def _run_list(options: argparse.Namespace) -> int:
    models = _open_to_read(options).read_all()
    if options.json:
        ui.out(json.dumps([_describe(model) for model in models], indent=2))
    elif not models:
        ui.note("ostiary: no model ended a process within what is kept.")
    else:
        ui.out("\n".join(_render_line(model) for model in models))
    return 0


def _run_show(options: argparse.Namespace) -> int:
    model = _find(_open_to_read(options), options.root)
    ui.out(json.dumps(_describe(model), indent=2) if options.json else "\n".join(_render(model)))
    return 0


def _run_release(options: argparse.Namespace) -> int:
    from ostiary.cell.quarantine import Quarantine
    from ostiary.record.begin import open_log
    from ostiary.record.place import find_state_directory

    state = options.state or find_state_directory()
    model = _find(_open_to_read(options), options.root)
    with open_log(state) as log:
        Quarantine(state, log.emit).release(model.root, secrets.token_hex(8))
    ui.note(f"ostiary: {_name(model)} may start again.")
    return 0


def _open_to_read(options: argparse.Namespace) -> Quarantine:
    from ostiary.cell.quarantine import Quarantine
    from ostiary.record.place import find_state_directory

    return Quarantine(options.state or find_state_directory(), _refuse_event)


def _refuse_event(_event: Event) -> NoReturn:
    raise AssertionError("reading tells the record nothing")


def _find(quarantine: Quarantine, root: str) -> KeptModel:
    """The one model whose root begins so."""
    if len(root) < _SHORTEST_ROOT or not _HEXADECIMAL.fullmatch(root):
        raise Misuse(USAGE, f"name the root by its first {_SHORTEST_ROOT} hexadecimal digits or more")
    found = [model for model in quarantine.read_all() if model.root.startswith(root)]
    if not found:
        raise Misuse(
            USAGE, "no end is kept of a model with that root", hint="Run 'ostiary quarantine list' for all of them."
        )
    if len(found) > 1:
        raise Misuse(USAGE, f"{len(found)} models have a root that begins so", hint="Write more of it.")
    return found[0]


def _describe(model: KeptModel) -> dict[str, object]:
    ends = model.ends
    return {
        "root": model.root,
        "is_quarantined": model.is_quarantined,
        "is_readable": ends is not None,
        "name": None if ends is None else ends.name,
        "quarantined_at": None
        if ends is None or ends.quarantined_at is None
        else _spell(ends.quarantined_at, "seconds"),
        "ends": []
        if ends is None
        else [{"at": _spell(end.at, "seconds"), "cause": str(end.cause)} for end in ends.ends],
    }


def _render_line(model: KeptModel) -> str:
    state = "quarantined" if model.is_quarantined else "may start"
    if model.ends is None:
        return f"{model.root[:16]}  {state:<11}  what is kept of it cannot be read"
    causes = ", ".join(f"{count} x {cause}" for cause, count in model.ends.count_causes().items())
    return f"{model.root[:16]}  {state:<11}  {model.ends.name:<24}  {causes}"


def _render(model: KeptModel) -> list[str]:
    ends = model.ends
    if ends is None:
        return [f"root   {model.root}", "state  quarantined: what is kept of it cannot be read"]
    since = ends.quarantined_at
    state = "may start" if since is None else f"quarantined since {_spell(since)}"
    lines = [f"name   {ends.name}", f"root   {model.root}", f"state  {state}", "ends"]
    lines += [f"  {_spell(end.at)}  {end.cause}" for end in ends.ends]
    lines.append(f"The record has more: ostiary record query --digest {model.root[:16]} --kind cell")
    return lines


def _name(model: KeptModel) -> str:
    return model.root[:16] if model.ends is None else model.ends.name


def _spell(second: int, precision: str = "") -> str:
    moment = datetime.fromtimestamp(second, UTC)
    if precision:
        return moment.isoformat(timespec=precision).replace("+00:00", "Z")
    return f"{moment:%Y-%m-%d %H:%M:%S}Z"
