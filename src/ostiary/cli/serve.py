"""`ostiary serve MODEL...`: verified models behind an HTTP server, each in its own walled process."""

from __future__ import annotations

import argparse
import gc
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

from ostiary.cli import ui
from ostiary.cli.opening_options import add_opening_options, read_opening_options, start_engine
from ostiary.cli.options import add_debug_option, add_state_option
from ostiary.core.text import quote_untrusted
from ostiary.errors import EXTRA_MISSING, USAGE, Misuse

if TYPE_CHECKING:
    from types import FrameType

    from ostiary.cli.serve_output import Output
    from ostiary.gateway.hang_up import HangUp
    from ostiary.gateway.reread import Configured
    from ostiary.gateway.settings import ModelEntry, Server, ServerFile
    from ostiary.gateway.to_serve import ToServe
    from ostiary.library.options import OpenOptions

_DESCRIPTION: Final = """\
Let verified models answer over HTTP, in the protocols that clients already speak.

Each model is verified as by `ostiary verify` and runs in its own process, behind the wall that docs/cell.md
describes. What does not fit a model is refused before the model sees it. Clients need a key: the first is made and
shown when the server first starts. docs/serve.md explains it, for those who run it and for those who ask it.

SIGHUP reads the file of settings anew and takes what lies in the model directories now; requests go on meanwhile.
SIGTERM lets requests end, then stops (docs/admission.md)."""

_EPILOG: Final = """\
exit status:
  0    was stopped, and every request had its end
  2    the command or the file of settings was held wrong, or there is nothing at MODEL
  3    refused: one of the models
  4    failed: a model could not be started, or the address cannot be listened at
  130  interrupted before it listened; 143 terminated before"""

_TERMINATED: Final = 143
_USUAL_THRESHOLDS: Final = (700, 10, 10)


class _Terminated(KeyboardInterrupt):
    """Somebody asked the program to end before it listened."""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.description = _DESCRIPTION
    parser.epilog = _EPILOG
    parser.add_argument(
        "models", metavar="MODEL", nargs="*", help="model directories, beside those of the file of settings"
    )
    served = parser.add_argument_group("how it is reached")
    served.add_argument(
        "--name",
        metavar="NAME",
        action="append",
        default=[],
        help="what requests call it, for each MODEL in order; else the last part of its path",
    )
    served.add_argument("--host", metavar="ADDRESS", help="the address to listen at (127.0.0.1)")
    served.add_argument("--port", metavar="PORT", type=int, help="the port to listen at (8151); 0 takes a free one")
    served.add_argument(
        "--grpc-port", metavar="PORT", type=int, help="offer functions over gRPC as well, at this port"
    )
    served.add_argument(
        "--unsafe-without-keys", action="store_true", help="let in who has no key; on a loopback address only"
    )
    add_opening_options(parser)
    told = parser.add_argument_group("what is recorded")
    told.add_argument("--record-location", action="store_true", help="record a salted hash of each model's place")
    told.add_argument("--record-content", action="store_true", help="record salted hashes of prompts and answers")
    add_state_option(told)
    add_debug_option(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    gc.set_threshold(*_USUAL_THRESHOLDS)  # it lives long, unlike the commands that `run_program` is tuned for
    try:
        with _ending_on_sigterm():
            from ostiary.gateway.hang_up import HangUp

            hang_up = HangUp()
            with hang_up.heard_early():
                _run(options, hang_up)
    except _Terminated:
        ui.note("ostiary: terminated")
        return _TERMINATED
    return 0


def _run(options: argparse.Namespace, hang_up: HangUp) -> None:
    start_engine(options)
    _check_extra()
    from ostiary.cli.serve_output import Output
    from ostiary.gateway.serving import serve_models
    from ostiary.gateway.settings_file import load_server_file

    chosen = None if options.config is None else Path(options.config)
    file = load_server_file(chosen)
    if _choose_server(options, file).grpc_port:
        _prepare_grpc()
    output = Output(is_debug="debug" in options)
    with output:

        def read() -> Configured:
            return _read_all(options, output, load_server_file(chosen))

        serve_models(_read_all(options, output, file), options.state, output.told(), read, hang_up)
    output.tell_end()


def _read_all(options: argparse.Namespace, output: Output, file: ServerFile) -> Configured:
    """The command line and the file, when it starts and whenever it reads them anew."""
    from ostiary.gateway.reread import Configured

    base = read_opening_options(options, output.tell_progress)
    models = [*_named_models(options, base), *_listed_models(file, base)]
    _check_models(models)
    return Configured(tuple(models), _choose_server(options, file), file.tenants, file.credentials)


def _check_extra() -> None:
    from importlib.util import find_spec

    missing = [
        name for name in ("httptools", "msgspec", "starlette", "uvicorn", "uvloop") if find_spec(name) is None
    ]
    if missing:
        hint = "pip install 'ostiary[serve]'"
        raise Misuse(EXTRA_MISSING, f"serving needs {', '.join(missing)}, of the extra serve", hint=hint)


def _prepare_grpc() -> None:
    """Before it is imported: what it would write to standard error can have parts of requests in it."""
    from importlib.util import find_spec

    if find_spec("grpc") is None:
        raise Misuse(EXTRA_MISSING, "gRPC needs grpcio, of the extra grpc", hint="pip install 'ostiary[grpc]'")
    os.environ["GRPC_VERBOSITY"] = "NONE"


def _choose_server(options: argparse.Namespace, file: ServerFile) -> Server:
    """The command line before the file."""
    server = file.server
    if options.host is not None:
        server = replace(server, host=options.host)
    if options.port is not None:
        if not 0 <= options.port <= 65_535:
            raise Misuse(USAGE, "--port is a number from 0 to 65535")
        server = replace(server, port=options.port)
    if options.grpc_port is not None:
        if not 1 <= options.grpc_port <= 65_535:
            raise Misuse(USAGE, "--grpc-port is a number from 1 to 65535")
        server = replace(server, grpc_port=options.grpc_port)
    return replace(server, keys=False) if options.unsafe_without_keys else server


def _named_models(options: argparse.Namespace, base: OpenOptions) -> Iterator[ToServe]:
    from ostiary.gateway.settings_file import is_served_name
    from ostiary.gateway.to_serve import ToServe

    names = options.name
    if names and len(names) != len(options.models):
        raise Misuse(USAGE, f"{len(options.models)} models and {len(names)} names: give each model one, or none")
    for place, path in enumerate(options.models):
        name = names[place] if names else Path(path).resolve().name
        if not is_served_name(name):
            shown = quote_untrusted(name, 80)
            raise Misuse(USAGE, f"'{shown}' is no name to serve a model under", hint="Choose one with --name NAME.")
        yield ToServe(name, Path(path), base, said=base.rules, believed=base.named.files)


def _listed_models(file: ServerFile, base: OpenOptions) -> Iterator[ToServe]:
    from ostiary.gateway.to_serve import ToServe

    for name, entry in file.models.items():
        opened = _apply_entry(base, entry)
        is_on_demand = entry.load == "demand"
        yield ToServe(name, entry.path, opened, is_on_demand, (entry, base.rules), opened.named.files)


def _apply_entry(base: OpenOptions, entry: ModelEntry) -> OpenOptions:
    """What the file says of one model; for what it does not say, the command line."""
    from ostiary.library.believe import Named
    from ostiary.library.engines import choose_engine

    options = base
    if entry.key or entry.policy or entry.id:
        options = replace(options, named=Named(keys=entry.key, policy=entry.policy, model_id=entry.id))
    if entry.adapter is not None or entry.context_tokens is not None:
        options = replace(options, engine=choose_engine(entry.adapter, entry.context_tokens))
    return replace(options, workers=entry.workers)


def _check_models(models: list[ToServe]) -> None:
    if not models:
        raise Misuse(USAGE, "there is no model to serve", hint="Name a MODEL, or [models.NAME] in the settings.")
    names = [model.name for model in models]
    for name in names:
        if names.count(name) > 1:
            shown = quote_untrusted(name, 80)
            raise Misuse(USAGE, f"two models are to be served as '{shown}'", hint="Name them with --name NAME.")


@contextmanager
def _ending_on_sigterm() -> Iterator[None]:
    """Until the server listens: then it has its own way to be stopped."""

    def end(_number: int, _frame: FrameType | None) -> NoReturn:
        raise _Terminated

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
