"""An engine without a network: it echoes, counts, waits and fails on demand, so that all around it can be tested.

It answers `generate` and `chat` in the language engine's form (see `fake_language`). Each operation that hurts does
what a hostile or broken model could do once it runs code of its own.
"""

from __future__ import annotations

import ctypes
import importlib
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

from ostiary.core.json_text import JsonValue
from ostiary.core.values import dataclass
from ostiary.worker.engines.contract import (
    Call,
    CallUnfit,
    EngineLimits,
    EngineUsage,
    ErrorName,
    JsonObject,
    MakeEngine,
    ModelUnfit,
    Reply,
    ReplyKind,
)
from ostiary.worker.engines.fake_functions import FakeFunction
from ostiary.worker.engines.fake_language import NO_SCRIPT, FakeLanguage, Script, read_script

_LIBRARIES: Final = ("jinja2.sandbox", "tokenizers")
_NAP_SECONDS: Final = 0.005
_PAGE_BYTES: Final = 4096


def prepare_engine(settings: JsonObject) -> MakeEngine:
    """Settings: `libraries`, a list of those that an operation needs, and those of `fake_language.Script`."""
    script = read_script(settings)
    wanted = settings.get("libraries", [])
    modules = {
        str(name): importlib.import_module(str(name))
        for name in (wanted if isinstance(wanted, list) else [])
        if name in _LIBRARIES
    }
    if "jinja2.sandbox" in modules:
        _import_the_rest(modules["jinja2.sandbox"])
    return lambda limits: FakeEngine(limits, modules, script)


def _import_the_rest(sandbox: Any) -> None:
    """Jinja imports some of itself when it is used, and some when it fails."""
    environment = sandbox.ImmutableSandboxedEnvironment()
    for text in ("{{ 1 }}", "{{ nothing.at_all }}", "{{"):
        with suppress(Exception):
            environment.from_string(text).render()


@dataclass(frozen=True, slots=True)
class _Running:
    call: Call
    steps: Iterator[Reply | None]


class FakeEngine:
    """Runs each call as a generator: one step of it is one step of the engine's."""

    name = "fake"

    def __init__(self, limits: EngineLimits, modules: Mapping[str, Any], script: Script = NO_SCRIPT) -> None:
        self._limits: Final = limits
        self._language: Final = FakeLanguage(script, limits)
        self._function: Final = FakeFunction()
        self._modules: Final = modules
        self._running: Final[dict[int, _Running]] = {}
        self._contents: Mapping[str, bytes] = {}
        self._weights: Final[dict[str, int]] = {}
        self._kept: Final[list[object]] = []
        self._tokens = 0

    def read_contents(self, contents: Mapping[str, bytes]) -> None:
        self._contents = dict(contents)
        self._language.read_contents(contents)
        self._function.read_contents(contents)

    def read_weights(self, path: str, descriptor: int, size: int) -> None:
        total = 0
        while chunk := os.read(descriptor, 1 << 20):
            total += sum(chunk)
        if os.lseek(descriptor, 0, os.SEEK_CUR) != size:
            raise ModelUnfit(ErrorName.LOAD_FAILED, "a weights file has another size than was said")
        self._weights[path] = total

    def finish_load(self) -> JsonObject:
        files: list[JsonValue] = [*sorted(self._contents)]
        return {"files": files, "weights": {**self._weights}}

    def submit(self, call: Call) -> None:
        operation = _OPERATIONS.get(call.operation)
        if operation is None:
            raise CallUnfit("there is no such operation")
        self._running[call.id] = _Running(call, operation(self, call))

    def cancel(self, call_id: int) -> None:
        self._running.pop(call_id, None)

    def step(self) -> Sequence[Reply]:
        replies = []
        for call_id, running in list(self._running.items()):
            try:
                reply = next(running.steps)
            except CallUnfit as error:
                reply = Reply.failed(call_id, ErrorName.CALL_REFUSED, str(error), error.limit)
            except Exception as error:  # noqa: BLE001  other calls go on
                name = ErrorName.OUT_OF_MEMORY if isinstance(error, MemoryError) else ErrorName.ENGINE_FAILED
                reply = Reply.failed(call_id, name, f"the operation raised {type(error).__name__}")
            if reply is not None:
                replies.append(reply)
                if reply.kind is ReplyKind.PIECE:
                    self._tokens += 1
                else:
                    del self._running[call_id]
        return replies

    @property
    def has_work(self) -> bool:
        return bool(self._running)

    def read_usage(self) -> EngineUsage:
        return EngineUsage(self._tokens)

    # --- operations: generators that yield a reply, or None for a step without one ---

    def _echo(self, call: Call) -> Iterator[Reply | None]:
        yield Reply(call.id, ReplyKind.RESULT, call.body, bytes(call.tail))

    def _count(self, call: Call) -> Iterator[Reply | None]:
        to = _number(call, "to")
        for number in range(to):
            yield Reply(call.id, ReplyKind.PIECE, {"number": number})
        yield Reply(call.id, ReplyKind.RESULT, {"counted": to})

    def _sleep(self, call: Call) -> Iterator[Reply | None]:
        """Other calls go on meanwhile."""
        end = time.monotonic() + _number(call, "milliseconds") / 1000
        while time.monotonic() < end:
            time.sleep(_NAP_SECONDS)
            yield None
        yield Reply(call.id, ReplyKind.RESULT, {})

    def _burn(self, call: Call) -> Iterator[Reply | None]:
        """So much processor time."""
        end = time.process_time() + _number(call, "milliseconds") / 1000
        while time.process_time() < end:
            yield None
        yield Reply(call.id, ReplyKind.RESULT, {})

    def _hang(self, _call: Call) -> Iterator[Reply | None]:
        """Nothing goes on."""
        while self.has_work:
            time.sleep(1)
        yield None

    def _spin(self, _call: Call) -> Iterator[Reply | None]:
        while self.has_work:
            pass
        yield None

    def _grow(self, call: Call) -> Iterator[Reply | None]:
        """Holds so many more bytes, a mebibyte at a time."""
        for _ in range(_number(call, "bytes") >> 20):
            block = bytearray(1 << 20)
            block[::_PAGE_BYTES] = b"x" * len(block[::_PAGE_BYTES])
            self._kept.append(block)
            yield None
        yield Reply(call.id, ReplyKind.RESULT, {"blocks": len(self._kept)})

    def _end(self, call: Call) -> Iterator[Reply | None]:
        match call.body.get("how"):
            case "abort":
                os.abort()
            case "address":
                ctypes.string_at(8)
            case "exit":
                os._exit(_number(call, "status"))
            case "forbidden":
                os.kill(os.getppid(), signal.SIGTERM)
            case "raise":
                raise LookupError("not shown to anybody")
            case "ask for all memory":
                self._kept.append(bytearray(1 << 50))
            case "panic":
                raise _Panic
            case "recurse":
                self._recurse()
        yield Reply(call.id, ReplyKind.RESULT, {})

    def _recurse(self) -> None:
        self._recurse()

    def _open(self, call: Call) -> Iterator[Reply | None]:
        with open(str(call.body.get("path")), "rb") as file:  # noqa: PTH123  the plainest way
            yield Reply(call.id, ReplyKind.RESULT, {"bytes": len(file.read())})

    def _render_template(self, call: Call) -> Iterator[Reply | None]:
        """Jinja's own sandbox and no bound of ours: the wall and the limits hold it."""
        environment = self._modules["jinja2.sandbox"].ImmutableSandboxedEnvironment()
        template = call.body.get("template") or self._contents[str(call.body["file"])].decode()
        text = environment.from_string(template).render(call.body.get("variables") or {})
        yield Reply(call.id, ReplyKind.RESULT, {"text": text})

    def _encode_text(self, call: Call) -> Iterator[Reply | None]:
        tokenizer = self._modules["tokenizers"].Tokenizer.from_str(self._contents["tokenizer.json"].decode())
        yield Reply(call.id, ReplyKind.RESULT, {"ids": list(tokenizer.encode(str(call.body["text"])).ids)})

    def _answer(self, call: Call) -> Iterator[Reply | None]:
        return self._language.answer(call)

    def _infer(self, call: Call) -> Iterator[Reply | None]:
        yield self._function.answer(call)

    def _render(self, call: Call) -> Iterator[Reply | None]:
        """A conversation as the language engine's form has it, or a template of the test's own."""
        return self._language.answer(call) if "messages" in call.body else self._render_template(call)


class _Panic(BaseException):
    """As Rust's panics arrive in Python."""


def _number(call: Call, name: str) -> int:
    value = call.body.get(name, 0)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise CallUnfit(f"{name} is a whole number")
    return value


_OPERATIONS: Final[Mapping[str, Callable[[FakeEngine, Call], Iterator[Reply | None]]]] = {
    "burn": FakeEngine._burn,
    "chat": FakeEngine._answer,
    "count": FakeEngine._count,
    "echo": FakeEngine._echo,
    "embed": FakeEngine._answer,
    "encode_text": FakeEngine._encode_text,
    "end": FakeEngine._end,
    "generate": FakeEngine._answer,
    "grow": FakeEngine._grow,
    "hang": FakeEngine._hang,
    "infer": FakeEngine._infer,
    "open": FakeEngine._open,
    "render_template": FakeEngine._render,
    "sleep": FakeEngine._sleep,
    "spin": FakeEngine._spin,
}
