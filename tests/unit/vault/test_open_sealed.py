"""What comes out of the vault is what was verified, or nothing; only signed names are there; the record is told once."""

from __future__ import annotations

import hashlib
import os
import shutil
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from vault_tools import kinds, linux_only, need_method, no_descriptor_left, read_all, write_model

from ostiary.core.digests import compute_root
from ostiary.core.tickets import FileEntry, FileKind, SealMethod, VerifiedModel
from ostiary.errors import RECORD_DISK_FULL, RecordUnwritable, VaultFailed, VaultRefused
from ostiary.record.events import Event
from ostiary.vault import ALL_METHODS, open_sealed
from ostiary.vault import passing as passing_module

pytestmark = linux_only


@pytest.fixture
def model(tmp_path: Path) -> tuple[Path, VerifiedModel]:
    place = tmp_path / "model"
    return place, write_model(place, shards=3)


def load(place: Path, verified: VerifiedModel, events: list[Event], **options: object) -> dict[str, bytes]:
    """Everything, as a consumer takes it."""
    with open_sealed(place, verified, events.append, "id", **options) as sealed:  # type: ignore[arg-type]
        found = dict(sealed.contents)
        for weights in sealed.open_weights():
            found[weights.entry.path] = read_all(weights.descriptor)
            weights.finish()
    return found


@pytest.mark.parametrize("method", ["any", "memory"])
def test_every_byte_is_the_verified_one(model: tuple[Path, VerifiedModel], method: str) -> None:
    place, verified = model
    events: list[Event] = []
    options = {} if method == "any" else {"methods": [SealMethod(method)]}
    with no_descriptor_left():
        found = load(place, verified, events, **options)
    assert {path: hashlib.sha256(data).hexdigest() for path, data in found.items()} == {
        entry.path: entry.sha256 for entry in verified.files
    }
    assert kinds(events) == ["model.sealed"]
    (sealed,) = events
    assert sealed.root == verified.manifest.root  # type: ignore[attr-defined]
    assert sealed.bytes == verified.manifest.bytes  # type: ignore[attr-defined]
    assert sum(sealed.methods.values()) == 3  # type: ignore[attr-defined]


def test_weights_come_in_the_order_that_is_told(model: tuple[Path, VerifiedModel]) -> None:
    place, verified = model
    with open_sealed(place, verified, lambda _event: None, "id") as sealed:
        assert [weights.entry for weights in sealed.open_weights()] == list(sealed.weights)


def _rewrite(path: Path) -> None:
    path.write_bytes(bytes(len(path.read_bytes())))


def _flip_a_bit(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


def _lengthen(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\0")


def _shorten(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _exchange(path: Path) -> None:
    other = path.with_name("other")
    other.write_bytes(bytes(path.stat().st_size))
    other.replace(path)


def _link(path: Path) -> None:
    path.rename(path.parent.parent / "elsewhere")
    path.symlink_to("../elsewhere")


def _make_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _make_directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


CHANGES: list[Callable[[Path], None]] = [
    _rewrite,
    _flip_a_bit,
    _lengthen,
    _shorten,
    _empty,
    _exchange,
    _link,
    _make_pipe,
    _make_directory,
    Path.unlink,
]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__.strip("_"))
@pytest.mark.parametrize("path", ["config.json", "model-0.safetensors", "model-2.safetensors"])
@pytest.mark.parametrize("method", ["any", "memory"])
def test_a_change_after_the_verification_is_refused(
    model: tuple[Path, VerifiedModel], path: str, change: Callable[[Path], None], method: str
) -> None:
    place, verified = model
    change(place / path)
    events: list[Event] = []
    options = {} if method == "any" else {"methods": [SealMethod(method)]}
    with no_descriptor_left(), pytest.raises(VaultRefused) as caught:
        load(place, verified, events, **options)
    assert (caught.value.code, caught.value.path) == ("VAULT_CHANGED", path)
    assert str(place) not in str(caught.value)
    assert caught.value.correlation_id == "id"
    assert kinds(events) == ["model.refused"]


def test_a_model_that_is_gone_is_refused(model: tuple[Path, VerifiedModel]) -> None:
    place, verified = model
    shutil.rmtree(place)
    events: list[Event] = []
    with pytest.raises(VaultRefused), open_sealed(place, verified, events.append, "id"):
        pytest.fail("it was opened")
    assert kinds(events) == ["model.refused"]


def test_names_that_nobody_signed_do_not_exist(model: tuple[Path, VerifiedModel]) -> None:
    place, verified = model
    (place / "tokenizer.json").write_bytes(b"{}")
    left_out = replace(verified, left_out=("model-1.safetensors",))
    with open_sealed(place, left_out, lambda _event: None, "id") as sealed:
        assert set(sealed.contents) == {"config.json"}
        assert [weights.entry.path for weights in sealed.open_weights()] == [
            "model-0.safetensors",
            "model-2.safetensors",
        ]


def test_what_no_engine_has_a_use_for_is_not_even_opened(model: tuple[Path, VerifiedModel]) -> None:
    place, verified = model
    entry = FileEntry("README.md", 1 << 40, "0" * 64, FileKind.DOCUMENT)
    manifest = replace(verified.manifest, files=(*verified.manifest.files, entry))
    with open_sealed(place, replace(verified, manifest=manifest), lambda _event: None, "id") as sealed:
        assert set(sealed.contents) == {"config.json"}


def test_a_single_file_is_a_model(tmp_path: Path) -> None:
    verified = write_model(tmp_path / "model", shards=1)
    entries = tuple(entry for entry in verified.files if entry.kind is FileKind.SAFETENSORS)
    manifest = replace(verified.manifest, files=entries, root=compute_root(e.sha256 for e in entries))
    found = load(tmp_path / "model" / entries[0].path, replace(verified, manifest=manifest), [])
    assert set(found) == {"model-0.safetensors"}


def test_a_hard_link_is_the_same_file(model: tuple[Path, VerifiedModel], tmp_path: Path) -> None:
    place, verified = model
    os.link(place / "model-0.safetensors", tmp_path / "second-name")
    assert len(load(place, verified, [])) == 4
    (tmp_path / "second-name").write_bytes(b"changed by its second name")
    with pytest.raises(VaultRefused):
        load(place, verified, [])


def test_weights_may_be_opened_again(model: tuple[Path, VerifiedModel]) -> None:
    place, verified = model
    events: list[Event] = []
    with no_descriptor_left(), open_sealed(place, verified, events.append, "id") as sealed:
        for _ in range(3):
            for weights in sealed.open_weights():
                weights.finish()
    assert kinds(events) == ["model.sealed"] * 3


def test_a_model_without_weights_is_sealed_at_once(model: tuple[Path, VerifiedModel]) -> None:
    place, verified = model
    only = replace(verified, left_out=tuple(f"model-{n}.safetensors" for n in range(3)))
    events: list[Event] = []
    assert set(load(place, only, events)) == {"config.json"}
    assert kinds(events) == ["model.sealed"]


def test_what_was_given_up_was_not_sealed(model: tuple[Path, VerifiedModel]) -> None:
    place, verified = model
    events: list[Event] = []
    with no_descriptor_left(), open_sealed(place, verified, events.append, "id") as sealed:
        first = next(passed := sealed.open_weights())
        first.close()
        first.close()
        with pytest.raises(VaultRefused):  # who gave it up cannot say afterwards that it was read
            first.finish()
        passed.close()  # type: ignore[attr-defined]
    assert kinds(events) == ["model.refused"]


def test_leaving_gives_up_everything(model: tuple[Path, VerifiedModel]) -> None:
    place, verified = model
    threads = set(threading.enumerate())
    with no_descriptor_left():
        with open_sealed(place, verified, lambda _event: None, "id") as sealed:
            first = next(passed := sealed.open_weights())
            open_weights = sealed.open_weights
        with pytest.raises(ValueError, match="closed"):
            _ = first.descriptor
        with pytest.raises(VaultRefused):
            first.finish()
        passed.close()  # type: ignore[attr-defined]
        # Its directory's number may be another file's by now.
        with pytest.raises(ValueError, match="closed"):
            next(open_weights())
    assert set(threading.enumerate()) == threads


def test_a_writer_who_comes_while_it_is_loaded_is_refused_at_the_end(
    model: tuple[Path, VerifiedModel], tmp_path: Path
) -> None:
    need_method(SealMethod.LEASE, tmp_path)
    place, verified = model
    events: list[Event] = []
    with no_descriptor_left(), open_sealed(place, verified, events.append, "id") as sealed:
        first, second, third = sealed.open_weights()
        with pytest.raises(BlockingIOError):
            os.open(place / second.entry.path, os.O_WRONLY | os.O_NONBLOCK)
        first.finish()
        for _ in range(2):
            with pytest.raises(VaultRefused) as caught:
                second.finish()
        assert caught.value.path == second.entry.path
        third.finish()
    assert kinds(events) == ["model.refused"]


def test_finishing_again_gives_the_same_answer(model: tuple[Path, VerifiedModel]) -> None:
    place, verified = model
    events: list[Event] = []
    with open_sealed(place, verified, events.append, "id") as sealed:
        for weights in sealed.open_weights():
            weights.finish()
            weights.finish()
    assert kinds(events) == ["model.sealed"]


def test_the_next_files_are_compared_while_one_is_loaded(
    model: tuple[Path, VerifiedModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    place, verified = model
    compared = threading.Semaphore(0)
    really_compare = passing_module.compare_bytes

    def compare(*arguments: object) -> None:
        really_compare(*arguments)  # type: ignore[arg-type]
        compared.release()

    monkeypatch.setattr(passing_module, "compare_bytes", compare)
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    with open_sealed(place, verified, lambda _event: None, "id") as sealed:
        next(passed := sealed.open_weights())
        for _ in range(3):  # all of them, though only one was asked for
            assert compared.acquire(timeout=60)
        passed.close()  # type: ignore[attr-defined]


def test_a_record_that_cannot_be_written_stops_the_model(model: tuple[Path, VerifiedModel]) -> None:
    place, verified = model

    def emit(_event: Event) -> None:
        raise RecordUnwritable(RECORD_DISK_FULL, "no room")

    with open_sealed(place, verified, emit, "id") as sealed:
        first, second, third = sealed.open_weights()
        first.finish()
        second.finish()
        with pytest.raises(RecordUnwritable):
            third.finish()


def test_no_method_is_a_fault_of_its_own(model: tuple[Path, VerifiedModel]) -> None:
    place, verified = model
    events: list[Event] = []
    with pytest.raises(VaultFailed) as caught:
        load(place, verified, events, methods=[])
    assert caught.value.code == "VAULT_NO_METHOD"
    assert kinds(events) == ["model.failed"]


def test_all_methods_are_known() -> None:
    assert set(SealMethod) == ALL_METHODS
