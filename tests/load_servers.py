"""`ostiary serve` and mlx_lm.server as programs, for whoever measures or soaks them."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

FAKE_SERVER: Final = """
import sys, threading, time
from ostiary.cli.main import main
from ostiary.testing import FakeEngine
with FakeEngine(token_milliseconds=%d) as fake:
    def forget():
        while True:
            time.sleep(1)
            fake.requests.clear()
    threading.Thread(target=forget, daemon=True).start()
    sys.exit(main(["serve", *sys.argv[1:]]))
"""


@dataclass(slots=True)
class RunningServer:
    """A server that listens."""

    process: subprocess.Popen[str]
    port: int
    key: str = ""
    said: list[str] = field(default_factory=list)
    """Lines on standard error, as far as they came."""

    def stop(self) -> int:
        """The exit status."""
        self.process.terminate()
        try:
            return self.process.wait(90)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()


@contextlib.contextmanager
def serving_ostiary(*arguments: str, fake_milliseconds: int | None = None) -> Iterator[RunningServer]:
    """Its defaults, but for what is given. `fake_milliseconds`: an engine that computes nothing, so long for a token."""
    command = [sys.executable, "-m", "ostiary", "serve"]
    if fake_milliseconds is not None:
        command = [sys.executable, "-c", FAKE_SERVER % fake_milliseconds]
    with subprocess.Popen(
        [*command, "--port", "0", *arguments], text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        running = RunningServer(process, 0)
        assert process.stdout is not None
        assert process.stderr is not None
        reading = threading.Thread(target=lambda: running.said.extend(process.stderr), daemon=True)  # type: ignore[arg-type]
        reading.start()
        try:
            line = process.stdout.readline()
            assert "listening at" in line, "".join(running.said)
            running.port = int(line.rpartition(":")[2])
            while "connections;" not in (said := "".join(running.said)):
                assert process.poll() is None, said
                time.sleep(0.01)
            found = re.search(r"ost_\S+", said)
            running.key = found[0] if found else ""
            yield running
        finally:
            if process.poll() is None:
                running.stop()
            reading.join(10)


@contextlib.contextmanager
def serving_mlx_lm(model: Path, arguments: Sequence[str] = ()) -> Iterator[RunningServer]:
    """Its defaults. Offline: it would ask a hub."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "mlx_lm", "server", "--model", str(model), "--port", str(port)]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error"}
    with subprocess.Popen(
        [*command, "--log-level", "ERROR", *arguments],
        text=True,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        running = RunningServer(process, port)
        try:
            while True:
                assert process.poll() is None, "mlx_lm.server did not start"
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                    break
                time.sleep(0.1)
            yield running
        finally:
            if process.poll() is None:
                running.stop()
