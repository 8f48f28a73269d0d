"""A contract that is signed with its model holds whoever opens the model, and one that is not holds nobody."""

from __future__ import annotations

from pathlib import Path

import pytest
from cell_tools import LINUX_ONLY
from contract_files import LEAST, MESSAGES, PROMPT, TEXT, contract_file

import ostiary
from ostiary.cli.main import main
from ostiary.errors import AnswerRefused, ContractRefused, IntakeRefused, TrustRefused
from ostiary.testing import FakeEngine, HostilePublisher, sign_model

pytestmark = LINUX_ONLY

CONTRACT = contract_file(
    {
        **LEAST,
        "context_tokens": 40,
        "inputs": [{**PROMPT, "max_tokens": 4}, {**MESSAGES, "roles": ["user"]}],
        "outputs": [{**TEXT, "refused_characters": ["control"]}],
        "parameters": {"temperature": {"range": [0, 1]}},
        "text": {"characters": {"tags": "refuse"}},
    }
)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    model = HostilePublisher(tmp_path).publish_honest()
    (model / "contract.json").write_bytes(CONTRACT)
    return model


def test_a_signed_contract_holds_every_request_and_answer(model: Path) -> None:
    key = sign_model(model)
    with FakeEngine(replies={"bell": "a \x07 b"}), ostiary.open(model, key=key) as opened:
        assert opened.generate("one two", temperature=1).text == "one two"
        for fields, rule in (
            ({"temperature": 1.5}, "parameters.temperature.range"),
            ({"seed": 1}, "parameters"),
            ({"prompt": "hi\U000e0041"}, "text.characters.tags"),
            ({"prompt": "one two three four five"}, "inputs.prompt.max_tokens"),
        ):
            options = dict(fields)
            with pytest.raises(ContractRefused) as caught:
                opened.generate(str(options.pop("prompt", "one")), **options)  # type: ignore[arg-type]
            assert caught.value.rule == rule
        with pytest.raises(ContractRefused) as caught:
            opened.chat([{"role": "system", "content": "x"}, {"role": "user", "content": "y"}])
        assert caught.value.field == "messages[0].role"
        with pytest.raises(AnswerRefused):
            opened.generate("bell")
        assert opened.generate("one two").text == "one two"


def test_a_contract_that_was_changed_after_it_was_signed_keeps_the_model_outside(model: Path) -> None:
    key = sign_model(model)
    (model / "contract.json").write_bytes(contract_file())
    with FakeEngine(), pytest.raises(TrustRefused):
        ostiary.open(model, key=key)


def test_a_contract_that_was_taken_away_keeps_the_model_outside(model: Path) -> None:
    key = sign_model(model)
    (model / "contract.json").unlink()
    with FakeEngine(), pytest.raises(TrustRefused):
        ostiary.open(model, key=key)


def test_a_bad_contract_keeps_the_model_outside(model: Path) -> None:
    (model / "contract.json").write_bytes(contract_file(unknown=1))
    with FakeEngine(), pytest.raises(IntakeRefused):
        ostiary.open(model, unsafe_unsigned=True)


def test_a_contract_that_nobody_vouches_for_bounds_nothing(tmp_path: Path) -> None:
    """Somebody let an unsigned file lie there: no room may use it, not even to say no."""
    model = HostilePublisher(tmp_path).publish_honest()
    key = sign_model(model)
    (model / "contract.json").write_bytes(CONTRACT)
    with FakeEngine(), ostiary.open(model, key=key, unsafe_ignore=["contract.json"]) as opened:
        assert opened.generate("one two three four five", temperature=1.5).text


def test_the_command_tries_it_behind_the_wall(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    key = sign_model(model)
    with FakeEngine(answers=["fine"]):
        assert main(["contract", "test", str(model), "--run", "--all", "--key", str(key)]) == 0
    told = capsys.readouterr().out.splitlines()
    assert any("of more than 4 tokens" in line and line.endswith("inputs.prompt.max_tokens") for line in told)
    assert told[-1].endswith("of them behind the wall")
