"""A model's own contract at the HTTP door: no body that breaks it reaches the worker, and each answer says why."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import pytest
from cell_tools import LINUX_ONLY
from contract_files import LEAST, MESSAGES, PROMPT, TEXT, contract_file
from door_tools import RunningDoor, running_door

from ostiary.gateway.routes import gather_routes
from ostiary.gateway.served import ServedModel
from ostiary.library.opening import open_here
from ostiary.library.options import read_options
from ostiary.testing import FakeEngine, HostilePublisher, sign_model

pytestmark = LINUX_ONLY

JSON = "content-type: application/json"
CONTRACT = contract_file(
    {
        **LEAST,
        "dims": {"choices": {"max": 1}},
        "inputs": [{**PROMPT, "max_tokens": 4}, {**MESSAGES, "roles": ["user"], "max_characters": 20}],
        "outputs": [{**TEXT, "max_tokens": 6, "refused_characters": ["control"]}],
        "parameters": {"temperature": {"range": [0, 1]}, "stop": {"max_items": 1}, "add_generation_prompt": {}},
        "text": {"characters": {"tags": "refuse"}},
    }
)


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDoor]:
    place = tmp_path_factory.mktemp("served")
    model = HostilePublisher(place).publish_honest()
    (model / "contract.json").write_bytes(CONTRACT)
    key = sign_model(model)
    with ExitStack() as stack:
        stack.enter_context(FakeEngine(replies={"bell": "fine \x07"}))
        opened = open_here(model, read_options({"key": key, "state": place / "state"}))
        stack.callback(opened.close)
        threads = stack.enter_context(ThreadPoolExecutor(4))
        served = ServedModel("m", opened, int(time.time()), threads)
        yield stack.enter_context(running_door(gather_routes(lambda: False), models=[served]))


def post(door: RunningDoor, path: str, **body: Any) -> Any:
    return door.post(path, json.dumps({"model": "m", **body}).encode(), JSON)


def say(text: str, role: str = "user") -> list[dict[str, str]]:
    return [{"role": role, "content": text}]


REFUSED: list[tuple[str, dict[str, Any], int, str]] = [
    ("/v1/completions", {"prompt": "a", "temperature": 1.5}, 400, "parameters.temperature.range"),
    ("/v1/completions", {"prompt": "a", "top_p": 0.5}, 400, "parameters"),
    ("/v1/completions", {"prompt": "a", "max_tokens": 7}, 413, "outputs.text.max_tokens"),
    ("/v1/completions", {"prompt": "hi\U000e0041"}, 400, "text.characters.tags"),
    ("/v1/completions", {"prompt": [1, 2]}, 400, "inputs"),
    ("/v1/completions", {"prompt": "one two three four five"}, 413, "inputs.prompt.max_tokens"),
    ("/v1/completions", {"prompt": "bell"}, 422, "outputs.text.refused_characters"),
    ("/v1/chat/completions", {"messages": say("a", "system")}, 400, "inputs.messages.roles"),
    ("/v1/chat/completions", {"messages": say("a" * 21)}, 413, "inputs.messages.max_characters"),
    ("/v1/chat/completions", {"messages": say("a"), "n": 2}, 413, "dims.choices.max"),
    ("/v1/chat/completions", {"messages": say("a"), "stop": ["a", "b"]}, 413, "parameters.stop.max_items"),
    ("/v1/messages", {"messages": say("a\U000e0041"), "max_tokens": 5}, 400, "text.characters.tags"),
    ("/v1/embeddings", {"input": "a"}, 400, "inputs"),
]


@pytest.mark.parametrize(("path", "body", "status", "rule"), REFUSED, ids=[f"{p}-{r}" for p, _, _, r in REFUSED])
def test_what_breaks_the_contract_is_named_by_its_rule(
    door: RunningDoor, path: str, body: dict[str, Any], status: int, rule: str
) -> None:
    answer = post(door, path, **body)
    assert (answer.status, answer.json["error"].get("rule")) == (status, rule), answer.json
    assert "\U000e0041" not in answer.body.decode()


def test_what_fits_is_answered(door: RunningDoor) -> None:
    answer = post(door, "/v1/completions", prompt="one two", temperature=1)
    assert answer.status == 200, answer.json
    assert answer.json["choices"][0]["text"] == "one two"
    assert post(door, "/v1/chat/completions", messages=say("hello")).status == 200
