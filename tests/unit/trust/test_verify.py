"""The verifier, step by step. Each attack that the reference lets through has its name here and its code."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from forge import (
    ALICE,
    BOB,
    CLAIMS,
    DAY,
    FILES,
    MALLORY,
    NOW,
    Bend,
    bend_bundle,
    bend_statement,
    make_manifest,
    resources,
    set_root,
    sign,
    sign_payload,
    verify,
)

from ostiary.core.chunk_tree import ChunkTree
from ostiary.core.limits import MAX_SIGNATURE_BYTES, MAX_SIGNATURE_FILES
from ostiary.errors import TrustRefused
from ostiary.trust.decide_by_key import decide_by_key
from ostiary.trust.sign import sign_manifest
from ostiary.trust.verify import SignatureFile, UnsafeAllowances


def refused(code: str, act: Callable[[], object]) -> TrustRefused:
    with pytest.raises(TrustRefused) as caught:
        act()
    assert caught.value.code == code, caught.value
    assert "\n" not in caught.value.message
    return caught.value


def test_an_honest_model_gives_evidence() -> None:
    evidence = verify(sign())
    (vouching,) = evidence.vouchings
    assert vouching.signer.key_id == ALICE.public_key.key_id
    assert (vouching.statement.model_id, vouching.statement.model_version) == ("acme/llama", "1.2")
    assert evidence.root == make_manifest().root == vouching.statement.root
    assert set(evidence.kinds) == set(FILES)


# --- 1: bounds ---------------------------------------------------------------------------------------------------


def test_a_model_without_a_signature() -> None:
    refused("TRUST_UNSIGNED", verify)


def test_an_empty_signature_file() -> None:
    refused("TRUST_MALFORMED", lambda: verify(SignatureFile("model.sig", b"")))


def test_a_signature_file_larger_than_its_ceiling() -> None:
    refused("TRUST_TOO_LARGE", lambda: verify(SignatureFile("model.sig", b" " * (MAX_SIGNATURE_BYTES + 1))))


def test_a_small_bundle_of_very_many_values() -> None:
    """Parsed, it would take hundreds of megabytes."""

    def bend(value: dict[str, Any]) -> None:
        value["verificationMaterial"]["tlogEntries"] = [{} for _ in range(1_000_000)]

    refused("TRUST_TOO_LARGE", lambda: verify(bend_bundle(bend)))


def test_the_largest_model_there_may_be_fits() -> None:
    manifest = make_manifest({f"{'d' * 60}/{n:05d}.safetensors": b"%d" % n for n in range(4_096)})
    trees = {entry.path: ChunkTree(1 << 20, "ab" * 32) for entry in manifest.files}
    data = sign_manifest(manifest, ALICE, CLAIMS, chunks=trees)
    assert verify(SignatureFile("model.sig", data), manifest=manifest).vouchings


def test_more_signature_files_than_anybody_needs() -> None:
    refused("TRUST_TOO_LARGE", lambda: verify(*[sign()] * (MAX_SIGNATURE_FILES + 1)))


def test_zero_resources_and_everything_ignored() -> None:
    """The reference verifies any directory at all against it."""

    def bend(value: dict[str, Any]) -> None:
        resources(value).clear()
        value["predicate"]["serialization"]["ignore_paths"] = ["."]
        set_root(value)

    refused("TRUST_MALFORMED", lambda: verify(bend_statement(bend)))


def _second_subject(value: dict[str, Any]) -> None:
    value["subject"].append(value["subject"][0])


STATEMENTS: dict[str, tuple[Bend, str]] = {
    "another-statement-type": (lambda v: v.update(_type="https://in-toto.io/Statement/v0.1"), "TRUST_MALFORMED"),
    "another-predicate": (lambda v: v.update(predicateType="https://slsa.dev/provenance/v1"), "TRUST_MALFORMED"),
    "no-predicate": (lambda v: v.pop("predicate"), "TRUST_MALFORMED"),
    "no-subject": (lambda v: v["subject"].clear(), "TRUST_MALFORMED"),
    "two-subjects": (_second_subject, "TRUST_TOO_LARGE"),
    "a-subject-without-a-name": (lambda v: v["subject"][0].update(name=""), "TRUST_MALFORMED"),
    "an-unknown-key": (lambda v: v.update(note="x"), "TRUST_MALFORMED"),
    "an-extra-predicate-key": (lambda v: v["predicate"].update(note="x"), "TRUST_MALFORMED"),
    "shards": (lambda v: v["predicate"]["serialization"].update(method="shards"), "TRUST_UNSUPPORTED"),
    "a-shard-size": (lambda v: v["predicate"]["serialization"].update(shard_size=9), "TRUST_MALFORMED"),
    "another-hash": (lambda v: v["predicate"]["serialization"].update(hash_type="blake3"), "TRUST_UNSUPPORTED"),
    "another-algorithm": (lambda v: resources(v)[0].update(algorithm="blake2b"), "TRUST_UNSUPPORTED"),
    "a-short-digest": (lambda v: resources(v)[0].update(digest="ab"), "TRUST_MALFORMED"),
    "an-upper-case-digest": (lambda v: resources(v)[0].update(digest="AB" * 32), "TRUST_MALFORMED"),
    "a-digest-that-is-a-number": (lambda v: resources(v)[0].update(digest=7), "TRUST_MALFORMED"),
    "a-link-flag-that-is-text": (
        lambda v: v["predicate"]["serialization"].update(allow_symlinks="false"),
        "TRUST_MALFORMED",
    ),
    "a-condition-of-the-future": (
        lambda v: v["subject"][0]["annotations"].update({"ostiary.embargo/v1": {}}),
        "TRUST_UNSUPPORTED",
    ),
    "an-unknown-claim-field": (
        lambda v: v["subject"][0]["annotations"]["ostiary.model/v1"].update(region="eu"),
        "TRUST_MALFORMED",
    ),
    "a-version-that-has-no-order": (
        lambda v: v["subject"][0]["annotations"]["ostiary.model/v1"].update(version="newest"),
        "TRUST_MALFORMED",
    ),
    "an-id-with-a-dot-dot": (
        lambda v: v["subject"][0]["annotations"]["ostiary.model/v1"].update(id="acme/../evil"),
        "TRUST_MALFORMED",
    ),
    "an-expiry-that-is-no-moment": (
        lambda v: v["subject"][0]["annotations"]["ostiary.model/v1"].update(expiresAt="2026-02-30T00:00:00Z"),
        "TRUST_MALFORMED",
    ),
    "a-claim-with-a-line-break": (
        lambda v: v["subject"][0]["annotations"]["ostiary.model/v1"].update(claims={"a": "b\nc"}),
        "TRUST_MALFORMED",
    ),
    "a-chunk-size-of-zero": (
        lambda v: resources(v)[0].update(annotations={"ostiary.chunks/v1": {"chunkBytes": 0, "root": "ab" * 32}}),
        "TRUST_MALFORMED",
    ),
}


@pytest.mark.parametrize("attack", STATEMENTS)
def test_a_statement_of_the_wrong_form(attack: str) -> None:
    bend, code = STATEMENTS[attack]
    refused(code, lambda: verify(bend_statement(bend)))


BUNDLES: dict[str, tuple[Bend, str]] = {
    "another-media-type": (lambda v: v.update(mediaType="application/json"), "TRUST_MALFORMED"),
    "a-bundle-of-version-0.1": (
        lambda v: v.update(mediaType="application/vnd.dev.sigstore.bundle+json;version=0.1"),
        "TRUST_MALFORMED",
    ),
    "an-unknown-key": (lambda v: v.update(note="x"), "TRUST_MALFORMED"),
    "no-envelope": (lambda v: v.pop("dsseEnvelope"), "TRUST_MALFORMED"),
    "a-message-signature": (lambda v: v.update(messageSignature={}), "TRUST_MALFORMED"),
    "no-material": (lambda v: v["verificationMaterial"].clear(), "TRUST_MALFORMED"),
    "two-materials": (
        lambda v: v["verificationMaterial"].update(certificate={"rawBytes": "AAAA"}),
        "TRUST_MALFORMED",
    ),
    "another-payload-type": (lambda v: v["dsseEnvelope"].update(payloadType="text/plain"), "TRUST_MALFORMED"),
    "no-signature": (lambda v: v["dsseEnvelope"]["signatures"].clear(), "TRUST_MALFORMED"),
    "two-signatures": (
        lambda v: v["dsseEnvelope"]["signatures"].append(v["dsseEnvelope"]["signatures"][0]),
        "TRUST_TOO_LARGE",
    ),
    "a-keyid-that-is-a-number": (lambda v: v["dsseEnvelope"]["signatures"][0].update(keyid=7), "TRUST_MALFORMED"),
    "base64-with-blanks": (lambda v: v["dsseEnvelope"].update(payload="eyJ9 "), "TRUST_MALFORMED"),
    "base64-with-stray-bits": (lambda v: v["dsseEnvelope"].update(payload="eyJ9eR=="), "TRUST_MALFORMED"),
    "an-empty-payload": (lambda v: v["dsseEnvelope"].update(payload=""), "TRUST_MALFORMED"),
    "a-payload-that-is-a-list": (lambda v: v["dsseEnvelope"].update(payload="W10="), "TRUST_MALFORMED"),
}


@pytest.mark.parametrize("attack", BUNDLES)
def test_a_bundle_of_the_wrong_form(attack: str) -> None:
    bend, code = BUNDLES[attack]
    refused(code, lambda: verify(bend_bundle(bend)))


@pytest.mark.parametrize("place", ["bundle", "statement"])
def test_a_key_that_stands_twice(place: str) -> None:
    """Two programs would read two different statements out of it."""
    if place == "bundle":
        data = sign().data.replace(b'{"dsseEnvelope"', b'{"mediaType":"x","dsseEnvelope"', 1)
        refused("TRUST_MALFORMED", lambda: verify(SignatureFile("model.sig", data)))
    else:
        refused("TRUST_MALFORMED", lambda: verify(sign_payload(b'{"_type":"a","_type":"b"}')))


# --- 2: canonical names ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    ["./config.json", "../config.json", "/config.json", "a//b", "a/", "a/./b", "a/../b", "a\\b", "a\0b", "", "."],
)
def test_a_name_that_is_not_canonical(name: str) -> None:
    """The reference takes `./x` and `../x`."""

    def bend(value: dict[str, Any]) -> None:
        resources(value)[0]["name"] = name

    refused("TRUST_MALFORMED", lambda: verify(bend_statement(bend)))


def test_one_name_twice() -> None:
    """The reference keeps the last: a second digest for the same file."""

    def bend(value: dict[str, Any]) -> None:
        resources(value).insert(0, {**resources(value)[0], "digest": "00" * 32})
        set_root(value)

    refused("TRUST_MALFORMED", lambda: verify(bend_statement(bend)))


# --- 3: no ignore hides a file -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", [".git/hooks/post-checkout", ".github/run.yml", ".gitattributes", "hidden/model.py"]
)
@pytest.mark.parametrize("ignored", [[], [".git", ".github", ".gitattributes", "hidden"], ["."]])
def test_a_file_where_nobody_looks(path: str, ignored: list[str]) -> None:
    """The reference looks away from .git and .github, and from whatever the statement tells it to."""

    def bend(value: dict[str, Any]) -> None:
        value["predicate"]["serialization"]["ignore_paths"] = ignored

    manifest = make_manifest({**FILES, path: b"payload"})
    error = refused("TRUST_EXTRA_FILE", lambda: verify(bend_statement(bend), manifest=manifest))
    assert error.path == path


def test_an_unsigned_file_that_an_operator_lets_be_is_not_vouched_for() -> None:
    manifest = make_manifest({**FILES, ".git/config": b"x"})
    evidence = verify(sign(), manifest=manifest, allowances=UnsafeAllowances(frozenset([".git"])))
    assert evidence.left_out == (".git/config",)
    assert evidence.root == make_manifest().root
    assert ".git/config" not in evidence.kinds


# --- 4: exact set of files ---------------------------------------------------------------------------------------


def test_a_file_that_was_added() -> None:
    manifest = make_manifest({**FILES, "model-00002.safetensors": b"more"})
    refused("TRUST_EXTRA_FILE", lambda: verify(sign(), manifest=manifest))


def test_a_file_that_was_taken_away() -> None:
    manifest = make_manifest({k: v for k, v in FILES.items() if k != "config.json"})
    refused("TRUST_MISSING_FILE", lambda: verify(sign(), manifest=manifest))


def test_a_file_that_was_renamed() -> None:
    manifest = make_manifest({"Config.json" if k == "config.json" else k: v for k, v in FILES.items()})
    refused("TRUST_EXTRA_FILE", lambda: verify(sign(), manifest=manifest))


def test_an_empty_directory() -> None:
    """The reference verifies it where every signed file is ignored."""
    refused("TRUST_MISSING_FILE", lambda: verify(sign(), manifest=make_manifest({})))


# --- 5: root recomputed ------------------------------------------------------------------------------------------


def test_a_file_that_was_changed() -> None:
    error = refused(
        "TRUST_DIGEST_MISMATCH",
        lambda: verify(sign(), manifest=make_manifest({**FILES, "model.safetensors": b"weightz"})),
    )
    assert error.path == "model.safetensors"


def test_two_files_that_were_exchanged() -> None:
    swapped = {**FILES, "config.json": FILES["model.safetensors"], "model.safetensors": FILES["config.json"]}
    refused("TRUST_DIGEST_MISMATCH", lambda: verify(sign(), manifest=make_manifest(swapped)))


def test_a_root_that_does_not_follow() -> None:
    def bend(value: dict[str, Any]) -> None:
        value["subject"][0]["digest"]["sha256"] = "00" * 32

    refused("TRUST_DIGEST_MISMATCH", lambda: verify(bend_statement(bend)))


def test_another_order_of_the_list_is_as_good_with_its_own_root() -> None:
    """The reference sorts by path component, the specification by code point."""

    def bend(value: dict[str, Any]) -> None:
        resources(value).reverse()
        set_root(value)

    assert verify(bend_statement(bend)).root == make_manifest().root


# --- 6: signature over raw bytes ---------------------------------------------------------------------------------


def test_a_payload_that_was_spelled_anew() -> None:
    """Same meaning, other bytes: what was signed is the bytes."""

    def bend(value: dict[str, Any]) -> None:
        envelope = value["dsseEnvelope"]
        from base64 import b64decode, b64encode

        payload = json.loads(b64decode(envelope["payload"]))
        envelope["payload"] = b64encode(json.dumps(payload, indent=1).encode()).decode()

    refused("TRUST_BAD_SIGNATURE", lambda: verify(bend_bundle(bend)))


def test_a_signature_of_somebody_else() -> None:
    error = refused("TRUST_WRONG_SIGNER", lambda: verify(sign(holder=MALLORY)))
    assert MALLORY.public_key.key_id[:16] in error.message


def test_a_signature_of_somebody_else_under_the_hint_of_a_trusted_key() -> None:
    def bend(value: dict[str, Any]) -> None:
        value["verificationMaterial"]["publicKey"]["hint"] = ALICE.public_key.key_id

    refused("TRUST_BAD_SIGNATURE", lambda: verify(bend_bundle(bend, sign(holder=MALLORY))))


def test_a_wrong_hint_is_only_a_hint() -> None:
    def bend(value: dict[str, Any]) -> None:
        value["verificationMaterial"]["publicKey"]["hint"] = "somebody"

    assert verify(bend_bundle(bend)).vouchings[0].signer.key_id == ALICE.public_key.key_id


def test_a_key_of_the_years_before_hints() -> None:
    def bend(value: dict[str, Any]) -> None:
        value["verificationMaterial"]["publicKey"] = {"rawBytes": "AAAA", "keyDetails": "PKIX_ECDSA_P256_SHA_256"}

    assert verify(bend_bundle(bend)).vouchings


def test_several_signers_of_the_same_files() -> None:
    evidence = verify(sign(), sign(holder=BOB, name="model.2.sig"), keys=(ALICE, BOB))
    assert [v.path for v in evidence.vouchings] == ["model.sig", "model.2.sig"]


def test_an_unknown_co_signer_neither_helps_nor_hurts() -> None:
    evidence = verify(sign(), sign(holder=MALLORY, name="model.2.sig"))
    assert [u.path for u in evidence.unknown] == ["model.2.sig"]
    assert len(evidence.vouchings) == 1


def test_a_co_signature_over_other_files() -> None:
    other = sign(make_manifest({**FILES, "config.json": b"[]"}), MALLORY, name="model.2.sig")
    refused("TRUST_DIGEST_MISMATCH", lambda: verify(sign(), other))


def test_a_wrong_signature_of_a_known_key_beside_a_right_one() -> None:
    """That is no stranger's opinion but an attack or damage."""

    def bend(value: dict[str, Any]) -> None:
        value["verificationMaterial"]["publicKey"]["hint"] = BOB.public_key.key_id

    forged = SignatureFile("model.2.sig", bend_bundle(bend, sign(holder=MALLORY)).data)
    refused("TRUST_BAD_SIGNATURE", lambda: verify(sign(), forged, keys=(ALICE, BOB)))


def test_a_second_spelling_of_the_same_payload() -> None:
    """Base64 ends in bits that decoders drop."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    padded = next(
        file
        for n in range(3)
        if b'=","payloadType"'
        in (file := sign(name="model.sig", claims=replace(CLAIMS, claims={"a": "x" * n}))).data
    )

    def bend(value: dict[str, Any]) -> None:
        text = value["dsseEnvelope"]["payload"].rstrip("=")
        filler = "=" * (-len(text) % 4)
        value["dsseEnvelope"]["payload"] = text[:-1] + alphabet[alphabet.index(text[-1]) + 1] + filler

    error = refused("TRUST_MALFORMED", lambda: verify(bend_bundle(bend, padded)))
    assert "one spelling" in error.message


def test_an_empty_signature() -> None:
    def bend(value: dict[str, Any]) -> None:
        value["dsseEnvelope"]["signatures"][0]["sig"] = ""

    refused("TRUST_MALFORMED", lambda: verify(bend_bundle(bend)))


def test_a_signature_for_another_protocol_is_none() -> None:
    """A key statement's signature cannot be moved into a bundle: the payload type is part of what is signed."""
    from ostiary.trust.key_statements import write_revocation

    envelope = json.loads(write_revocation(ALICE, ALICE.public_key.key_id, "test", NOW))

    def bend(value: dict[str, Any]) -> None:
        value["dsseEnvelope"]["payload"] = envelope["payload"]
        value["dsseEnvelope"]["signatures"][0]["sig"] = envelope["signatures"][0]["sig"]

    refused("TRUST_MALFORMED", lambda: verify(bend_bundle(bend)))


def test_a_keyless_signature_where_nobody_asked_for_one() -> None:
    def bend(value: dict[str, Any]) -> None:
        value["verificationMaterial"] = {"certificate": {"rawBytes": "AAAA"}, "tlogEntries": [{}]}

    refused("TRUST_WRONG_SIGNER", lambda: verify(bend_bundle(bend)))


def test_a_model_that_is_one_file_under_both_of_its_names() -> None:
    manifest = make_manifest({"model.safetensors": b"weights"}, "model.safetensors")

    def bend(value: dict[str, Any]) -> None:
        resources(value)[0]["name"] = "."

    for file in (sign(manifest), bend_statement(bend, manifest=manifest)):
        assert verify(file, manifest=manifest).root == manifest.root
    # In a directory the name "." means no file, however many there are.
    refused("TRUST_EXTRA_FILE", lambda: verify(bend_statement(bend, manifest=manifest)))
    alone = make_manifest({"model.safetensors": b"weights"}, "llama")
    refused("TRUST_EXTRA_FILE", lambda: verify(bend_statement(bend, manifest=manifest), manifest=alone))


def test_dates_are_for_policy_not_for_these_steps() -> None:
    assert verify(sign(), now=NOW + 4_000 * DAY).vouchings
    assert CLAIMS.signed_at == NOW


# --- 7, where the operator names a key ---------------------------------------------------------------------------


def test_a_signature_that_ended_and_one_from_the_future() -> None:
    ends = replace(CLAIMS, expires_at=NOW + DAY)
    evidence = verify(sign(claims=ends))
    assert decide_by_key(evidence, NOW).expires_at == NOW + DAY
    refused("TRUST_EXPIRED", lambda: decide_by_key(evidence, NOW + 2 * DAY))
    refused("TRUST_NOT_YET_VALID", lambda: decide_by_key(evidence, NOW - DAY))


def test_one_ended_signature_does_not_spoil_another() -> None:
    ended = sign(claims=replace(CLAIMS, expires_at=NOW + DAY))
    evidence = verify(ended, sign(holder=BOB, name="model.2.sig"), keys=(ALICE, BOB))
    decision = decide_by_key(evidence, NOW + 2 * DAY)
    assert [v.path for v in decision.counted] == ["model.2.sig"]


def test_a_model_under_the_name_of_another() -> None:
    evidence = verify(sign())
    assert decide_by_key(evidence, NOW, model_id="acme/llama").model_id == "acme/llama"
    refused("TRUST_WRONG_MODEL", lambda: decide_by_key(evidence, NOW, model_id="acme/other"))
    unnamed = verify(sign(claims=replace(CLAIMS, model_id=None, model_version=None)))
    refused("TRUST_WRONG_MODEL", lambda: decide_by_key(unnamed, NOW, model_id="acme/llama"))
