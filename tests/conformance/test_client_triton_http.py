"""NVIDIA's client of the Open Inference Protocol, over HTTP, against the real door."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cell_tools import LINUX_ONLY
from served_functions import serve_functions
from served_models import Served

from ostiary.graph.function_contract import DTYPES
from ostiary.testing import FakeEngine

numpy = pytest.importorskip("numpy")
triton = pytest.importorskip("tritonclient.http")
utils = pytest.importorskip("tritonclient.utils")
pytestmark = LINUX_ONLY
ROWS = numpy.array([[1, 2, 3], [4, 5, 6]], "f4")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder: Path = tmp_path_factory.mktemp("functions")
    with FakeEngine(), serve_functions(folder, language="llama") as running:
        yield running


@pytest.fixture(scope="module")
def client(served: Served) -> Iterator[Any]:
    with triton.InferenceServerClient(f"127.0.0.1:{served.door.port}") as made:
        yield made


def give(array: Any, *, is_binary: bool = True, name: str = "x") -> Any:
    made = triton.InferInput(name, list(array.shape), utils.np_to_triton_dtype(array.dtype))
    return made.set_data_from_numpy(array, binary_data=is_binary)


def test_health_and_metadata(client: Any) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("scaled")
    assert client.is_model_ready("scaled", "1")
    assert not client.is_model_ready("nobody")
    assert client.get_server_metadata()["extensions"] == ["binary_tensor_data"]
    told = client.get_model_metadata("scaled")
    assert told["platform"] == "ostiary-graph"
    assert [(item["name"], item["datatype"], item["shape"]) for item in told["inputs"]] == [("x", "FP32", [-1, 3])]


@pytest.mark.parametrize("is_sent_binary", [True, False])
@pytest.mark.parametrize("is_wanted_binary", [True, False, None])
def test_infer(client: Any, is_sent_binary: bool, is_wanted_binary: bool | None) -> None:
    outputs = None
    if is_wanted_binary is not None:
        outputs = [triton.InferRequestedOutput("y", binary_data=is_wanted_binary)]
    result = client.infer("scaled", [give(ROWS, is_binary=is_sent_binary)], outputs=outputs, request_id="7")
    assert result.as_numpy("y").tolist() == ROWS.tolist()
    assert result.get_response()["id"] == "7"
    assert result.get_response()["model_name"] == "scaled"


def test_infer_in_the_background(client: Any) -> None:
    calls = [client.async_infer("scaled", [give(ROWS * factor)]) for factor in (1, -1, 0.5)]
    found = [call.get_result().as_numpy("y").tolist() for call in calls]
    assert found == [ROWS.tolist(), (-ROWS).tolist(), (ROWS / 2).tolist()]


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (lambda c: c.infer("nobody", [give(ROWS)]), "it names none of them"),
        (lambda c: c.infer("llama", [give(ROWS)]), "language model"),
        (lambda c: c.infer("scaled", [give(ROWS)], model_version="9"), "version: another version"),
        (lambda c: c.infer("scaled", [give(ROWS * 9)]), "outside of"),
        (lambda c: c.infer("scaled", [give(ROWS * numpy.nan)]), "no finite number"),
        (lambda c: c.infer("scaled", [give(ROWS.astype("f8"))]), "inputs[0].datatype is not FP32"),
        (lambda c: c.infer("scaled", [give(ROWS.T.copy())]), "this function takes"),
        (
            lambda c: c.infer("scaled", [give(ROWS, name="z")]),
            "inputs[0].name is no input of this function; it takes x",
        ),
        (lambda c: c.infer("scaled", [give(ROWS)], sequence_id=3), "parameters.sequence_"),
        (lambda c: c.infer("scaled", [give(ROWS)], priority=3), "parameters.priority"),
        (lambda c: c.infer("scaled", [give(ROWS)], timeout=3), "parameters.timeout"),
        (lambda c: c.infer("scaled", [give(ROWS)], parameters={"own": 1}), "parameters.own"),
        (
            lambda c: c.infer("scaled", [give(ROWS)], outputs=[triton.InferRequestedOutput("y", class_count=1)]),
            "parameters.classification",
        ),
    ],
)
def test_the_client_understands_what_is_refused(client: Any, asked: Any, words: str) -> None:
    with pytest.raises(utils.InferenceServerException) as caught:
        asked(client)
    assert words in caught.value.message()
    assert caught.value.status() in ("400", "404")
    assert client.infer("scaled", [give(ROWS)]).as_numpy("y").shape == (2, 3)


@pytest.mark.parametrize("is_binary", [True, False])
def test_every_datatype(client: Any, is_binary: bool) -> None:
    arrays = {word: numpy.array([[0, 1], [1, 0]], utils.triton_to_np_dtype(word)) for word in DTYPES}
    inputs = [
        give(array, is_binary=is_binary or word in ("FP16", "BF16"), name=f"in_{word}")
        for word, array in arrays.items()
    ]
    outputs = [
        triton.InferRequestedOutput(f"out_{word}", binary_data=is_binary or word in ("FP16", "BF16"))
        for word in reversed(DTYPES)
    ]
    result = client.infer("echo", inputs, outputs=outputs)
    for word, array in arrays.items():
        found = result.as_numpy(f"out_{word}")
        assert found.dtype == array.dtype
        assert found.tolist() == array.tolist()


def test_float16_bytes_are_the_clients() -> None:
    """What the client sends is what the page on formats says: little-endian, as they lie."""
    made = give(numpy.array([1.5], "f2"))
    assert made._get_binary_data() == struct.pack("<e", 1.5)
