"""What CPython's own unpickler would import from given bytes, told without importing anything.

The pure-Python unpickler runs the bytes; whatever it asks for is written down and answered with an inert class.
"""

from __future__ import annotations

import contextlib
import io
import pickle
from typing import Any

MAX_ORACLE_BYTES = 4096


class _Inert:
    """Accepts every call and attribute that a pickle can make, and does nothing."""

    def __new__(cls, *_args: object, **_kwargs: object) -> _Inert:
        return super().__new__(cls)

    def __init__(self, *args: object, **kwargs: object) -> None:
        pass

    def __setstate__(self, state: object) -> None:
        pass

    def append(self, item: object) -> None:
        pass

    def __setitem__(self, key: object, value: object) -> None:
        pass


class _Lines(io.BytesIO):
    """As the C unpickler reads: a line that does not end is none."""

    def readline(self, size: int | None = -1, /) -> bytes:
        line = super().readline(size)
        if not line.endswith(b"\n"):
            raise EOFError
        return line


class _Recorder(pickle._Unpickler):  # type: ignore[misc,name-defined]
    def __init__(self, data: bytes) -> None:
        super().__init__(_Lines(data))
        self.imports: list[str] = []

    def find_class(self, module: str, name: str) -> Any:
        parts = [*module.split("."), *name.split(".")]
        if not all(part.isidentifier() for part in parts) or max(len(module.encode()), len(name.encode())) > 512:
            raise ImportError
        self.imports.append(f"{module}.{name}")
        return _Inert


def imports_of(data: bytes) -> list[str]:
    """The imports that unpickling `data` (short, or cut) would ask for before it ends or fails."""
    # A counted buffer is allocated before it is read: its claimed length is not worth gigabytes here.
    recorder = _Recorder(data[:MAX_ORACLE_BYTES].partition(b"\x96")[0])
    with contextlib.suppress(Exception):  # whatever broken bytes make it raise
        recorder.load()
    return recorder.imports
