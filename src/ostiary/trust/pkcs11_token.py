"""Keys on a token (the `pkcs11` extra): a smart card, a hardware module, or SoftHSM where there is neither.

A key is named by a PKCS#11 URI (RFC 7521 syntax, RFC 7512 names): `pkcs11:token=Release;object=models?module-path=
/usr/lib/softhsm/libsofthsm2.so`. A PIN in the URI is refused: it would stand in the list of processes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote_to_bytes

from ostiary.core.values import dataclass
from ostiary.errors import EXTRA_MISSING, KEY_UNUSABLE, SIGNER_FAILED, USAGE, Misuse, SignerFailed
from ostiary.trust.public_key import PublicKey, wrap_public_key
from ostiary.trust.signers import check_signature, compute_digest

if TYPE_CHECKING:
    from types import ModuleType

SCHEME: Final = "pkcs11:"
_PATH_NAMES: Final = frozenset(("token", "object", "id", "serial", "type"))
_QUERY_NAMES: Final = frozenset(("module-path",))


@dataclass(frozen=True, slots=True)
class TokenUri:
    """Where a key is."""

    module_path: str
    token: str | None
    serial: bytes | None
    label: str | None
    key_id: bytes | None


def parse_token_uri(text: str) -> TokenUri:
    path, _, query = text.removeprefix(SCHEME).partition("?")
    found: dict[str, bytes] = {}
    for part, known in [(p, _PATH_NAMES) for p in path.split(";")] + [(q, _QUERY_NAMES) for q in query.split("&")]:
        name, equals, value = part.partition("=")
        if name in ("pin-value", "pin-source"):
            raise Misuse(USAGE, "a PIN does not belong into the URI", hint="Give it as passphrases are given.")
        if not part:
            continue
        if not equals or name not in known or name in found:
            raise Misuse(USAGE, f"the PKCS#11 URI has a part that is not understood: {name[:32]!r}")
        found[name] = unquote_to_bytes(value)
    if "module-path" not in found or not {"object", "id"} & found.keys():
        raise Misuse(USAGE, "the PKCS#11 URI names no module-path, or neither object nor id")
    try:
        return TokenUri(
            module_path=found["module-path"].decode("utf-8"),
            token=found["token"].decode("utf-8") if "token" in found else None,
            serial=found.get("serial"),
            label=found["object"].decode("utf-8") if "object" in found else None,
            key_id=found.get("id"),
        )
    except UnicodeDecodeError as error:
        raise Misuse(USAGE, "the PKCS#11 URI is not UTF-8") from error


@dataclass(frozen=True, slots=True)
class TokenHolder:
    """A key that never leaves its token."""

    public_key: PublicKey
    _uri: TokenUri
    _ask_pin: Callable[[], bytes] = field(repr=False)

    def sign_message(self, message: bytes) -> bytes:
        pkcs11 = _import_pkcs11()
        from pkcs11.util.ec import encode_ecdsa_signature  # noqa: PLC0415

        with _open_session(pkcs11, self._uri, self._ask_pin) as session:
            private = _find_key(pkcs11, session, self._uri, pkcs11.ObjectClass.PRIVATE_KEY)
            digest = compute_digest(self.public_key, message)
            raw = private.sign(digest, mechanism=pkcs11.Mechanism.ECDSA)
        return check_signature(self.public_key, encode_ecdsa_signature(raw), message)


def open_token(text: str, ask_pin: Callable[[], bytes]) -> TokenHolder:
    """The holder of the key at this URI; its public half is read from the token."""
    pkcs11 = _import_pkcs11()
    from cryptography.hazmat.primitives.serialization import load_der_public_key  # noqa: PLC0415
    from pkcs11.util.ec import encode_ec_public_key  # noqa: PLC0415

    uri = parse_token_uri(text)
    with _open_session(pkcs11, uri, None) as session:
        public = _find_key(pkcs11, session, uri, pkcs11.ObjectClass.PUBLIC_KEY)
        try:
            native = load_der_public_key(encode_ec_public_key(public))
        except (ValueError, pkcs11.exceptions.PKCS11Error) as error:
            raise Misuse(KEY_UNUSABLE, "the token's public key cannot be read") from error
    return TokenHolder(wrap_public_key(native), uri, ask_pin)


@contextmanager
def _open_session(pkcs11: ModuleType, uri: TokenUri, ask_pin: Callable[[], bytes] | None) -> Iterator[Any]:
    try:
        library = pkcs11.lib(uri.module_path)
        wanted: dict[str, object] = {}
        if uri.token is not None:
            wanted["token_label"] = uri.token
        if uri.serial is not None:
            wanted["token_serial"] = uri.serial
        token = library.get_token(**wanted)
        pin = None if ask_pin is None else ask_pin().decode("utf-8")
        with token.open(user_pin=pin) as session:
            yield session
    except pkcs11.exceptions.PKCS11Error as error:
        reason = type(error).__name__
        raise SignerFailed(SIGNER_FAILED, f"the token did not do its part ({reason})") from error
    except (RuntimeError, OSError, UnicodeDecodeError) as error:
        raise SignerFailed(SIGNER_FAILED, "the token's module cannot be used") from error


def _find_key(pkcs11: ModuleType, session: Any, uri: TokenUri, object_class: object) -> Any:
    wanted: dict[str, object] = {"object_class": object_class, "key_type": pkcs11.KeyType.EC}
    if uri.label is not None:
        wanted["label"] = uri.label
    if uri.key_id is not None:
        wanted["id"] = uri.key_id
    return session.get_key(**wanted)


def _import_pkcs11() -> ModuleType:
    try:
        import pkcs11  # noqa: PLC0415
        import pkcs11.util.ec  # noqa: PLC0415
    except ImportError as error:
        raise Misuse(
            EXTRA_MISSING,
            "keys on a token need the library `python-pkcs11`",
            hint="Install the extra: pip install 'ostiary[pkcs11]'.",
        ) from error
    module: ModuleType = pkcs11
    return module
