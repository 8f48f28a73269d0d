"""`ostiary key VERB`: what happens to a key after it was made."""

from __future__ import annotations

import argparse
import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from ostiary.cli import ui
from ostiary.cli.key_options import add_key_options, open_holder, open_key_file
from ostiary.cli.options import add_debug_option, add_state_option
from ostiary.library.read_keys import read_public_key

_REASON: Final = "no reason given"


def configure(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(metavar="VERB", required=True)

    show = _add(verbs, "show", _run_show, "tell a public key's id and curve")
    show.add_argument("key", metavar="PUB", type=Path, help="a public key as PEM file")

    rotate = _add(verbs, "rotate", _run_rotate, "let the present key vouch for the next one")
    add_key_options(rotate)
    rotate.add_argument("--to", metavar="KEY", required=True, type=Path, help="the next private key, as PEM file")
    rotate.add_argument("--output", "-o", metavar="FILE", required=True, type=Path, help="where the rotation goes")

    revoke = _add(verbs, "revoke", _run_revoke, "write that a key is to be believed no more")
    add_key_options(revoke)
    revoke.add_argument(
        "--of", metavar="PUB", type=Path, help="the key to revoke, where it is not the one that signs this"
    )
    revoke.add_argument("--reason", default=_REASON, help="why, in a line")
    revoke.add_argument(
        "--output", "-o", metavar="FILE", required=True, type=Path, help="where the revocation goes"
    )

    for one in (rotate, revoke):
        add_state_option(one)

    check = _add(verbs, "check", _run_check, "check a rotation or revocation against a key that is believed")
    check.add_argument("statement", metavar="FILE", type=Path, help="what `rotate` or `revoke` wrote")
    check.add_argument("--key", metavar="PUB", type=Path, required=True, help="the public key that is believed")
    check.add_argument(
        "--output", "-o", metavar="FILE", type=Path, help="write the next public key of a rotation here"
    )


def _add(
    verbs: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    run: Callable[[argparse.Namespace], int],
    summary: str,
) -> argparse.ArgumentParser:
    parser = verbs.add_parser(name, help=summary, description=f"{summary[0].upper()}{summary[1:]}.")
    add_debug_option(parser)
    parser.set_defaults(run=run)
    return parser


def _run_show(options: argparse.Namespace) -> int:
    key = read_public_key(options.key)
    ui.out(f"{key.key_id}  {key.curve}")
    return 0


def _run_rotate(options: argparse.Namespace) -> int:
    from ostiary.record.begin import open_log
    from ostiary.record.events import KeyMade
    from ostiary.trust.key_files import check_free, write_once
    from ostiary.trust.key_statements import verify_rotation, write_rotation

    check_free(options.output)
    old = open_holder(options)
    new = open_key_file(options.to, options)
    data = write_rotation(old, new, _now())
    verify_rotation(data, old.public_key)
    with open_log(options.state) as log:
        log.emit(
            KeyMade(
                correlation_id=secrets.token_hex(8),
                key_id=new.public_key.key_id,
                curve=new.public_key.curve,
                predecessor=old.public_key.key_id,
            )
        )
        write_once(options.output, data, 0o644)
    ui.out(f"{options.output}  key {old.public_key.key_id} vouches for key {new.public_key.key_id}")
    return 0


def _run_revoke(options: argparse.Namespace) -> int:
    from ostiary.record.begin import open_log
    from ostiary.record.events import KeyRevoked
    from ostiary.trust.key_files import check_free, write_once
    from ostiary.trust.key_statements import write_revocation

    check_free(options.output)
    holder = open_holder(options)
    key_id = holder.public_key.key_id if options.of is None else read_public_key(options.of).key_id
    data = write_revocation(holder, key_id, options.reason, _now())
    with open_log(options.state) as log:
        log.emit(
            KeyRevoked(
                correlation_id=secrets.token_hex(8),
                key_id=key_id,
                signer=holder.public_key.key_id,
                reason=options.reason,
            )
        )
        write_once(options.output, data, 0o644)
    ui.out(f"{options.output}  revokes key {key_id}")
    ui.note("ostiary: it holds for whoever is given it: ostiary trust revoke, or the trust repository you publish")
    return 0


def _run_check(options: argparse.Namespace) -> int:
    from ostiary.trust.key_files import check_free, read_key_file, write_once
    from ostiary.trust.key_statements import is_rotation, verify_revocation, verify_rotation

    key = read_public_key(options.key)
    data = read_key_file(options.statement).data
    if is_rotation(data):
        if options.output is not None:
            check_free(options.output)
        rotation = verify_rotation(data, key)
        ui.out(f"rotation  key {rotation.old_key_id} vouches for key {rotation.new_key.key_id}")
        if options.output is not None:
            write_once(options.output, rotation.new_key.pem, 0o644)
        return 0
    revocation = verify_revocation(data, (key,))
    ui.out(f"revocation  key {revocation.key_id} is to be believed no more: {revocation.reason}")
    return 0


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)
