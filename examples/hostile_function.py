"""A function that is well-formed, and made to read what is not its own: any place of a table of eight."""

from __future__ import annotations

import json
import struct
from pathlib import Path

from ostiary.testing import safetensors_file

NAME = "thief"
_TABLE = {"dtype": "float32", "shape": [8]}
_PLACES = {"dtype": "int32", "name": "place", "shape": ["many"]}
_MANY = {"max": 64, "min": 1}


def write_thief(place: Path) -> None:
    """A model directory, as docs/formats/graph.md has it."""
    graph = {
        "format": "ostiary.graph",
        "version": 1,
        "name": NAME,
        "dims": {"many": _MANY},
        "inputs": [_PLACES],
        "constants": [{"tensor": "table", **_TABLE}],
        "nodes": [{"op": "take", "in": [1, 0], "attrs": {"axis": 0}, "out": [{**_TABLE, "shape": ["many"]}]}],
        "outputs": [{"name": "loot", "value": 2}],
    }
    contract = {
        "format": "ostiary.contract",
        "version": 1,
        "name": NAME,
        "platform": "ostiary-graph",
        "dims": {"many": {**_MANY, "is_batch": False}},
        "inputs": [{"name": "place", "datatype": "INT32", "shape": [-1], "dims": ["many"]}],
        "outputs": [{"name": "loot", "datatype": "FP32", "shape": [-1], "dims": ["many"]}],
    }
    place.mkdir()
    (place / "graph.json").write_text(_spell(graph))
    (place / "contract.json").write_text(_spell(contract))
    table = struct.pack("<8f", *range(8))
    (place / "graph.safetensors").write_bytes(safetensors_file({"table": ((8,), table)}, "F32"))


def _spell(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))
