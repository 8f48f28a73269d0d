"""The language engine behind models that are loaded on demand, shared by workers, reloaded and given up."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("mlx.core")
pytest.importorskip("mlx_lm")

from cell_tools import LINUX_ONLY, PATIENCE, signal_worker
from keeper_tools import Kennel, keeping, make_to_serve, wait_for

from ostiary.cell.limits_file import NO_RULES
from ostiary.library.engines import choose_engine, choose_function_engine
from ostiary.record.serving_events import ModelLoaded, ModelUnloaded
from ostiary.testing import HostilePublisher, sign_model

pytestmark = [pytest.mark.mlx, LINUX_ONLY]


def test_it_answers_the_same_whatever_happens_to_its_processes(tmp_path: Path, state_directory: Path) -> None:
    path = HostilePublisher(tmp_path).publish_honest()
    model = make_to_serve("honest", path, sign_model(path), state_directory)
    options = replace(
        model.options, engine=choose_engine(), function_engine=choose_function_engine(), workers=2, rules=NO_RULES
    )
    models = [replace(model, name=name, options=options) for name in ("one", "two")]
    with keeping(models) as kennel:
        said = complete(kennel, "one")
        limit = kennel.of(ModelLoaded)[0].memory_bytes  # type: ignore[attr-defined]
        kennel.keeper.budget.change(limit)
        assert complete(kennel, "two") == said, "the same model in another's room"
        assert [event.name for event in kennel.of(ModelUnloaded)] == ["one"]  # type: ignore[attr-defined]
        answers: list[str] = []
        is_over = threading.Event()

        def go_on() -> None:
            while not is_over.is_set():
                answers.append(complete(kennel, "two"))

        asking = [threading.Thread(target=go_on) for _ in range(3)]
        for thread in asking:
            thread.start()
        try:
            for _ in range(2):
                before = len(answers)
                assert kennel.reload("two").status == 200
                wait_for(lambda before=before: len(answers) > before + 3)
        finally:
            is_over.set()
            for thread in asking:
                thread.join(PATIENCE)
        assert set(answers) == {said}
        current = kennel.kept("two").served.current
        assert current is not None
        cells = current.opened._opened.group.cells
        for cell in cells:
            signal_worker(cell)
        wait_for(lambda: [cell._restart for cell in cells] == [2, 2])
        assert complete(kennel, "two") == said


def complete(kennel: Kennel, model: str) -> str:
    answer = kennel.ask(model, "abcabc", 12)
    assert answer.status == 200, answer.body
    return str(answer.json["choices"][0]["text"])  # type: ignore[index]
