"""`ostiary keygen NAME`: a new signing key, encrypted, for its owner alone."""

from __future__ import annotations

import argparse
import secrets
from pathlib import Path
from typing import Final

from ostiary.cli import ui
from ostiary.cli.options import add_debug_option, add_state_option
from ostiary.cli.passphrase import add_passphrase_options, choose_new

_DESCRIPTION: Final = """\
Make a signing key: NAME.key, encrypted and readable by its owner alone, and NAME.pub to give away.

The passphrase comes from --passphrase-fd, OSTIARY_PASSPHRASE, the keyring of the system or the prompt."""

_CURVES: Final = ("P-256", "P-384", "P-521")


def configure(parser: argparse.ArgumentParser) -> None:
    parser.description = _DESCRIPTION
    parser.add_argument("name", metavar="NAME", type=Path, help="where the two files go, without their endings")
    parser.add_argument("--curve", choices=_CURVES, default=_CURVES[0], help="the elliptic curve (P-256)")
    add_passphrase_options(parser)
    parser.add_argument(
        "--unsafe-no-passphrase", action="store_true", help="do not encrypt the key: whoever reads it can sign"
    )
    add_state_option(parser)
    add_debug_option(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    from ostiary.core.text import quote_untrusted
    from ostiary.record.begin import open_log
    from ostiary.record.events import KeyMade, UnsafeUsed
    from ostiary.trust.key_files import check_free, write_key_pair
    from ostiary.trust.private_key import create_private_key, render_private_key

    private, public = (options.name.with_name(f"{options.name.name}{ending}") for ending in (".key", ".pub"))
    check_free(private, public)
    key = create_private_key(options.curve)
    key_id = key.public_key.key_id
    passphrase = None if options.unsafe_no_passphrase else choose_new(options, key_id)
    correlation_id = secrets.token_hex(8)
    with open_log(options.state) as log:
        if passphrase is None:
            name = quote_untrusted(private.name)
            log.emit(UnsafeUsed(correlation_id=correlation_id, hatch="--unsafe-no-passphrase", detail=name))
        log.emit(KeyMade(correlation_id=correlation_id, key_id=key_id, curve=options.curve))
        write_key_pair(private, public, render_private_key(key, passphrase), key.public_key.pem)
    ui.out(f"{private}  the private key: keep it, and a copy of it where nobody looks")
    ui.out(f"{public}  the public key, id {key_id}")
    ui.note("ostiary: write its revocation now, and keep it elsewhere: ostiary key revoke --help")
    return 0
