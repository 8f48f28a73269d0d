"""The one writer whom a lease does not see, and what follows from it (docs/vault.md)."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

import pytest
from cell_models import write_model
from race.held_up_write import HeldUpWrite
from vault_tools import linux_only, need_method, read_all

from ostiary.core.tickets import SealMethod, VerifiedModel
from ostiary.vault import ALL_METHODS, open_sealed

pytestmark = linux_only
NAME = "model-0.safetensors"


@pytest.fixture
def verified(tmp_path: Path) -> VerifiedModel:
    return write_model(tmp_path / "model")


@pytest.fixture
def held_up(tmp_path: Path, verified: VerifiedModel) -> Iterator[HeldUpWrite]:
    try:
        write = HeldUpWrite(tmp_path / "model" / NAME)
    except OSError as error:
        pytest.skip(f"no write can be held up here: {error.strerror}")
    with write:
        yield write


def load(
    model: Path, verified: VerifiedModel, write: HeldUpWrite, methods: Collection[SealMethod] = ALL_METHODS
) -> tuple[SealMethod, bool]:
    """By which method it was held, and whether the write that went on then reached what was loaded."""
    with open_sealed(model, verified, lambda _event: None, "id", methods=methods) as sealed:
        (weights,) = sealed.open_weights()
        before = read_all(weights.descriptor)
        write.let_go()
        has_changed = read_all(weights.descriptor) != before
        weights.finish()
    assert (model / NAME).read_bytes()[:8] == b"X" * 8
    return weights.method, has_changed


def test_it_does_not_reach_memory(tmp_path: Path, verified: VerifiedModel, held_up: HeldUpWrite) -> None:
    assert load(tmp_path / "model", verified, held_up, [SealMethod.MEMORY]) == (SealMethod.MEMORY, False)


def test_it_does_not_reach_a_clone(tmp_path: Path, verified: VerifiedModel, held_up: HeldUpWrite) -> None:
    need_method(SealMethod.CLONE, tmp_path)
    assert load(tmp_path / "model", verified, held_up, [SealMethod.CLONE]) == (SealMethod.CLONE, False)


def test_where_others_could_have_begun_it_there_is_no_lease(
    tmp_path: Path, verified: VerifiedModel, held_up: HeldUpWrite
) -> None:
    (tmp_path / "model" / NAME).chmod(0o666)
    method, has_changed = load(tmp_path / "model", verified, held_up)
    assert method is not SealMethod.LEASE
    assert not has_changed


def test_a_lease_does_not_see_it(tmp_path: Path, verified: VerifiedModel, held_up: HeldUpWrite) -> None:
    """The limit that docs/vault.md names. Should this fail, the kernel has closed it, and the page can say so."""
    need_method(SealMethod.LEASE, tmp_path)
    assert load(tmp_path / "model", verified, held_up, [SealMethod.LEASE]) == (SealMethod.LEASE, True)
