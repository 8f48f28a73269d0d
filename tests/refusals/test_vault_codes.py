"""One test for each code of the vault, named by what brings it about."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path

import pytest
from cell_models import write_model

from ostiary import errors
from ostiary.core.tickets import JudgedParts, SealMethod, VerifiedModel
from ostiary.vault import hold_in_memory, open_sealed


def load(model: Path, verified: VerifiedModel, methods: Collection[SealMethod] = (SealMethod.MEMORY,)) -> None:
    with open_sealed(model, verified, lambda _event: None, "id", methods=methods) as sealed:
        for weights in sealed.open_weights():
            weights.finish()


def weights_that_changed_since(model: Path, _patch: pytest.MonkeyPatch) -> None:
    verified = write_model(model)
    (model / "model-0.safetensors").write_bytes(bytes(verified.files[1].size))
    load(model, verified)


def a_machine_without_room(model: Path, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(hold_in_memory, "read_memory_left", lambda: 1_000)
    load(model, write_model(model))


def no_method_that_is_allowed(model: Path, _patch: pytest.MonkeyPatch) -> None:
    load(model, write_model(model), methods=())


def weights_that_are_not_the_signed_ones(model: Path, _patch: pytest.MonkeyPatch) -> None:
    verified = write_model(model)
    config, weights = verified.files
    none = hashlib.sha256().hexdigest()
    left_to_us = replace(weights, sha256="0" * 64, parts=JudgedParts(0, none, 0, none))
    manifest = replace(verified.manifest, files=(config, left_to_us))
    load(model, replace(verified, manifest=manifest))


ACTS: dict[str, Callable[[Path, pytest.MonkeyPatch], None]] = {
    "VAULT_CHANGED": weights_that_changed_since,
    "VAULT_NOT_AS_SIGNED": weights_that_are_not_the_signed_ones,
    "VAULT_NO_MEMORY": a_machine_without_room,
    "VAULT_NO_METHOD": no_method_that_is_allowed,
}


@pytest.mark.skipif(sys.platform != "linux", reason="Linux alone has sealed memory")
@pytest.mark.parametrize("code", ACTS)
def test_the_act_brings_the_code(code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(errors.OstiaryError) as caught:
        ACTS[code](tmp_path / "model", monkeypatch)
    assert caught.value.code == code
    assert "\n" not in str(caught.value)
    assert str(tmp_path) not in caught.value.message
