"""Opens a model again and again while other programs alter its files, and checks every byte that comes out.

    python tests/race/soak.py --rounds 5000

Whatever the vault hands out must be, from its first byte to its last and as often as it is read, what was verified;
everything else must be a VaultRefused. A round in which nothing comes out proves little: both kinds are counted.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from cell_models import write_model
from vault_tools import list_open

from ostiary.core.tickets import SealedWeights, SealMethod
from ostiary.errors import VAULT_NO_METHOD, VaultFailed, VaultRefused
from ostiary.vault import ALL_METHODS, open_sealed

_SHARDS = 3
_SHAPES = {"a": (128, 128)}
_WRITERS = Path(__file__).parent / "writers.py"


class Soak:
    """One model, and what came of opening it."""

    def __init__(self, place: Path, seed: int) -> None:
        self.counts: Counter[str] = Counter()
        self.model = place / "model"
        self._dice = random.Random(seed)  # noqa: S311
        self._verified = write_model(self.model, _SHARDS, _SHAPES)
        good = place / "good"
        write_model(good, _SHARDS, _SHAPES)
        self._good = {path.name: path.read_bytes() for path in good.iterdir()}
        self._choices = [ALL_METHODS, *({method} for method in SealMethod), {SealMethod.CLONE, SealMethod.MEMORY}]

    def run_round(self) -> None:
        methods = self._dice.choice(self._choices)
        try:
            with open_sealed(self.model, self._verified, lambda _event: None, "soak", methods=methods) as sealed:
                for name, data in sealed.contents.items():
                    assert data == self._good[name], f"{name} is not what was verified"
                for weights in sealed.open_weights():
                    self._take(weights)
        except VaultRefused:
            self.counts["refused"] += 1
        except VaultFailed as error:
            if error.code != VAULT_NO_METHOD.name:
                raise
            self.counts["no method"] += 1

    def _take(self, weights: SealedWeights) -> None:
        name = weights.entry.path
        for _ in range(1 + self._dice.randrange(3)):
            data = bytearray()
            while piece := os.pread(weights.descriptor, 1 + self._dice.randrange(1 << 16), len(data)):
                data += piece
                time.sleep(self._dice.choice((0, 0, 0, 0.001)))
            assert data == self._good[name], f"{name}, by {weights.method}, is not what was verified"
        self.counts[f"read by {weights.method}"] += 1
        weights.finish()
        self.counts["finished"] += 1


def start_writer(command: list[str], seed: int) -> subprocess.Popen[bytes]:
    """Returns when it is at work."""
    writer = subprocess.Popen([*command, str(seed)], stdout=subprocess.PIPE)
    assert writer.stdout is not None
    with writer.stdout as told:
        assert told.read(1), "a writer did not start"
    return writer


def main() -> int:
    parser = argparse.ArgumentParser(description="Open a model while it is altered, and check what comes out.")
    parser.add_argument("--rounds", type=int, default=1_000)
    parser.add_argument("--writers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--work", type=Path, default=None, help="a directory to work in")
    options = parser.parse_args()
    seed = random.SystemRandom().randrange(1 << 30) if options.seed is None else options.seed
    with tempfile.TemporaryDirectory(dir=options.work, ignore_cleanup_errors=True) as name:
        soak = Soak(Path(name), seed)
        before = list_open()
        command = [sys.executable, str(_WRITERS), str(soak.model), str(Path(name) / "good"), str(os.getpid())]
        writers = [start_writer(command, seed + number) for number in range(options.writers)]
        done = 0
        try:
            while done < options.rounds:
                soak.run_round()
                done += 1
                for number, writer in enumerate(writers):
                    # Two of them in each other's way: one truncates what the other has mapped.
                    if writer.poll() is not None:
                        assert writer.returncode == -signal.SIGBUS, "a writer failed"
                        writers[number] = start_writer(command, seed + done)
        except (AssertionError, OSError) as error:
            sys.stderr.write(f"round {done} of seed {seed}: {error}\n")
            return 1
        finally:
            for writer in writers:
                writer.kill()
                writer.wait()
        if left := list_open() - before:
            sys.stderr.write(f"left open: {sorted(left)}\n")
            return 1
    told = ", ".join(f"{count} {what}" for what, count in sorted(soak.counts.items()))
    sys.stdout.write(f"{options.rounds} rounds: {told} (seed {seed})\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
