"""Those who ask: honest ones who know the right answer, hostile ones who never ask rightly, and who pulls the plug."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from load_client import Heard, ask, render_request
from load_servers import RunningServer
from process_looks import list_workers

MODELS: Final = ("alpha", "beta")
HONEST_TENANTS: Final = ("acme", "bolt", "tight")
HOSTILE_TENANT: Final = "crook"
CLIENTS: Final = {"acme": 6, "bolt": 6, "tight": 4}
HOSTILE_CLIENTS: Final = 6
MOST_WORDS: Final = 50
MAY_BE_TOLD: Final = frozenset({"GATEWAY_BUSY", "ADMISSION_QUOTA", "ADMISSION_BUSY", "ADMISSION_QUEUE_FULL"})
"""What an honest client may be told as well: to come again."""
PATIENCE: Final = 120.0


@dataclass(slots=True)
class Seen:
    """What all of them saw."""

    counts: Counter[str] = field(default_factory=Counter)
    tokens: dict[str, tuple[str, int, int]] = field(default_factory=dict)
    """Of each answer by its correlation id: tenant, tokens of the prompt, tokens of the answer."""
    crashed: dict[str, tuple[str, int | None]] = field(default_factory=dict)
    """Of each request whose process was killed: tenant, and words of the prompt, None where no answer had begun."""
    wrong: list[str] = field(default_factory=list)


class Clients:
    """All of them, while `goes_on` says so."""

    def __init__(
        self,
        server: RunningServer,
        keys: Mapping[str, str],
        seen: Seen,
        goes_on: Callable[[], bool],
        kill_every: int,
    ) -> None:
        """`kill_every`: a process of a model is ended whenever so many more answers were given; 0: none is."""
        self._port: Final = server.port
        self._pid: Final = server.process.pid
        self._keys: Final = keys
        self._seen: Final = seen
        self._goes_on: Final = goes_on
        self._kill_every: Final = kill_every

    async def run(self) -> None:
        tasks = [
            self._be_honest(tenant, random.Random(f"{tenant}{number}"))  # noqa: S311  not a secret
            for tenant, count in CLIENTS.items()
            for number in range(count)
        ]
        tasks += [self._be_hostile(random.Random(number)) for number in range(HOSTILE_CLIENTS)]  # noqa: S311
        if self._kill_every:
            tasks.append(self._end_processes(random.Random(1)))  # noqa: S311
        await asyncio.gather(*tasks)

    # --- honest ---

    async def _be_honest(self, tenant: str, dice: random.Random) -> None:
        while self._goes_on():
            words = dice.randint(1, MOST_WORDS)
            prompt = " ".join(f"{tenant}{dice.randrange(1_000)}" for _ in range(words))
            asked: dict[str, Any] = {"model": dice.choice(MODELS), "max_tokens": words}
            is_chat = dice.random() < 0.4
            asked |= {"messages": [{"role": "user", "content": prompt}]} if is_chat else {"prompt": prompt}
            if dice.random() < 0.6:
                asked |= {"stream": True, "stream_options": {"include_usage": True}}
            path = "/v1/chat/completions" if is_chat else "/v1/completions"
            heard = await ask(self._port, asked, self._keys[tenant], path=path, seconds=PATIENCE)
            self._judge(tenant, heard, prompt, words)
            if heard.code:
                await asyncio.sleep(dice.random() / 5)

    def _judge(self, tenant: str, heard: Heard, prompt: str, words: int) -> None:
        counts = self._seen.counts
        if heard.code == "WORKER_CRASHED" and prompt.startswith(heard.text):
            counts["crashed"] += 1
            self._seen.crashed[heard.headers["x-correlation-id"]] = (tenant, words if heard.text else None)
        elif heard.code == "WORKER_NOT_STARTED" and not heard.text:
            counts["not started"] += 1
        elif heard.code in MAY_BE_TOLD and not heard.text and "retry-after" in heard.headers:
            counts["asked to come again"] += 1
        elif heard.problem or heard.text != prompt or heard.completion_tokens != words:
            self._seen.wrong.append(f"{tenant}: {heard}")
        else:
            counts["answered"] += 1
            told = (tenant, heard.prompt_tokens, heard.completion_tokens)
            self._seen.tokens[heard.headers["x-correlation-id"]] = told

    # --- hostile ---

    async def _be_hostile(self, dice: random.Random) -> None:
        things = self._list_things()
        while self._goes_on():
            try:
                reading, writing = await asyncio.open_connection("127.0.0.1", self._port)
            except OSError:
                self._seen.wrong.append("a connection was not taken")
                return
            try:
                writing.write(dice.choice(things))
                if dice.random() < 0.5:
                    await asyncio.sleep(dice.random() / 20)
                else:
                    await asyncio.wait_for(reading.read(300), 2)
            except (OSError, TimeoutError):
                pass
            writing.transport.abort()
            self._seen.counts["hostile"] += 1

    def _list_things(self) -> list[bytes]:
        key = self._keys[HOSTILE_TENANT]
        long = {"model": "alpha", "prompt": "word " * MOST_WORDS, "max_tokens": MOST_WORDS, "stream": True}
        hello = b"GET /v1/models HTTP/1.1\r\nhost: localhost\r\n"
        return [
            b"GET / HTTP/1.1\n\n",
            b"\x16\x03\x01\x02",
            b"POST /v1/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: 4\r\ntransfer-encoding: chunked\r\n\r\n",
            (hello + b"\r\n") * 40,
            hello[:-5],
            hello.replace(b"localhost", b"elsewhere") + b"\r\n",
            render_request({"model": "alpha", "prompt": "x"}, "ost_000000000000_" + "A" * 43),
            _render_raw(b"{", key),
            _render_raw(b"[" * 30_000, key),
            _render_raw(b'{"model":"alpha","model":"beta","prompt":"x"}', key),
            render_request({"model": "alpha", "prompt": "x", "logit_bias": {"99999": 1}}, key),
            render_request({"model": "/etc/passwd", "prompt": "x"}, key),
            render_request({"model": "alpha", "prompt": "\u00e9" * 100_000}, key),
            render_request({"model": "alpha", "prompt": "x " * 200, "max_tokens": 100}, key),
            render_request({"messages": [{"role": "system", "content": "{{ 9**9**9 }}"}], "model": "beta"}, key),
            render_request(long, key),
            render_request({**long, "stream": False}, key),
            render_request(long, key)[:-20],
        ]

    # --- bad luck ---

    async def _end_processes(self, dice: random.Random) -> None:
        due = self._kill_every
        while self._goes_on():
            await asyncio.sleep(0.05)
            workers = list_workers(self._pid) if self._seen.counts["answered"] >= due else []
            if workers:
                due += self._kill_every
                os.kill(dice.choice(workers), signal.SIGKILL)
                self._seen.counts["killed"] += 1


def _render_raw(body: bytes, key: str) -> bytes:
    head = f"POST /v1/completions HTTP/1.1\r\nhost: localhost\r\nx-api-key: {key}\r\n"
    return f"{head}content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body
