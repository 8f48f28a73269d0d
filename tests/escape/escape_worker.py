"""The real worker with one more engine: its operations are the attempts to get out. Started by tests only."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from ostiary.core.frames import JsonObject
from ostiary.worker import run
from ostiary.worker.begin import begin
from ostiary.worker.channel import CellChannel
from ostiary.worker.engines.contract import Call, EngineLimits, EngineUsage, MakeEngine, Reply, ReplyKind

sys.path[:0] = [str(Path(__file__).parents[1])]

from escape import every  # noqa: E402, F401  registers the attempts
from escape.attempt import ATTEMPTS, World  # noqa: E402
from escape.cage import find_environment, make_gadget  # noqa: E402

_channels: list[int] = []


class _KnownChannel(CellChannel):
    def __init__(self, sock: object) -> None:
        super().__init__(sock)  # type: ignore[arg-type]
        _channels.append(sock.fileno())  # type: ignore[attr-defined]


class EscapeEngine:
    name = "escape"

    def __init__(self, gadget: int) -> None:
        self._gadget = gadget
        self._parent = os.getppid()
        self._environment = find_environment()
        self._calls: list[Call] = []

    def read_contents(self, contents: Mapping[str, bytes]) -> None:
        pass

    def read_weights(self, path: str, descriptor: int, size: int) -> None:
        pass

    def finish_load(self) -> JsonObject:
        return {}

    def submit(self, call: Call) -> None:
        self._calls.append(call)

    def cancel(self, call_id: int) -> None:
        pass

    def step(self) -> Sequence[Reply]:
        call = self._calls.pop()
        if call.operation in _OTHERS:
            return [Reply(call.id, ReplyKind.RESULT, _OTHERS[call.operation]())]
        return [Reply(call.id, ReplyKind.RESULT, self._try_out(call))]

    def _try_out(self, call: Call) -> JsonObject:
        given = dict(call.body)
        world = World(
            **given
            | {
                "secret": str(given["secret"]).encode(),
                "parent": self._parent,
                "kept": _channels[0],
                "weights": 0,
                "gadget": self._gadget,
                "environment": self._environment,
            }
        )
        try:
            return {"evidence": ATTEMPTS[call.operation].run(world).hex()}
        except OSError as error:
            return {"error": error.errno}
        except BaseException as error:  # noqa: BLE001  stopped, whatever it was
            return {"error": type(error).__name__}

    @property
    def has_work(self) -> bool:
        return bool(self._calls)

    def read_usage(self) -> EngineUsage:
        return EngineUsage()


def _use_threads() -> JsonObject:
    """Each allocates while all others are there."""
    count = 20
    kept: list[bytearray] = []
    meeting = threading.Barrier(count)

    def allocate() -> None:
        kept.append(bytearray(100_000))
        meeting.wait()

    threads = [threading.Thread(target=allocate) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {"threads": len(kept)}


def _hold_back_the_signal() -> JsonObject:
    """Of the kernel's limit of processor time: it comes, and is not let in."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGXCPU})
    while time.process_time() < 5:
        pass
    return {}


_OTHERS: Mapping[str, Callable[[], JsonObject]] = {
    "many honest threads": _use_threads,
    "hold back the signal": _hold_back_the_signal,
}


def prepare_engine(settings: JsonObject) -> MakeEngine:
    gadget = make_gadget()

    def make(limits: EngineLimits) -> EscapeEngine:
        return EscapeEngine(gadget)

    return make


if "command" in globals():
    run.CellChannel = _KnownChannel  # type: ignore[misc]
    begin(globals()["command"], {"escape": prepare_engine})
