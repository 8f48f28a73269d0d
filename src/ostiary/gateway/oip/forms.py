"""Every form of the Open Inference Protocol, closed: what is taken, and what is given."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from ostiary.core.limits import (
    MAX_DIMENSION,
    MAX_FRAME_TAIL_BYTES,
    MAX_REQUEST_ID_CHARACTERS,
    MAX_TENSOR_DIMENSIONS,
    MAX_TENSOR_NAME_CHARACTERS,
    MAX_TENSORS_AT_ONCE,
)

TensorName = Annotated[str, msgspec.Meta(min_length=1, max_length=int(MAX_TENSOR_NAME_CHARACTERS))]
Size = Annotated[int, msgspec.Meta(ge=0, le=int(MAX_DIMENSION))]
Sizes = Annotated[list[Size], msgspec.Meta(max_length=int(MAX_TENSOR_DIMENSIONS))]
ByteCount = Annotated[int, msgspec.Meta(ge=0, le=int(MAX_FRAME_TAIL_BYTES))]
_AT_ONCE = msgspec.Meta(max_length=int(MAX_TENSORS_AT_ONCE))


class InputParameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    binary_data_size: ByteCount | None = None
    """So many bytes of the binary data are this input's, after those of the inputs before it."""


class InferInput(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: TensorName
    datatype: str
    """As the model's metadata names it."""
    shape: Sizes
    parameters: InputParameters | None = None
    data: list[Any] | None = None
    """Numbers, flat or nested as the shape is; null where they come as binary data."""


class OutputParameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    binary_data: bool | None = None
    """Whether this output is wanted as binary data."""


class WantedOutput(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: TensorName
    parameters: OutputParameters | None = None


class InferParameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    binary_data_output: bool | None = None
    """Whether outputs are wanted as binary data where they do not say so themselves."""


class InferBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is asked."""

    inputs: Annotated[list[InferInput], _AT_ONCE]
    id: Annotated[str, msgspec.Meta(max_length=int(MAX_REQUEST_ID_CHARACTERS))] | None = None
    """Comes back as it is."""
    parameters: InferParameters | None = None
    outputs: Annotated[list[WantedOutput], _AT_ONCE] | None = None
    """Which are wanted; without it, all."""


class GivenParameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    binary_data_size: int


class InferOutput(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    name: str
    datatype: str
    shape: list[int]
    parameters: GivenParameters | None = None
    data: list[bool | int | float] | None = None
    """Flat, the last dimension first. Not there where it comes as binary data."""


class InferAnswer(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    model_name: str
    model_version: str
    outputs: list[InferOutput]
    id: str | None = None


class TensorRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What the model's contract says beside datatype and shape."""

    dims: list[str | int]
    """Each size, or the name of what it follows."""
    finite: bool = False
    range: list[float] | None = None
    allowed: list[float] | None = None


class TensorMetadata(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    datatype: str
    shape: list[int]
    """-1 where it differs between requests."""
    parameters: TensorRules


class ModelMetadata(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    versions: list[str]
    platform: str
    inputs: list[TensorMetadata]
    outputs: list[TensorMetadata]


class ServerMetadata(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    version: str
    """Of the interface, which is not that of the program."""
    extensions: list[str]
    name: Literal["ostiary"] = "ostiary"


class ServerLive(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    live: bool


class ServerReady(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    ready: bool


class ModelReady(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    ready: bool
