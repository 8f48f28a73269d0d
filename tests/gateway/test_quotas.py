"""What a tenant hears of its limits at the door, and that what it used is counted to the token, however a request ends."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cell_tools import LINUX_ONLY, PATIENCE, signal_worker
from door_tools import Answer, head, parse_answer, read_all
from quota_tools import HandClocks, begin_server, sum_usage, wait_for
from served_functions import ask as ask_function
from served_functions import binary_input, request, serve_functions
from served_models import Served, serve_fake

from ostiary.admission.tenants import TenantLimits
from ostiary.record.begin import open_reader
from ostiary.record.entry import parse_entry
from ostiary.testing import FakeEngine

pytestmark = LINUX_ONLY
JSON = "content-type: application/json"
HELLO = [{"role": "user", "content": "hello there"}]


@contextmanager
def counted(folder: Path, limits: TenantLimits | None = None, **engine: object) -> Iterator[tuple[Served, Path]]:
    quotas = begin_server(folder / "usage", HandClocks(), usual=limits)
    with FakeEngine(**engine), serve_fake(folder, quotas=quotas) as served:  # type: ignore[arg-type]
        yield served, folder / "usage"
    quotas.close()


def complete(served: Served, words: int = 2, **more: object) -> Answer:
    body = {"model": "honest", "prompt": [1, 2, 3], "max_tokens": words, **more}
    return served.door.post("/v1/completions", json.dumps(body).encode())


def usage_of(answer: Answer) -> tuple[int, int]:
    told = answer.json["usage"]
    assert isinstance(told, dict)
    return told["prompt_tokens"], told["completion_tokens"]


def test_an_answer_tells_what_is_left_in_openais_words(tmp_path: Path) -> None:
    with counted(tmp_path, TenantLimits(requests_per_minute=9, tokens_per_minute=1_000)) as (served, state):
        answer = complete(served)
        prompt, said = usage_of(answer)
        assert said > 0
        told = {name: value for name, value in answer.headers.items() if "ratelimit" in name}
        reset = {told.pop("x-ratelimit-reset-requests"), told.pop("x-ratelimit-reset-tokens")}
        assert reset <= {"1m0s", "1m1s"}
        assert told == {
            "x-ratelimit-limit-requests": "9",
            "x-ratelimit-remaining-requests": "8",
            "x-ratelimit-limit-tokens": "1000",
            "x-ratelimit-remaining-tokens": str(1_000 - prompt - said),
        }
        assert sum_usage(state) == (1, prompt, said, 0)
        listing = served.door.get("/v1/models")
        assert listing.headers["x-ratelimit-remaining-requests"] == "8", "told, and not counted"
        assert "x-ratelimit-limit-requests" not in served.door.get("/readyz").headers
        assert sum_usage(state) == (1, prompt, said, 0)


def test_a_message_tells_it_in_anthropics_words(tmp_path: Path) -> None:
    with counted(tmp_path, TenantLimits(requests_per_minute=9, tokens_per_minute=1_000)) as (served, _):
        body = {"model": "honest", "messages": HELLO, "max_tokens": 5}
        answer = served.door.post("/v1/messages", json.dumps(body).encode())
        told = {name: value for name, value in answer.headers.items() if "ratelimit" in name}
        assert told.pop("anthropic-ratelimit-requests-reset").endswith("Z")
        assert told.pop("anthropic-ratelimit-tokens-reset").startswith("20")
        used = answer.json["usage"]
        assert isinstance(used, dict)
        left = 1_000 - used["input_tokens"] - used["output_tokens"]
        assert told == {
            "anthropic-ratelimit-requests-limit": "9",
            "anthropic-ratelimit-requests-remaining": "8",
            "anthropic-ratelimit-tokens-limit": "1000",
            "anthropic-ratelimit-tokens-remaining": str(left),
        }


def test_a_stream_and_an_error_tell_it_too(tmp_path: Path) -> None:
    with counted(tmp_path, TenantLimits(requests_per_minute=9)) as (served, state):
        stream = complete(served, stream=True)
        assert stream.headers["content-type"].startswith("text/event-stream")
        assert stream.headers["x-ratelimit-remaining-requests"] == "8"
        assert "x-ratelimit-limit-tokens" not in stream.headers, "there is no such limit"
        failing = complete(served, temprature=1)
        assert (failing.status, failing.headers["x-ratelimit-remaining-requests"]) == (400, "7")
        assert sum_usage(state)[0] == 2


def test_pages_of_other_origins_may_read_them() -> None:
    from ostiary.gateway.origins import choose_origins

    origins = choose_origins("127.0.0.1", (), ("https://app.example",))
    exposed = dict(origins.cors_headers("https://app.example"))["access-control-expose-headers"]
    assert "x-ratelimit-remaining-tokens" in exposed.split(", ")


@pytest.mark.parametrize(
    ("path", "kind"), [("/v1/completions", "rate_limit_error"), ("/v1/messages", "rate_limit_error")]
)
def test_who_asks_too_often_is_told_when_to_ask_again(tmp_path: Path, path: str, kind: str) -> None:
    with counted(tmp_path, TenantLimits(requests_per_minute=1)) as (served, state):
        assert complete(served).status == 200
        sent = head("POST", path, JSON, "content-length: 100000", "expect: 100-continue")
        refused = parse_answer(served.door.exchange(sent))
        assert refused.status == 429, "before the body is asked for"
        error = refused.json["error"]
        assert isinstance(error, dict)
        assert (error["type"], error["code"]) == (kind, "ADMISSION_QUOTA")
        assert "1 requests in a minute are yours" in error["message"]
        assert refused.headers["retry-after"] in {"60", "61"}
        assert refused.headers.get("x-should-retry") == (
            "false" if refused.headers["retry-after"] == "61" else None
        )
        assert sum_usage(state)[0] == 1


def test_a_refusal_by_the_door_leaves_no_entry_of_its_own(tmp_path: Path) -> None:
    with counted(tmp_path, TenantLimits(requests_per_minute=1)) as (served, _):
        for _ in range(5):
            complete(served)
        assert [kind for kind, _ in read_endings(tmp_path)] == ["request.answered"]


def test_a_request_for_more_than_a_tenant_may_is_not_to_be_asked_again(tmp_path: Path) -> None:
    with counted(tmp_path, TenantLimits(tokens_per_minute=20)) as (served, state):
        refused = complete(served, words=21)
        assert (refused.status, refused.code) == (429, "ADMISSION_QUOTA")
        assert "24 tokens" in str(refused.json)
        assert "retry-after" not in refused.headers
        assert refused.headers["x-should-retry"] == "false"
        assert sum_usage(state) == (1, 0, 0, 0)


def test_tokens_that_are_used_up_are_refused_in_a_stream_as_well(tmp_path: Path) -> None:
    with counted(tmp_path, TenantLimits(tokens_per_minute=8)) as (served, _):
        assert complete(served, words=3).status == 200
        refused = complete(served, words=3, stream=True)
        assert (refused.status, refused.code) == (429, "ADMISSION_QUOTA")
        assert 1 <= int(refused.headers["retry-after"]) <= 61


def test_an_answer_without_a_stated_length_ends_within_half_of_what_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ostiary.admission.measure._USUAL_ANSWER", 4)
    with counted(tmp_path, TenantLimits(tokens_per_minute=40), answers=["word " * 200]) as (served, _):
        data = json.dumps({"model": "honest", "prompt": [1, 2]}).encode()
        answers = [served.door.post("/v1/completions", data) for _ in range(4)]
        assert [usage_of(answer) for answer in answers[:3]] == [(2, 18), (2, 8), (2, 4)]
        choices = answers[0].json["choices"]
        assert isinstance(choices, list)
        assert choices[0]["finish_reason"] == "length"
        assert (answers[3].status, answers[3].code) == (429, "ADMISSION_QUOTA")


def test_several_texts_are_one_request(tmp_path: Path) -> None:
    with counted(tmp_path, TenantLimits(requests_per_minute=1, concurrent=1)) as (served, state):
        body = {"model": "honest", "input": ["one two", "three", "four"]}
        answer = served.door.post("/v1/embeddings", json.dumps(body).encode())
        assert answer.status == 200
        told = answer.json["usage"]
        assert isinstance(told, dict)
        assert sum_usage(state) == (1, told["prompt_tokens"], 0, 0)


@pytest.mark.parametrize("given", [["word " * 20] * 9, [[5] * 20] * 9])
def test_several_texts_that_cannot_all_fit_use_nothing(tmp_path: Path, given: list[object]) -> None:
    with counted(tmp_path, TenantLimits(tokens_per_minute=100)) as (served, state):
        body = {"model": "honest", "input": given}
        answer = served.door.post("/v1/embeddings", json.dumps(body).encode())
        assert (answer.status, answer.code) == (429, "ADMISSION_QUOTA")
        assert sum_usage(state) == (1, 0, 0, 0)
        assert read_endings(tmp_path) == []


def test_to_count_tokens_uses_none(tmp_path: Path) -> None:
    with counted(tmp_path, TenantLimits(tokens_per_minute=100)) as (served, state):
        body = {"model": "honest", "messages": HELLO}
        answer = served.door.post("/v1/messages/count_tokens", json.dumps(body).encode())
        assert answer.status == 200
        assert sum_usage(state) == (1, 0, 0, 0)


# --- however it ends ---


def read_endings(folder: Path) -> list[tuple[str, dict[str, object]]]:
    with open_reader(folder / "state") as reader:
        entries = [parse_entry(body, number) for number, body in reader.read_bodies(0, reader.read_size())]
    return [(entry.kind, dict(entry.data)) for entry in entries if entry.kind.startswith("request.")]


def test_a_stream_is_counted_as_its_last_event_says(tmp_path: Path) -> None:
    with counted(tmp_path) as (served, state):
        stream = complete(served, words=3, stream=True, stream_options={"include_usage": True})
        events = [line[6:] for line in stream.body.decode().splitlines() if line.startswith("data: {")]
        told = json.loads(events[-1])["usage"]
        assert sum_usage(state) == (1, told["prompt_tokens"], told["completion_tokens"], 0)


@pytest.mark.parametrize("stream", [False, True])
def test_a_cancelled_one_is_counted_as_far_as_it_came(tmp_path: Path, stream: bool) -> None:
    with counted(tmp_path, token_milliseconds=20) as (served, state):
        body = {"model": "honest", "prompt": " word" * 50, "max_tokens": 70, "stream": stream}
        data = json.dumps(body).encode()
        with served.door.connect(PATIENCE) as asking:
            sent = head("POST", "/v1/completions", JSON, f"content-length: {len(data)}")
            asking.sendall(sent + data)
            opened = served.door.door.models.by_name["honest"].current.opened
            wait_for(lambda: any(ending._tokens for ending in list(opened._endings._open)))
        wait_for(lambda: bool(read_endings(tmp_path)))
        ((kind, fields),) = read_endings(tmp_path)
        assert kind == "request.cancelled"
        assert fields["completion_tokens"]
        wait_for(lambda: sum_usage(state)[1] > 0)
        assert sum_usage(state) == (1, 50, fields["completion_tokens"], 0)


def test_a_failed_one_is_counted_as_far_as_it_came(tmp_path: Path) -> None:
    with counted(tmp_path, failure="WORKER_ENGINE_FAILED", failure_tokens=2) as (served, state):
        assert complete(served, words=3).status == 500
        ((kind, fields),) = read_endings(tmp_path)
        assert (kind, fields["completion_tokens"]) == ("request.failed", 2)
        assert sum_usage(state) == (1, 3, 2, 0)


def test_one_whose_worker_is_killed_is_counted_as_far_as_it_came(tmp_path: Path) -> None:
    with counted(tmp_path, token_milliseconds=20) as (served, state), served.door.connect(PATIENCE) as asking:
        data = json.dumps({"model": "honest", "prompt": [5] * 50, "max_tokens": 70, "stream": True}).encode()
        sent = head("POST", "/v1/completions", JSON, f"content-length: {len(data)}", "connection: close")
        asking.sendall(sent + data)
        assert asking.recv(2_000).startswith(b"HTTP/1.1 200")
        signal_worker(served.door.door.models.by_name["honest"].current.opened._opened.cell)
        assert b"WORKER_CRASHED" in read_all(asking)
        wait_for(lambda: bool(read_endings(tmp_path)))
        ((kind, fields),) = read_endings(tmp_path)
        assert kind == "request.failed"
        assert sum_usage(state) == (1, 50, fields["completion_tokens"], 0)


def test_one_that_is_cancelled_before_its_first_token_is_counted_by_its_prompt(tmp_path: Path) -> None:
    with counted(tmp_path, token_milliseconds=60_000) as (served, state):
        data = json.dumps({"model": "honest", "prompt": [5] * 50, "max_tokens": 70}).encode()
        with served.door.connect(PATIENCE) as asking:
            asking.sendall(head("POST", "/v1/completions", JSON, f"content-length: {len(data)}") + data)
            process = served.door.door.models.by_name["honest"].current.opened._opened.cell._process
            wait_for(lambda: any(call.is_sent for call in list(process._calls._in_flight.values())))
        wait_for(lambda: sum_usage(state)[1] > 0)
        assert sum_usage(state) == (1, 50, 0, 0)


@pytest.mark.parametrize("more", [{"temperature": -1}, {"prompt": []}, {"prompt": "word " * 9_000}])
def test_a_refused_one_uses_no_tokens(tmp_path: Path, more: dict[str, object]) -> None:
    with counted(tmp_path) as (served, state):
        assert complete(served, **more).status in {400, 413, 422}
        assert sum_usage(state) == (1, 0, 0, 0)


def test_nothing_is_held_when_all_is_over(tmp_path: Path) -> None:
    with counted(tmp_path, TenantLimits(tokens_per_minute=100, concurrent=1)) as (served, _):
        for more in ({}, {"stream": True}, {"temperature": -1}, {"logit_bias": {"99999999": 1}}):
            complete(served, **more)
        quotas = served.door.door.quotas
        assert quotas is not None
        account = quotas._accounts.by_tenant["anybody"]
        wait_for(lambda: (account.held, account.in_flight, quotas._accounts.open) == (0, 0, {}))


# --- functions ---


def test_functions_count_as_requests_and_over_grpc_as_well(tmp_path: Path) -> None:
    grpc = pytest.importorskip("grpc")
    quotas = begin_server(tmp_path / "usage", HandClocks(), usual=TenantLimits(requests_per_minute=2))
    with FakeEngine(), serve_functions(tmp_path, has_grpc=True, quotas=quotas) as served:
        told = request(binary_input(12, shape=[1, 3]))
        answer = ask_function(served, told, struct.pack("<3f", 1, 2, 3))
        assert answer.status == 200
        assert answer.headers["x-ratelimit-remaining-requests"] == "1"
        with grpc.insecure_channel(f"127.0.0.1:{served.door.grpc_port}") as channel:
            infer = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
            metadata = channel.unary_unary("/inference.GRPCInferenceService/ServerMetadata")
            _, call = metadata.with_call(b"", timeout=PATIENCE)
            assert dict(call.trailing_metadata())["x-ratelimit-remaining-requests"] == "1"
            with pytest.raises(grpc.RpcError) as error:
                infer(b"", timeout=PATIENCE)
            assert error.value.code() is not grpc.StatusCode.RESOURCE_EXHAUSTED
            assert dict(error.value.trailing_metadata())["x-ratelimit-remaining-requests"] == "0"
            with pytest.raises(grpc.RpcError) as error:
                infer(b"", timeout=PATIENCE)
            assert error.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
            trailing = dict(error.value.trailing_metadata())
            assert trailing["ostiary-code"] == "ADMISSION_QUOTA"
            assert int(trailing["retry-after"]) in {60, 61}
        refused = ask_function(served, told, struct.pack("<3f", 1, 2, 3))
        assert (refused.status, refused.code) == (429, "ADMISSION_QUOTA")
        assert refused.headers["content-type"] == "application/problem+json"
        assert int(refused.headers["retry-after"]) in {60, 61}
    quotas.close()
    assert sum_usage(tmp_path / "usage") == (2, 0, 0, 0)
