"""Requests that ended, silenced or misled other servers: refused or answered, and nobody else notices."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator

import pytest
from attacks.request_cases import CHAT, HI, RequestCase, list_cases
from cell_tools import LINUX_ONLY
from served_models import Served, serve_fake

from ostiary.testing import FakeEngine

pytestmark = LINUX_ONLY

CASES = list_cases()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with FakeEngine(), serve_fake(tmp_path_factory.mktemp("served")) as door:
        yield door
    assert door.door.failures == []


def send(served: Served, case: RequestCase) -> None:
    answer = served.door.post(case.path, case.body)
    if case.expected == "accept":
        assert answer.status == 200, answer.body
    elif case.expected == "reject" and not case.by_engine:
        assert 400 <= answer.status < 500, answer.body
    else:
        assert answer.status < 500, answer.body
    if answer.status != 200:
        said = answer.body.decode()
        assert answer.code
        assert "/etc" not in said.replace("'/etc'", "").replace(
            "'file:///etc'", ""
        )  # but for the name that was asked for
        assert "Traceback" not in said


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_each(served: Served, case: RequestCase) -> None:
    send(served, case)
    good = served.door.post(CHAT, json.dumps({"messages": HI}).encode())
    assert good.status == 200


def test_somebody_else_is_answered_all_the_while(tmp_path_factory: pytest.TempPathFactory) -> None:
    words = "word " * 100
    with (
        FakeEngine(replies={"go": words}, token_milliseconds=10),
        serve_fake(tmp_path_factory.mktemp("served")) as served,
    ):
        answers = []

        def read() -> None:
            body = {"messages": [{"role": "user", "content": "go"}], "stream": True, "max_tokens": 120}
            answers.append(served.door.post(CHAT, json.dumps(body).encode()))

        other = threading.Thread(target=read)
        other.start()
        for case in CASES:
            if case.expected == "reject" and len(case.body) < 100_000:
                send(served, case)
        other.join(60)
        assert not other.is_alive()
    lines = [line[6:] for line in answers[0].body.decode().split("\n") if line.startswith("data: {")]
    said = "".join(choice["delta"].get("content") or "" for line in lines for choice in json.loads(line)["choices"])
    assert said.split() == words.split()
