"""Honest and hostile clients of one server, for as long as one likes: what is asked is answered, and nothing is left.

    python tests/door_soak/soak.py --seconds 3600

Honest ones ask for a number of words, streamed or not, and count what they get, tokens included. Hostile ones send what
is no request, half of one, one too large, or go away in the middle. In the end descriptors are as many as before, memory
is within 20 MB of what it was after a tenth of the time, and the record has one ending for each request that
reached the model, all of it verified.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from ostiary.record.begin import open_reader
from ostiary.record.entry import parse_entry
from ostiary.testing import HostilePublisher, sign_model

HONEST: Final = 16
HOSTILE: Final = 6
GROWTH_MB: Final = 20
SERVER: Final = """
import sys, threading, time
from ostiary.cli.main import main
from ostiary.testing import FakeEngine
with FakeEngine() as fake:
    def forget():
        while True:
            time.sleep(1)
            fake.requests.clear()
    threading.Thread(target=forget, daemon=True).start()
    sys.exit(main(["serve", *sys.argv[1:]]))
"""


class Clients:
    """All of them, and what they saw."""

    def __init__(self, port: int, key: str, until: float) -> None:
        self.port: Final = port
        self.key: Final = key
        self.until: Final = until
        self.seen: Final[Counter[str]] = Counter()
        self.wrong: Final[list[bytes]] = []

    def render(self, body: bytes, *, close: bool = True) -> bytes:
        head = f"POST /v1/completions HTTP/1.1\r\nhost: localhost\r\nx-api-key: {self.key}\r\n"
        head += f"content-type: application/json\r\ncontent-length: {len(body)}\r\n"
        return f"{head}{'connection: close' if close else 'x: y'}\r\n\r\n".encode() + body

    async def be_honest(self, dice: random.Random) -> None:
        while time.monotonic() < self.until:
            words = dice.randint(1, 50)
            prompt = " ".join(["word"] * words)
            streams = dice.random() < 0.6
            asked = {"model": "honest", "prompt": prompt, "max_tokens": words, "stream": streams}
            if streams:
                asked["stream_options"] = {"include_usage": True}
            reading, writing = await asyncio.open_connection("127.0.0.1", self.port)
            writing.write(self.render(json.dumps(asked).encode()))
            answer = await reading.read(-1)
            writing.close()
            is_whole = b"[DONE]" in answer if streams else True
            if is_whole and b'"total_tokens":%d' % (2 * words) in answer:
                self.seen["answered"] += 1
            elif b"GATEWAY_BUSY" in answer:
                self.seen["busy"] += 1
            else:
                self.wrong.append(answer[-500:])

    async def be_hostile(self, dice: random.Random) -> None:
        long = json.dumps({"model": "honest", "prompt": "word " * 50, "max_tokens": 50, "stream": True}).encode()
        things = [
            b"GET / HTTP/1.1\n\n",
            b"\x16\x03\x01\x02",
            b"POST /v1/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: 4\r\ntransfer-encoding: chunked\r\n\r\n",
            b"GET /v1/models HTTP/1.1\r\nhost: localhost\r\n\r\n" * 40,
            b"GET /v1/models HTTP/1.1\r\nhost: loc",
            self.render(b"{"),
            self.render(b"[" * 30_000),
            self.render(b'{"model":"honest","prompt":"x","logit_bias":{"99999":1}}'),
            self.render(b'{"model":"/etc/passwd","prompt":"x"}'),
            self.render(json.dumps({"model": "honest", "prompt": "\u00e9" * 100_000}).encode()),
            self.render(long),
            self.render(long)[:-20],
        ]
        while time.monotonic() < self.until:
            reading, writing = await asyncio.open_connection("127.0.0.1", self.port)
            try:
                writing.write(dice.choice(things))
                if dice.random() < 0.5:
                    await asyncio.sleep(dice.random() / 20)
                else:
                    await asyncio.wait_for(reading.read(300), 2)
            except (OSError, TimeoutError):
                pass
            writing.transport.abort()
            self.seen["hostile"] += 1

    async def run(self) -> None:
        honest = [self.be_honest(random.Random(number)) for number in range(HONEST)]  # noqa: S311  not a secret
        hostile = [self.be_hostile(random.Random(1_000 + number)) for number in range(HOSTILE)]  # noqa: S311
        await asyncio.gather(*honest, *hostile)


def measure(pid: int) -> tuple[float, int]:
    """Megabytes, and open descriptors."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6, len(list(Path(f"/proc/{pid}/fd").iterdir()))


def read_endings(state: Path) -> Counter[str]:
    with open_reader(state) as reader:
        entries = [parse_entry(body, number) for number, body in reader.read_bodies(0, reader.read_size())]
    return Counter(entry.kind for entry in entries)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=120, metavar="S")
    seconds = parser.parse_args().seconds
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        model = HostilePublisher(folder).publish_honest()
        arguments = [str(model), "--key", str(sign_model(model)), "--state", str(folder / "state"), "--port", "0"]
        with subprocess.Popen(
            [sys.executable, "-c", SERVER, *arguments], text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as server:
            assert server.stdout is not None
            assert server.stderr is not None
            port = int(server.stdout.readline().rpartition(":")[2])
            said = ""
            while "connections;" not in said:
                said += server.stderr.readline()
            found = re.search(r"ost_\S+", said)
            assert found is not None
            seen: Counter[str] = Counter()
            wrong: list[bytes] = []
            before = 0.0
            for share in (0.1, 0.9):
                clients = Clients(port, found[0], time.monotonic() + share * seconds)
                asyncio.run(clients.run())
                time.sleep(3)  # what was left lingers for two
                seen += clients.seen
                wrong += clients.wrong
                after, descriptors = measure(server.pid)
                print(f"{dict(seen)}, {after:.0f} MB, {descriptors} descriptors", flush=True)  # noqa: T201
                if not before:
                    before, first_descriptors = after, descriptors
            server.terminate()
            server.communicate()
        endings = read_endings(folder / "state")
        print({kind: count for kind, count in endings.items() if kind.startswith("request.")})  # noqa: T201
        problems = [f"wrong answers: {wrong[:3]}"] if wrong else []
        if server.returncode:
            problems.append(f"it ended with {server.returncode}")
        if after > before + GROWTH_MB:
            problems.append(f"it grew from {before:.0f} to {after:.0f} MB")
        if descriptors > first_descriptors + 2:
            problems.append(f"descriptors grew from {first_descriptors} to {descriptors}")
        if endings["request.answered"] < seen["answered"] or endings["server.stopped"] != 1:
            problems.append(f"the record does not have it all: {endings}")
        for problem in problems:
            print(problem)  # noqa: T201
        return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
