"""A real door on loopback with functions behind it, for clients of the Open Inference Protocol."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from door_tools import Answer
from function_models import write_echo, write_function
from served_models import Served, only_loopback, serve

from ostiary.testing import HostilePublisher, sign_model

ROWS = [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]
PACKED = struct.pack("<6f", 1, 2, 3, 4, 5, 6)
INPUT: dict[str, Any] = {"name": "x", "datatype": "FP32", "shape": [2, 3]}


@contextmanager
def serve_functions(folder: Path, *, language: str = "", **arguments: Any) -> Iterator[Served]:
    """The functions `scaled` and `echo`, and a language model where it is named."""
    scaled, echo = write_function(folder / "scaled"), write_echo(folder / "echo")
    models = [("scaled", scaled, sign_model(scaled)), ("echo", echo, sign_model(echo))]
    if language:
        honest = HostilePublisher(folder).publish_honest()
        models.append((language, honest, sign_model(honest)))
    with only_loopback() as tried, serve(folder / "state", *models, **arguments) as served:
        yield served
    assert tried == []


def ask(served: Served, body: object, binary: bytes = b"", *headers: str, path: str = "scaled") -> Answer:
    """JSON, with binary data behind it where there is some."""
    header = json.dumps(body).encode()
    told = (f"inference-header-content-length: {len(header)}", "content-type: application/octet-stream")
    return served.door.post(f"/v2/models/{path}/infer", header + binary, *(told if binary else ()), *headers)


def split(answer: Answer) -> tuple[dict[str, Any], bytes]:
    """The JSON of an answer, and the binary data behind it."""
    end = int(answer.headers.get("inference-header-content-length", len(answer.body)))
    value = json.loads(answer.body[:end])
    assert isinstance(value, dict)
    return value, answer.body[end:]


def binary_input(size: int = 24, **changed: Any) -> dict[str, Any]:
    return {**INPUT, "parameters": {"binary_data_size": size}, **changed}


def request(*inputs: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"inputs": list(inputs), **more}


def flat(rows: Sequence[Sequence[float]] = ROWS) -> list[float]:
    return [number for row in rows for number in row]
