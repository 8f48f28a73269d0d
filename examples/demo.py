"""Judges an honest model and a hostile one, as `make demo` shows it. Needs nothing but Ostiary itself."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from ostiary.testing import HostilePublisher


def show(command: str, directory: Path, state: Path) -> None:
    """Type one command, as a person would, and show what it answers."""
    print(f"$ {command}", flush=True)
    program = [sys.executable, "-m", "ostiary", *command.split()[1:]]
    environment = {**os.environ, "OSTIARY_STATE_DIR": str(state)}
    done = subprocess.run(program, cwd=directory, env=environment, check=False)  # noqa: S603
    print(f"(exit status {done.returncode})\n", flush=True)


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="ostiary-demo-") as name:
        directory = Path(name)
        publisher = HostilePublisher(directory)
        publisher.publish_honest()
        publisher.publish("renamed-pickle")
        for model in ("honest", "renamed-pickle"):
            show(f"ostiary inspect {model}", directory, directory / "state")


if __name__ == "__main__":
    main()
