"""A client of completions and chats as raw asyncio streams: the same for whatever server, and it looks whether answers are whole.

Nobody's library: what it costs is the same for each server that it asks, and it sees when each byte comes.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

_LINE_BYTES: Final = 1 << 20


@dataclass(slots=True)
class Heard:
    """What came of one request. `problem` is empty where it was answered, whole."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    text: str = ""
    finish: str | None = None
    code: str = ""
    """Of the error, where there was one."""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    events: int = 0
    first_seconds: float | None = None
    """To the first text."""
    seconds: float = 0.0
    problem: str = ""


def render_request(body: Mapping[str, Any], key: str = "", path: str = "/v1/completions") -> bytes:
    data = json.dumps(body).encode()
    shown = f"authorization: Bearer {key}\r\n" if key else ""
    head = f"POST {path} HTTP/1.1\r\nhost: localhost\r\n{shown}content-type: application/json\r\n"
    return f"{head}content-length: {len(data)}\r\nconnection: close\r\n\r\n".encode() + data


async def ask(
    port: int,
    body: Mapping[str, Any],
    key: str = "",
    *,
    path: str = "/v1/completions",
    seconds: float = 600,
    heard: Heard | None = None,
) -> Heard:
    """One request over a connection of its own. Raises nothing but being cancelled. `heard`: to look at meanwhile."""
    heard = heard or Heard()
    started = time.perf_counter()
    try:
        async with asyncio.timeout(seconds):
            reading, writing = await asyncio.open_connection("127.0.0.1", port, limit=_LINE_BYTES)
            try:
                writing.write(render_request(body, key, path))
                await _hear(reading, heard, started, streams=bool(body.get("stream")))
            finally:
                writing.transport.abort()
    except TimeoutError:
        heard.problem = heard.problem or "no end in time"
    except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError) as error:
        heard.problem = heard.problem or f"{type(error).__name__} after {heard.events} events"
    heard.seconds = time.perf_counter() - started
    return heard


async def _hear(reading: asyncio.StreamReader, heard: Heard, started: float, *, streams: bool) -> None:
    head = (await reading.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.rstrip().split("\r\n")
    heard.status = int(first.split(" ")[1])
    heard.headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    if not streams or heard.status != 200:
        size = heard.headers.get("content-length")
        data = await (reading.read(-1) if size is None else reading.readexactly(int(size)))
        _take_whole(heard, json.loads(data))
        return
    is_chunked = heard.headers.get("transfer-encoding") == "chunked"
    rest = b""
    while True:
        data = await (_read_chunk(reading) if is_chunked else reading.read(65_536))
        if not data:
            break
        *events, rest = (rest + data).split(b"\n\n")
        for event in events:
            _take_event(heard, event, started)
    if heard.finish != "[DONE]" and not heard.code:
        heard.problem = f"a stream without its end after {heard.events} events"
    elif rest:
        heard.problem = "a stream with half an event at its end"


async def _read_chunk(reading: asyncio.StreamReader) -> bytes:
    size = int(await reading.readuntil(b"\r\n"), 16)
    return (await reading.readexactly(size + 2))[:-2]


def _take_whole(heard: Heard, said: dict[str, Any]) -> None:
    if heard.status != 200:
        _take_error(heard, said)
        return
    choice = said["choices"][0]
    heard.text, heard.finish = _find_text(choice), choice["finish_reason"]
    _take_usage(heard, said["usage"])


def _take_event(heard: Heard, event: bytes, started: float) -> None:
    if not event.startswith(b"data: "):  # a comment, to keep the connection
        return
    if heard.finish == "[DONE]" or heard.code:
        heard.problem = "an event after the last"
    data = event[6:]
    if data == b"[DONE]":
        heard.finish = "[DONE]"
        return
    said = json.loads(data)
    heard.events += 1
    if "error" in said:
        _take_error(heard, said)
        return
    for choice in said["choices"]:
        text = _find_text(choice)
        if text and heard.first_seconds is None:
            heard.first_seconds = time.perf_counter() - started
        heard.text += text
    if said.get("usage"):
        _take_usage(heard, said["usage"])


def _find_text(choice: dict[str, Any]) -> str:
    """Of a completion, of a chat, or of a part of either."""
    said = choice.get("message") or choice.get("delta") or choice
    return said.get("text") or said.get("content") or ""


def _take_usage(heard: Heard, usage: dict[str, int]) -> None:
    heard.prompt_tokens, heard.completion_tokens = usage["prompt_tokens"], usage["completion_tokens"]


def _take_error(heard: Heard, said: dict[str, Any]) -> None:
    error = said.get("error")
    heard.code = str(error.get("code") if isinstance(error, dict) else error)
    heard.problem = f"{heard.status} {heard.code}"
