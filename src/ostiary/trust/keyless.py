"""Signs with an identity instead of a key: Sigstore certifies a key for minutes, and a log keeps the signature.

In this order, and nothing is written unless all of it holds:

    1. A token says who signs; whoever is there sees it and agrees. Nothing was sent until now.
    2. A key is made, and the authority certifies it. From here on the identity is public, in a log of certificates.
    3. The certificate is for this key, for signing code, and names whom the token names.
    4. The key signs, and is forgotten when this ends. Timestamp authorities stamp the signature.
    5. The log takes the signature, and proves it.
    6. All of it is verified as any reader will verify it, offline, with the roots of the instance.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from contextlib import suppress
from dataclasses import field
from datetime import UTC, datetime
from typing import Final

from ostiary.core.json_text import JsonValue
from ostiary.core.text import quote_untrusted
from ostiary.core.values import dataclass
from ostiary.errors import SIGNER_FAILED, SignerFailed, TrustRefused
from ostiary.trust.bundle import PAYLOAD_TYPE, Bundle, parse_bundle
from ostiary.trust.certificates import check_signing_certificate, parse_certificate, read_identity
from ostiary.trust.evidence import Signer, SignerMethod
from ostiary.trust.json_fields import JsonObject
from ostiary.trust.keyless_config import SigstoreInstance, parse_sigstore_config, read_packaged_config
from ostiary.trust.keyless_services import request_certificate, request_timestamp, submit_entry
from ostiary.trust.keyless_token import IdentityToken, check_token_current, parse_identity_token
from ostiary.trust.keyless_transport import import_sigstore
from ostiary.trust.pae import build_pae
from ostiary.trust.private_key import PrivateKey, create_private_key
from ostiary.trust.sign import MadeSignature, build_envelope, render_bundle
from ostiary.trust.signers import FileHolder
from ostiary.trust.sigstore_bundle import open_verifier, read_issuer, verify_sigstore_bundle, verify_timestamp

_MAX_IDENTITY_CHARACTERS: Final = 1_024

CLIENT_ID: Final = "sigstore"
"""For whom tokens are meant: the audience that authorities of Sigstore ask for."""


@dataclass(frozen=True, slots=True)
class KeylessSession:
    """Somebody who was seen and agreed; good for as long as the token is."""

    instance: SigstoreInstance
    token: IdentityToken

    def is_own(self, bundle: Bundle) -> bool:
        """Whether an earlier signature names the same person. Nothing of it was verified."""
        if bundle.method is not SignerMethod.SIGSTORE:
            return False
        with suppress(TrustRefused):
            return self._names_us(bundle.certificates[0])
        return False

    def sign_payload(self, payload: bytes) -> MadeSignature:
        """Steps 2 to 6."""
        check_token_current(self.token, datetime.now(UTC))
        # 2
        key = create_private_key("P-256")
        der = request_certificate(self.instance.authority, self.token, key)
        # 3
        self._check_certificate(der, key)
        # 4
        message = build_pae(PAYLOAD_TYPE, payload)
        signature = FileHolder(key).sign_message(message)
        envelope = build_envelope(payload, signature)
        stamps = [request_timestamp(timestamper, signature) for timestamper in self.instance.timestampers]
        # 5
        entry = submit_entry(self.instance, parse_certificate(der), envelope, message, signature)
        # 6
        return self._verify(_assemble(der, envelope, entry, stamps), stamps, signature)

    def _check_certificate(self, der: bytes, key: PrivateKey) -> None:
        authority = self.instance.authority
        is_right, is_for_key = False, False
        with suppress(TrustRefused):  # told below
            is_for_key = check_signing_certificate(der, None) == key.public_key
            is_right = self._names_us(der)
        if not is_for_key:
            authority.fail("gave a certificate that is not for this key, or not for signing code")
        if not is_right:
            wanted = quote_untrusted(self.token.identity)
            hint = "If the name in the certificate is right, say so with --identity."
            authority.fail(f"gave a certificate that does not name '{wanted}' as the token does", hint)

    def _names_us(self, der: bytes) -> bool:
        certificate = parse_certificate(der)
        is_named = read_identity(certificate) == quote_untrusted(self.token.identity, _MAX_IDENTITY_CHARACTERS)
        return is_named and read_issuer(certificate) in self.token.issuers

    def _verify(self, data: bytes, stamps: list[bytes], signature: bytes) -> MadeSignature:
        signer: Signer | None = None
        with suppress(TrustRefused):  # told below
            for stamp in stamps:
                verify_timestamp(stamp, signature, self.instance.config)
            signer = verify_sigstore_bundle(parse_bundle(data), self.instance.config)
        if signer is None:
            raise SignerFailed(
                SIGNER_FAILED,
                "what the services gave does not hold when it is verified",
                hint="Nothing was written. The roots in the configuration may be those of another instance.",
            )
        return MadeSignature(data, signer)


@dataclass(frozen=True, slots=True)
class KeylessHolder:
    """Signs as whoever the token names."""

    instance: SigstoreInstance
    fetch_token: Callable[[], str] = field(repr=False)
    confirm: Callable[[KeylessSession], None] = field(repr=False)
    """Shows who will sign and what becomes public; raises where that is not wanted."""
    client_id: str = CLIENT_ID
    identity: str | None = None
    """Whom the certificate must name, where the token alone does not tell."""

    def open_session(self) -> KeylessSession:
        """Step 1."""
        token = parse_identity_token(self.fetch_token(), self.client_id, self.identity)
        check_token_current(token, datetime.now(UTC))
        session = KeylessSession(self.instance, token)
        self.confirm(session)
        return session


def open_instance(config: bytes | None) -> SigstoreInstance:
    """The instance that a configuration describes, with roots that can be used; None is the public one."""
    import_sigstore("keyless signing")
    instance = parse_sigstore_config(read_packaged_config() if config is None else config)
    open_verifier(instance.config)
    return instance


def _assemble(der: bytes, envelope: JsonObject, entry: JsonObject, stamps: list[bytes]) -> bytes:
    material: JsonObject = {"certificate": {"rawBytes": _base64(der)}, "tlogEntries": [entry]}
    if stamps:
        signed: list[JsonValue] = [{"signedTimestamp": _base64(stamp)} for stamp in stamps]
        material["timestampVerificationData"] = {"rfc3161Timestamps": signed}
    return render_bundle(material, envelope)


def _base64(data: bytes) -> str:
    return b64encode(data).decode("ascii")
