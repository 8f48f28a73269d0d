"""Takes the model through the channel, file by file, and gives it to the engine. Behind the wall already."""

from __future__ import annotations

import os
from typing import Final

from ostiary.core.frames import ErrorName, FromWorker, ToWorker
from ostiary.worker.channel import CellChannel, CellGone
from ostiary.worker.engines.contract import Engine, JsonObject, ModelUnfit


class LoadEnded(Exception):
    """The engine does not take the model; the cell was told why."""


def load_model(channel: CellChannel, engine: Engine) -> None:
    """Every file, then READY. Raises LoadEnded."""
    try:
        facts = _load(channel, engine)
    except CellGone:
        raise
    except ModelUnfit as error:
        raise _tell(channel, error.name, str(error)) from error
    except MemoryError as error:
        raise _tell(channel, ErrorName.OUT_OF_MEMORY, "there was not enough memory to load the model") from error
    except BaseException as error:  # tokenizers panic with what is no Exception
        raise _tell(channel, ErrorName.LOAD_FAILED, f"the engine raised {type(error).__name__}") from error
    channel.send(FromWorker.READY, body={"engine": engine.name, "facts": dict(facts)})


def _load(channel: CellChannel, engine: Engine) -> JsonObject:
    contents: Final[dict[str, bytes]] = {}
    while True:
        for frame in channel.receive(wait=True):
            body = frame.parse_body()
            match frame.kind:
                case ToWorker.CONTENT:
                    contents[str(body["path"])] = bytes(frame.tail)
                case ToWorker.CONTENTS_DONE:
                    engine.read_contents(contents)
                    contents.clear()
                case ToWorker.WEIGHTS:
                    _read_weights(channel, engine, str(body["path"]), body["size"])
                case ToWorker.FINISH:
                    return engine.finish_load()
                case _:
                    raise ValueError("a call before the model")


def _read_weights(channel: CellChannel, engine: Engine, path: str, size: object) -> None:
    if not isinstance(size, int):
        raise TypeError("the size is not a number")
    descriptor = channel.take_descriptor()
    try:
        engine.read_weights(path, descriptor, size)
    finally:
        os.close(descriptor)
    channel.send(FromWorker.TAKEN)


def _tell(channel: CellChannel, name: ErrorName, sentence: str) -> LoadEnded:
    channel.send(FromWorker.ERROR, body={"code": name.value, "sentence": sentence})
    return LoadEnded()
