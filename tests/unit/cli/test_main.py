"""The program around the verbs: usage, errors, exit statuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ostiary import cli
from ostiary.cli import main as main_module
from ostiary.cli.main import main


def test_wrong_flags_are_one_line_and_exit_2(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (
        ["inspect"],
        ["inspect", "--no-such", "x"],
        ["no-such-verb"],
        ["inspect", "--json", "--sarif", "x"],
    ):
        assert main(words) == 2
        told = capsys.readouterr()
        assert told.err.startswith("ostiary: misuse: USAGE: ")
        assert told.err.count("\n") == 1
        assert "Hint: Run 'ostiary" in told.err


def test_json_errors_are_json(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["inspect", "--json", str(tmp_path / "absent")]) == 2
    told = capsys.readouterr()
    value = json.loads(told.out)
    assert value["verdict"] == "misuse"
    assert value["error"]["code"] == "MODEL_NOT_FOUND"
    assert value["error"]["hint"]
    assert told.err.count("\n") == 1


def test_no_words_show_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main([])
    assert caught.value.code == 0
    assert "inspect" in capsys.readouterr().out


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out.startswith("ostiary 0.")


def _break_inspect(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def run(_options: object) -> int:
        raise error

    import ostiary.cli.inspect

    assert cli
    monkeypatch.setattr(ostiary.cli.inspect, "run", run)


def test_an_unforeseen_failure_shows_no_traceback_and_no_text_of_its_own(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _break_inspect(monkeypatch, ValueError("secret in here"))
    assert main(["inspect", "x"]) == 4
    told = capsys.readouterr()
    assert told.err.startswith("ostiary: failed: HOUSE_INTERNAL: unforeseen ValueError")
    assert "secret" not in told.err
    assert told.err.count("\n") == 1


def test_debug_shows_where_it_came_from(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _break_inspect(monkeypatch, ValueError("secret in here"))
    assert main(["inspect", "--debug", "x"]) == 4
    told = capsys.readouterr()
    assert "Traceback" in told.err
    assert "secret in here" in told.err


def test_ctrl_c_is_quiet(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    _break_inspect(monkeypatch, KeyboardInterrupt())
    assert main(["inspect", "x"]) == 130
    assert capsys.readouterr().err == "ostiary: interrupted\n"


def test_every_verb_has_a_module() -> None:
    assert set(main_module._VERBS) >= {"inspect", "record"}
    main_module.build_parser()
