"""`ostiary run MODEL`: one answer to a prompt, or one call of a function, verified and walled."""

from __future__ import annotations

import argparse
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, NoReturn

from ostiary.cli import ui
from ostiary.cli.error_text import render_error
from ostiary.cli.opening_options import add_opening_options, read_opening_options, start_engine
from ostiary.cli.options import add_debug_option, add_state_option
from ostiary.core.limits import MAX_REQUEST_CHARACTERS
from ostiary.core.text import quote_untrusted
from ostiary.errors import TRUST_UNSIGNED, USAGE, Misuse, OstiaryError

if TYPE_CHECKING:
    from types import FrameType

    from ostiary.cli.run_output import Output
    from ostiary.library.arguments import GenerateOptions
    from ostiary.library.model import Model, Stream

_DESCRIPTION: Final = """\
Let a verified model answer one prompt, or compute a verified function once, in a process that can read nothing,
reach nobody and outgrow nothing.

The model is verified as by `ostiary verify`, its bytes are kept from changing, and it runs behind the wall that
docs/cell.md describes. The answer goes to standard output as it comes, everything about the work to standard error.
docs/run.md explains it."""

_EPILOG: Final = """\
exit status:
  0    answered
  2    the command was held wrong, or there is nothing at MODEL
  3    refused: the model, or a request that does not fit it
  4    failed: the model could not be started, or did not answer to its end
  130  interrupted; 143 terminated"""

_TERMINATED: Final = 143


class _Terminated(KeyboardInterrupt):
    """Somebody asked the program to end: it ends as if interrupted, with another status."""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.description = _DESCRIPTION
    parser.epilog = _EPILOG
    parser.add_argument("model", metavar="MODEL", help="a model directory")
    called = parser.add_argument_group("what a function is asked")
    called.add_argument(
        "--input",
        metavar="NAME=VALUE",
        action="append",
        default=[],
        help="FILE.npy, FILE.json or numbers such as [[1, 2], [3, 4]]; the name may be left out of a single one",
    )
    called.add_argument(
        "--output", metavar="NAME=FILE.npy", action="append", default=[], help="where an output goes (it is shown)"
    )
    asked = parser.add_argument_group("what a language model is asked")
    asked.add_argument("--prompt", "-p", metavar="TEXT", help="the text to go on from; - reads it")
    asked.add_argument("--chat", action="store_true", help="a message to answer, by the model's own chat template")
    asked.add_argument(
        "--system", metavar="TEXT", help="what the model is told before that message (implies --chat)"
    )
    asked.add_argument("--max-tokens", metavar="N", type=int, help="at most so many (as many as there is room for)")
    asked.add_argument(
        "--temperature", metavar="T", type=float, help="0, the default: the likeliest token each time"
    )
    asked.add_argument("--top-p", metavar="P", type=float, help="only the likeliest tokens that together have this")
    asked.add_argument("--top-k", metavar="K", type=int, help="only so many of the likeliest tokens")
    asked.add_argument(
        "--min-p", metavar="P", type=float, help="only tokens with this share of the likeliest one's"
    )
    asked.add_argument("--seed", metavar="N", type=int, help="the same seed, the same answer")
    asked.add_argument("--stop", metavar="TEXT", action="append", help="end the answer before this text")
    asked.add_argument("--timeout", metavar="SECONDS", type=float, help="for the answer; the limits hold anyway")
    add_opening_options(parser)
    told = parser.add_argument_group("what is told")
    told.add_argument("--json", action="store_true", help="one JSON object a line: pieces, then the whole answer")
    told.add_argument("--quiet", "-q", action="store_true", help="the answer, warnings and errors, nothing else")
    told.add_argument("--record-location", action="store_true", help="record a salted hash of the model's place")
    told.add_argument("--record-content", action="store_true", help="record salted hashes of prompt and answer")
    add_state_option(told)
    add_debug_option(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    _check_asked(options)
    prompt = _read_prompt(options.prompt)
    start_engine(options)
    from ostiary.cli.run_output import Output

    output = Output(is_json=options.json, is_quiet=options.quiet, is_chat=_is_chat(options))
    try:
        with _ending_on_sigterm(), output:
            _run(options, prompt, output)
    except _Terminated:
        ui.note("ostiary: terminated")
        return _TERMINATED
    except OstiaryError as error:
        output.tell_error(error)
        advice = advise(error, options)
        if not advice or "debug" in options:
            raise
        for line in (render_error(error), *advice):
            ui.note(line)
        return error.exit_status
    return 0


def _run(options: argparse.Namespace, prompt: str, output: Output) -> None:
    from ostiary.cli.run_function import check_kind, compute
    from ostiary.library.model import Model
    from ostiary.library.opening import open_here

    opened = open_here(options.model, read_opening_options(options, output.tell_progress))
    stream = computed = None
    try:
        with Model(opened) as model:
            contract = opened.function
            check_kind(contract, options)
            output.tell_opened(opened)
            if contract is not None:
                computed = compute(opened, contract, options)
                output.show_computed(computed)
            else:
                stream = _ask(model, options, prompt)
                with stream:
                    output.show(stream)
    finally:
        output.tell_end(opened, stream, computed)


def _check_asked(options: argparse.Namespace) -> None:
    if (options.prompt is None) == (not options.input):
        raise Misuse(
            USAGE, "say what is asked: --prompt TEXT of a language model, --input NAME=VALUE of a function"
        )
    if options.output and not options.input:
        raise Misuse(USAGE, "--output is for a function, which takes --input")


def _ask(model: Model, options: argparse.Namespace, prompt: str) -> Stream:
    names = ("max_tokens", "temperature", "top_p", "top_k", "min_p", "seed", "stop", "timeout")
    said: GenerateOptions = {name: getattr(options, name) for name in names}  # type: ignore[assignment]
    if not _is_chat(options):
        return model.stream(prompt, **said)
    messages = [] if options.system is None else [{"role": "system", "content": options.system}]
    return model.stream_chat([*messages, {"role": "user", "content": prompt}], **said)


def _is_chat(options: argparse.Namespace) -> bool:
    return bool(options.chat or options.system is not None)


def _read_prompt(text: str | None) -> str:
    """What `-` stands for lies on standard input; the line end that every line has is not part of it."""
    if text != "-":
        return text or ""
    return ui.read_input(4 * MAX_REQUEST_CHARACTERS, "prompt").removesuffix("\n")


def advise(error: OstiaryError, options: argparse.Namespace) -> list[str]:
    """What somebody can do who has a model and nobody's word for it."""
    model = quote_untrusted(options.model)
    if error.code == TRUST_UNSIGNED.name or (error.code == USAGE.name and "no policy" in error.message):
        return [
            "",
            f"To go on with {model}, one of these:",
            "  its publisher signed it       add --key PUBLISHER.pub",
            f"  you looked at it: sign it     ostiary keygen me && ostiary sign {model} --key me.key",
            "                                then add --key me.pub",
            "  for this once, unsafely       add --unsafe-unsigned",
        ]
    return []


@contextmanager
def _ending_on_sigterm() -> Iterator[None]:
    def end(_number: int, _frame: FrameType | None) -> NoReturn:
        raise _Terminated

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
