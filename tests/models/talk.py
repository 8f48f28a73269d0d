"""Speaking with an engine in its own process: submit, step, gather."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ostiary.core.frames import ReplyKind
from ostiary.worker.engines.contract import Call, EngineLimits, Reply

LIMITS = EngineLimits(memory_bytes=4 << 30, threads=16, tokens=4_096, calls=64)


@dataclass
class Heard:
    """All that was said of one call."""

    pieces: list[Mapping[str, Any]] = field(default_factory=list)
    result: Mapping[str, Any] | None = None
    error: Mapping[str, Any] | None = None

    def text(self, choice: int = 0) -> str:
        return "".join(piece["text"] for piece in self.pieces if piece["choice"] == choice)

    def tokens(self, choice: int = 0) -> list[int]:
        return [token for piece in self.pieces if piece["choice"] == choice for token in piece["tokens"]]

    @property
    def is_over(self) -> bool:
        return self.result is not None or self.error is not None


class Talk:
    """Calls to one engine."""

    def __init__(self, engine: Any) -> None:
        self.engine = engine
        self.heard: dict[int, Heard] = {}
        self._last = 0

    def submit(self, operation: str, body: Mapping[str, Any]) -> int:
        self._last += 1
        self.engine.submit(Call(self._last, operation, body))
        self.heard[self._last] = Heard()
        return self._last

    def step(self) -> Sequence[Reply]:
        replies: Sequence[Reply] = self.engine.step()
        for reply in replies:
            heard = self.heard[reply.call_id]
            assert not heard.is_over, "something was said after the end"
            if reply.kind is ReplyKind.PIECE:
                heard.pieces.append(reply.body)
            elif reply.kind is ReplyKind.RESULT:
                heard.result = reply.body
            else:
                heard.error = reply.body
        return replies

    def finish(self) -> None:
        while self.engine.has_work:
            self.step()

    def ask(self, operation: str, **body: Any) -> Heard:
        """One call, from beginning to end."""
        call_id = self.submit(operation, body)
        self.finish()
        return self.heard[call_id]

    def ask_all(self, bodies: Sequence[Mapping[str, Any]]) -> list[Heard]:
        """Several at once."""
        ids = [self.submit("generate", body) for body in bodies]
        self.finish()
        return [self.heard[call_id] for call_id in ids]
