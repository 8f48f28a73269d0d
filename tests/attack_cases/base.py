"""The shape of a case, and the small honest model that most cases damage in one place."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

CORPUS = Path(__file__).resolve().parent.parent / "attacks" / "corpus"
ACCEPT = "accept"


@dataclass(frozen=True)
class Case:
    """`expect` is "accept" or the code of the refusal; `rule` the id of a finding that must be among the findings.

    With one file and `single=True` the file itself is inspected, else the directory.
    """

    name: str
    what: str
    expect: str
    files: Mapping[str, bytes]
    rule: str | None = None
    single: bool = False
    symlinks: Mapping[str, str] = field(default_factory=dict)
    hard_links: Mapping[str, str] = field(default_factory=dict)
    fifos: tuple[str, ...] = ()


def model_files(**changes: bytes | None) -> dict[str, bytes]:
    """The honest model (tiny llama, float16). Keys of `changes` are file names with '__' for '.'; None removes."""
    honest = CORPUS / "dirs" / "ok_adapter"
    files = {p.name: p.read_bytes() for p in sorted(honest.iterdir()) if p.is_file()}
    for key, data in changes.items():
        name = key.replace("__", ".")
        if data is None:
            files.pop(name, None)
        else:
            files[name] = data
    return files


def honest_json(name: str, **changes: object) -> bytes:
    """A JSON file of the honest model with top-level keys replaced."""
    value = json.loads(model_files()[name])
    value.update(changes)
    return json.dumps(value, indent=1).encode()


def safetensors_bytes(tensors: Mapping[str, tuple[str, list[int], bytes]], metadata: object = None) -> bytes:
    """A well-formed file; what is wrong with it is the caller's idea."""
    header: dict[str, object] = {} if metadata is None else {"__metadata__": metadata}
    offset = 0
    for name, (dtype, shape, data) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [offset, offset + len(data)]}
        offset += len(data)
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + b"".join(data for _, _, data in tensors.values())
