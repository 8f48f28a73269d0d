"""The messages of the Open Inference Protocol over gRPC, closed: bytes to what is asked, and what is told to bytes.

The numbers of the fields are those of open_inference_grpc.proto (Apache-2.0, The KServe Authors); the tests hold
them against the classes that others generated from it. Pure.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Final

from ostiary.contract.pack_numbers import pack_numbers
from ostiary.core.limits import (
    MAX_BODY_VALUES,
    MAX_DIMENSION,
    MAX_REQUEST_ID_CHARACTERS,
    MAX_TENSOR_DIMENSIONS,
    MAX_TENSOR_NAME_CHARACTERS,
    MAX_TENSORS_AT_ONCE,
)
from ostiary.core.tensors import ITEM_BYTES, Tensor
from ostiary.core.text import quote_untrusted
from ostiary.core.values import dataclass
from ostiary.errors import CONTRACT_RANGE, CONTRACT_SHAPE, CONTRACT_TOO_LONG, CONTRACT_TYPE, CONTRACT_UNKNOWN_FIELD
from ostiary.gateway.oip.forms import ModelMetadata, ServerMetadata, TensorMetadata
from ostiary.gateway.oip.read_infer import (
    InferRequest,
    WantedTensor,
    judge_datatype,
    make_tensor,
    misfit,
    name_outputs,
)
from ostiary.gateway.oip.wire import (
    Field,
    Wire,
    malformed,
    read_fields,
    read_message,
    read_numbers,
    read_text,
    sign,
    write_bytes,
    write_packed,
    write_text,
    write_varint,
)
from ostiary.graph.function_contract import FunctionContract

_CONTENTS: Final[Mapping[int, str]] = {
    1: "bool_contents",
    2: "int_contents",
    3: "int64_contents",
    4: "uint_contents",
    5: "uint64_contents",
    6: "fp32_contents",
}
_SIGNED: Final = (2, 3)
_CONTENTS_OF: Final[Mapping[str, int]] = {
    "BOOL": 1,
    "INT8": 2,
    "INT16": 2,
    "INT32": 2,
    "INT64": 3,
    "UINT8": 4,
    "UINT16": 4,
    "UINT32": 4,
    "UINT64": 5,
    "FP32": 6,
}


@dataclass(frozen=True, slots=True)
class NamedModel:
    """A model, and "" or the version of it that is meant."""

    name: str
    version: str


@dataclass(frozen=True, slots=True)
class _Input:
    name: str
    datatype: str
    shape: tuple[int, ...]
    contents: memoryview | None


@dataclass(frozen=True, slots=True)
class InferMessage:
    """As it was sent: which model it is for says what its tensors may be."""

    model: NamedModel
    id: str
    inputs: tuple[_Input, ...]
    outputs: tuple[str, ...]
    raw: tuple[memoryview, ...]


def parse_nothing(data: bytes) -> None:
    """A message without fields. Raises ContractRefused where there is one."""
    for field in read_fields(memoryview(data)):
        raise _unknown(field, "the message")


def parse_named_model(data: bytes) -> NamedModel:
    """Raises GatewayRefused, and ContractRefused with the field."""
    texts = _Texts({1: "name", 2: "version"})
    for field in read_fields(memoryview(data)):
        if not texts.take(field):
            raise _unknown(field, "the message")
    return NamedModel(texts[1], texts[2])


def parse_infer_message(data: bytes) -> InferMessage:
    """Raises GatewayRefused, and ContractRefused with the field."""
    texts = _Texts({1: "model_name", 2: "model_version", 3: "id"})
    inputs: list[_Input] = []
    outputs: list[str] = []
    raw: list[memoryview] = []
    for field in read_fields(memoryview(data)):
        if texts.take(field):
            continue
        match field.number:
            case 4:
                raise _refuse_parameter(field, "parameters")
            case 5:
                inputs.append(_parse_input(read_message(field, "inputs"), f"inputs[{len(inputs)}]"))
            case 6:
                outputs.append(_parse_output(read_message(field, "outputs"), f"outputs[{len(outputs)}]"))
            case 7:
                raw.append(read_message(field, "raw_input_contents"))
            case _:
                raise _unknown(field, "the message")
        if max(len(inputs), len(outputs), len(raw)) > MAX_TENSORS_AT_ONCE:
            raise misfit(CONTRACT_TOO_LONG, "inputs", f"or outputs are more than {int(MAX_TENSORS_AT_ONCE):,}")
    if len(texts[3]) > MAX_REQUEST_ID_CHARACTERS:
        raise misfit(CONTRACT_TOO_LONG, "id", f"has more than {int(MAX_REQUEST_ID_CHARACTERS)} characters")
    return InferMessage(NamedModel(texts[1], texts[2]), texts[3], tuple(inputs), tuple(outputs), tuple(raw))


def read_infer_message(message: InferMessage, contract: FunctionContract) -> InferRequest:
    """Raises ContractRefused with the field."""
    if message.raw and len(message.raw) != len(message.inputs):
        detail = f"has {len(message.raw):,} entries, and there are {len(message.inputs):,} inputs"
        raise misfit(CONTRACT_SHAPE, "raw_input_contents", detail)
    inputs: dict[str, Tensor] = {}
    for place, item in enumerate(message.inputs):
        field = f"inputs[{place}]"
        if item.name in inputs:
            raise misfit(CONTRACT_TYPE, f"{field}.name", "is that of an input before it")
        judge_datatype(item.name, item.datatype, field, contract)
        if not message.raw:
            inputs[item.name] = _read_contents(item, f"{field}.contents")
        elif item.contents:
            raise misfit(CONTRACT_TYPE, f"{field}.contents", "is there beside raw_input_contents")
        else:
            raw = message.raw[place]
            inputs[item.name] = make_tensor(item.datatype, item.shape, raw, f"raw_input_contents[{place}]")
    name_outputs(message.outputs, contract)
    names = message.outputs or tuple(rule.name for rule in contract.outputs)
    return InferRequest(message.id or None, inputs, tuple(WantedTensor(name, is_binary=True) for name in names))


def write_infer_message(name: str, version: str, request: InferRequest, outputs: Mapping[str, Tensor]) -> bytes:
    """All outputs raw."""
    parts: list[bytes | memoryview] = [write_text(1, name), write_text(2, version), write_text(3, request.id or "")]
    for wanted in request.wanted:
        tensor = outputs[wanted.name]
        told = write_text(1, wanted.name) + write_text(2, tensor.datatype) + write_packed(3, tensor.shape)
        parts += write_bytes(5, told)
    for wanted in request.wanted:
        parts += write_bytes(6, outputs[wanted.name].data)
    return b"".join(parts)


def write_flag(is_so: bool) -> bytes:
    """ServerLive, ServerReady and ModelReady answer with this alone."""
    return write_varint(1, 1) if is_so else b""


def write_server(server: ServerMetadata) -> bytes:
    return write_text(1, server.name) + write_text(2, server.version)


def write_model(model: ModelMetadata) -> bytes:
    parts: list[bytes | memoryview] = [write_text(1, model.name)]
    parts += [write_text(2, version) for version in model.versions]
    parts.append(write_text(3, model.platform))
    for number, tensors in ((4, model.inputs), (5, model.outputs)):
        for tensor in tensors:
            parts += write_bytes(number, _write_tensor(tensor))
    return b"".join(parts)


def _write_tensor(tensor: TensorMetadata) -> bytes:
    return write_text(1, tensor.name) + write_text(2, tensor.datatype) + write_packed(3, tensor.shape)


class _Texts:
    """Fields that are one text each: at most once, as no program writes one twice."""

    def __init__(self, names: Mapping[int, str]) -> None:
        self._names: Final = names
        self._found: Final[dict[int, str]] = {}

    def take(self, field: Field, within: str = "") -> bool:
        """Whether it is one of them."""
        name = self._names.get(field.number)
        if name is None:
            return False
        if field.number in self._found:
            raise malformed(f"{within}{name} stands there twice")
        self._found[field.number] = read_text(field, f"{within}{name}")
        return True

    def __getitem__(self, number: int) -> str:
        return self._found.get(number, "")


def _parse_input(data: memoryview, place: str) -> _Input:
    texts = _Texts({1: "name", 2: "datatype"})
    shape: list[int] = []
    contents: memoryview | None = None
    for field in read_fields(data):
        if texts.take(field, f"{place}."):
            continue
        match field.number:
            case 3:
                shape += _parse_sizes(field, f"{place}.shape")
                if len(shape) > MAX_TENSOR_DIMENSIONS:
                    most = int(MAX_TENSOR_DIMENSIONS)
                    raise misfit(CONTRACT_TOO_LONG, f"{place}.shape", f"may have at most {most} entries")
            case 4:
                raise _refuse_parameter(field, f"{place}.parameters")
            case 5:
                if contents is not None:
                    raise malformed(f"{place}.contents stands there twice")
                contents = read_message(field, f"{place}.contents")
            case _:
                raise _unknown(field, place)
    return _Input(_judge_name(texts[1], place), texts[2], tuple(shape), contents)


def _parse_sizes(field: Field, name: str) -> list[int]:
    sizes = [sign(value) for value in read_numbers(field, name, int(MAX_BODY_VALUES))]
    for size in sizes:
        if not 0 <= size <= MAX_DIMENSION:
            raise misfit(CONTRACT_RANGE, name, f"has a size that is not from 0 to {int(MAX_DIMENSION):,}")
    return sizes


def _parse_output(data: memoryview, place: str) -> str:
    texts = _Texts({1: "name"})
    for field in read_fields(data):
        if texts.take(field, f"{place}."):
            continue
        if field.number == 2:
            raise _refuse_parameter(field, f"{place}.parameters")
        raise _unknown(field, place)
    return _judge_name(texts[1], place)


def _judge_name(name: str, place: str) -> str:
    if not 0 < len(name) <= MAX_TENSOR_NAME_CHARACTERS:
        most = int(MAX_TENSOR_NAME_CHARACTERS)
        raise misfit(CONTRACT_TYPE, f"{place}.name", f"is missing, or longer than {most} characters")
    return name


def _read_contents(item: _Input, name: str) -> Tensor:
    wanted = _CONTENTS_OF.get(item.datatype)
    if wanted is None:
        raise misfit(CONTRACT_TYPE, name, f"cannot be numbers of {item.datatype}: send raw contents")
    packed: list[memoryview] = []
    numbers: list[int] = []
    for field in read_fields(item.contents or memoryview(b"")):
        if field.number != wanted:
            given = _CONTENTS.get(field.number, f"field {field.number}")
            raise misfit(CONTRACT_TYPE, f"{name}.{given}", f"is not where {item.datatype} is: {_CONTENTS[wanted]}")
        if item.datatype == "FP32":
            if field.wire not in (Wire.FIXED32, Wire.BYTES) or len(field.data) % ITEM_BYTES["FP32"]:
                raise malformed(f"{name}.fp32_contents is written as another kind of field")
            packed.append(field.data)
        else:
            numbers += read_numbers(field, f"{name}.{_CONTENTS[wanted]}", int(MAX_BODY_VALUES) - len(numbers))
    if item.datatype == "FP32":
        data = packed[0] if len(packed) == 1 else memoryview(b"".join(packed))
        return make_tensor(item.datatype, item.shape, data, f"{name}.fp32_contents")
    return make_tensor(item.datatype, item.shape, _pack(numbers, item.datatype, wanted, name), name)


def _pack(numbers: list[int], datatype: str, wanted: int, name: str) -> memoryview:
    if datatype == "BOOL":
        if any(number > 1 for number in numbers):
            raise misfit(CONTRACT_RANGE, name, "holds what is neither true nor false")
        return memoryview(struct.pack(f"<{len(numbers)}?", *numbers))
    values = [sign(number) for number in numbers] if wanted in _SIGNED else numbers
    return pack_numbers(values, datatype, name).data


def _refuse_parameter(field: Field, place: str) -> Exception:
    key = _Texts({1: "key"})
    for part in read_fields(read_message(field, place)):
        key.take(part, f"{place}.")
    shown = f"{place}.{quote_untrusted(key[1], 80)}"
    return misfit(CONTRACT_UNKNOWN_FIELD, shown, "is no field that is taken here")


def _unknown(field: Field, place: str) -> Exception:
    return misfit(CONTRACT_UNKNOWN_FIELD, f"field {field.number}", f"of {place} is none that is taken here")
