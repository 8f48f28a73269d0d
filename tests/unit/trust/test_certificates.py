"""Certificate chains: what the reference lets through has its name here."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from forge import ALICE, BOB, CLAIMS, DAY, MALLORY, NOW, Authority, make_manifest, verify

from ostiary.errors import TrustRefused
from ostiary.trust.decide_by_key import NamedSigner, decide_by_key
from ostiary.trust.sign import sign_manifest

ROOT = Authority()
TLS = [ExtendedKeyUsageOID.SERVER_AUTH]


def refused(code: str, *arguments: Any, **named: Any) -> None:
    with pytest.raises(TrustRefused) as caught:
        verify(*arguments, **named)
    assert caught.value.code == code, caught.value


def test_a_chain_to_the_root_tells_who_signed() -> None:
    between = Authority(51, "intermediate", ROOT)
    for file in (ROOT.sign_as(), between.sign_as(ALICE, between)):
        evidence = verify(file, keys=(), roots=(ROOT.der,))
        signer = evidence.vouchings[0].signer
        assert signer.identity == "release@acme.example"
        assert signer.key_id == ALICE.public_key.key_id
        decide_by_key(evidence, NOW, named=NamedSigner("release@acme.example"))
        for named in (None, NamedSigner("other@acme.example")):
            with pytest.raises(TrustRefused, match="was not named"):
                decide_by_key(evidence, NOW, named=named)


def test_a_certificate_that_expired_years_ago() -> None:
    """The reference checks it at the moment at which it began."""
    file = ROOT.sign_as(begins=NOW - 2_000 * DAY, ends=NOW - 1_000 * DAY)
    refused("TRUST_EXPIRED", file, keys=(), roots=(ROOT.der,))


def test_a_certificate_that_ended_since_the_signing() -> None:
    """Nobody but the signer says when he signed, so what ended is over."""
    refused("TRUST_EXPIRED", ROOT.sign_as(ends=NOW + DAY), keys=(), roots=(ROOT.der,), now=NOW + 2 * DAY)


def test_a_certificate_that_began_after_the_signing() -> None:
    file = ROOT.sign_as(begins=NOW + DAY, ends=NOW + 9 * DAY)
    refused("TRUST_NOT_YET_VALID", file, keys=(), roots=(ROOT.der,), now=NOW + 2 * DAY)


def test_an_authority_that_expired() -> None:
    old = Authority(52, "old", begins=NOW - 9 * DAY, ends=NOW - DAY)
    refused("TRUST_EXPIRED", old.sign_as(), keys=(), roots=(old.der,))


def test_a_certificate_that_was_issued_for_tls() -> None:
    """The reference takes it, as its key usage says digitalSignature."""
    refused("TRUST_WRONG_SIGNER", ROOT.sign_as(purposes=TLS), keys=(), roots=(ROOT.der,))


@pytest.mark.parametrize("usage", ["key_encipherment", None])
def test_a_certificate_whose_key_does_not_make_signatures(usage: str | None) -> None:
    refused("TRUST_WRONG_SIGNER", ROOT.sign_as(usage=usage), keys=(), roots=(ROOT.der,))


def test_a_certificate_of_another_root() -> None:
    refused("TRUST_WRONG_SIGNER", Authority(53, "root").sign_as(), keys=(), roots=(ROOT.der,))


def test_a_root_that_the_bundle_brings_along() -> None:
    mine = Authority(54, "mine")
    refused("TRUST_WRONG_SIGNER", mine.sign_as(MALLORY, mine), keys=(), roots=(ROOT.der,))


def test_a_signer_who_plays_authority() -> None:
    """A certificate for signing, used to issue another one."""
    signer = Authority(55, "signer", ROOT, is_authority=False)
    refused("TRUST_WRONG_SIGNER", signer.sign_as(MALLORY, signer), keys=(), roots=(ROOT.der,))


def test_an_authority_that_may_not_issue() -> None:
    bent = Authority(56, "bent", ROOT, usage="digital_signature")
    refused("TRUST_WRONG_SIGNER", bent.sign_as(ALICE, bent), keys=(), roots=(ROOT.der,))


def test_a_chain_that_is_longer_than_its_authority_allows() -> None:
    short = Authority(57, "short", path_length=0)
    below = Authority(58, "below", short)
    assert verify(short.sign_as(), keys=(), roots=(short.der,)).vouchings
    refused("TRUST_WRONG_SIGNER", below.sign_as(ALICE, below), keys=(), roots=(short.der,))


def test_a_critical_extension_that_nobody_knows() -> None:
    refused("TRUST_UNSUPPORTED", ROOT.sign_as(critical="1.2.3.4"), keys=(), roots=(ROOT.der,))


def test_a_certificate_of_a_key_that_did_not_sign() -> None:
    file = ROOT.sign_as(ALICE)
    other = ROOT.sign_as(BOB)
    swapped = file.data.replace(_material(file.data), _material(other.data))
    refused("TRUST_BAD_SIGNATURE", type(file)("model.sig", swapped), keys=(), roots=(ROOT.der,))


def _material(data: bytes) -> bytes:
    return data[data.index(b'"verificationMaterial"') :]


def test_bytes_that_are_no_certificate() -> None:
    file = ROOT.sign_as()
    start = file.data.index(b'"rawBytes":"') + len(b'"rawBytes":"')
    refused(
        "TRUST_MALFORMED",
        type(file)("model.sig", file.data[:start] + b"AAAA" + file.data[start + 4 :]),
        keys=(),
        roots=(ROOT.der,),
    )


def test_a_certificate_where_only_keys_are_trusted() -> None:
    """Even where the very key is: a certificate is its own way to be known."""
    refused("TRUST_WRONG_SIGNER", ROOT.sign_as())


@pytest.mark.parametrize(
    ("bent", "code"),
    [
        ({"ends": NOW - DAY, "begins": NOW - 9 * DAY}, "TRUST_EXPIRED"),
        ({"purposes": TLS}, "TRUST_WRONG_SIGNER"),
    ],
)
def test_what_nobody_could_verify_is_not_signed(bent: dict[str, Any], code: str) -> None:
    from cryptography.hazmat.primitives.serialization import Encoding

    leaf = ROOT.issue(ALICE.public_key.native, **bent).public_bytes(Encoding.DER)
    with pytest.raises(TrustRefused) as caught:
        sign_manifest(make_manifest(), ALICE, CLAIMS, certificates=[leaf])
    assert caught.value.code == code


def test_a_certificate_for_another_key_is_not_signed_with() -> None:
    from cryptography.hazmat.primitives.serialization import Encoding

    leaf: x509.Certificate = ROOT.issue(BOB.public_key.native)
    with pytest.raises(TrustRefused, match="not for the key"):
        sign_manifest(make_manifest(), ALICE, CLAIMS, certificates=[leaf.public_bytes(Encoding.DER)])
