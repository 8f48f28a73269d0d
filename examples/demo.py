"""Judges an honest model and a hostile one, then serves the honest one, as `make demo` shows it.

On a terminal it ends in a running server, with lines to paste that ask it. Elsewhere it stops after judging; with
`--ask` it serves as well, asks once by itself, and stops. Serving needs what `ostiary[serve,mlx]` brings.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import IO
from urllib.request import Request, urlopen

from ostiary.testing import HostilePublisher

QUESTION = {"model": "honest", "prompt": "Once upon a time", "max_tokens": 12}


def show(command: str, directory: Path, state: Path) -> None:
    """Type one command, as a person would, and show what it answers."""
    print(f"$ {command}", flush=True)
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-m", "ostiary", *command.split()[1:]],
        cwd=directory,
        env=make_environment(state),
        check=False,
    )
    print(f"(exit status {done.returncode})\n", flush=True)


def make_environment(state: Path) -> dict[str, str]:
    return {**os.environ, "OSTIARY_STATE_DIR": str(state), "OSTIARY_PASSPHRASE": "for a demonstration only"}


@contextmanager
def serving(directory: Path, state: Path) -> Iterator[tuple[str, str]]:
    """Its address and its first key. What it says of itself goes to the terminal."""
    command = "ostiary serve honest --key demo.pub --port 0"
    print(f"$ {command}", flush=True)
    with (
        subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", "ostiary", *command.split()[1:]],
            cwd=directory,
            env=make_environment(state),
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as server
    ):
        assert server.stdout is not None  # noqa: S101  it is a pipe
        assert server.stderr is not None  # noqa: S101  it is a pipe
        said: list[str] = []
        all_said = threading.Event()
        reading = threading.Thread(target=pass_on, args=(server.stderr, said, all_said), daemon=True)
        reading.start()
        listening = server.stdout.readline()
        all_said.wait()
        print(listening, flush=True)
        key = re.search(r"ost_\S+", "".join(said))
        try:
            if listening and key is not None:
                yield listening.split()[-1], key[0]
            server.terminate()
            server.wait()
        except KeyboardInterrupt:
            server.wait()  # it got the same signal
        reading.join()


def pass_on(stream: IO[str], said: list[str], all_said: threading.Event) -> None:
    """`all_said`: once it said all that comes before it listens, or ended."""
    for line in stream:
        said.append(line)
        print(line, end="", flush=True)
        if "Ctrl-C" in line:
            all_said.set()
    all_said.set()


def print_lines_to_paste(address: str, key: str) -> None:
    body = json.dumps(QUESTION)
    print("Ask it, in another terminal:\n")
    print(f"  curl {address}/v1/completions -H 'Authorization: Bearer {key}' \\")
    print(f"       -H 'Content-Type: application/json' -d '{body}'\n")
    print("or in Python, with the openai package:\n")
    print("  from openai import OpenAI")
    print(f'  client = OpenAI(base_url="{address}/v1", api_key="{key}")')
    print(f"  print(client.completions.create(**{QUESTION!r}).choices[0].text)\n")
    print("Its weights are made up, so do not expect sense. Ctrl-C ends it.\n", flush=True)


def ask(address: str, key: str) -> None:
    headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
    request = Request(f"{address}/v1/completions", json.dumps(QUESTION).encode(), headers)  # noqa: S310  our own
    with urlopen(request, timeout=60) as answer:  # noqa: S310  our own
        usage = json.loads(answer.read())["usage"]
    print(f"asked: {usage['prompt_tokens']} tokens in, {usage['completion_tokens']} out\n", flush=True)


def main() -> None:
    asks = "--ask" in sys.argv[1:]
    with tempfile.TemporaryDirectory(prefix="ostiary-demo-") as name:
        directory, state = Path(name), Path(name) / "state"
        publisher = HostilePublisher(directory)
        publisher.publish_honest()
        publisher.publish("renamed-pickle")
        for model in ("honest", "renamed-pickle"):
            show(f"ostiary inspect {model}", directory, state)
        if not (asks or sys.stdout.isatty()):
            return
        if find_spec("mlx_lm") is None or find_spec("uvicorn") is None:
            print("To serve it as well: pip install 'ostiary[serve,mlx]'")
            return
        show("ostiary keygen demo", directory, state)
        show("ostiary sign honest --key demo.key", directory, state)
        with serving(directory, state) as (address, key):
            if asks:
                ask(address, key)
            else:
                print_lines_to_paste(address, key)
                threading.Event().wait()


if __name__ == "__main__":
    main()
