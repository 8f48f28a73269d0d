"""One worker, from its fork to its end: engine made, wall up, model in, calls answered. Nothing of it returns."""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final, NamedTuple, NoReturn

from ostiary._hazmat.pass_descriptors import receive_with_descriptors, send_with_descriptors
from ostiary._hazmat.wall import Wall, apply_wall, parse_wall
from ostiary._hazmat.wall_error import WallNotAppliedError
from ostiary.core.frames import Control, Frame, FrameReader, JsonObject, encode_frame
from ostiary.worker.channel import CellChannel, CellGone
from ostiary.worker.engines.contract import EngineLimits, MakeEngine, PrepareEngine
from ostiary.worker.lent import map_lent
from ostiary.worker.load import LoadEnded, load_model
from ostiary.worker.quiet import import_late_modules, quiet_interpreter
from ostiary.worker.serve import serve

FindEngine = Callable[[str], PrepareEngine]

_FAILED: Final = 70  # EX_SOFTWARE
_FIRST_TO_GO: Final = "800"  # of 1000


class Start(NamedTuple):
    """What is asked of one worker."""

    limits: EngineLimits
    wall: Wall
    lent_bytes: int
    """Of each of the two files in memory that it is lent; 0 where it is lent none."""


def read_start(frame: Frame) -> Start:
    """Where it can be done before a fork it should: there the parser is warm."""
    body = frame.parse_body()
    lent = body["lent_bytes"]
    return Start(_parse_limits(body), parse_wall(bytes(frame.tail)), lent if isinstance(lent, int) else 0)


def run_single(handover: socket.socket, find: FindEngine) -> NoReturn:
    """A worker that was started and not forked: it imports its engine itself. `handover` says which."""
    parent = os.getppid()
    try:
        reader, buffer = FrameReader(Control), bytearray(1 << 16)
        frames: list[Frame] = []
        descriptors: list[int] = []
        while len(frames) < 2:
            received = receive_with_descriptors(handover, buffer, 1)
            if not received.size:
                os._exit(0)
            descriptors += received.descriptors
            frames += reader.feed(memoryview(buffer)[: received.size])
        configure, start = frames
        make = prepare(configure.parse_body(), find)
        channel = socket.socket(fileno=descriptors[0])
        run_worker(channel, handover, make, read_start(start), parent)
    except BaseException as error:  # noqa: BLE001  nobody is above this
        tell_not_started(handover, "engine", describe_error(error), missing=find_missing(error))
        os._exit(_FAILED)


def prepare(configuration: JsonObject, find: FindEngine) -> MakeEngine:
    """Import the engine that the application asked for."""
    settings, search = configuration["settings"], configuration["search"]
    if not isinstance(settings, dict) or not isinstance(search, list):
        raise TypeError("the configuration is not one")
    sys.path += [str(place) for place in search if str(place) not in sys.path]
    import_late_modules()
    return find(str(configuration["engine"]))(settings)


def run_worker(
    channel: socket.socket,
    handover: socket.socket,
    make: MakeEngine,
    start: Start,
    parent: int,
    *,
    lent: Sequence[int] = (),
) -> NoReturn:
    """`parent`: whoever forked it. `lent`: the two files in memory."""
    status = _FAILED
    try:
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        name_process("ostiary-cell")
        _go_first()
        memory = map_lent(lent, start.lent_bytes) if lent else None
        engine = make(start.limits)
        quiet_interpreter()
        _lock(channel, handover, start.wall, parent)
        cell = CellChannel(channel)
        load_model(cell, engine)
        serve(cell, engine, memory)
    except (CellGone, LoadEnded):
        status = 0
    except WallNotAppliedError as error:
        tell_not_started(handover, error.layer, describe_error(error))
    except BaseException as error:  # noqa: BLE001  nobody is above this
        tell_not_started(handover, "engine", describe_error(error))
    finally:
        os._exit(status)


def _lock(channel: socket.socket, handover: socket.socket, wall: Wall, parent: int) -> None:
    def hand_over(listener: int | None) -> None:
        descriptors = () if listener is None else (listener,)
        frame = b"".join(encode_frame(Control.LOCKED, body={"descriptors": len(descriptors)}))
        send_with_descriptors(handover, [frame], descriptors)
        handover.close()

    apply_wall(wall, keep=(channel.fileno(), handover.fileno()), parent=parent, hand_over=hand_over)


def _parse_limits(body: JsonObject) -> EngineLimits:
    limits = body["limits"]
    if not isinstance(limits, dict):
        raise TypeError("the limits are not an object")
    numbers = {name: value for name, value in limits.items() if isinstance(value, int)}
    return EngineLimits(**numbers)


def name_process(name: str) -> None:
    """For people who look at a list of processes."""
    _write_own("comm", name)


def _go_first() -> None:
    """Where memory runs out, before the application."""
    _write_own("oom_score_adj", _FIRST_TO_GO)


def _write_own(name: str, text: str) -> None:
    with suppress(OSError), open(f"/proc/self/{name}", "w", encoding="ascii") as file:  # noqa: PTH123
        file.write(text)


def tell_not_started(handover: socket.socket, layer: str, reason: str, *, missing: str | None = None) -> None:
    """No model was near yet: what goes wrong may be told in full. `missing`: a package that is not installed."""
    body: JsonObject = {"layer": layer, "reason": reason, "missing": missing}
    with suppress(OSError, ValueError):
        handover.sendall(b"".join(encode_frame(Control.NOT_STARTED, body=body)))


def find_missing(error: BaseException) -> str | None:
    """The package that is not installed, where that is what went wrong."""
    return error.name if isinstance(error, ModuleNotFoundError) else None


def describe_error(error: BaseException) -> str:
    """Its kind and, where the system said no, why; no text of a foreign exception, which could hold a path."""
    if isinstance(error, OSError) and error.errno:
        return f"{type(error).__name__}: {os.strerror(error.errno).lower()}"
    return type(error).__name__
