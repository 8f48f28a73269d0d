"""Kills writers of a record with SIGKILL, again and again, and checks each time what is left.

    python tests/record_kill/soak.py --rounds 5000

A child appends from several threads, and now and then rotates keys, archives, forgets and signs; it tells each
acknowledged entry on a pipe. It is killed after a random time, from before it has begun the record on. Then every
acknowledged entry must be there, the record must verify against every checkpoint seen so far, and must go on.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from record_tools import make_event, verify

from ostiary.errors import RecordRefused, RecordUnwritable
from ostiary.record.archive import archive_entries
from ostiary.record.begin import open_log, open_reader
from ostiary.record.forget import forget_content
from ostiary.record.keys import create_signers
from ostiary.record.log import Log
from ostiary.record.rotate import rotate_keys

_MAX_ENTRIES = 1_500
_MAX_LIFE_S = 0.12
_TOLD_FIRST = 0.25
"""How often a writer lives until it wrote something, however slow the machine is."""
_PATIENCE_S = 10


def write_until_killed(state: Path, pipe: int, seed: int) -> None:
    dice = random.Random(seed)  # noqa: S311
    with open_log(state) as log:
        for _ in range(dice.randrange(5)):
            threading.Thread(target=_append, args=(log, pipe, dice.randrange(1 << 30)), daemon=True).start()
        while True:
            _append_some(log, pipe, dice)
            match dice.randrange(40):
                case 0:
                    rotate_keys(log, correlation_id="soak")
                case 1:
                    archive_entries(log, correlation_id="soak", keep_bytes=dice.randrange(40_000))
                case 2:
                    forget_content(log, 0, dice.randrange(1, 500), correlation_id="soak")
                case 3 | 4:
                    os.write(pipe, b"checkpoint " + log.sign_checkpoint().hex().encode() + b"\n")
                case _:
                    pass


def _append(log: Log, pipe: int, seed: int) -> None:
    dice = random.Random(seed)  # noqa: S311
    while True:
        _append_some(log, pipe, dice)


def _append_some(log: Log, pipe: int, dice: random.Random) -> None:
    numbers = [dice.randrange(1 << 60) for _ in range(dice.choice((1, 1, 1, 2, 30)))]
    first = log.append_many([make_event(number, location=b"x") for number in numbers])
    lines = "".join(f"{first + i} {number:016x}\n" for i, number in enumerate(numbers))
    os.write(pipe, lines.encode())


class Soak:
    """One record after another, each killed many times."""

    def __init__(self, place: Path, seed: int) -> None:
        self._place = place
        self._dice = random.Random(seed)  # noqa: S311
        self._turn = 0
        self.kills = 0
        self.acknowledged = 0
        self._start_over()

    def _start_over(self) -> None:
        self._turn += 1
        self.state = self._place / f"state-{self._turn}"
        self._known: dict[int, str] = {}
        self._checkpoints: list[bytes] = []

    def run_round(self) -> None:
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(read)
            try:
                write_until_killed(self.state, write, self._dice.randrange(1 << 30))
            except BaseException as error:  # noqa: BLE001  # told to the parent, whatever it is
                os.write(write, f"error {error!r}\n".encode())
            os._exit(1)
        os.close(write)
        told: list[bytes] = []
        reader = threading.Thread(target=_read_all, args=(read, told))
        reader.start()
        if self._dice.random() < _TOLD_FIRST:
            _wait_for_some(told)
        time.sleep(self._dice.random() * _MAX_LIFE_S)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        reader.join()
        self.kills += 1
        self._take(b"".join(told))
        self._check()

    def _take(self, told: bytes) -> None:
        for line in told.split(b"\n")[:-1]:
            word, _, rest = line.decode().partition(" ")
            if word == "error":
                raise AssertionError(f"the writer failed: {rest}")
            if word == "checkpoint":
                self._checkpoints.append(bytes.fromhex(rest))
            else:
                self._known[int(word)] = rest
                self.acknowledged += 1

    def _check(self) -> None:
        if not (self.state / "record").exists():
            assert not self._known
            return
        verified = verify(self.state, *self._checkpoints[-20:])
        archived = {}
        for path in (self.state / "record" / "archive").glob("*.jsonl"):
            for line in path.read_bytes().split(b"\n"):
                if line.startswith(b'{"at"'):
                    archived[int(line.rpartition(b'"n":')[2].split(b",")[0])] = line
        with open_reader(self.state) as reader:
            bodies = dict(reader.read_bodies(0, verified.size))
        for index, number in self._known.items():
            body = bodies.get(index) or archived[index]
            assert f'"correlation_id":"{number}"'.encode() in body, f"entry {index} is not what was acknowledged"
        with open_log(self.state) as log:
            self._known[log.append(make_event(self.kills))] = f"{self.kills:016x}"
            self._checkpoints.append(log.sign_checkpoint())
        assert not log.notices, log.notices
        if verified.size > _MAX_ENTRIES:
            shutil.rmtree(self.state)
            self._start_over()


def _wait_for_some(told: list[bytes]) -> None:
    until = time.monotonic() + _PATIENCE_S
    while not told and time.monotonic() < until:
        time.sleep(0.002)


def _read_all(pipe: int, told: list[bytes]) -> None:
    while chunk := os.read(pipe, 65_536):
        told.append(chunk)
    os.close(pipe)


def main() -> int:
    parser = argparse.ArgumentParser(description="Kill writers of a record, and check what is left.")
    parser.add_argument("--rounds", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=None)
    options = parser.parse_args()
    seed = random.SystemRandom().randrange(1 << 30) if options.seed is None else options.seed
    # Imported here once, or every child would spend its short life importing.
    create_signers("warm")
    with tempfile.TemporaryDirectory() as place:
        soak = Soak(Path(place), seed)
        for done in range(options.rounds):
            try:
                soak.run_round()
            except (AssertionError, RecordRefused, RecordUnwritable, KeyError) as error:
                kept = Path(tempfile.mkdtemp(prefix="record-soak-"))
                shutil.copytree(soak.state, kept / "state")
                sys.stderr.write(f"round {done} of seed {seed}: {error!r}; what was left is in {kept}\n")
                return 1
    sys.stdout.write(f"{soak.kills} kills, {soak.acknowledged} acknowledged entries, none lost (seed {seed})\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
