"""The options that name a private key, and what they give: a holder that signs."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ostiary.cli import ui
from ostiary.cli.passphrase import add_passphrase_options, ask_for
from ostiary.errors import USAGE, Misuse
from ostiary.library.read_keys import read_public_key

if TYPE_CHECKING:
    from ostiary.trust.signers import KeyHolder

_TOKEN: Final = "pkcs11:"  # noqa: S105  a URI scheme


def add_key_options(
    parser: argparse.ArgumentParser, *, required: bool = True, may_be_keyless: bool = False
) -> None:
    group = parser.add_mutually_exclusive_group(required=required)
    group.add_argument("--key", metavar="KEY", help="a private key as PEM file, or a pkcs11: URI (extra: pkcs11)")
    group.add_argument(
        "--signer-command",
        metavar="COMMAND",
        help="a program that signs: digest on stdin, DER signature on stdout; needs --public-key",
    )
    if may_be_keyless:
        group.add_argument(
            "--keyless", action="store_true", help="sign with an identity instead of a key (extra: sigstore)"
        )
    parser.add_argument("--public-key", metavar="PUB", type=Path, help="the public key of --signer-command")
    add_passphrase_options(parser)


def open_holder(options: argparse.Namespace) -> KeyHolder:
    """The holder that the options name; warns about a key that lies open."""
    from ostiary.trust.signers import CommandHolder

    if options.signer_command is not None:
        argv = tuple(shlex.split(options.signer_command))
        if options.public_key is None or not argv:
            raise Misuse(USAGE, "--signer-command needs a command, and --public-key to check what it signs")
        return CommandHolder(read_public_key(options.public_key), argv)
    if options.key.startswith(_TOKEN):
        from ostiary.trust.pkcs11_token import open_token

        return open_token(options.key, ask_for(options, None, "PIN"))
    return open_key_file(Path(options.key), options)


def open_key_file(path: Path, options: argparse.Namespace) -> KeyHolder:
    from ostiary.trust.key_files import read_key_file
    from ostiary.trust.private_key import parse_private_key
    from ostiary.trust.signers import FileHolder

    file = read_key_file(path)
    key = parse_private_key(file.data, ask_for(options, _find_key_id(path), f"passphrase of {path.name}"))
    if not key.is_encrypted:
        readers = "" if file.is_private else ", and others on this machine may read it"
        ui.note(f"ostiary: warning: the key {path.name} is not encrypted{readers}")
    return FileHolder(key)


def _find_key_id(path: Path) -> str | None:
    """The id, from the public key beside the private one: the keyring needs it before the key is open."""
    public = path.with_suffix(".pub")
    return read_public_key(public).key_id if public.is_file() else None
