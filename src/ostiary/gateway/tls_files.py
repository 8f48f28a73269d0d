"""The files of TLS: read from disk as an operator keeps them, and judged before anything is encrypted with them."""

from __future__ import annotations

import contextlib
import os
import ssl
import stat
from collections.abc import Sequence
from dataclasses import field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ostiary.core.limits import MAX_PEM_BYTES
from ostiary.core.text import explain_os_error, quote_untrusted
from ostiary.core.values import dataclass
from ostiary.errors import TLS_UNUSABLE, Misuse
from ostiary.gateway.tls_settings import TlsSettings

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

_MIN_RSA_BITS: Final = 2_048
_CURVES: Final = ("secp256r1", "secp384r1")
_PIPE_BYTES: Final = 65_536
"""What a pipe holds without a reader; certificate files are below."""
_DESCRIPTORS: Final = "/dev/fd"
_CIPHERS: Final = "@SECLEVEL=2:ECDHE+AESGCM:ECDHE+CHACHA20:!aNULL:!eNULL:!PSK"
_VERSIONS: Final = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """Their bytes."""

    certificate: bytes
    key: bytes = field(repr=False)
    client_ca: bytes | None = None


@dataclass(frozen=True, slots=True)
class TlsFacts:
    """What an operator may want to know of a certificate."""

    names: tuple[str, ...]
    not_after: datetime
    sha256: str


def read_tls_files(settings: TlsSettings) -> TlsFiles:
    """Raises Misuse(TLS_UNUSABLE)."""
    certificate = _read_file(settings.certificate)
    key = _read_file(settings.key, is_private=True)
    return TlsFiles(certificate, key, None if settings.client_ca is None else _read_file(settings.client_ca))


def _read_file(path: Path, *, is_private: bool = False) -> bytes:
    """Links are followed: whoever renews certificates usually points one at the newest."""
    shown = quote_untrusted(path.name)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode):
                raise unusable(f"{shown} is not a regular file")
            if is_private:
                _check_private(found, shown)
            data = os.read(descriptor, MAX_PEM_BYTES)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise unusable(f"{shown} cannot be read: {explain_os_error(error)}") from error
    if len(data) >= MAX_PEM_BYTES:
        raise unusable(f"{shown} is larger than {int(MAX_PEM_BYTES) - 1:,} bytes")
    return data


def _check_private(found: os.stat_result, shown: str) -> None:
    """Root's own may be readable by a group: how else would a server that is not root read it."""
    if found.st_uid not in (os.geteuid(), 0):
        raise unusable(f"{shown} belongs to somebody else")
    allowed = 0o040 if found.st_uid == 0 else 0
    if stat.S_IMODE(found.st_mode) & 0o077 & ~allowed:
        raise unusable(
            f"{shown} can be read or written by others",
            "Let only the server's user have it: chmod 600. One that is root's own may have mode 640.",
        )


def judge_tls_files(files: TlsFiles, now: datetime) -> TlsFacts:
    """Whether clients could be served with them at this moment. Pure. Raises Misuse(TLS_UNUSABLE)."""
    from cryptography import x509  # noqa: PLC0415  slow to import
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey  # noqa: PLC0415
    from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415

    leaf, *above = _parse_certificates(files.certificate, "the certificate file")
    key = _parse_key(files.key)
    if _render_public(key.public_key()) != _render_public(leaf.public_key()):
        raise unusable(
            "the private key is not that of the first certificate",
            "Put the server's own certificate first, then those above it; and renew both files together.",
        )
    public = leaf.public_key()
    if isinstance(public, RSAPublicKey):
        if public.key_size < _MIN_RSA_BITS:
            raise unusable(f"the key has {public.key_size} bits; {_MIN_RSA_BITS:,} are the least")
    elif not isinstance(public, EllipticCurvePublicKey) or public.curve.name not in _CURVES:
        hint = "Make one on P-256, which every client knows."
        raise unusable(
            "the key is of a kind that not every client takes, nor gRPC: neither RSA nor P-256 nor P-384", hint
        )
    if now > leaf.not_valid_after_utc:
        raise unusable(f"the certificate expired at {leaf.not_valid_after_utc:%Y-%m-%d %H:%M} UTC")
    if now < leaf.not_valid_before_utc:
        raise unusable(f"the certificate is not good before {leaf.not_valid_before_utc:%Y-%m-%d %H:%M} UTC")
    lower = leaf
    for upper in above:
        if lower.issuer != upper.subject:
            raise unusable("the certificates are not in order: each has to be that of the issuer of the one before")
        lower = upper
    if files.client_ca is not None:
        _parse_certificates(files.client_ca, "the file of client_ca")
    try:
        alternatives = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        names: tuple[str, ...] = ()
    else:
        hosts = alternatives.get_values_for_type(x509.DNSName)
        names = (*hosts, *(str(address) for address in alternatives.get_values_for_type(x509.IPAddress)))
    return TlsFacts(names, leaf.not_valid_after_utc, leaf.fingerprint(SHA256()).hex())


def make_context(files: TlsFiles, settings: TlsSettings) -> ssl.SSLContext:
    """TLS as it is spoken here: new versions, forward secrecy, nothing resumed and nothing agreed on twice.

    What was judged is what is used: the files are not opened again. Raises Misuse(TLS_UNUSABLE).
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = _VERSIONS[settings.version]
    context.set_ciphers(_CIPHERS)
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION | ssl.OP_CIPHER_SERVER_PREFERENCE
    # A connection that is resumed shows its client's certificate as it was checked before. Over 1.2 the library
    # remembers sessions all the same, for as long as there is this context; whoever looks at certificates knows.
    context.options |= ssl.OP_NO_TICKET
    context.num_tickets = 0
    context.set_alpn_protocols(["http/1.1"])
    try:
        with _as_path(files.certificate) as certificate, _as_path(files.key) as key:
            context.load_cert_chain(certificate, key, password=_refuse_to_ask)
        if files.client_ca is not None:
            context.load_verify_locations(cadata=files.client_ca.decode("ascii"))
            context.verify_mode = ssl.CERT_REQUIRED if settings.client_required else ssl.CERT_OPTIONAL
    except (ssl.SSLError, ValueError, OSError) as error:
        raise unusable("the library of TLS does not take them") from error
    return context


@contextlib.contextmanager
def _as_path(data: bytes) -> Any:
    """The name of a pipe that gives these bytes once: the library takes names only, and no disk should see them."""
    if len(data) > _PIPE_BYTES:
        raise unusable("one of the files is longer than any such file")
    reading, writing = os.pipe()
    try:
        try:
            os.set_blocking(writing, False)
            if os.write(writing, data) != len(data):
                raise unusable("one of the files is longer than any such file")
        finally:
            os.close(writing)
        yield f"{_DESCRIPTORS if Path(_DESCRIPTORS).is_dir() else '/proc/self/fd'}/{reading}"
    finally:
        os.close(reading)


def _refuse_to_ask() -> bytes:
    """Else the library asks whoever sits at the terminal."""
    return b""


def _parse_certificates(data: bytes, what: str) -> Sequence[Certificate]:
    from cryptography import x509  # noqa: PLC0415

    try:
        found = x509.load_pem_x509_certificates(data)
        for one in found:  # what is read late would raise late
            _ = one.public_key(), one.extensions, one.subject, one.issuer
            _ = one.not_valid_before_utc, one.not_valid_after_utc
    except Exception as error:  # many kinds, none of them documented as complete
        raise unusable(f"{what} holds no certificates as PEM text") from error
    return found


def _parse_key(data: bytes) -> Any:
    from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: PLC0415

    if b"ENCRYPTED" in data:
        hint = (
            "Keep it in clear in a file of the server's user alone (0600); the server starts without being asked."
        )
        raise unusable("the private key is encrypted", hint)
    try:
        return load_pem_private_key(data, None)
    except Exception as error:  # as above
        raise unusable("the key file holds no private key as PEM text") from error


def _render_public(key: Any) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat  # noqa: PLC0415

    rendered: bytes = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return rendered


def unusable(what: str, hint: str | None = None) -> Misuse:
    return Misuse(TLS_UNUSABLE, f"TLS: {what}", hint=hint)
