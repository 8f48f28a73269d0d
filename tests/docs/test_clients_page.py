"""docs/clients.md: every program on it runs, against the real door."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from cell_tools import LINUX_ONLY
from served_models import Served, closing_loops, serve_fake

from ostiary.testing import FakeEngine

pytestmark = LINUX_ONLY

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "clients.md").read_text(encoding="utf-8")
PROGRAMS = re.findall(r"^## (\w+)\n.*?```python\n(.*?)```", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with (
        closing_loops(),
        FakeEngine(answers=["A doorkeeper."]),
        serve_fake(tmp_path_factory.mktemp("served"), "llama") as door,
    ):
        yield door
    assert door.door.failures == []


def test_there_is_one_for_each_client() -> None:
    assert [name for name, _ in PROGRAMS] == ["OpenAI", "Anthropic", "LangChain", "LiteLLM"]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("name", "program"), PROGRAMS, ids=[name for name, _ in PROGRAMS])
def test_the_program_runs(
    served: Served, name: str, program: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    pytest.importorskip({"LangChain": "langchain_openai"}.get(name, name.lower()))
    assert "http://127.0.0.1:8151" in program
    names: dict[str, object] = {}
    exec(program.replace("http://127.0.0.1:8151", served.url), names)  # noqa: S102  the page is ours
    if "print(" in program:
        assert capsys.readouterr().out.strip() == "A doorkeeper."
    else:
        assert names["answer"].choices[0].message.content == "A doorkeeper."  # type: ignore[attr-defined]
