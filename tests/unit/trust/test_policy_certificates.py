"""Signers who are known by a certificate: whose authority, which identity, and what revoking either does."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from policy_cases import NOW, at, gather, policy_text, revoked_text, rule_text, vouch

from ostiary.errors import TrustRefused
from ostiary.trust.decide import explain
from ostiary.trust.edit_policy import add_signer
from ostiary.trust.evidence import Signer, SignerMethod, Vouching
from ostiary.trust.policy import CertificateSigner
from ostiary.trust.read_policy import parse_policy

WHO = "release@example.com"


def _make_root(name: str, until: datetime = NOW + timedelta(days=900)) -> x509.Certificate:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = x509.CertificateBuilder(subject, subject, key.public_key(), 1, NOW - timedelta(days=9), until)
    return builder.add_extension(x509.BasicConstraints(True, None), True).sign(key, hashes.SHA256())


ROOTS = [_make_root("Acme Root"), _make_root("Acme Root 2")]
PEM = "".join(root.public_bytes(Encoding.PEM).decode() for root in ROOTS)
IDS = [hashlib.sha256(root.public_bytes(Encoding.DER)).hexdigest() for root in ROOTS]
POLICY = add_signer(policy_text(), "release", {"kind": "certificate", "identity": WHO, "authorities": PEM}).replace(
    b'signers = ["alice", "bob"]', b'signers = ["release"]'
)


def _sign(issuer: str = IDS[1], identity: str = WHO, method: SignerMethod = SignerMethod.CERTIFICATE) -> Vouching:
    return Vouching(Signer(method, "ab" * 32, identity, issuer, "cd" * 32), vouch().statement, "r.sig")


def test_what_a_verification_is_given() -> None:
    policy = parse_policy(POLICY)
    signer = policy.signers["release"]
    assert isinstance(signer, CertificateSigner)
    assert [hashlib.sha256(root).hexdigest() for root in policy.material.roots_der] == IDS


def test_the_right_identity_under_either_root() -> None:
    for issuer in IDS:
        assert explain(parse_policy(POLICY), gather(_sign(issuer)), at()).is_yes


@pytest.mark.parametrize(
    "signature",
    [
        _sign(issuer="00" * 32),
        _sign(identity="release@example.com.evil.example"),
        _sign(identity="Release@example.com"),
        _sign(identity=""),
        _sign(method=SignerMethod.SIGSTORE),
        _sign(method=SignerMethod.KEY),
    ],
)
def test_somebody_else(signature: Vouching) -> None:
    answer = explain(parse_policy(POLICY), gather(signature), at())
    assert [c.code.name for c in answer.failing if c.code] == ["TRUST_WRONG_SIGNER"]


@pytest.mark.parametrize("digest", [IDS[1], "ab" * 32, "cd" * 32], ids=["its root", "its key", "itself"])
def test_revoked_with_its_root_its_key_or_itself(digest: str) -> None:
    revoked = revoked_text(f'kind = "key"\nsha256 = "{digest}"').encode()
    data = POLICY.replace(b"[revoked]\ncount = 0\n", revoked)
    assert not explain(parse_policy(data), gather(_sign()), at()).is_yes


@pytest.mark.parametrize(
    "pem",
    [
        "x",
        PEM.replace("CERTIFICATE", "PUBLIC KEY"),
        PEM.replace("MII", "AAA"),
        PEM * 5,
        "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n",
        f"{PEM}-----BEGIN PRIVATE KEY-----\n",
    ],
    ids=["no PEM", "other kind", "garbage", "too many", "empty", "with a private key"],
)
def test_what_is_no_authority(pem: str) -> None:
    with pytest.raises(TrustRefused) as refused:
        add_signer(policy_text(), "release", {"kind": "certificate", "identity": WHO, "authorities": pem})
    assert "signers.release.authorities" in refused.value.message


def test_a_rule_that_asks_for_a_certificate_and_a_key() -> None:
    data = POLICY.replace(b'signers = ["release"]\nneed = 1', b'signers = ["release", "alice"]\nneed = 2')
    assert explain(parse_policy(data), gather(_sign(), vouch("alice")), at()).is_yes
    assert not explain(parse_policy(data), gather(_sign()), at()).is_yes
    assert rule_text(need="2")
