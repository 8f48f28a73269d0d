"""What the HTTP door costs: a short completion over HTTP beside the same call in the program that opened the model.

    python bench/serve_door.py                      1,000 of each, in five rounds
    python bench/serve_door.py --requests 100       a look

Both ask an engine that computes nothing, behind the whole wall, for a completion of eight words: what is left is
what it takes to get there and back. The door has a key to check, a body to judge and a record to write, as always.
One client asks over one connection, one request after the other. The rounds take turns; told is the median over all
requests of each, and the difference: it is to be below 1.5 milliseconds. Both need a core to themselves: on a busy
machine the two measure whose turn it is.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from program_tools import wait_until_it_listens

import ostiary
from ostiary.testing import FakeEngine, HostilePublisher, sign_model

ROUNDS: Final = 5
WANTED_MS: Final = 1.5
PROMPT: Final = "a short question of no more than eight words"
SERVER: Final = """
import sys
from ostiary.cli.main import main
from ostiary.testing import FakeEngine
with FakeEngine():
    sys.exit(main(["serve", *sys.argv[1:]]))
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=1_000, metavar="N", help="of each kind")
    options = parser.parse_args()
    each = max(1, options.requests // ROUNDS)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        model = HostilePublisher(folder).publish_honest()
        key = sign_model(model)
        with contextlib.ExitStack() as stack:
            stack.enter_context(FakeEngine())
            opened = stack.enter_context(ostiary.open(model, key=key, state=folder / "here"))
            client = stack.enter_context(serving(model, key, folder / "there"))
            kinds: dict[str, Callable[[], object]] = {
                "in the same program": lambda: opened.generate(PROMPT, max_tokens=8),
                "over HTTP": lambda: client.ask(stream=False),
                "over HTTP, as a stream": lambda: client.ask(stream=True),
                "over HTTP, refused": client.ask_refused,
            }
            taken = measure(kinds, each)
    return tell(taken)


def measure(kinds: dict[str, Callable[[], object]], each: int) -> dict[str, list[float]]:
    taken: dict[str, list[float]] = {name: [] for name in kinds}
    for act in kinds.values():
        for _ in range(20):
            act()
    for _ in range(ROUNDS):
        for name, act in kinds.items():
            for _ in range(each):
                started = time.perf_counter()
                act()
                taken[name].append((time.perf_counter() - started) * 1000)
    return taken


def tell(taken: dict[str, list[float]]) -> int:
    base = statistics.median(taken["in the same program"])
    print(f"{'':28}{'median':>10}{'95 of 100':>12}{'beyond':>10}")
    for name, times in taken.items():
        median = statistics.median(times)
        late = statistics.quantiles(times, n=20)[-1]
        print(f"{name:28}{median:>7.2f} ms{late:>9.2f} ms{median - base:>7.2f} ms")
    cost = statistics.median(taken["over HTTP"]) - base
    print(f"\nthe door: {cost:.2f} ms; wanted: below {WANTED_MS} ms")
    return 0 if cost < WANTED_MS else 1


class Client:
    """Over one connection."""

    def __init__(self, port: int, key: str) -> None:
        self._connection: Final = socket.create_connection(("127.0.0.1", port))
        self._connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._key: Final = key

    def ask(self, *, stream: bool) -> None:
        answer = self._exchange({"model": "honest", "prompt": PROMPT, "max_tokens": 8, "stream": stream})
        assert b"[DONE]" in answer if stream else b'"total_tokens":' in answer, answer

    def ask_refused(self) -> None:
        assert b"CONTRACT_UNKNOWN_FIELD" in self._exchange({"model": "honest", "prompt": PROMPT, "frobnicate": 1})

    def close(self) -> None:
        self._connection.close()

    def _exchange(self, asked: object) -> bytes:
        body = json.dumps(asked).encode()
        head = f"POST /v1/completions HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {self._key}\r\n"
        head += f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        self._connection.sendall(head.encode() + body)
        data = b""
        while True:
            part = self._connection.recv(65_536)
            assert part, "the server closed the connection"
            data += part
            top, found, rest = data.partition(b"\r\n\r\n")
            if not found:
                continue
            length = re.search(rb"content-length: (\d+)", top)
            if len(rest) >= int(length[1]) if length else rest.endswith(b"0\r\n\r\n"):
                return rest


@contextlib.contextmanager
def serving(model: Path, key: Path, state: Path) -> Iterator[Client]:
    command = [sys.executable, "-c", SERVER, str(model), "--key", str(key), "--state", str(state), "--port", "0"]
    with subprocess.Popen(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as server:
        program = wait_until_it_listens(server)
        client = Client(program.port, program.key)
        try:
            yield client
        finally:
            client.close()
            server.terminate()
            server.communicate()


if __name__ == "__main__":
    sys.exit(main())
