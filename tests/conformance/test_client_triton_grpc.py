"""NVIDIA's client of the Open Inference Protocol, over gRPC, against the real door; its messages against ours."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from cell_tools import LINUX_ONLY
from function_models import ECHO
from served_functions import serve_functions
from served_models import Served

from ostiary.gateway.keys import open_keys
from ostiary.gateway.oip.messages import parse_infer_message, read_infer_message
from ostiary.graph.function_contract import DTYPES
from ostiary.testing import FakeEngine

numpy = pytest.importorskip("numpy")
grpc = pytest.importorskip("grpc")
triton = pytest.importorskip("tritonclient.grpc")
pb = pytest.importorskip("tritonclient.grpc.service_pb2")
utils = pytest.importorskip("tritonclient.utils")
pytestmark = LINUX_ONLY
ROWS = numpy.array([[1, 2, 3], [4, 5, 6]], "f4")
SAID = "Zanzibar-7731"
SERVICE = "/inference.GRPCInferenceService"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder: Path = tmp_path_factory.mktemp("functions")
    with FakeEngine(), serve_functions(folder, language="llama", has_grpc=True) as running:
        yield running


@pytest.fixture(scope="module")
def client(served: Served) -> Iterator[Any]:
    with triton.InferenceServerClient(f"127.0.0.1:{served.door.grpc_port}") as made:
        yield made


@pytest.fixture(scope="module")
def channel(served: Served) -> Iterator[Any]:
    with grpc.insecure_channel(f"127.0.0.1:{served.door.grpc_port}") as made:
        yield made


def give(array: Any, name: str = "x") -> Any:
    made = triton.InferInput(name, list(array.shape), utils.np_to_triton_dtype(array.dtype))
    return made.set_data_from_numpy(array)


def call(channel: Any, method: str, message: bytes, **more: Any) -> bytes:
    """Bytes as they are, and bytes back."""
    answer = channel.unary_unary(f"{SERVICE}/{method}")(message, timeout=20, **more)
    assert isinstance(answer, bytes)
    return answer


def make_request(*inputs: Any, **more: Any) -> Any:
    return pb.ModelInferRequest(model_name="scaled", inputs=list(inputs), **more)


def make_input(**changed: Any) -> Any:
    return pb.ModelInferRequest.InferInputTensor(**{"name": "x", "datatype": "FP32", "shape": [2, 3], **changed})


def test_health_and_metadata(client: Any) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("scaled")
    assert client.is_model_ready("scaled", "1")
    assert client.get_server_metadata().name == "ostiary"
    told = client.get_model_metadata("scaled")
    assert (told.name, list(told.versions), told.platform) == ("scaled", ["1"], "ostiary-graph")
    assert [(item.name, item.datatype, list(item.shape)) for item in told.inputs] == [("x", "FP32", [-1, 3])]
    assert [(item.name, item.datatype, list(item.shape)) for item in told.outputs] == [("y", "FP32", [-1, 3])]


def test_infer(client: Any) -> None:
    for outputs in (None, [triton.InferRequestedOutput("y")]):
        result = client.infer("scaled", [give(ROWS)], outputs=outputs, request_id="7")
        assert result.as_numpy("y").tolist() == ROWS.tolist()
        assert (result.get_response().id, result.get_response().model_name) == ("7", "scaled")


def test_many_at_once(client: Any) -> None:
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda n: client.infer("scaled", [give(ROWS - n % 8)]).as_numpy("y"), range(40)))
    assert [array.tolist() for array in found] == [(ROWS - n % 8).tolist() for n in range(40)]


def test_every_datatype_raw(client: Any) -> None:
    arrays = {word: numpy.array([[0, 1], [1, 0]], utils.triton_to_np_dtype(word)) for word in DTYPES}
    result = client.infer("echo", [give(array, f"in_{word}") for word, array in arrays.items()])
    for word, array in arrays.items():
        assert result.as_numpy(f"out_{word}").tolist() == array.tolist()


def test_every_datatype_in_its_own_field(channel: Any) -> None:
    wide = {
        "INT64": -(1 << 63),
        "UINT64": (1 << 64) - 1,
        "INT32": -(1 << 31),
        "INT8": -128,
        "UINT32": (1 << 32) - 1,
    }
    fields = {
        "BOOL": "bool_contents",
        "FP32": "fp32_contents",
        "INT64": "int64_contents",
        "UINT64": "uint64_contents",
    }
    inputs = []
    for word in DTYPES:
        if word in ("FP16", "BF16"):
            continue
        name = fields.get(word, "uint_contents" if word.startswith("U") else "int_contents")
        values = [wide.get(word, 1), 1, 0, 1]
        contents = pb.InferTensorContents(**{name: [bool(v) for v in values] if word == "BOOL" else values})
        inputs.append(
            pb.ModelInferRequest.InferInputTensor(name=f"in_{word}", datatype=word, shape=[2, 2], contents=contents)
        )
    asked = pb.ModelInferRequest(model_name="echo", inputs=inputs)
    with pytest.raises(grpc.RpcError) as caught:  # two of them come raw only
        call(channel, "ModelInfer", asked.SerializeToString())
    assert "in_FP16 is missing" in caught.value.details() or "in_BF16 is missing" in caught.value.details()
    message = parse_infer_message(asked.SerializeToString())
    tensors = read_infer_message(message, ECHO).inputs
    for word in set(DTYPES) - {"FP16", "BF16"}:
        dtype = utils.triton_to_np_dtype(word)
        assert numpy.frombuffer(tensors[f"in_{word}"].data, dtype).tolist() == [wide.get(word, 1), 1, 0, 1]


def test_contents_in_several_pieces_and_one_by_one(channel: Any) -> None:
    whole = make_request(make_input(contents=pb.InferTensorContents(fp32_contents=[1, 2, 3, 4, 5, 6])))
    packed = whole.inputs[0].contents.SerializeToString()
    single = b"".join(b"\x35" + numpy.float32(n).tobytes() for n in (1, 2, 3, 4, 5, 6))
    for contents in (packed, single):
        inner = make_input().SerializeToString() + b"\x2a" + bytes([len(contents)]) + contents
        message = b"\x0a\x06scaled\x2a" + bytes([len(inner)]) + inner
        answer = pb.ModelInferResponse.FromString(call(channel, "ModelInfer", message))
        assert numpy.frombuffer(answer.raw_output_contents[0], "f4").tolist() == [1, 2, 3, 4, 5, 6]


RAW = ROWS.tobytes()
PARAMETER = {"a": pb.InferParameter(int64_param=1)}
OUTPUT = pb.ModelInferRequest.InferRequestedOutputTensor
CONTENTS = pb.InferTensorContents(fp32_contents=[1, 2, 3, 4, 5, 6])
HOSTILE = [
    (make_request(make_input(), raw_input_contents=[RAW[:-1]]), "CONTRACT_SHAPE", "raw_input_contents[0]"),
    (make_request(make_input(), raw_input_contents=[RAW, RAW]), "CONTRACT_SHAPE", "raw_input_contents"),
    (make_request(make_input(shape=[-2, 3]), raw_input_contents=[RAW]), "CONTRACT_RANGE", "inputs[0].shape"),
    (make_request(make_input(shape=[1 << 62, 3]), raw_input_contents=[RAW]), "CONTRACT_RANGE", "inputs[0].shape"),
    (make_request(make_input(shape=[1] * 9), raw_input_contents=[RAW]), "CONTRACT_TOO_LONG", "inputs[0].shape"),
    (
        make_request(make_input(shape=[(1 << 31) - 1] * 8), raw_input_contents=[RAW]),
        "CONTRACT_SHAPE",
        "raw_input_contents[0]",
    ),
    (make_request(make_input(), make_input(), raw_input_contents=[RAW, RAW]), "CONTRACT_TYPE", "inputs[1].name"),
    (
        make_request(make_input(datatype="FP64"), raw_input_contents=[RAW * 2]),
        "CONTRACT_DTYPE",
        "inputs[0].datatype",
    ),
    (make_request(make_input(name="z"), raw_input_contents=[RAW]), "CONTRACT_UNKNOWN_FIELD", "inputs[0].name"),
    (make_request(make_input(datatype="BYTES"), raw_input_contents=[RAW]), "CONTRACT_DTYPE", "inputs[0].datatype"),
    (make_request(make_input(contents=CONTENTS), raw_input_contents=[RAW]), "CONTRACT_TYPE", "inputs[0].contents"),
    (make_request(make_input()), "CONTRACT_SHAPE", "inputs[0].contents.fp32_contents"),
    (
        make_request(make_input(contents=pb.InferTensorContents(int_contents=[1] * 6))),
        "CONTRACT_TYPE",
        "inputs[0].contents.int_contents",
    ),
    (
        make_request(make_input(contents=pb.InferTensorContents(fp64_contents=[1] * 6))),
        "CONTRACT_TYPE",
        "inputs[0].contents.field 7",
    ),
    (
        make_request(make_input(), raw_input_contents=[RAW], parameters=PARAMETER),
        "CONTRACT_UNKNOWN_FIELD",
        "parameters.a",
    ),
    (
        make_request(make_input(parameters=PARAMETER), raw_input_contents=[RAW]),
        "CONTRACT_UNKNOWN_FIELD",
        "inputs[0].parameters.a",
    ),
    (
        make_request(make_input(), raw_input_contents=[RAW], outputs=[OUTPUT(name="y", parameters=PARAMETER)]),
        "CONTRACT_UNKNOWN_FIELD",
        "outputs[0].parameters.a",
    ),
    (
        make_request(make_input(), raw_input_contents=[RAW], outputs=[OUTPUT(name="z")]),
        "CONTRACT_UNKNOWN_FIELD",
        "outputs[0].name",
    ),
    (make_request(make_input(), raw_input_contents=[(ROWS * numpy.nan).tobytes()]), "CONTRACT_NOT_FINITE", "x"),
    (make_request(), "CONTRACT_TYPE", "x"),
    (pb.ModelInferRequest(model_name="llama"), "GATEWAY_OPERATION", "model"),
    (pb.ModelInferRequest(model_name="../etc"), "GATEWAY_MODEL_UNKNOWN", "model"),
    (pb.ModelInferRequest(model_name="scaled", model_version="2"), "GATEWAY_MODEL_UNKNOWN", "version"),
    (b"\x0a\x06scaled\x98\x06\x01", "CONTRACT_UNKNOWN_FIELD", "field 99"),
    (b"\xff" * 30, "GATEWAY_BODY_MALFORMED", None),
    (b"\x0a\xff\xff\xff\xff\x0f", "GATEWAY_BODY_MALFORMED", None),
    (b"\x0a\x01\xff", "GATEWAY_BODY_MALFORMED", None),
    (b"\x0b", "GATEWAY_BODY_MALFORMED", None),
    (b"\x0a\x01a\x0a\x01b", "GATEWAY_BODY_MALFORMED", None),
    (b"\x08\x01", "GATEWAY_BODY_MALFORMED", None),
]


@pytest.mark.parametrize(("message", "code", "field"), HOSTILE)
def test_what_does_not_fit_is_refused_by_its_name(channel: Any, message: Any, code: str, field: str | None) -> None:
    data = message if isinstance(message, bytes) else message.SerializeToString()
    with pytest.raises(grpc.RpcError) as caught:
        call(channel, "ModelInfer", data, metadata=(("x-request-id", "mine"),))
    told = dict(caught.value.trailing_metadata())
    assert (told["ostiary-code"], told.get("ostiary-field")) == (code, field)
    assert told["x-request-id"] == "mine"
    assert len(told["x-correlation-id"]) == 16
    assert caught.value.code() in (
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.NOT_FOUND,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
    )


def test_the_client_understands_what_is_refused(client: Any) -> None:
    with pytest.raises(utils.InferenceServerException) as caught:
        client.infer("scaled", [give(ROWS * 9)])
    assert "outside of" in caught.value.message()
    assert caught.value.status() == "StatusCode.INVALID_ARGUMENT"
    for more in ({"sequence_id": 3}, {"priority": 1}, {"timeout": 4}, {"parameters": {"own": 1}}):
        with pytest.raises(utils.InferenceServerException) as caught:
            client.infer("scaled", [give(ROWS)], **more)
        assert "parameters." in caught.value.message()


@pytest.mark.parametrize(
    "asked",
    [
        pb.ModelInferRequest(model_name=SAID),
        pb.ModelInferRequest(model_name="scaled", model_version=SAID),
        make_request(make_input(name=SAID), raw_input_contents=[RAW]),
        make_request(make_input(datatype=SAID), raw_input_contents=[RAW]),
        make_request(make_input(name=SAID, datatype=SAID), raw_input_contents=[RAW]),
        make_request(make_input(name=SAID), make_input(name=SAID), raw_input_contents=[RAW, RAW]),
        make_request(make_input(), raw_input_contents=[RAW], outputs=[OUTPUT(name=SAID)]),
        make_request(make_input(), id=SAID),
    ],
)
def test_no_word_of_a_refused_message_is_repeated(channel: Any, asked: Any) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        call(channel, "ModelInfer", asked.SerializeToString())
    assert SAID not in f"{caught.value.details()} {caught.value.trailing_metadata()}"


@pytest.mark.parametrize("method", ["ModelConfig", "RepositoryModelLoad", "SystemSharedMemoryRegister", "Other"])
def test_there_are_no_other_methods(channel: Any, method: str) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        call(channel, method, b"")
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_no_reflection_no_compression_and_one_message(channel: Any) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        list(channel.stream_stream("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo")(iter([b""])))
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
    with pytest.raises(grpc.RpcError) as caught:
        call(channel, "ModelInfer", b"\0" * 100_000, compression=grpc.Compression.Gzip)
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
    for messages in ([], [b"\x0a\x06scaled"] * 2):
        with pytest.raises(grpc.RpcError) as caught:
            channel.stream_unary(f"{SERVICE}/ModelInfer")(iter(messages), timeout=20)
        assert dict(caught.value.trailing_metadata())["ostiary-code"] == "GATEWAY_BODY_MALFORMED"


@pytest.mark.usefixtures("served")
def test_keys_are_those_of_the_door(tmp_path: Path) -> None:
    keys, first = open_keys(tmp_path)
    assert first is not None
    with (
        serve_functions(tmp_path / "models", has_grpc=True, keys=keys) as guarded,
        triton.InferenceServerClient(f"127.0.0.1:{guarded.door.grpc_port}") as client,
    ):
        assert client.is_server_live()
        for headers in ({}, {"authorization": "Bearer wrong"}, {"authorization": f"Bearer {first}x"}):
            with pytest.raises(utils.InferenceServerException) as caught:
                client.infer("scaled", [give(ROWS)], headers=headers)
            assert caught.value.status() == "StatusCode.UNAUTHENTICATED"
            assert first not in caught.value.message()
        for headers in ({"authorization": f"Bearer {first}"}, {"x-api-key": first}):
            assert client.infer("scaled", [give(ROWS)], headers=headers).as_numpy("y").shape == (2, 3)
