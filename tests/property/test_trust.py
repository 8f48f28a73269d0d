"""Whatever is done to a signed model or its signature: the same answer as before, or a no with the right code."""

from __future__ import annotations

import json
import random
from base64 import b64decode, b64encode
from typing import Any

import pytest
from forge import ALICE, BOB, FILES, MALLORY, NOW, make_manifest, read_payload, sign, sign_payload, verify
from hypothesis import given, settings
from hypothesis import strategies as st

from ostiary.errors import TrustRefused
from ostiary.trust.bundle import parse_bundle
from ostiary.trust.chunk_file import parse_chunk_file
from ostiary.trust.key_statements import verify_revocation, verify_rotation, write_revocation, write_rotation
from ostiary.trust.legacy import parse_legacy_statement
from ostiary.trust.statement import parse_statement
from ostiary.trust.verify import SignatureFile, read_claim

SIGNED = sign()
PAYLOAD = b64decode(json.loads(SIGNED.data)["dsseEnvelope"]["payload"])
ANY_FORM = {"TRUST_MALFORMED", "TRUST_TOO_LARGE", "TRUST_UNSUPPORTED"}
ANY_CONTENT = {"TRUST_BAD_SIGNATURE", "TRUST_DIGEST_MISMATCH", "TRUST_EXTRA_FILE", "TRUST_MISSING_FILE"}


def refused(*signatures: SignatureFile, **named: Any) -> str:
    with pytest.raises(TrustRefused) as caught:
        verify(*signatures, **named)
    assert "\n" not in caught.value.message
    return caught.value.code


@settings(max_examples=400, deadline=None)
@given(st.integers(0, len(SIGNED.data) - 2), st.integers(1, 255))
def test_any_byte_of_the_signature_file_flipped(position: int, flip: int) -> None:
    """The last byte is a line break, which may be any blank. What stays right is a hint, and the field nobody uses."""
    data = bytearray(SIGNED.data)
    data[position] ^= flip
    file = SignatureFile("model.sig", bytes(data))
    try:
        evidence = verify(file)
    except TrustRefused as refusal:
        if refusal.code not in ANY_FORM | ANY_CONTENT:
            raise
        return
    before, after = json.loads(SIGNED.data), json.loads(bytes(data))
    after["verificationMaterial"]["publicKey"]["hint"] = before["verificationMaterial"]["publicKey"]["hint"]
    after["dsseEnvelope"]["signatures"][0]["keyid"] = ""
    assert after == before
    assert evidence.vouchings[0].statement == parse_statement(PAYLOAD)


@settings(max_examples=300, deadline=None)
@given(st.integers(0, len(PAYLOAD) - 1), st.integers(1, 255))
def test_any_byte_of_the_payload_flipped_under_the_old_signature(position: int, flip: int) -> None:
    payload = bytearray(PAYLOAD)
    payload[position] ^= flip
    value = json.loads(SIGNED.data)
    value["dsseEnvelope"]["payload"] = b64encode(payload).decode()
    code = refused(SignatureFile("model.sig", json.dumps(value).encode()))
    assert code in ANY_FORM | ANY_CONTENT


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(sorted(FILES)), st.integers(0), st.integers(1, 255))
def test_any_byte_of_any_file_flipped(path: str, position: int, flip: int) -> None:
    data = bytearray(FILES[path])
    data[position % len(data)] ^= flip
    assert refused(SIGNED, manifest=make_manifest({**FILES, path: bytes(data)})) == "TRUST_DIGEST_MISMATCH"


@given(st.sampled_from(sorted(FILES)), st.data())
def test_any_file_dropped_added_or_renamed(path: str, data: st.DataObject) -> None:
    new = data.draw(st.text("abcXYZ019._-", min_size=1, max_size=20).filter(lambda t: t not in FILES and t != "."))
    content = data.draw(st.binary(max_size=9))
    dropped = {k: v for k, v in FILES.items() if k != path}
    assert refused(SIGNED, manifest=make_manifest(dropped)) == "TRUST_MISSING_FILE"
    assert refused(SIGNED, manifest=make_manifest({**FILES, new: content})) == "TRUST_EXTRA_FILE"
    assert refused(SIGNED, manifest=make_manifest({**dropped, new: FILES[path]})) == "TRUST_EXTRA_FILE"


def _lists(value: Any, found: list[list[Any]]) -> list[list[Any]]:
    if isinstance(value, list):
        found.append(value)
    for below in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        _lists(below, found)
    return found


@given(st.randoms(use_true_random=False), st.integers(0, 99), st.booleans())
def test_any_list_of_the_statement_permuted(dice: random.Random, which: int, resigned: bool) -> None:
    """Under the old signature never right; newly signed only where the root follows from the new order."""
    value = read_payload(SIGNED)
    lists = [items for items in _lists(value, []) if len(items) > 1]
    items = lists[which % len(lists)]
    before = list(items)
    dice.shuffle(items)
    if items == before:
        return
    payload = json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
    if resigned and items is not value["predicate"]["resources"]:
        assert verify(sign_payload(payload)).vouchings  # the order of ignored paths says nothing
        return
    if resigned:
        assert refused(sign_payload(payload)) == "TRUST_DIGEST_MISMATCH"
        return
    bundle = json.loads(SIGNED.data)
    bundle["dsseEnvelope"]["payload"] = b64encode(payload).decode()
    code = refused(SignatureFile("model.sig", json.dumps(bundle).encode()))
    assert code in {"TRUST_DIGEST_MISMATCH", "TRUST_BAD_SIGNATURE"}


@given(st.permutations([ALICE, BOB, MALLORY]))
def test_the_order_of_signature_files_says_nothing(holders: list[Any]) -> None:
    files = [sign(holder=holder, name=f"model.{n}.sig") for n, holder in enumerate(holders, 2)]
    evidence = verify(*files, keys=(ALICE, BOB))
    assert {v.signer.key_id for v in evidence.vouchings} == {ALICE.public_key.key_id, BOB.public_key.key_id}
    assert [u.hint for u in evidence.unknown] == [MALLORY.public_key.key_id]


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.binary(max_size=300), st.text(max_size=200).map(lambda t: t.encode("utf-8", "surrogatepass"))))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    for parse in (parse_bundle, parse_statement, parse_legacy_statement, parse_chunk_file):
        with pytest.raises(TrustRefused):
            parse(data)
    with pytest.raises(TrustRefused):
        read_claim(SignatureFile("model.sig", data), legacy=True)


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-5, 1 << 40), st.floats(allow_nan=False), st.text(max_size=8)),
    lambda below: st.one_of(st.lists(below, max_size=3), st.dictionaries(st.text(max_size=8), below, max_size=3)),
    max_leaves=8,
)


@settings(max_examples=400, deadline=None)
@given(st.integers(0, 999), JSON)
def test_any_value_anywhere_in_a_statement(which: int, value: Any) -> None:
    """Rightly signed nonsense: read to the same files and root, or refused."""
    statement = read_payload(SIGNED)
    places = _places(statement)
    owner, key = places[which % len(places)]
    owner[key] = value
    try:
        evidence = verify(sign_payload(json.dumps(statement).encode()))
    except TrustRefused:
        return
    assert evidence.root == make_manifest().root


def _places(value: Any) -> list[tuple[Any, Any]]:
    found: list[tuple[Any, Any]] = []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, below in items:
        found.append((value, key))
        found += _places(below)
    return found


ROTATION = write_rotation(ALICE, BOB, NOW)
REVOCATION = write_revocation(ALICE, ALICE.public_key.key_id, "stolen", NOW)


@settings(max_examples=200, deadline=None)
@given(st.booleans(), st.integers(0), st.integers(1, 255))
def test_any_byte_of_a_key_statement_flipped(is_rotation: bool, position: int, flip: int) -> None:
    data = bytearray(ROTATION if is_rotation else REVOCATION)
    data[position % len(data)] ^= flip
    try:
        if is_rotation:
            assert verify_rotation(bytes(data), ALICE.public_key).new_key == BOB.public_key
        else:
            assert verify_revocation(bytes(data), [ALICE.public_key]).key_id == ALICE.public_key.key_id
    except TrustRefused:
        return
    assert json.loads(bytes(data)) == json.loads(ROTATION if is_rotation else REVOCATION)  # a blank for a blank
