"""The Open Inference Protocol at /v2: what a function is told and gives, and what is refused before it is asked."""

from __future__ import annotations

import json
import struct
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from cell_tools import LINUX_ONLY
from door_tools import QUICK, Answer, head, parse_answer
from served_functions import INPUT, PACKED, ROWS, ask, binary_input, flat, request, serve_functions, split
from served_models import Served

from ostiary.core.tensors import ITEM_BYTES
from ostiary.gateway.oip import write_infer
from ostiary.graph.function_contract import DTYPES
from ostiary.testing import FakeEngine

pytestmark = LINUX_ONLY
WHOLE = {**INPUT, "data": flat()}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder: Path = tmp_path_factory.mktemp("functions")
    with FakeEngine(), serve_functions(folder, language="acme/llama") as running:
        yield running


def test_what_the_server_and_the_model_are(served: Served) -> None:
    assert served.door.get("/v2").json == {"version": "1", "extensions": ["binary_tensor_data"], "name": "ostiary"}
    assert served.door.get("/v2/health/live").json == {"live": True}
    assert served.door.get("/v2/health/ready").json == {"ready": True}
    expected = {
        "name": "scaled",
        "versions": ["1"],
        "platform": "ostiary-graph",
        "inputs": [
            {
                "name": "x",
                "datatype": "FP32",
                "shape": [-1, 3],
                "parameters": {"dims": ["batch", 3], "finite": True, "range": [-10.0, 10.0]},
            }
        ],
        "outputs": [
            {
                "name": "y",
                "datatype": "FP32",
                "shape": [-1, 3],
                "parameters": {"dims": ["batch", 3], "finite": True},
            }
        ],
    }
    for path in ("/v2/models/scaled", "/v2/models/scaled/versions/1"):
        assert served.door.get(path).json == expected
        assert served.door.get(f"{path}/ready").json == {"name": "scaled", "ready": True}
    assert served.door.get("/v2/models/acme/llama/ready").json == {"name": "acme/llama", "ready": True}


@pytest.mark.parametrize("data", [flat(), ROWS], ids=["flat", "nested"])
def test_numbers_in_json(served: Served, data: Any) -> None:
    answer = ask(served, request({**INPUT, "data": data}, id="mine"))
    assert answer.status == 200, answer.body
    assert answer.headers["content-type"] == "application/json"
    assert answer.json == {
        "model_name": "scaled",
        "model_version": "1",
        "id": "mine",
        "outputs": [{"name": "y", "datatype": "FP32", "shape": [2, 3], "data": flat()}],
    }


def test_binary_data_both_ways(served: Served) -> None:
    for more in (
        {"parameters": {"binary_data_output": True}},
        {"outputs": [{"name": "y", "parameters": {"binary_data": True}}]},
        {"outputs": [{"name": "y"}], "parameters": {"binary_data_output": True}},
    ):
        answer = ask(served, request(binary_input(), **more), PACKED)
        assert answer.headers["content-type"] == "application/octet-stream"
        told, data = split(answer)
        assert told["outputs"] == [
            {"name": "y", "datatype": "FP32", "shape": [2, 3], "parameters": {"binary_data_size": 24}}
        ]
        assert data == PACKED


def test_binary_in_and_json_out_and_the_other_way(served: Served) -> None:
    answer = ask(
        served, request(binary_input(), outputs=[{"name": "y", "parameters": {"binary_data": False}}]), PACKED
    )
    assert answer.json["outputs"] == [{"name": "y", "datatype": "FP32", "shape": [2, 3], "data": flat()}]
    told, data = split(ask(served, request(WHOLE, parameters={"binary_data_output": True})))
    assert data == PACKED
    assert "id" not in told


@pytest.mark.parametrize(
    ("body", "binary", "code", "field"),
    [
        (request(WHOLE, pirority=1), b"", "CONTRACT_UNKNOWN_FIELD", "pirority"),
        (request(WHOLE, parameters={"sequence_id": 1}), b"", "CONTRACT_UNKNOWN_FIELD", "parameters.sequence_id"),
        (request(WHOLE, parameters={"timeout": 1}), b"", "CONTRACT_UNKNOWN_FIELD", "parameters.timeout"),
        (
            request({**INPUT, "parameters": {"shared_memory_region": "a"}}),
            b"",
            "CONTRACT_UNKNOWN_FIELD",
            "inputs[0].parameters.shared_memory_region",
        ),
        (
            request(WHOLE, outputs=[{"name": "y", "parameters": {"classification": 2}}]),
            b"",
            "CONTRACT_UNKNOWN_FIELD",
            "outputs[0].parameters.classification",
        ),
        (request(WHOLE, outputs=[{"name": "z"}]), b"", "CONTRACT_UNKNOWN_FIELD", "outputs[0].name"),
        (request(WHOLE, outputs=[{"name": "y"}, {"name": "y"}]), b"", "CONTRACT_TYPE", "outputs[1].name"),
        (request(WHOLE, WHOLE), b"", "CONTRACT_TYPE", "inputs[1].name"),
        (request(), b"", "CONTRACT_TYPE", "x"),
        (request({**WHOLE, "name": "other"}), b"", "CONTRACT_UNKNOWN_FIELD", "inputs[0].name"),
        (request(WHOLE, {**WHOLE, "name": "other"}), b"", "CONTRACT_UNKNOWN_FIELD", "inputs[1].name"),
        (request(INPUT), b"", "CONTRACT_TYPE", "inputs[0].data"),
        (request({**WHOLE, **binary_input()}), PACKED, "CONTRACT_TYPE", "inputs[0].data"),
        (request({**WHOLE, "datatype": "FP64"}), b"", "CONTRACT_DTYPE", "inputs[0].datatype"),
        (request({**WHOLE, "datatype": "BYTES"}), b"", "CONTRACT_DTYPE", "inputs[0].datatype"),
        (request({**WHOLE, "datatype": "__class__"}), b"", "CONTRACT_DTYPE", "inputs[0].datatype"),
        (request({**WHOLE, "datatype": "INT32"}), b"", "CONTRACT_DTYPE", "inputs[0].datatype"),
        (request({**WHOLE, "shape": [3, 3]}), b"", "CONTRACT_SHAPE", "inputs[0].data"),
        (request({**WHOLE, "shape": [2, -3]}), b"", "CONTRACT_RANGE", "inputs[0].shape[1]"),
        (request({**WHOLE, "shape": [1 << 40, 3]}), b"", "CONTRACT_RANGE", "inputs[0].shape[0]"),
        (request({**WHOLE, "shape": [1] * 9}), b"", "CONTRACT_TOO_LONG", "inputs[0].shape"),
        (request({**WHOLE, "shape": [6]}), b"", "CONTRACT_SHAPE", "x"),
        (request({**WHOLE, "shape": [2.5, 3]}), b"", "CONTRACT_TYPE", "inputs[0].shape[0]"),
        (request({**INPUT, "data": [[1, 2, 3], [4, 5]]}), b"", "CONTRACT_SHAPE", "inputs[0].data"),
        (request({**INPUT, "data": [1, 2, 3, 4, 5, "6"]}), b"", "CONTRACT_TYPE", "inputs[0].data"),
        (request({**INPUT, "data": [1, 2, 3, 4, 5, True]}), b"", "CONTRACT_TYPE", "inputs[0].data"),
        (request({**INPUT, "data": [1, 2, 3, 4, 5, 11]}), b"", "CONTRACT_RANGE", "x"),
        (request({**INPUT, "data": [1, 2, 3, 4, 5, 1e300]}), b"", "CONTRACT_RANGE", "inputs[0].data"),
        (request(binary_input(20)), PACKED, "CONTRACT_SHAPE", "inputs[0].parameters.binary_data_size"),
        (request(binary_input(28)), PACKED, "CONTRACT_SHAPE", "inputs[0].parameters.binary_data_size"),
        (request(binary_input(-1)), PACKED, "CONTRACT_RANGE", "inputs[0].parameters.binary_data_size"),
        (request(binary_input(1 << 60)), PACKED, "CONTRACT_RANGE", "inputs[0].parameters.binary_data_size"),
        (request(binary_input(shape=[1, 3])), PACKED, "CONTRACT_SHAPE", "inputs[0].parameters.binary_data_size"),
        (
            request(binary_input(shape=[(1 << 31) - 1] * 8)),
            PACKED,
            "CONTRACT_SHAPE",
            "inputs[0].parameters.binary_data_size",
        ),
        (request(binary_input(12, shape=[1, 3])), PACKED, "GATEWAY_BODY_MALFORMED", "inputs"),
        (request(binary_input()), PACKED[:-4] + struct.pack("<f", float("nan")), "CONTRACT_NOT_FINITE", "x"),
        (request(binary_input()), PACKED[:-4] + struct.pack("<f", float("inf")), "CONTRACT_NOT_FINITE", "x"),
    ],
)
def test_what_does_not_fit_is_refused_by_its_name(
    served: Served, body: object, binary: bytes, code: str, field: str
) -> None:
    answer = ask(served, body, binary)
    assert (answer.json["code"], answer.json.get("field")) == (code, field)
    assert answer.status in (400, 413)
    assert answer.headers["content-type"] == "application/problem+json"
    assert isinstance(answer.json["error"], str)
    assert answer.json["correlation_id"] == answer.headers["x-correlation-id"]
    assert ask(served, request(WHOLE)).status == 200


def test_bytes_are_of_one_input_only(served: Served) -> None:
    one = {**binary_input(8), "name": "in_FP32", "shape": [1, 2]}
    other = {**one, "name": "in_INT32", "datatype": "INT32"}
    answer = ask(served, request(one, other), PACKED[:8], path="echo")
    assert (answer.json["code"], answer.json["field"]) == (
        "CONTRACT_SHAPE",
        "inputs[1].parameters.binary_data_size",
    )


def test_numbers_of_sixteen_bits_come_as_binary_data_only(served: Served) -> None:
    given = {"name": "in_FP16", "datatype": "FP16", "shape": [1, 2], "data": [1, 2]}
    answer = ask(served, request(given), path="echo")
    assert (answer.json["code"], answer.json["field"]) == ("CONTRACT_TYPE", "inputs[0].data")


@pytest.mark.parametrize("claimed", ["0", "-1", "9999", "2e1", "1, 1", "٣", "1_0", ""])
def test_a_length_of_the_json_that_the_body_does_not_have(served: Served, claimed: str) -> None:
    body = json.dumps(request(WHOLE)).encode()
    lines = [f"content-length: {len(body)}", "connection: close"]
    sent = head("POST", "/v2/models/scaled/infer", *lines)[:-2]
    sent += b"inference-header-content-length: " + claimed.encode() + b"\r\n\r\n" + body
    answer = parse_answer(served.door.exchange(sent))
    assert answer.code == "GATEWAY_BODY_MALFORMED"


@pytest.mark.parametrize(
    ("body", "kind", "code"),
    [
        (b"{}", "text/plain", "GATEWAY_MEDIA_TYPE"),
        (b"{}", "application/octet-stream", "GATEWAY_MEDIA_TYPE"),
        (b"{", "application/json", "GATEWAY_BODY_MALFORMED"),
        (b'{"inputs":[],"inputs":[]}', "application/json", "GATEWAY_BODY_MALFORMED"),
        (b'{"inputs":[{"data":[NaN]}]}', "application/json", "GATEWAY_BODY_MALFORMED"),
        (b"[" * 5000, "application/json", "GATEWAY_BODY_MALFORMED"),
        (b"\xff", "application/json", "GATEWAY_BODY_MALFORMED"),
        (b"", "application/json", "GATEWAY_BODY_MALFORMED"),
    ],
)
def test_bodies_that_are_none(served: Served, body: bytes, kind: str, code: str) -> None:
    assert served.door.post("/v2/models/scaled/infer", body, f"content-type: {kind}").code == code


def test_other_models_and_versions(served: Served) -> None:
    assert ask(served, request(WHOLE), path="scaled/versions/1").status == 200
    for path in ("nobody", "scaled/versions/2", "../scaled", "scaled/versions/"):
        answer = ask(served, request(WHOLE), path=path)
        assert (answer.status, answer.code) == (404, "GATEWAY_MODEL_UNKNOWN"), path
    assert served.door.get("/v2/models/nobody").status == 404
    assert served.door.get("/v2/models/scaled/versions/2/ready").status == 404
    assert served.door.get("/v2/models/scaled/infer").status == 405


def test_each_kind_of_model_in_its_own_protocol(served: Served) -> None:
    answer = ask(served, request(WHOLE), path="acme/llama")
    assert (answer.status, answer.code) == (404, "GATEWAY_OPERATION")
    assert "language model" in str(answer.json["error"])
    assert served.door.get("/v2/models/acme/llama").code == "GATEWAY_OPERATION"
    for path, body in (
        ("/v1/completions", {"prompt": "x"}),
        ("/v1/chat/completions", {"messages": [{"role": "user", "content": "x"}]}),
        ("/v1/messages", {"messages": [{"role": "user", "content": "x"}], "max_tokens": 3}),
        ("/v1/embeddings", {"input": "x"}),
    ):
        refused = served.door.post(path, json.dumps({"model": "scaled", **body}).encode())
        assert refused.status == 404, refused.body
        assert b"GATEWAY_OPERATION" in refused.body


def test_many_at_once_each_get_their_own(served: Served) -> None:
    def one(number: int) -> bool:
        sent = struct.pack("<3f", number % 10, -1, 0.5)
        told = request(binary_input(12, shape=[1, 3]), id=str(number), parameters={"binary_data_output": True})
        answer, data = split(ask(served, told, sent))
        return answer["id"] == str(number) and data == sent

    with ThreadPoolExecutor(16) as threads:
        assert all(threads.map(one, range(64)))


ROWS_OF_ECHO = 20_000


def make_large() -> tuple[bytes, bytes]:
    """JSON and binary data of more than a megabyte."""
    inputs, parts = [], []
    for word in DTYPES:
        data = bytes([1, 0]) * ROWS_OF_ECHO if word == "BOOL" else bytes(range(200)) * (ITEM_BYTES[word] * 200)
        inputs.append(
            {
                "name": f"in_{word}",
                "datatype": word,
                "shape": [ROWS_OF_ECHO, 2],
                "parameters": {"binary_data_size": len(data)},
            }
        )
        parts.append(data)
    header = json.dumps(request(*inputs, parameters={"binary_data_output": True})).encode()
    return header, b"".join(parts)


def lines(header: bytes, size: int, *more: str) -> bytes:
    told = (f"inference-header-content-length: {len(header)}", f"content-length: {size}", *more)
    return head("POST", "/v2/models/echo/infer", *told)


def test_large_bodies_one_after_the_other_on_one_connection(served: Served) -> None:
    header, binary = make_large()
    assert len(binary) > 1 << 20
    sent = header + binary
    with served.door.connect() as connection:
        for expects in (False, True):
            connection.sendall(lines(header, len(sent), *(("expect: 100-continue",) if expects else ())))
            if expects:
                assert connection.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
            for start in range(0, len(sent), 300_001):
                connection.sendall(sent[start : start + 300_001])
            data = b""
            while not data.endswith(binary):
                part = connection.recv(1 << 20)
                assert part
                data += part
            assert data.startswith(b"HTTP/1.1 200")


def test_a_large_body_in_chunks(served: Served) -> None:
    header, binary = make_large()
    sent = header + binary
    told = (f"inference-header-content-length: {len(header)}", "transfer-encoding: chunked", "connection: close")
    chunks = b"".join(
        b"%x\r\n%b\r\n" % (len(part), part)
        for part in (sent[start : start + 100_000] for start in range(0, len(sent), 100_000))
    )
    data = served.door.exchange(head("POST", "/v2/models/echo/infer", *told) + chunks + b"0\r\n\r\n")
    assert data.endswith(binary)


def test_who_goes_away_within_a_large_body_leaves_nothing_behind(served: Served) -> None:
    header, binary = make_large()
    for size in (0, 10, len(binary) - 1):
        with served.door.connect() as connection:
            connection.sendall(lines(header, len(header) + len(binary)) + header + binary[:size])
    budget = served.door.door._budget
    deadline = threading.Event()
    for _ in range(500):
        if budget._left == QUICK.buffers:
            break
        deadline.wait(0.01)
    assert budget._left == QUICK.buffers
    assert ask(served, request(WHOLE)).status == 200


def test_a_body_that_is_too_large_is_not_received(served: Served) -> None:
    answer = parse_answer(served.door.exchange(lines(b"{}", QUICK.tensor_body + 1)))
    assert (answer.status, answer.code) == (413, "GATEWAY_BODY_TOO_LARGE")


def echo(served: Served, value: float, **more: Any) -> Answer:
    """Of one row of each datatype, all binary; of FP32 this value."""
    inputs, parts = [], []
    for word in DTYPES:
        data = struct.pack("<2f", value, 1) if word == "FP32" else bytes(2 * ITEM_BYTES[word])
        size = {"binary_data_size": len(data)}
        inputs.append({"name": f"in_{word}", "datatype": word, "shape": [1, 2], "parameters": size})
        parts.append(data)
    return ask(served, request(*inputs, **more), b"".join(parts), path="echo")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_what_json_cannot_write_is_given_as_binary_data_only(served: Served, value: float) -> None:
    answer = echo(served, value, outputs=[{"name": "out_FP32"}])
    assert (answer.status, answer.code) == (502, "ANSWER_NOT_FINITE")
    assert "binary_data" in str(answer.json["error"])
    told = echo(served, value, outputs=[{"name": "out_FP32", "parameters": {"binary_data": True}}])
    assert split(told)[1] == struct.pack("<2f", value, 1)


@pytest.mark.parametrize("word", ["FP16", "BF16"])
def test_halves_are_given_as_binary_data_only(served: Served, word: str) -> None:
    for outputs in ([{"name": f"out_{word}"}], []):
        answer = echo(served, 1, outputs=outputs)
        assert (answer.status, answer.code, answer.json["field"]) == (400, "CONTRACT_TYPE", "outputs")
    both = [{"name": f"out_{word}", "parameters": {"binary_data": True}}, {"name": "out_FP32"}]
    told, data = split(echo(served, 1, outputs=both))
    assert [item["name"] for item in told["outputs"]] == [f"out_{word}", "out_FP32"]
    assert (told["outputs"][1]["data"], data) == ([1, 1], bytes(4))


def test_more_numbers_than_json_is_to_have(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(write_infer, "MAX_BODY_VALUES", 1)
    answer = echo(served, 1, outputs=[{"name": "out_FP32"}])
    assert (answer.status, answer.code, answer.json["field"]) == (413, "CONTRACT_TOO_LONG", "outputs")
