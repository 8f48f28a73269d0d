"""The verifier: a manifest and the bytes of its signature files in, evidence out, or a refusal.

Pure: no files, no clock, no network. The steps, with the same numbers in the code and in docs/verify.md:

    1. Bounds: each signature file is a bundle of known form and size, and so is the statement in it.
    2. Canonical names: every listed path is relative, in its shortest form, and stands once.
    3. No ignore hides a file: what the signer left out must not be there.
    4. Exact set of files: every file of the model is listed, every listed file is there.
    5. Root recomputed: every digest is that of the bytes which were read, and the root follows from them.
    6. Signature over raw bytes: the payload as it was received, by a key that an operator named.
    7. Policy: whether these people are believed for this model (decide.py, or decide_by_key.py for one key).

Steps 1 to 5 hold for every signature file, whoever made it: a directory with one wrong statement is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from ostiary.core.digests import compute_root
from ostiary.core.limits import MAX_SIGNATURE_FILES
from ostiary.core.text import quote_untrusted
from ostiary.core.tickets import Manifest
from ostiary.core.values import dataclass
from ostiary.errors import (
    CODES,
    TRUST_BAD_SIGNATURE,
    TRUST_MALFORMED,
    TRUST_TOO_LARGE,
    TRUST_UNSIGNED,
    TRUST_WRONG_SIGNER,
    TrustRefused,
)
from ostiary.trust.bundle import PAYLOAD_TYPE, Bundle, parse_bundle
from ostiary.trust.certificates import verify_chain
from ostiary.trust.check_files import check_digests, check_files, check_root, list_files
from ostiary.trust.evidence import (
    Evidence,
    SignedFinding,
    SignedStatement,
    Signer,
    SignerMethod,
    UnknownSignature,
    Vouching,
)
from ostiary.trust.legacy import is_legacy_statement, parse_legacy_statement, verify_legacy_signature
from ostiary.trust.material import TrustMaterial
from ostiary.trust.pae import build_pae
from ostiary.trust.paths import check_paths, is_below
from ostiary.trust.public_key import PublicKey
from ostiary.trust.statement import parse_statement

_CODE_RULES: Final = "code."
_TELLING: Final = (TRUST_BAD_SIGNATURE.name, TRUST_MALFORMED.name, TRUST_TOO_LARGE.name)
"""What a signature file must never be, whoever made it; anything else only means that it does not count."""


@dataclass(frozen=True, slots=True)
class SignatureFile:
    """A signature file as it was read: nothing of it is believed."""

    path: str
    data: bytes


@dataclass(frozen=True, slots=True)
class UnsafeAllowances:
    """What an operator let pass with an option that says so."""

    left_out: frozenset[str] = frozenset()
    """Unsigned files that may be there; no ticket covers them."""
    leave_out_unsigned: bool = False
    """Every unsigned file may be there."""
    legacy: bool = False
    """Statements of the reference's version 0.2, whose encoding was faulty."""
    unsigned: bool = False
    """Nobody need vouch for the model: for the record only, `decide_unsigned` decides."""

    def lets_stay(self, path: str) -> bool:
        return self.leave_out_unsigned or is_below(path, tuple(self.left_out))


NO_ALLOWANCES: Final = UnsafeAllowances()


@dataclass(frozen=True, slots=True)
class Claim:
    """A signature file after step 1: what it claims, by whatever signer."""

    path: str
    bundle: Bundle
    statement: SignedStatement
    is_legacy: bool = False


def read_claim(file: SignatureFile, *, legacy: bool = False) -> Claim:
    """Step 1, for one file."""
    try:
        bundle = parse_bundle(file.data)
        if legacy and bundle.method is SignerMethod.CERTIFICATE and is_legacy_statement(bundle.payload):
            return Claim(file.path, bundle, parse_legacy_statement(bundle.payload), is_legacy=True)
        return Claim(file.path, bundle, parse_statement(bundle.payload))
    except TrustRefused as refusal:
        raise say_where(file.path, refusal) from refusal


def verify_manifest(
    manifest: Manifest,
    signatures: Sequence[SignatureFile],
    material: TrustMaterial,
    now: datetime,
    *,
    source: str = "",
    allowances: UnsafeAllowances = NO_ALLOWANCES,
    needs_vouching: bool = True,
) -> Evidence:
    """Steps 1 to 6. Raises TrustRefused where a step fails or no signature is by anybody who is known.

    Without `needs_vouching` the latter is left to step 7: a policy explains it, and may only warn.
    """
    # 1. bounds
    if not signatures and needs_vouching:
        raise TrustRefused(TRUST_UNSIGNED, f"{quote_untrusted(manifest.name)} has no signature file")
    if len(signatures) > MAX_SIGNATURE_FILES:
        raise TrustRefused(TRUST_TOO_LARGE, f"{len(signatures)} signature files")
    claims = [read_claim(file, legacy=allowances.legacy) for file in signatures]
    files = list_files(manifest)
    left_out: frozenset[str] = frozenset()
    for claim in claims:
        try:
            # 2. canonical names
            check_paths(claim.statement)
            # 3. no ignore hides a file, 4. exact set of files
            left_out |= check_files(files, claim.statement, allowances.lets_stay)
            # 5. root recomputed
            check_digests(files, claim.statement)
            if not claim.is_legacy:  # has no root
                check_root(claim.statement)
        except TrustRefused as refusal:
            raise say_where(claim.path, refusal) from refusal
    # 6. signature over raw bytes
    vouchings: list[Vouching] = []
    unknown: list[UnknownSignature] = []
    for claim in claims:
        try:
            signer = verify_claimed_signature(claim, material, now)
            vouchings.append(Vouching(signer, claim.statement, claim.path))
        except TrustRefused as refusal:
            if refusal.code in _TELLING:
                raise say_where(claim.path, refusal) from refusal
            bundle = claim.bundle
            unknown.append(UnknownSignature(claim.path, bundle.method, bundle.hint, refusal.message, refusal.code))
    if not vouchings and needs_vouching:
        first = unknown[0]
        raise TrustRefused(CODES[first.code], f"{quote_untrusted(first.path)}: {first.reason}", path=first.path)
    entries = [entry for entry in manifest.files if entry.path not in left_out]
    return Evidence(
        name=manifest.name,
        root=compute_root(entry.sha256 for entry in entries),
        format=manifest.facts.format,
        kinds={entry.path: entry.kind for entry in entries},
        findings=find_code_notes(manifest),
        vouchings=tuple(vouchings),
        unknown=tuple(unknown),
        left_out=tuple(sorted(left_out)),
        source=source,
    )


def find_code_notes(manifest: Manifest) -> tuple[SignedFinding, ...]:
    """What intake noticed of code in the model without refusing it."""
    return tuple(
        SignedFinding(note.rule.id, note.path) for note in manifest.notes if note.rule.id.startswith(_CODE_RULES)
    )


def verify_claimed_signature(claim: Claim, material: TrustMaterial, now: datetime) -> Signer:
    """Step 6: who signed, or a refusal."""
    bundle = claim.bundle
    if bundle.method is SignerMethod.SIGSTORE:
        if not material.use_sigstore:
            raise TrustRefused(TRUST_WRONG_SIGNER, "it is a keyless signature, and nothing here asks for one")
        from ostiary.trust.sigstore_bundle import verify_sigstore_bundle  # noqa: PLC0415  # an extra

        return verify_sigstore_bundle(bundle, material.sigstore_config)
    message = build_pae(PAYLOAD_TYPE, bundle.payload)
    if bundle.method is SignerMethod.KEY:
        key = _find_key(bundle, material.keys, message)
        return Signer(SignerMethod.KEY, key.key_id)
    if not material.roots_der:
        raise TrustRefused(TRUST_WRONG_SIGNER, "it was made with a certificate, and no root certificate is trusted")
    moments = [now] if claim.statement.signed_at is None else [now, claim.statement.signed_at]
    certified = verify_chain(bundle.certificates, material.roots_der, moments)
    if claim.is_legacy:
        verify_legacy_signature(certified.key, bundle)
    else:
        certified.key.verify(bundle.signature, message)
    return certified.signer


def _find_key(bundle: Bundle, keys: Sequence[PublicKey], message: bytes) -> PublicKey:
    """The key whose signature it is. The hint only says which to try first; a hinted key that fails is telling."""
    hinted = next((key for key in keys if key.key_id == bundle.hint), None)
    if hinted is not None:
        hinted.verify(bundle.signature, message)
        return hinted
    for key in keys:
        try:
            key.verify(bundle.signature, message)
        except TrustRefused:
            continue
        return key
    named = f" ({bundle.hint[:16]})" if bundle.hint else ""
    raise TrustRefused(TRUST_WRONG_SIGNER, f"its key{named} is none of the {len(keys)} that are trusted")


def say_where(path: str, refusal: TrustRefused) -> TrustRefused:
    """The same refusal, saying which signature file it is about where it names no file of the model."""
    where = refusal.path or path
    message = refusal.message if refusal.path else f"{quote_untrusted(path)}: {refusal.message}"
    return TrustRefused(CODES[refusal.code], message, hint=refusal.hint, path=where)
