"""Our own attack cases, each made on disk and judged as a whole model."""

from __future__ import annotations

import importlib
import os
from pathlib import Path

import pytest
from attack_cases.base import ACCEPT, Case

from ostiary.intake import examine_model

FAMILIES = ("code", "config", "contract", "function", "names", "template", "tokenizer", "weights")
CASES = [
    pytest.param(case, id=f"{family}-{case.name}")
    for family in FAMILIES
    for case in (
        importlib.import_module(f"attack_cases.{family}").CASES
        if importlib.util.find_spec(f"attack_cases.{family}")
        else []
    )
]


def _make(case: Case, directory: Path) -> Path:
    model = directory / "model"
    model.mkdir()
    for name, data in case.files.items():
        path = model / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    for name, target in case.symlinks.items():
        (model / name).symlink_to(target)
    for name, target in case.hard_links.items():
        os.link(model / target, model / name)
    for name in case.fifos:
        os.mkfifo(model / name)
    return model / next(iter(case.files)) if case.single else model


@pytest.mark.parametrize("case", CASES)
def test_the_case_gets_its_verdict(case: Case, tmp_path: Path) -> None:
    examination = examine_model(_make(case, tmp_path))
    refusal = examination.refusal
    shown = [(f.rule.id, f.sentence) for f in examination.findings]
    assert (ACCEPT if refusal is None else refusal.code) == case.expect, (case.what, shown)
    if case.rule is not None:
        assert case.rule in examination.count_rules(), shown


def test_there_are_more_of_our_own_than_were_found() -> None:
    assert len(CASES) >= 166
    names = [param.id for param in CASES]
    assert len(names) == len(set(names))
