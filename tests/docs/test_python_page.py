"""docs/python.md: the examples, one after the other as one program, print what the page shows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cell_tools import LINUX_ONLY

from ostiary.cli.main import main
from ostiary.errors import CODES
from ostiary.library.arguments import ChatOptions, OpenArguments, PromptOptions
from ostiary.record.events import EVENT_TYPES
from ostiary.testing import FakeEngine, HostilePublisher

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "python.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```python\n(.*?)^```\n\n```text\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
REPLIES = {
    "Once upon a time": " there was a doorkeeper who read every name on the list.",
    "Who are you?": "The doorkeeper.",
    "Hello": "One at a time.",
}


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OSTIARY_PASSPHRASE", "correct horse")
    assert main(["keygen", "alice"]) == 0
    HostilePublisher(tmp_path, honest_name="llama").publish_honest()
    HostilePublisher(tmp_path, honest_name="unsigned").publish_honest()
    assert main(["sign", "llama", "--key", "alice.key", "--id", "acme/llama", "--model-version", "1.2"]) == 0
    capsys.readouterr()
    with FakeEngine(replies=REPLIES):
        yield


def test_every_example_is_followed_by_what_it_prints() -> None:
    assert len(EXAMPLES) == PAGE.count("```python") == PAGE.count("```text") == 7


@LINUX_ONLY
@pytest.mark.usefixtures("house")
def test_the_examples_print_what_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, Any] = {}
    for code, shown in EXAMPLES:
        exec(compile(code, "docs/python.md", "exec"), names)  # noqa: S102  our own page
        assert capsys.readouterr().out == shown


def test_every_argument_is_explained() -> None:
    opening, asking = PAGE.split("## Asking")[0], PAGE.split("## Asking")[1].split("## Pieces")[0]
    assert set(re.findall(r"`([a-z_]+)`", opening)) >= OpenArguments.__annotations__.keys()
    options = {*ChatOptions.__annotations__, *PromptOptions.__annotations__}
    rare = {name for name in options if "penalty" in name or "context_size" in name}
    rare |= {"add_generation_prompt", "continue_final_message", "parse_special"}  # the table of generation has them
    assert set(re.findall(r"`([a-z_]+)`", asking)) >= options - rare


def test_codes_and_events_that_are_named_exist() -> None:
    assert set(re.findall(r"`((?:CELL|CONTRACT|WORKER|TRUST)_[A-Z_]+)`", PAGE)) <= set(CODES)
    assert set(re.findall(r"`(request\.[a-z]+)`", PAGE)) == {k for k in EVENT_TYPES if k.startswith("request.")}
