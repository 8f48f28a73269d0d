"""Whatever is done to a signed model on the disk, the answer is the signature's: these are not the signed files.

Also where intake refuses what came of it, and whatever intake refuses it for: from the directory to the record.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from forge import ALICE, NOW, make_manifest, sign
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ostiary.errors import TrustRefused
from ostiary.record.events import Event, ModelInspected, ModelRefused
from ostiary.testing import honest_files
from ostiary.trust.decide_by_key import decide_by_key
from ostiary.trust.material import TrustMaterial
from ostiary.walks.model_walk import VerifyRequest, verify_model

FILES = honest_files()
SIGNATURE = sign(make_manifest(FILES, "llama")).data
REQUEST = VerifyRequest(
    TrustMaterial(keys=[ALICE.public_key]), lambda evidence: decide_by_key(evidence, NOW), NOW, source=""
)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    model = tmp_path_factory.mktemp("signed") / "llama"
    model.mkdir()
    for path, data in {**FILES, "model.sig": SIGNATURE}.items():
        (model / path).write_bytes(data)
    return model


@contextmanager
def put_back(model: Path) -> Iterator[None]:
    try:
        yield
    finally:
        for path in model.iterdir():
            if path.name not in {*FILES, "model.sig"}:
                path.unlink()
        for name, data in FILES.items():
            (model / name).write_bytes(data)


def refuse(model: Path) -> TrustRefused:
    """The refusal; it is the one ending in the record."""
    events: list[Event] = []
    with pytest.raises(TrustRefused) as caught:
        verify_model(model, events.append, REQUEST, start=lambda _: None, advance=lambda _: None)
    (refused,) = (event for event in events if not isinstance(event, ModelInspected))
    assert isinstance(refused, ModelRefused)
    assert (refused.code, refused.correlation_id) == (caught.value.code, caught.value.correlation_id)
    return caught.value


@pytest.mark.parametrize("name", FILES)
@settings(max_examples=120, deadline=None)
@given(st.integers(0), st.integers(1, 255))
def test_any_byte_of_any_file_flipped(model: Path, name: str, position: int, flip: int) -> None:
    data = bytearray(FILES[name])
    data[position % len(data)] ^= flip
    with put_back(model):
        (model / name).write_bytes(data)
        refusal = refuse(model)
    assert (refusal.code, refusal.path) == ("TRUST_DIGEST_MISMATCH", name)


@pytest.mark.parametrize("name", FILES)
@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_file_cut_or_written_anew(model: Path, name: str, data: st.DataObject) -> None:
    """Other formats under its name included."""
    starts = [b"", b"\x93NUMPY", b"GGUF\x03\0\0\0", b"PK\x03\x04", b"\x80\x04", b"{", b"#!/bin/sh\n", b"\x7fELF"]
    fresh = data.draw(st.sampled_from(starts)) + data.draw(st.binary(max_size=40))
    cut = data.draw(st.integers(0, len(FILES[name]) - 1))
    written = data.draw(st.sampled_from([FILES[name][:cut], fresh, fresh + FILES[name]]))
    assume(written != FILES[name])
    with put_back(model):
        (model / name).write_bytes(written)
        refusal = refuse(model)
    assert (refusal.code, refusal.path) == ("TRUST_DIGEST_MISMATCH", name)


@settings(max_examples=120, deadline=None)
@given(st.sampled_from(sorted(FILES)), st.data())
def test_any_file_dropped_added_or_renamed(model: Path, name: str, data: st.DataObject) -> None:
    ending = data.draw(st.sampled_from(["", ".py", ".md", ".json", ".safetensors", ".bin", ".gguf", ".jinja"]))
    stem = data.draw(st.text("abcXYZ019_-", min_size=1, max_size=12))
    added = f"{stem}{ending}"
    with put_back(model):
        (model / name).unlink()
        assert refuse(model).code == "TRUST_MISSING_FILE"
        (model / added).write_bytes(FILES[name])
        renamed = refuse(model)
        (model / name).write_bytes(FILES[name])
        both = refuse(model)
    assert (renamed.code, renamed.path) == (both.code, both.path) == ("TRUST_EXTRA_FILE", added)
