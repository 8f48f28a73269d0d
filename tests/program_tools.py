"""`ostiary serve` as a program of its own, with a fake engine, for tests that ask it."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from cell_tools import PATIENCE

PROGRAM = """
import sys
from ostiary.cli.main import main
from ostiary.testing import FakeEngine
with FakeEngine(token_milliseconds=int(sys.argv[1])):
    sys.exit(main(sys.argv[2:]))
"""


@dataclass
class Program:
    """One that listens."""

    process: subprocess.Popen[str]
    address: str
    said: str
    """What it said until it listened."""

    @property
    def port(self) -> int:
        return int(self.address.rpartition(":")[2])

    @property
    def key(self) -> str:
        found = re.search(r"ost_[0-9a-f]{12}_[A-Za-z0-9_-]{43}", self.said)
        return "" if found is None else found[0]

    def ask(self, path: str, body: object = None, key: str | None = None) -> tuple[int, Any]:
        headers = {"content-type": "application/json"}
        shown = self.key if key is None else key
        if shown:
            headers["authorization"] = f"Bearer {shown}"
        data = None if body is None else json.dumps(body).encode()
        try:
            with urlopen(Request(f"{self.address}{path}", data, headers), timeout=PATIENCE) as answer:  # noqa: S310
                return answer.status, json.loads(answer.read())
        except HTTPError as error:
            with error:
                return error.code, json.loads(error.read())

    def stop(self) -> tuple[int, str]:
        """Its exit status, and what it said last."""
        self.process.send_signal(signal.SIGTERM)
        _, rest = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, rest


@contextmanager
def serving(house: Path, *arguments: str, slow: int = 0) -> Iterator[Program]:
    command = [sys.executable, "-c", PROGRAM, str(slow), "serve", *arguments, "--port", "0"]
    process = subprocess.Popen(command, cwd=house, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        yield wait_until_it_listens(process)
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()


def wait_until_it_listens(process: subprocess.Popen[str]) -> Program:
    """With pipes for what it says. Fails where it ends instead."""
    assert process.stdout is not None
    listening = _read_line(process.stdout)
    assert listening.startswith("listening at http://"), process.communicate(timeout=PATIENCE)
    return Program(process, listening.split()[-1], _read_until(process.stderr, "connections;"))


def _read_line(stream: IO[str]) -> str:
    return stream.readline().rstrip("\n")


def _read_until(stream: IO[str] | None, end: str) -> str:
    assert stream is not None
    said = ""
    while end not in said:
        line = stream.readline()
        assert line, said
        said += line
    return said
