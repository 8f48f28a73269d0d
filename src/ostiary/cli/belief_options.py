"""The options that say whom to believe, for every verb that verifies."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from ostiary.cli.keyless_options import add_sigstore_config_option

if TYPE_CHECKING:
    from ostiary.library.believe import Named


def add_belief_options(parser: argparse._ActionsContainer) -> None:
    parser.add_argument(
        "--key", metavar="PUB", type=Path, action="append", default=[], help="believe this public key"
    )
    parser.add_argument(
        "--root", metavar="PEM", type=Path, action="append", default=[], help="believe certificates under this root"
    )
    parser.add_argument("--identity", metavar="NAME", help="whom a certificate or keyless signature must name")
    parser.add_argument("--issuer", metavar="URL", help="who must know that identity: believe keyless signatures")
    parser.add_argument("--policy", metavar="FILE", type=Path, help="believe whom this policy believes")
    add_sigstore_config_option(parser)
    parser.add_argument("--id", metavar="ID", help="the model must be signed as this one")
    parser.add_argument(
        "--signature", metavar="FILE", type=Path, action="append", default=[], help="a signature kept elsewhere"
    )


def read_named(options: argparse.Namespace) -> Named:
    from ostiary.library.believe import Named

    return Named(
        keys=tuple(options.key),
        roots=tuple(options.root),
        identity=options.identity,
        issuer=options.issuer,
        policy=options.policy,
        sigstore_config=options.sigstore_config,
        model_id=options.id,
        allows_unsigned=getattr(options, "unsafe_unsigned", False),
    )
