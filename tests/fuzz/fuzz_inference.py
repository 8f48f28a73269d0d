"""Fuzzes what asks a function: any message of gRPC, and any JSON with binary data, is a request or one refusal.

The first byte says which, and for JSON how long it is claimed to be. Tensors of a request lie within its bytes.
"""

from __future__ import annotations

import json
import struct
import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["ostiary"]):
    from ostiary.errors import ContractRefused, GatewayRefused
    from ostiary.gateway.oip.messages import (
        parse_infer_message,
        parse_named_model,
        parse_nothing,
        read_infer_message,
    )
    from ostiary.gateway.oip.read_infer import InferRequest, parse_infer, split_body
    from ostiary.gateway.oip.wire import write_bytes, write_packed, write_text

from ostiary.core.tensors import ITEM_BYTES
from ostiary.graph.function_contract import ContractDim, FunctionContract, TensorInput, TensorOutput
from ostiary.graph.sizes import dim

BATCH = dim("batch")
CONTRACT = FunctionContract(
    "fuzzed",
    (ContractDim("batch", 1, 64, True),),
    (TensorInput("x", "FP32", (BATCH, 2)), TensorInput("n", "INT8", (BATCH,)), TensorInput("b", "BOOL", (BATCH,))),
    (TensorOutput("y", "FP32", (BATCH, 2)),),
)


def _judge(request: InferRequest) -> None:
    for tensor in request.inputs.values():
        if len(tensor.data) != tensor.elements * ITEM_BYTES[tensor.datatype]:
            raise AssertionError(tensor)
    if not {item.name for item in request.wanted} <= {"y"}:
        raise AssertionError(request.wanted)


def TestOneInput(data: bytes) -> None:  # noqa: N802  the name that fuzzers look for
    kind, rest = (data[0] if data else 0), data[1:]
    try:
        if kind < 4:
            _judge(read_infer_message(parse_infer_message(rest), CONTRACT))
        elif kind < 5:
            parse_named_model(rest)
        elif kind < 6:
            parse_nothing(rest)
        else:
            header, binary = split_body(rest, str(kind))
            _judge(parse_infer(header, binary, CONTRACT))
    except (ContractRefused, GatewayRefused) as refused:
        if "\n" in refused.message or len(refused.message) > 1_000:
            raise AssertionError(refused) from refused


def _tensor(name: str, datatype: str, contents: bytes = b"") -> bytes:
    told = write_text(1, name) + write_text(2, datatype) + write_packed(3, [1, 2] if name == "x" else [1])
    return b"".join(write_bytes(5, told + (b"".join(write_bytes(5, contents)) if contents else b"")))


_RAW = [struct.pack("<2f", 1, 2), b"\x01", b"\x01"]
_JSON = json.dumps(
    {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 2], "parameters": {"binary_data_size": 8}}]}
).encode()
SEEDS = (
    b"\0"
    + write_text(1, "m")
    + _tensor("x", "FP32")
    + _tensor("n", "INT8")
    + _tensor("b", "BOOL")
    + b"".join(b"".join(write_bytes(7, raw)) for raw in _RAW),
    b"\0" + _tensor("x", "FP32", b"".join(write_bytes(6, _RAW[0]))) + _tensor("n", "INT8", write_packed(2, [-1])),
    b"\0" + b"".join(write_bytes(6, write_text(1, "y"))) + write_text(3, "id"),
    b"\x04" + write_text(1, "m") + write_text(2, "1"),
    bytes([len(_JSON)]) + _JSON + _RAW[0],
    bytes([len(_JSON)]) + _JSON,
)

if __name__ == "__main__":
    place = Path(tempfile.mkdtemp(prefix="ostiary-fuzz-"))
    for number, seed in enumerate(SEEDS):
        (place / str(number)).write_bytes(seed)
    atheris.Setup([*sys.argv, str(place)], TestOneInput)
    atheris.Fuzz()
