"""A program that alters a model's files in every way that it knows, and puts them right again, until it is killed.

    python tests/race/writers.py MODEL GOOD READER SEED

MODEL is the directory that is attacked, GOOD holds the right files, READER is the process that opens the model: what
it has open is attacked by way of /proc.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path

_OPEN = os.O_RDWR | os.O_CLOEXEC


class Writer:
    """One attack at a time, on one of the files."""

    def __init__(self, model: Path, good: Path, reader: int, seed: int) -> None:
        self._model = model
        self._good = good
        self._reader = reader
        self._dice = random.Random(seed)  # noqa: S311
        self._names = sorted(path.name for path in good.iterdir())
        self._number = 0
        self._attacks: list[Callable[[Path], None]] = [
            self._write_in_place,
            self._store_by_mapping,
            self._keep_a_mapping,
            self._truncate,
            self._rewrite,
            self._grow,
            self._exchange,
            self._unlink,
            self._write_by_second_name,
            self._put_a_link,
            self._put_a_pipe,
            self._write_by_proc,
            self._write_by_proc,
            self._let_others_write,
            *([self._rest] * 6),
        ]

    def run(self) -> None:
        sys.stdout.write(".")
        sys.stdout.close()
        while True:
            path = self._model / self._dice.choice(self._names)
            # Somebody else's attack may be in the way; a file that is leased makes the opener wait.
            with contextlib.suppress(OSError, ValueError, IndexError):
                self._dice.choice(self._attacks)(path)
            if self._dice.random() < 0.9:
                for name in self._names:
                    with contextlib.suppress(OSError):
                        self._restore(self._model / name)
            self._pause()

    def _pause(self) -> None:
        time.sleep(self._dice.choice((0, 0.0005, 0.002, 0.005, 0.02)))

    def _restore(self, path: Path) -> None:
        good = (self._good / path.name).read_bytes()
        if not path.is_file() or path.is_symlink() or path.stat().st_mode & 0o022 or path.read_bytes() != good:
            self._fresh(path, good).replace(path)

    def _fresh(self, path: Path, data: bytes) -> Path:
        self._number += 1
        fresh = self._model / f".{os.getpid()}-{self._number}-{path.name}"
        fresh.write_bytes(data)
        fresh.chmod(0o644)
        return fresh

    def _spoil(self, descriptor: int) -> None:
        """One byte, somewhere, that is not the right one."""
        size = os.fstat(descriptor).st_size
        at = self._dice.randrange(size)
        os.pwrite(descriptor, bytes([os.pread(descriptor, 1, at)[0] ^ 0xFF]), at)

    def _write_in_place(self, path: Path) -> None:
        descriptor = os.open(path, _OPEN | self._dice.choice((0, os.O_NONBLOCK)))
        try:
            self._spoil(descriptor)
            self._pause()
            if self._dice.random() < 0.5:
                os.pwrite(descriptor, (self._good / path.name).read_bytes(), 0)
        finally:
            os.close(descriptor)

    def _store_by_mapping(self, path: Path, rounds: int = 1) -> None:
        """Stores to pages that are dirty already move no timestamp."""
        with path.open("r+b") as file:
            mapping = mmap.mmap(file.fileno(), 0)
        try:
            for _ in range(rounds):
                at = self._dice.randrange(len(mapping))
                mapping[at] ^= 0xFF
                self._pause()
                mapping[at] ^= 0xFF
                self._pause()
        finally:
            mapping.close()

    def _keep_a_mapping(self, path: Path) -> None:
        self._store_by_mapping(path, rounds=self._dice.randrange(10))

    def _truncate(self, path: Path) -> None:
        os.truncate(path, self._dice.randrange(path.stat().st_size))

    def _rewrite(self, path: Path) -> None:
        path.write_bytes(os.urandom(path.stat().st_size))

    def _grow(self, path: Path) -> None:
        with path.open("ab") as file:
            file.write(b"more")

    def _exchange(self, path: Path) -> None:
        self._fresh(path, os.urandom((self._good / path.name).stat().st_size)).replace(path)

    def _unlink(self, path: Path) -> None:
        path.unlink()

    def _write_by_second_name(self, path: Path) -> None:
        self._number += 1
        second = self._model / f".{os.getpid()}-{self._number}-second"
        os.link(path, second)
        try:
            self._write_in_place(second)
        finally:
            second.unlink()

    def _put_a_link(self, path: Path) -> None:
        path.unlink()
        path.symlink_to(self._good / path.name)

    def _put_a_pipe(self, path: Path) -> None:
        path.unlink()
        os.mkfifo(path)

    def _let_others_write(self, path: Path) -> None:
        path.chmod(self._dice.choice((0o666, 0o644)))

    def _write_by_proc(self, _path: Path) -> None:
        """Whatever the reader holds: the file under a lease, a clone, memory before and after its seals."""
        for link in Path(f"/proc/{self._reader}/fd").iterdir():
            with contextlib.suppress(OSError):
                target = str(link.readlink())
                if target.startswith(("/memfd:ostiary", str(self._model))):
                    descriptor = os.open(link, _OPEN | os.O_NONBLOCK)
                    try:
                        if self._dice.random() < 0.2:
                            os.ftruncate(descriptor, self._dice.randrange(1 << 16))
                        self._spoil(descriptor)
                    finally:
                        os.close(descriptor)

    def _rest(self, _path: Path) -> None:
        """Long enough that the model can be opened."""
        time.sleep(0.02)


def main() -> None:
    model, good, reader, seed = sys.argv[1:]
    Writer(Path(model), Path(good), int(reader), int(seed)).run()


if __name__ == "__main__":
    main()
