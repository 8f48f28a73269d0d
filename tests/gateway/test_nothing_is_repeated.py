"""What a client sends comes back in no refusal and stands in no file of ours: every field of every form is tried.

Names of fields are told, for that is what a refusal is about; values never are.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest
from cell_tools import LINUX_ONLY
from served_functions import ROWS, serve_functions
from served_models import Served, serve

import ostiary
from ostiary.gateway.anthropic.forms import CountBody, MessagesBody
from ostiary.gateway.client_key import ClientKey, compute_hash
from ostiary.gateway.keys import ClientKeys
from ostiary.gateway.oip.forms import InferBody
from ostiary.gateway.openai.chat_forms import ChatBody
from ostiary.gateway.openai.completions_forms import CompletionBody
from ostiary.gateway.openai.embeddings import EmbeddingsBody
from ostiary.gateway.openai.responses_forms import ResponsesBody
from ostiary.testing import FakeEngine, HostilePublisher, sign_model

pytestmark = LINUX_ONLY

SAID: Final = "Zanzibar-7731"
HI: Final = [{"role": "user", "content": f"{SAID} hi"}]
FORMS: Final[dict[str, tuple[Any, dict[str, Any]]]] = {
    "/v1/chat/completions": (ChatBody, {"messages": HI}),
    "/v1/completions": (CompletionBody, {"prompt": SAID}),
    "/v1/responses": (ResponsesBody, {"input": SAID}),
    "/v1/embeddings": (EmbeddingsBody, {"input": SAID}),
    "/v1/messages": (MessagesBody, {"messages": HI, "max_tokens": 4}),
    "/v1/messages/count_tokens": (CountBody, {"messages": HI}),
    "/v2/models/scaled/infer": (
        InferBody,
        {"inputs": [{"name": "x", "datatype": "FP32", "shape": [2, 3], "data": ROWS}]},
    ),
}
WRONG: Final[list[Any]] = [
    SAID,
    [SAID],
    [[SAID]],
    {"type": SAID},
    {"type": "function", "function": {"name": SAID}},
    {"type": "json_schema", "json_schema": {"name": SAID, "schema": {"pattern": f"{SAID}("}}},
    {"type": "json_schema", "json_schema": {"name": "a", "schema": {"$ref": SAID, "enum": [SAID]}}},
    [{"type": "function", "function": {"name": SAID, "parameters": {"type": SAID}}}],
    [{"role": SAID, "content": SAID}],
    [{"role": "user", "content": [{"type": SAID, "text": SAID}]}],
    [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": f"file:///{SAID}"}}]}],
    [{"name": SAID, "datatype": SAID, "shape": [SAID], "data": [SAID]}],
    [{"name": SAID, "datatype": "FP32", "shape": [2, 3], "data": [SAID] * 6}],
    {"1": SAID},
]
HEADERS: Final = (
    f"content-type: text/{SAID}",
    f"origin: http://{SAID}.example",
    f"authorization: Bearer {SAID}",
    f"x-api-key: {SAID}",
    f"inference-header-content-length: {SAID}",
    f"expect: {SAID}",
    f"transfer-encoding: {SAID}",
    f"traceparent: {SAID}",
)
NEVER: Final = ("Traceback", ".py", "0x7f", "/home/", "/usr/", ostiary.__version__)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("served")


@pytest.fixture(scope="module")
def served(folder: Path) -> Iterator[Served]:
    with FakeEngine(), serve_functions(folder, language="honest") as door:
        yield door
    assert door.door.failures == []


def check(status: int, headers: dict[str, str], body: bytes, folder: Path) -> None:
    told = f"{headers} {body.decode()}"
    if status >= 400:
        assert SAID not in told
        assert json.loads(body)
    assert not [word for word in (*NEVER, str(folder)) if word in told], told


@pytest.mark.parametrize("path", FORMS)
def test_no_value_of_a_refused_body_is_repeated(served: Served, folder: Path, path: str) -> None:
    form, good = FORMS[path]
    named = {} if path.startswith("/v2") else {"model": "honest"}
    refused = 0
    for field in msgspec.structs.fields(form):
        for wrong in WRONG:
            body = {**named, **good, field.encode_name: wrong}
            answer = served.door.post(path, json.dumps(body).encode())
            assert answer.status < 500, (field.name, wrong)
            check(answer.status, answer.headers, answer.body, folder)
            refused += answer.status >= 400
    assert refused > len(msgspec.structs.fields(form))


NAMED: Final[list[dict[str, Any]]] = [
    {"inputs": [{"name": SAID, "datatype": "FP32", "shape": [2, 3], "data": ROWS}]},
    {"inputs": [{"name": "x", "datatype": SAID, "shape": [2, 3], "data": ROWS}]},
    {"inputs": [{"name": SAID, "datatype": SAID, "shape": [2, 3], "data": ROWS}]},
    {"inputs": [{"name": SAID, "datatype": "FP32", "shape": [2, 3], "data": ROWS}] * 2},
    {
        "inputs": [{"name": "x", "datatype": "FP32", "shape": [2, 3], "data": ROWS}],
        "outputs": [{"name": SAID}],
    },
    {"inputs": [], "id": SAID},
]


@pytest.mark.parametrize("body", NAMED)
def test_no_name_of_a_tensor_is_repeated(served: Served, folder: Path, body: dict[str, Any]) -> None:
    answer = served.door.post("/v2/models/scaled/infer", json.dumps(body).encode())
    assert answer.status == 400
    check(answer.status, answer.headers, answer.body, folder)


def test_no_version_is_repeated(served: Served, folder: Path) -> None:
    for rest in ("", "/ready"):
        answer = served.door.get(f"/v2/models/scaled/versions/{SAID}{rest}")
        assert answer.status == 404
        check(answer.status, answer.headers, answer.body, folder)
    answer = served.door.post(f"/v2/models/scaled/versions/{SAID}/infer", b"{}")
    assert answer.status == 404
    check(answer.status, answer.headers, answer.body, folder)


@pytest.mark.parametrize("header", HEADERS)
def test_no_header_of_a_refused_request_is_repeated(served: Served, folder: Path, header: str) -> None:
    for path in ("/v1/chat/completions", "/v1/messages", "/v2/models/scaled/infer", "/elsewhere"):
        answer = served.door.post(path, json.dumps({"model": SAID}).encode(), header)
        assert 400 <= answer.status < 500
        check(answer.status, answer.headers, answer.body, folder)


@pytest.mark.parametrize(
    "address", ["/", "/v1/models/", "/v2/models/", "/v1/models/..%2f", "/livez?", "/v1/models?a="]
)
def test_no_part_of_an_address_is_repeated(served: Served, folder: Path, address: str) -> None:
    answer = served.door.get(f"{address}{SAID}")
    assert 400 <= answer.status < 500
    check(answer.status, answer.headers, answer.body, folder)


@pytest.mark.parametrize(
    "body", [SAID, f'{{"{SAID}', f'{{"messages": "{SAID}" 1}}', f'["{SAID}"]', f'{{"a": {SAID}}}']
)
def test_nothing_of_a_broken_body_is_repeated(served: Served, folder: Path, body: str) -> None:
    for path in FORMS:
        answer = served.door.post(path, body.encode())
        assert answer.status == 400
        check(answer.status, answer.headers, answer.body, folder)


NUMBER: Final = "7731773177317731"
UNREADABLE: Final = {
    "an integer": f'{{"model": "honest", "seed": {NUMBER}0000}}',
    "a number": f'{{"model": "honest", "temperature": {NUMBER}e999}}',
    "no number": '{"model": "honest", "temperature": -Infinity}',
    "a key": f'{{"model": "honest", "{SAID}": 1, "{SAID}": 2}}',
    "a key within": f'{{"model": "honest", "messages": [{{"{SAID}": 1, "{SAID}": 2}}]}}',
}


@pytest.mark.parametrize("body", UNREADABLE.values(), ids=UNREADABLE)
def test_no_number_and_no_key_that_parsers_read_differently_is_repeated(
    served: Served, folder: Path, body: str
) -> None:
    for path in FORMS:
        answer = served.door.post(path, body.encode())
        assert answer.status == 400
        assert b"GATEWAY_BODY_MALFORMED" in answer.body
        check(answer.status, answer.headers, answer.body, folder)
        assert NUMBER not in answer.body.decode()
        assert "Infinity" not in answer.body.decode()


def test_nothing_of_all_this_is_written_down(served: Served, folder: Path) -> None:
    """The last of this file: the record, and whatever else lies in the state directory by now."""
    written = [path for path in (folder / "state").rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in written) > 10_000
    assert not [path.name for path in written if SAID.encode() in path.read_bytes()]
    assert SAID not in repr(served.door.events)


def test_each_tenant_is_told_to_the_model_by_name_at_every_address_of_a_language_model(tmp_path: Path) -> None:
    """Prompts are known again by tenant: without this, one client could find out what another asked."""
    shown = {letter: f"ost_{letter * 12}_{letter * 43}" for letter in "ab"}
    keys = ClientKeys(
        [ClientKey(id=a * 12, name=a, tenant=a, sha256=compute_hash(key), created=0) for a, key in shown.items()]
    )
    model = HostilePublisher(tmp_path).publish_honest()
    with FakeEngine() as fake, serve(tmp_path / "state", ("honest", model, sign_model(model)), keys=keys) as door:
        for path in ("/v1/chat/completions", "/v1/completions", "/v1/responses", "/v1/messages"):
            for letter, key in shown.items():
                body = json.dumps({"model": "honest", **FORMS[path][1]}).encode()
                assert door.door.post(path, body, f"authorization: Bearer {key}").status == 200
                assert fake.requests[-1].fields["tenant"] == letter
