"""Answers as a language engine gives them, without a network: what was asked is said again, or what a script says.

A token is a word with the space before it. The forms of calls and answers are those of the language engine.
"""

from __future__ import annotations

import json
import math
import os
import re
import struct
import time
import zlib
from collections.abc import Generator, Iterator, Mapping
from typing import Final

from ostiary.core.json_text import JsonValue
from ostiary.core.thought_styles import Thinking, ThoughtStyle, describe_thinking
from ostiary.core.values import dataclass
from ostiary.worker.engines.contract import (
    Call,
    CallUnfit,
    EngineLimits,
    ErrorName,
    JsonObject,
    Reply,
    ReplyKind,
)
from ostiary.worker.engines.language.check_calls import Bounds, ChatCall, EmbedCall, GenerateCall, parse_call
from ostiary.worker.engines.language.check_prompt import check_prompt, check_text
from ostiary.worker.engines.language.options import Generation
from ostiary.worker.engines.language.stop import StopFinder

_WORD: Final = re.compile(r"\s*\S+|\s+")
_ROWS: Final = 32_768
_CONTEXT: Final = 8_192
_NAP_SECONDS: Final = 0.005
_LOGPROB: Final = -0.25
_VECTOR: Final = 16
_ON_A_CALL: Final = frozenset({ErrorName.CALL_REFUSED, ErrorName.ENGINE_FAILED, ErrorName.OUT_OF_MEMORY})


@dataclass(frozen=True, slots=True)
class Script:
    """What an application wants its tests to meet. Settings of the engine, all may be absent."""

    answers: tuple[str, ...] = ()
    """One after the other, the first again after the last. None: what was asked, once more."""
    replies: Mapping[str, str] | None = None
    """What is asked (of a chat, its last message) to what is answered; before `answers`."""
    token_milliseconds: int = 0
    """How long each token takes."""
    failure: str | None = None
    """A code that a worker or an engine can bring about: that is how each call ends."""
    failure_tokens: int = 0
    """After so many tokens."""
    thinking: Thinking | None = None
    """In which manner answers to chats think."""


NO_SCRIPT: Final = Script()


def read_script(settings: JsonObject) -> Script:
    """Raises ValueError."""
    known = {
        "answers": settings.get("answers") or [],
        "replies": settings.get("replies"),
        "token_milliseconds": settings.get("token_milliseconds") or 0,
        "failure": settings.get("failure"),
        "failure_tokens": settings.get("failure_tokens") or 0,
    }
    style, is_begun = settings.get("thoughts"), settings.get("is_thought_begun") is True
    answers, replies = known["answers"], known["replies"]
    if not isinstance(answers, list) or not (replies is None or isinstance(replies, dict)):
        raise ValueError("answers are a list, replies an object")
    return Script(
        tuple(str(answer) for answer in answers),
        None if replies is None else {name: str(reply) for name, reply in replies.items()},
        int(str(known["token_milliseconds"])),
        None if known["failure"] is None else str(known["failure"]),
        int(str(known["failure_tokens"])),
        None if style is None else Thinking(ThoughtStyle(str(style)), is_begun),
    )


class FakeLanguage:
    """For one model."""

    def __init__(self, script: Script, limits: EngineLimits) -> None:
        self._script: Final = script
        self._most_tokens: Final = limits.tokens
        self._rows = _ROWS
        self._context = _CONTEXT
        self._answered = 0

    def read_contents(self, contents: Mapping[str, bytes]) -> None:
        """The size of vocabulary and context, where the configuration says."""
        try:
            config = json.loads(contents.get("config.json", b"{}"))
        except ValueError:
            return
        rows, context = config.get("vocab_size"), config.get("max_position_embeddings")
        self._rows = rows if isinstance(rows, int) and rows > 0 else _ROWS
        self._context = context if isinstance(context, int) and context > 0 else _CONTEXT

    def answer(self, call: Call) -> Iterator[Reply | None]:
        """A generator: a token for each step, for each choice; then the result."""
        bounds = Bounds(self._rows, self._context, self._most_tokens)
        parsed = parse_call(call.operation, call.body, bounds)
        if isinstance(parsed, EmbedCall):
            yield self._embed(call.id, parsed, bounds)
            return
        if isinstance(parsed, ChatCall) and parsed.generation is None:
            text = " ".join(str(message.get("content") or "") for message in parsed.messages)
            tokens: list[JsonValue] = [self._number(word) for word in _split(text)]
            yield Reply(call.id, ReplyKind.RESULT, {"text": text, "tokens": tokens})
            return
        if not isinstance(parsed, GenerateCall | ChatCall) or parsed.generation is None:
            raise CallUnfit("there is no such operation")
        asked = _read_asked(parsed)
        prompt = [self._number(word) for word in _split(asked)] if isinstance(asked, str) else [*asked]
        most = check_prompt(prompt, parsed.generation, bounds)
        said = self._choose(asked if isinstance(asked, str) else " ".join(map(str, asked)))
        first: dict[str, JsonValue] = {"prompt_tokens": len(prompt)}
        if isinstance(parsed, ChatCall) and self._script.thinking is not None:
            first["thinking"] = describe_thinking(self._script.thinking)
        ends: list[JsonValue] = []
        completion = 0
        for choice in range(parsed.generation.choices):
            end = yield from self._say(call.id, choice, said, parsed.generation, (first, most))
            ends.append(end)
            completion += int(str(end["tokens"]))
        seed = parsed.generation.sampling.seed
        usage: dict[str, JsonValue] = {
            "prompt_tokens": len(prompt),
            "cached_tokens": 0,
            "completion_tokens": completion,
        }
        body: dict[str, JsonValue] = {"choices": ends, "seed": 0 if seed is None else seed, "usage": usage}
        yield Reply(call.id, ReplyKind.RESULT, body)

    def _embed(self, call_id: int, call: EmbedCall, bounds: Bounds) -> Reply:
        """Each word has a place: texts with the same words are alike."""
        numbers = [0.0] * _VECTOR
        words = _split(call.text) if isinstance(call.text, str) else [str(token) for token in call.text]
        check_text([self._number(word) for word in words or [""]], call.limits, bounds)
        for word in words or [""]:
            numbers[zlib.crc32(word.strip().encode()) % _VECTOR] += 1.0
        length = math.hypot(*numbers)
        tail = struct.pack(f"<{_VECTOR}f", *(number / length for number in numbers))
        body: dict[str, JsonValue] = {"size": _VECTOR, "usage": {"prompt_tokens": len(words)}}
        return Reply(call_id, ReplyKind.RESULT, body, tail)

    def _say(
        self,
        call_id: int,
        choice: int,
        said: str,
        generation: Generation,
        told: tuple[dict[str, JsonValue], int],
    ) -> Generator[Reply | None, None, dict[str, JsonValue]]:
        """`told`: with the first token, and how many tokens there are at most. Returns how the choice ended."""
        first, most = told
        words = _split(said)
        stops = StopFinder(generation.stop)
        count, stop = 0, None
        for word in words[:most]:
            yield from self._wait()
            yield from self._fail(call_id, count)
            cut = stops.feed(word)
            count, stop = count + 1, cut.stop
            is_last = stop is not None or count == min(most, len(words))
            text = cut.text + (stops.flush() if is_last else "")
            piece = self._describe(choice, word, text, generation)
            if count == 1:
                piece |= first
            yield Reply(call_id, ReplyKind.PIECE, piece)
            if stop is not None:
                break
        yield from self._fail(call_id, count)
        finish = "length" if stop is None and len(words) > most else "stop"
        return {"choice": choice, "finish": finish, "stop": stop, "tokens": count}

    def _describe(self, choice: int, word: str, text: str, generation: Generation) -> dict[str, JsonValue]:
        token = self._number(word)
        piece: dict[str, JsonValue] = {"choice": choice, "tokens": [token], "text": text}
        if generation.logprobs is not None:
            likely: dict[str, JsonValue] = {
                "token": token,
                "text": word,
                "bytes": [*word.encode()],
                "logprob": _LOGPROB,
            }
            top: list[JsonValue] = [likely] if generation.logprobs else []
            piece["logprobs"] = [{**likely, "top": top}]
        return piece

    def _choose(self, asked: str) -> str:
        script = self._script
        if script.replies is not None and asked in script.replies:
            return script.replies[asked]
        if not script.answers:
            return asked
        self._answered += 1
        return script.answers[(self._answered - 1) % len(script.answers)]

    def _wait(self) -> Iterator[None]:
        end = time.monotonic() + self._script.token_milliseconds / 1000
        while time.monotonic() < end:
            time.sleep(_NAP_SECONDS)
            yield None

    def _fail(self, call_id: int, count: int) -> Iterator[Reply | None]:
        """As the script says, at that token."""
        failure = self._script.failure
        if failure is None or count != self._script.failure_tokens:
            return
        yield None  # what was said before is on its way
        name = next((name for name in _ON_A_CALL if name.value == failure), None)
        if name is not None:
            yield Reply.failed(call_id, name, "the script says so")
        match failure:
            case "WORKER_CRASHED":
                os.abort()
            case "WORKER_VIOLATION":
                os.kill(os.getppid(), 0)
            case "WORKER_MALFORMED_ANSWER":
                yield Reply(call_id, ReplyKind.PIECE, {"choice": -1})
            case _:
                while True:  # WORKER_SILENT
                    time.sleep(_NAP_SECONDS)
                    yield None

    def _number(self, word: str) -> int:
        return zlib.crc32(word.encode()) % self._rows


def _split(text: str) -> list[str]:
    return _WORD.findall(text)


def _read_asked(call: GenerateCall | ChatCall) -> str | tuple[int, ...]:
    if isinstance(call, GenerateCall):
        return call.prompt
    content = call.messages[-1].get("content")
    return content if isinstance(content, str) else ""
