"""The options that say how a model is opened, for every verb that lets one run."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from ostiary.cell.explain_layers import WITHOUT
from ostiary.cell.profile import Layer
from ostiary.cli.belief_options import add_belief_options, read_named
from ostiary.errors import USAGE, Misuse

if TYPE_CHECKING:
    from ostiary.library.arguments import OpenArguments, OpenProgress
    from ostiary.library.options import OpenOptions


def add_opening_options(parser: argparse.ArgumentParser) -> None:
    believed = parser.add_argument_group("whom to believe (docs/verify.md)")
    add_belief_options(believed)
    believed.add_argument(
        "--unsafe-ignore",
        metavar="PATH",
        action="append",
        default=[],
        help="let this unsigned file or directory be there; the model does not get it",
    )
    believed.add_argument("--unsafe-unsigned", action="store_true", help="run a model that nobody vouches for")
    held = parser.add_argument_group("how it is held (docs/limits.md, docs/cell.md)")
    held.add_argument("--config", metavar="FILE", help="the file of settings (OSTIARY_CONFIG)")
    held.add_argument(
        "--limit", metavar="NAME=VALUE", action="append", default=[], help="for this once, as in memory='8 GiB'"
    )
    held.add_argument("--adapter", metavar="FOLDER", help="the folder of the model that holds the adapter to use")
    held.add_argument(
        "--arithmetic", choices=("fast", "plain"), help="on a Linux processor; fast where not said (docs/speed.md)"
    )
    opened = parser.add_argument_group("leaving out a layer of the wall, which the record keeps (docs/cell.md)")
    for layer, meaning in WITHOUT.items():
        opened.add_argument(
            f"--unsafe-without-{layer.value}",
            dest="unsafe_without",
            action="append_const",
            const=layer.value,
            default=[],
            help=meaning,
        )


def start_engine(options: argparse.Namespace) -> None:
    """Before all else, even before other imports: it takes longest, and knows nothing of the model."""
    from ostiary.cell.prepare import prepare_engine
    from ostiary.library.engines import choose_engine, choose_function_engine

    choice = choose_engine(options.adapter, arithmetic=options.arithmetic)
    if getattr(options, "input", None):
        choice = choose_function_engine(options.arithmetic)
    prepare_engine(choice.name, choice.settings, [Layer(name) for name in options.unsafe_without])


def read_opening_options(
    options: argparse.Namespace, on_progress: Callable[[OpenProgress], None] | None
) -> OpenOptions:
    from ostiary.cli.belief import ask_to_pin
    from ostiary.library.options import read_options

    arguments: OpenArguments = {
        "signature": options.signature,
        "limits": dict(_split_limit(text) for text in options.limit),
        "config": options.config,
        "state": options.state,
        "adapter": options.adapter,
        "arithmetic": options.arithmetic,
        "unsafe_without": options.unsafe_without,
        "unsafe_ignore": options.unsafe_ignore,
        "record_location": options.record_location,
        "record_content": options.record_content,
        "on_progress": on_progress,
    }
    return replace(read_options(arguments), named=read_named(options), ask=ask_to_pin)


def _split_limit(text: str) -> tuple[str, int | str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise Misuse(USAGE, "--limit wants NAME=VALUE, as in memory='8 GiB'")
    return name, int(value) if value.isascii() and value.isdecimal() else value
