"""For tests of the vault: places where a method works, or a reason to skip."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cell_models import write_model

from ostiary.core.tickets import FileEntry, FileKind, SealMethod, VerifiedModel
from ostiary.errors import VaultFailed
from ostiary.record.events import Event
from ostiary.vault.choose import take_hold
from ostiary.vault.place import Place

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="Linux alone has such memory")


def need_method(method: SealMethod, directory: Path) -> None:
    """Skip unless files in `directory` can be held by `method`."""
    probe = directory / "probe"
    probe.write_bytes(b"probe")
    probe.chmod(0o644)
    place = Place(directory)
    try:
        take_hold([method], place, FileEntry("probe", 5, "", FileKind.UNKNOWN)).close()
    except VaultFailed:
        pytest.skip(f"nothing here can be held by {method}")
    finally:
        place.close()
        probe.unlink()


def list_open() -> set[str]:
    """Every descriptor of this process and what it leads to."""
    found = set()
    for path in list(Path("/proc/self/fd").iterdir()):
        try:
            found.add(f"{path.name} {path.readlink()}")
        except OSError:  # that of the listing itself
            continue
    return found


@contextmanager
def no_descriptor_left() -> Iterator[None]:
    before = list_open()
    yield
    assert list_open() - before == set()


def read_all(descriptor: int) -> bytes:
    """From the first byte to the last, wherever the descriptor stands."""
    data = bytearray()
    while piece := os.pread(descriptor, 1 << 20, len(data)):
        data += piece
    return bytes(data)


def kinds(events: list[Event]) -> list[str]:
    return [event.kind for event in events]


__all__ = [
    "VerifiedModel",
    "kinds",
    "linux_only",
    "list_open",
    "need_method",
    "no_descriptor_left",
    "read_all",
    "write_model",
]
