"""`ostiary contract` as a person and a machine see it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from contract_files import LEAST, PROMPT, contract_file

from ostiary.cli.contract_text import render_trials
from ostiary.cli.contract_trial import Trial
from ostiary.cli.main import main
from ostiary.core.terms.parse_terms import parse_language_contract
from ostiary.testing import HostilePublisher

REFERENCE = Path(__file__).resolve().parents[3] / "docs" / "reference"


def validate(text: str, name: str) -> Any:
    value = json.loads(text)
    jsonschema.validate(value, json.loads((REFERENCE / f"{name}.schema.json").read_text()))
    return value


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return HostilePublisher(tmp_path).publish_honest()


def test_init_writes_a_contract_that_the_model_meets(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["contract", "init", str(model), "--name", "acme/tiny"]) == 0
    terms = parse_language_contract((model / "contract.json").read_bytes())
    assert (terms.name, terms.vocabulary, terms.context_tokens) == ("acme/tiny", 64, 128)
    validate((model / "contract.json").read_text(), "contract")
    assert "written: contract.json" in capsys.readouterr().out
    assert main(["contract", "test", str(model)]) == 0
    assert main(["inspect", str(model)]) == 0
    assert "contract  takes prompt" in capsys.readouterr().out


def test_init_does_not_overwrite_unless_told_to(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (model / "contract.json").write_bytes(contract_file())
    assert main(["contract", "init", str(model)]) == 2
    assert "--force" in capsys.readouterr().err
    assert (model / "contract.json").read_bytes() == contract_file()
    assert main(["contract", "init", str(model), "--force"]) == 0
    assert "sign it again" in capsys.readouterr().err


def test_init_elsewhere_leaves_the_model_alone(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["contract", "init", str(model), "-o", str(tmp_path / "made.json")]) == 0
    assert parse_language_contract((tmp_path / "made.json").read_bytes())
    capsys.readouterr()
    assert main(["contract", "init", str(model), "-o", "-"]) == 0
    assert parse_language_contract(capsys.readouterr().out.encode())
    assert not (model / "contract.json").exists()


def test_init_of_what_is_refused_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = HostilePublisher(tmp_path).publish("python-file")
    assert main(["contract", "init", str(model)]) == 3
    assert "INTAKE_CARRIES_CODE" in capsys.readouterr().err
    assert not (model / "contract.json").exists()


def test_show_with_and_without_a_file(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["contract", "show", str(model)]) == 0
    assert "no contract.json" in capsys.readouterr().out
    assert main(["contract", "show", "--json", str(model)]) == 0
    assert validate(capsys.readouterr().out, "contract-show")["source"] == "default"
    (model / "contract.json").write_bytes(contract_file(inputs=[{**PROMPT, "max_tokens": 50}]))
    assert main(["contract", "show", str(model)]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "honest: contract.json",
        "  platform        ostiary-language",
        "  input           prompt: max_tokens 50",
        "  output          text",
    ]
    assert main(["contract", "show", "--json", str(model / "contract.json")]) == 0
    shown = validate(capsys.readouterr().out, "contract-show")
    validate(json.dumps(shown["contract"]), "contract")


def test_show_of_a_bad_one_says_what_is_wrong(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (model / "contract.json").write_bytes(contract_file(max_tokns=3))
    assert main(["contract", "show", str(model)]) == 3
    assert capsys.readouterr().err.startswith(
        "ostiary: refused: INTAKE_MALFORMED: contract.json: max_tokns is no field of it. Hint:"
    )


@pytest.mark.parametrize("kind", ["absent", "pipe", "link-out"])
def test_what_is_no_file_keeps_nobody_waiting(
    tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "contract.json"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "link-out":
        path.symlink_to(tmp_path / "nothing")
    assert main(["contract", "show", str(path)]) == 2
    assert str(tmp_path) not in capsys.readouterr().err


def test_a_link_in_a_model_is_not_followed(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "elsewhere.json").write_bytes(contract_file())
    (model / "contract.json").symlink_to(tmp_path / "elsewhere.json")
    assert main(["contract", "show", str(model)]) == 3
    assert "INTAKE_PATH_ESCAPE" in capsys.readouterr().err
    assert main(["contract", "test", str(model)]) == 3


def test_diff_tells_what_is_wider_and_says_so_by_its_status(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old, new = tmp_path / "old.json", tmp_path / "new.json"
    old.write_bytes(contract_file(context_tokens=64, name="a\u00e9"))
    new.write_bytes(contract_file(context_tokens=128, parameters={}))
    assert main(["contract", "diff", str(old), str(new)]) == 3
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "wider     context_tokens: 64 -> 128"
    assert "narrower  parameters: seed -> -" in lines
    assert lines[-1] == "other     name: a\u00e9 -> -"
    assert main(["contract", "diff", "--json", str(old), str(new)]) == 3
    told = validate(capsys.readouterr().out, "contract-diff")
    assert told["is_wider"]
    assert {"place": "context_tokens", "change": "wider", "old": "64", "new": "128"} in told["differences"]
    assert main(["contract", "diff", str(new), str(new)]) == 0
    assert capsys.readouterr().out == "no difference\n"


def test_a_model_that_loses_its_contract_becomes_wider(model: Path, tmp_path: Path) -> None:
    (tmp_path / "old.json").write_bytes(contract_file())
    assert main(["contract", "diff", str(tmp_path / "old.json"), str(model)]) == 3
    assert main(["contract", "diff", str(model), str(tmp_path / "old.json")]) == 0


def test_test_lists_what_was_tried(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (model / "contract.json").write_bytes(contract_file({**LEAST, "text": {"characters": {"tags": "refuse"}}}))
    assert main(["contract", "test", "--all", str(model)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.split() == "as said characters: tags (refuse) text.characters.tags".split() for line in lines)
    assert lines[-1] == f"{len(lines) - 1} of {len(lines) - 1} requests met what the contract says"
    assert main(["contract", "test", "--json", str(model)]) == 0
    told = validate(capsys.readouterr().out, "contract-test")
    assert told["is_as_said"]
    assert not any(trial["ran"] for trial in told["trials"])


def test_a_trial_that_goes_otherwise_is_told() -> None:
    trials = [Trial("a", "range", None), Trial("b", None, "text", ran=True), Trial("c", None, None)]
    assert render_trials(trials, color=False, show_all=False) == [
        f"OTHER    {'a':<44}  fits, and not: range",
        f"OTHER    {'b':<44}  text, and not: fits",
        "1 of 3 requests met what the contract says, 1 of them behind the wall",
    ]
