"""The options of keyless signing, and what they give: a holder that signs as whoever the identity token names.

A token comes from, in this order: --identity-token-fd, OSTIARY_IDENTITY_TOKEN, the build service that this runs in,
a login. It is a secret, so there is no option that takes it, and nothing here prints it.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ostiary.cli import ui
from ostiary.cli.passphrase import read_descriptor
from ostiary.core.limits import MAX_IDENTITY_TOKEN_BYTES
from ostiary.core.text import quote_untrusted
from ostiary.errors import KEY_LOCKED, USAGE, Misuse
from ostiary.library.read_keys import naming_sigstore_config, read_sigstore_config

if TYPE_CHECKING:
    from ostiary.trust.keyless import KeylessHolder, KeylessSession
    from ostiary.trust.keyless_config import SigstoreInstance

VARIABLE: Final = "OSTIARY_IDENTITY_TOKEN"
_BELONGINGS: Final = "identity_token_fd sigstore_config identity client_id no_browser publish_identity".split()
_OTHERS: Final = ("certificate", "public_key", "passphrase_fd", "keyring")


def add_keyless_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group(
        "keyless", "Sign with an identity instead of a key, which becomes public for good (docs/signing.md)."
    )
    group.add_argument(
        "--identity-token-fd", metavar="N", type=int, help="read the identity token from this open descriptor"
    )
    add_sigstore_config_option(group)
    group.add_argument(
        "--identity", metavar="NAME", help="whom the certificate must name, if the token does not say"
    )
    group.add_argument("--client-id", metavar="NAME", help="for whom the token is meant (sigstore)")
    group.add_argument("--no-browser", action="store_true", help="to log in, show a link and ask for a code")
    group.add_argument(
        "--publish-identity", action="store_true", help="do not ask whether your identity may become public"
    )


def add_sigstore_config_option(group: argparse._ActionsContainer) -> None:
    group.add_argument(
        "--sigstore-config",
        metavar="FILE",
        type=Path,
        help="a Sigstore instance of one's own: its ClientTrustConfig as JSON",
    )


def refuse_keyless_options(options: argparse.Namespace) -> None:
    """Where a key signs, none of these says anything."""
    for name in _BELONGINGS:
        if _is_given(options, name):
            raise Misuse(USAGE, f"--{name.replace('_', '-')} goes with --keyless")


def open_keyless(options: argparse.Namespace, progress: ui.Progress) -> KeylessHolder:
    """The holder that the options ask for. What can be refused before a model is read is refused here."""
    from ostiary.trust.keyless import CLIENT_ID, KeylessHolder, open_instance

    for name in _OTHERS:
        if _is_given(options, name):
            raise Misuse(USAGE, f"--{name.replace('_', '-')} does not go with --keyless")
    if not options.publish_identity and not ui.is_attended():
        raise Misuse(
            USAGE,
            "keyless signing makes your identity public for good, and there is nobody to ask",
            hint="Say so with --publish-identity.",
        )
    client_id = options.client_id or CLIENT_ID
    with naming_sigstore_config(options.sigstore_config):
        instance = open_instance(
            None if options.sigstore_config is None else read_sigstore_config(options.sigstore_config)
        )
    given = _read_given(options)

    def fetch_token() -> str:
        progress.clear()
        return given if given is not None else _fetch_token(options, instance, client_id)

    def confirm(session: KeylessSession) -> None:
        progress.clear()
        _confirm(session, asks=not options.publish_identity)

    if given is not None:
        _check_given(given, client_id, options.identity)
    return KeylessHolder(instance, fetch_token, confirm, client_id, options.identity)


def _is_given(options: argparse.Namespace, name: str) -> bool:
    """Not by its truth: a descriptor may be 0."""
    return getattr(options, name) is not None and getattr(options, name) is not False


def _read_given(options: argparse.Namespace) -> str | None:
    """The token, from where somebody put it."""
    if options.identity_token_fd is not None:
        line = read_descriptor(options.identity_token_fd, MAX_IDENTITY_TOKEN_BYTES, "identity token")
        return line.decode("ascii", "replace").strip()
    stated = os.environ.get(VARIABLE)
    return None if stated is None else stated.strip()


def _check_given(token: str, client_id: str, identity: str | None) -> None:
    """A token that is of no use is told of before a large model is read; it is checked again when it is used."""
    from datetime import UTC, datetime

    from ostiary.trust.keyless_token import check_token_current, parse_identity_token

    check_token_current(parse_identity_token(token, client_id, identity), datetime.now(UTC))


def _fetch_token(options: argparse.Namespace, instance: SigstoreInstance, client_id: str) -> str:
    from ostiary.trust.keyless_login import fetch_ambient_token, log_in

    token = fetch_ambient_token(client_id)
    if token is not None:
        return token
    if not ui.is_attended():
        raise Misuse(
            KEY_LOCKED,
            "there is no identity token, and nobody to log in",
            hint=f"Give one by --identity-token-fd or in {VARIABLE}.",
        )
    if instance.provider is None:
        raise Misuse(
            KEY_LOCKED,
            "there is no identity token, and the Sigstore configuration does not say where to log in",
            hint=f"Give one by --identity-token-fd or in {VARIABLE}.",
        )
    return log_in(instance.provider, client_id, opens_browser=not options.no_browser)


def _confirm(session: KeylessSession, *, asks: bool) -> None:
    """Shows who signs, before the first word goes to the instance."""
    token = session.token
    ui.note(
        f"ostiary: signing as {quote_untrusted(token.identity, 200)}, known to {quote_untrusted(token.issuers[0])}"
    )
    where = " and ".join(dict.fromkeys(session.instance.hosts))
    ui.note(
        f"ostiary: warning: this identity, the time and the signature's digest go to {where}, whose logs keep them "
        "for everybody and for good"
    )
    if asks and not ui.ask_yes("Sign, and make this public?"):
        raise Misuse(USAGE, "nothing was signed, as nobody agreed", hint="Nothing was sent or written.")
