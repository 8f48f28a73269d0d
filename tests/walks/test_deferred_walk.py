"""Who opens a model hashes it once: weights are compared when they are sealed, and what was judged are parts of them."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from forge import ALICE, BOB, NOW, make_manifest, sign
from vault_tools import linux_only, no_descriptor_left, read_all

from ostiary.errors import IntakeRefused, OstiaryError, TrustRefused, VaultRefused
from ostiary.intake import read_file
from ostiary.record.events import Event, ModelInspected, ModelVerified
from ostiary.testing import HostilePublisher, safetensors_file
from ostiary.trust.decide_by_key import decide_by_key
from ostiary.trust.material import TrustMaterial
from ostiary.vault import open_sealed
from ostiary.walks.model_walk import VerifyRequest, verify_model

pytestmark = linux_only
WEIGHTS = "model.safetensors"
DEFERRING = VerifyRequest(
    TrustMaterial(keys=[ALICE.public_key]),
    lambda evidence: decide_by_key(evidence, NOW),
    NOW,
    "",
    defers_weights=True,
)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """An honest model, signed; its weights with a gap of zeros, so that they are more than what is judged."""
    model = HostilePublisher(tmp_path).publish_honest()
    sign_model(model)
    return model


def sign_model(model: Path, holder: object = ALICE) -> None:
    files = {path.name: path.read_bytes() for path in model.iterdir() if path.suffix != ".sig"}
    (model / "model.sig").write_bytes(sign(make_manifest(files, model.name), holder).data)  # type: ignore[arg-type]


def walk(
    model: Path,
    events: list[Event],
    request: VerifyRequest = DEFERRING,
    between: Callable[[], object] = lambda: None,
) -> dict[str, bytes]:
    """As `open_model` goes, with a loader in the place of the cell."""
    verification = verify_model(model, events.append, request, start=lambda _: None, advance=lambda _: None)
    between()
    found = {}
    with open_sealed(model, verification.ticket, events.append, verification.correlation_id) as sealed:
        for weights in sealed.open_weights():
            found[weights.entry.path] = read_all(weights.descriptor)
            weights.finish()
    return found


def refuse(model: Path, between: Callable[[], object] = lambda: None) -> tuple[OstiaryError, list[Event]]:
    events: list[Event] = []
    with no_descriptor_left(), pytest.raises(OstiaryError) as caught:
        walk(model, events, between=between)
    assert events[-1].kind == "model.refused"
    assert len({event.correlation_id for event in events}) == 1
    return caught.value, events


def test_the_record_says_that_the_proof_is_the_sealing(model: Path) -> None:
    events: list[Event] = []
    assert walk(model, events) == {WEIGHTS: (model / WEIGHTS).read_bytes()}
    assert [event.kind for event in events] == ["model.inspected", "model.verified", "model.sealed"]
    assert [event.deferred for event in events if isinstance(event, ModelInspected | ModelVerified)] == [1, 1]
    events.clear()
    walk(model, events, replace(DEFERRING, defers_weights=False))
    assert [event.deferred for event in events if isinstance(event, ModelInspected | ModelVerified)] == [None, None]


def test_weights_are_hashed_once(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hashed: list[int] = []
    really_hash = read_file._hash_rest

    def hash_rest(descriptor: int, size: int, *rest: object) -> object:
        hashed.append(size)
        return really_hash(descriptor, size, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(read_file, "_hash_rest", hash_rest)
    size = (model / WEIGHTS).stat().st_size
    walk(model, [])
    assert size not in hashed
    walk(model, [], replace(DEFERRING, defers_weights=False))
    assert size in hashed


@pytest.mark.parametrize("at", [-1, 5_000])
def test_weights_that_are_not_the_signed_ones_are_refused_when_sealed(model: Path, at: int) -> None:
    data = bytearray((model / WEIGHTS).read_bytes())
    data[at] ^= 1
    (model / WEIGHTS).write_bytes(data)
    refusal, events = refuse(model)
    assert isinstance(refusal, VaultRefused)
    assert (refusal.code, refusal.path) == ("VAULT_NOT_AS_SIGNED", WEIGHTS)
    assert [event.kind for event in events] == ["model.inspected", "model.verified", "model.refused"]


def test_what_was_judged_must_be_what_is_loaded(model: Path) -> None:
    """Another header is shown to the judge, and the signed file is back before it is sealed."""
    signed = (model / WEIGHTS).read_bytes()
    length = int.from_bytes(signed[:8], "little")
    shown = signed.replace(b'{"format":"mlx"}', b'{"format":"pt "}')
    assert len(shown) == len(signed)
    assert shown[: 8 + length] != signed[: 8 + length]
    (model / WEIGHTS).write_bytes(shown)
    refusal, _ = refuse(model, between=lambda: (model / WEIGHTS).write_bytes(signed))
    assert (refusal.code, getattr(refusal, "path", "")) == ("VAULT_CHANGED", WEIGHTS)


def test_so_must_the_end(model: Path) -> None:
    signed = (model / WEIGHTS).read_bytes()
    (model / WEIGHTS).write_bytes(signed[:-1] + bytes([signed[-1] ^ 1]))
    refusal, _ = refuse(model, between=lambda: (model / WEIGHTS).write_bytes(signed))
    assert refusal.code == "VAULT_CHANGED"


def test_another_length_is_refused(model: Path) -> None:
    refusal, _ = refuse(model, between=lambda: os.truncate(model / WEIGHTS, 9_000))
    assert refusal.code == "VAULT_CHANGED"


def test_small_files_are_read_before_they_are_believed(model: Path) -> None:
    config = model / "config.json"
    config.write_bytes(config.read_bytes() + b" ")
    refusal, _ = refuse(model)
    assert isinstance(refusal, TrustRefused)
    assert refusal.code == "TRUST_DIGEST_MISMATCH"


def test_nobody_known_nothing_deferred(model: Path) -> None:
    data = bytearray((model / WEIGHTS).read_bytes())
    data[-1] ^= 1
    (model / WEIGHTS).write_bytes(data)
    sign_model(model, BOB)
    sign_model(model, BOB)
    events: list[Event] = []
    with pytest.raises(TrustRefused):
        walk(model, events)
    (inspected,) = (event for event in events if isinstance(event, ModelInspected))
    assert inspected.deferred is None


def test_why_it_is_refused_every_byte_has_a_part_in(model: Path) -> None:
    """A broken header under a believed signature: first of all these are not the signed weights."""
    data = bytearray((model / WEIGHTS).read_bytes())
    data[9] ^= 0xFF
    (model / WEIGHTS).write_bytes(data)
    refusal, events = refuse(model)
    assert isinstance(refusal, TrustRefused)
    assert refusal.code == "TRUST_DIGEST_MISMATCH"
    assert isinstance(refusal.__cause__, IntakeRefused)
    assert [event.kind for event in events] == ["model.refused"]


def test_a_name_by_another_digest_in_the_hub_cache_is_read_whole(tmp_path: Path) -> None:
    honest = HostilePublisher(tmp_path).publish_honest()
    repository = tmp_path / "models--org--name"
    snapshot = repository / "snapshots" / ("b" * 40)
    snapshot.mkdir(parents=True)
    (repository / "blobs").mkdir()
    for path in honest.iterdir():
        data = path.read_bytes()
        name = hashlib.sha256(data).hexdigest() if path.name != WEIGHTS else "c" * 64
        (repository / "blobs" / name).write_bytes(data)
        (snapshot / path.name).symlink_to(f"../../blobs/{name}")
    (snapshot / "model.sig").write_bytes(
        sign(make_manifest({p.name: p.read_bytes() for p in honest.iterdir()}, snapshot.name)).data
    )
    with pytest.raises(IntakeRefused) as caught:
        walk(snapshot, [])
    assert caught.value.code == "INTAKE_CHANGED"


def test_an_empty_tensor_file_has_parts_as_well(tmp_path: Path) -> None:
    data = safetensors_file({"a": ((1, 1), b"\0\0")})
    (tmp_path / "one.safetensors").write_bytes(data)
    (tmp_path / "one.sig").write_bytes(
        sign(make_manifest({"one.safetensors": data}, "one.safetensors"), name="one.sig").data
    )
    request = replace(DEFERRING, signatures=[tmp_path / "one.sig"])
    assert walk(tmp_path / "one.safetensors", [], request) == {"one.safetensors": data}
