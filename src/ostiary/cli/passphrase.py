"""Where a passphrase or PIN comes from: a descriptor, the environment, the keyring of the system, or a person.

The first that was asked for or is there decides; none of them is ever shown, logged or put on a command line.
"""

from __future__ import annotations

import argparse
import os
import secrets
from collections.abc import Callable
from typing import Final, Protocol

from ostiary.cli import ui
from ostiary.core.limits import MAX_PASSPHRASE_BYTES
from ostiary.errors import EXTRA_MISSING, KEY_LOCKED, USAGE, Misuse

VARIABLE: Final = "OSTIARY_PASSPHRASE"
_SERVICE: Final = "ostiary"
_RANDOM_BYTES: Final = 32

Ask = Callable[[], bytes]


class _Keyring(Protocol):
    def get_password(self, service: str, name: str) -> str | None: ...
    def set_password(self, service: str, name: str, password: str) -> None: ...


def add_passphrase_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--passphrase-fd", metavar="N", type=int, help="read the passphrase or PIN from this open descriptor"
    )
    parser.add_argument(
        "--keyring", action="store_true", help="keep the passphrase in the keyring of the system (extra: keyring)"
    )


def ask_for(options: argparse.Namespace, key_id: str | None, prompt: str = "passphrase") -> Ask:
    """What to call when a passphrase is needed. With --keyring, `key_id` is the name it is kept under."""

    def ask() -> bytes:
        given = _read_given(options)
        if given is not None:
            return given
        if options.keyring:
            return _read_keyring(key_id)
        return _prompt(f"{prompt}: ")

    return ask


def choose_new(options: argparse.Namespace, key_id: str) -> bytes:
    """The passphrase for a key that is being made; into the keyring goes a random one."""
    given = _read_given(options)
    if given is None and options.keyring:
        made = secrets.token_urlsafe(_RANDOM_BYTES)
        _open_keyring().set_password(_SERVICE, key_id, made)
        return made.encode()
    if given is None:
        given = _prompt("new passphrase: ")
        if _prompt("again: ") != given:
            raise Misuse(KEY_LOCKED, "the two passphrases differ")
    if not given:
        raise Misuse(KEY_LOCKED, "the passphrase is empty")
    return given


def _read_given(options: argparse.Namespace) -> bytes | None:
    if options.passphrase_fd is not None:
        return read_descriptor(options.passphrase_fd, MAX_PASSPHRASE_BYTES, "passphrase")
    stated = os.environ.get(VARIABLE)
    return None if stated is None else os.fsencode(stated)


def read_descriptor(descriptor: int, most_bytes: int, what: str) -> bytes:
    """One line from a descriptor that somebody opened for it."""
    try:
        with os.fdopen(descriptor, "rb") as file:
            found: bytes | None = file.read(most_bytes + 1)
    except (OSError, ValueError) as error:
        raise Misuse(USAGE, f"descriptor {descriptor} cannot be read") from error
    if found is None:  # it does not block, and nothing has come
        raise Misuse(USAGE, f"descriptor {descriptor} has nothing to read")
    line = found.partition(b"\n")[0].removesuffix(b"\r")
    if len(line) > most_bytes:
        raise Misuse(USAGE, f"the {what} is too long")
    return line


def _prompt(text: str) -> bytes:
    if not ui.is_attended():
        raise Misuse(KEY_LOCKED, "a passphrase is needed, and there is nobody to ask")
    from getpass import getpass

    try:
        return os.fsencode(getpass(text))
    except EOFError as error:
        raise Misuse(KEY_LOCKED, "no passphrase was given") from error


def _read_keyring(key_id: str | None) -> bytes:
    if key_id is None:
        raise Misuse(USAGE, "--keyring needs the public key beside the private one, to know its name")
    found = _open_keyring().get_password(_SERVICE, key_id)
    if found is None:
        raise Misuse(KEY_LOCKED, "the keyring has no passphrase for this key")
    return found.encode()


def _open_keyring() -> _Keyring:
    try:
        import keyring
    except ImportError as error:
        raise Misuse(
            EXTRA_MISSING,
            "the keyring of the system needs the library `keyring`",
            hint="Install the extra: pip install 'ostiary[keyring]'.",
        ) from error
    opened: _Keyring = keyring
    return opened
