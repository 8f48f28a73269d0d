"""Which digests are left to the vault: those that every signature states alike, one of them by a known signer."""

from __future__ import annotations

from forge import ALICE, BOB, FILES, MALLORY, NOW, make_manifest, sign

from ostiary.trust.defer import plan_deferred
from ostiary.trust.material import TrustMaterial
from ostiary.trust.verify import SignatureFile

MATERIAL = TrustMaterial(keys=[ALICE.public_key])
DIGESTS = {entry.path: (entry.sha256, None) for entry in make_manifest().files}


def plan(*signatures: SignatureFile, material: TrustMaterial = MATERIAL) -> dict[str, object]:
    return dict(plan_deferred(signatures, material, NOW, by_chunks=True))


def test_what_a_known_signer_states() -> None:
    assert plan(sign()) == DIGESTS


def test_what_only_strangers_state_is_read() -> None:
    assert plan(sign(holder=MALLORY)) == {}
    assert plan(sign(), material=TrustMaterial()) == {}
    assert plan() == {}


def test_a_signature_that_cannot_be_read_leaves_nothing_to_go_by() -> None:
    assert plan(sign(), SignatureFile("model.sig", b"{}")) == {}


def test_where_two_differ_the_bytes_decide() -> None:
    other = sign(make_manifest({**FILES, "model.safetensors": b"others"}), BOB)
    assert plan(sign(), other) == {path: said for path, said in DIGESTS.items() if path != "model.safetensors"}
    fewer = sign(make_manifest({"config.json": FILES["config.json"]}), BOB)
    assert set(plan(fewer, sign())) == {"config.json"}
    assert set(plan(sign(), fewer)) == {"config.json"}
