"""The SARIF log in the eyes of a reader that is not ours."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ostiary.cli.main import main
from ostiary.testing import HostilePublisher

sarif = pytest.importorskip("sarif_pydantic")


@pytest.mark.parametrize("attack", [None, "python-file", "overlapping-tensors", "link-out"])
def test_another_reader_takes_it(tmp_path: Path, capsys: pytest.CaptureFixture[str], attack: str | None) -> None:
    publisher = HostilePublisher(tmp_path)
    model = publisher.publish_honest() if attack is None else publisher.publish(attack)
    main(["inspect", "--sarif", str(model)])
    text = capsys.readouterr().out
    log = sarif.Sarif.model_validate_json(text)
    run = log.runs[0]
    assert run.tool.driver.name == "Ostiary"
    assert len(run.results or []) == len(json.loads(text)["runs"][0]["results"])
    assert bool(run.results) == (attack is not None)
    known = {rule.id for rule in run.tool.driver.rules or []}
    assert {result.rule_id for result in run.results or []} == known
