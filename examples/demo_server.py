"""The end of `make demo`: a language model is served over HTTP, with lines to paste that ask it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import IO
from urllib.request import Request, urlopen

QUESTION = {"model": "honest", "prompt": "Who goes there?", "max_tokens": 12}


def serve(directory: Path, environment: dict[str, str], *, asks: bool) -> None:
    """`honest` in that directory, signed. Until Ctrl-C, or, where it `asks`, until it has asked once by itself."""
    if find_spec("mlx_lm") is None or find_spec("uvicorn") is None:
        print("To serve it as well: pip install 'ostiary[serve,mlx]'")
        return
    with serving(directory, environment) as (address, key):
        if asks:
            ask(address, key)
        else:
            print_lines_to_paste(address, key)
            threading.Event().wait()


@contextmanager
def serving(directory: Path, environment: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Its address and its first key. What it says of itself goes to the terminal."""
    command = "ostiary serve honest --key demo.pub --port 0"
    print(f"$ {command}", flush=True)
    with (
        subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", "ostiary", *command.split()[1:]],
            cwd=directory,
            env=environment,
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
    arguments = ", ".join(f"{name}={value!r}" for name, value in QUESTION.items())
    print(f"  print(client.completions.create({arguments}).choices[0].text)\n")
    print("Its weights are made up, so do not expect sense. Ctrl-C ends it.\n", flush=True)


def ask(address: str, key: str) -> None:
    headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
    request = Request(f"{address}/v1/completions", json.dumps(QUESTION).encode(), headers)  # noqa: S310  our own
    with urlopen(request, timeout=60) as answer:  # noqa: S310  our own
        told = json.loads(answer.read())
    usage = told["usage"]
    print(f"answered: {told['choices'][0]['text']}")
    print(f"asked: {usage['prompt_tokens']} tokens in, {usage['completion_tokens']} out\n", flush=True)
