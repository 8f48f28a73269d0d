"""`ostiary run` from the prompt to the last line: what goes where, what it says of itself, how it ends."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from cell_tools import LINUX_ONLY, PATIENCE

from ostiary.cli import ui
from ostiary.cli.main import main
from ostiary.record.begin import open_reader
from ostiary.record.entry import parse_entry
from ostiary.testing import FakeEngine, HostilePublisher, sign_model

pytestmark = LINUX_ONLY

SCHEMA = json.loads((Path(__file__).resolve().parents[2] / "docs/reference/run.schema.json").read_text())
TEXT = "one two three four five"
ASK = ["run", "honest", "--key", "honest.pub", "--prompt", TEXT]


@pytest.fixture(autouse=True)
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A signed model, another that nobody signed, and no policy."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv("OSTIARY_POLICY", raising=False)
    sign_model(HostilePublisher(tmp_path).publish_honest(), model_id="acme/honest", model_version="1.2")
    HostilePublisher(tmp_path, honest_name="unsigned").publish_honest()
    return tmp_path


@pytest.fixture
def fake() -> Iterator[FakeEngine]:
    with FakeEngine() as engine:
        yield engine


def read_record(state: Path) -> list[Any]:
    with open_reader(state) as reader:
        return [parse_entry(body, number) for number, body in reader.read_bodies(0, reader.read_size())]


def read_lines(out: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in out.splitlines()]
    for line in lines:
        jsonschema.Draft202012Validator(SCHEMA).validate(line)
    assert out.isascii()
    return lines


def test_the_answer_on_one_side_the_work_on_the_other(fake: FakeEngine, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(ASK) == 0
    out, err = capfd.readouterr()
    assert out == TEXT  # not a byte more where a program reads it
    begun, opened, cost, hold = err.splitlines()
    assert begun.startswith("ostiary: a new record was begun")
    assert opened.startswith("ostiary: acme/honest 1.2: vouched for by key ")
    assert "; behind 10 layers, within " in opened or "layers" in opened
    assert cost.startswith("ostiary: 5 tokens in, 5 out, ")
    assert cost.endswith("; ended by the model")
    assert hold.startswith("ostiary: peak ")
    assert "; enforced: all " in hold
    assert all(len(line) <= 100 for line in err.splitlines())


def test_quiet(fake: FakeEngine, capfd: pytest.CaptureFixture[str]) -> None:
    assert main([*ASK, "--quiet", "--max-tokens", "2"]) == 0
    assert capfd.readouterr() == ("one two", "")


def test_lines_for_machines(fake: FakeEngine, capfd: pytest.CaptureFixture[str], state_directory: Path) -> None:
    assert main([*ASK, "--json", "--seed", "7", "--stop", " four"]) == 0
    out, err = capfd.readouterr()
    opened, *pieces, answer = read_lines(out)
    assert err == ""
    assert [piece["text"] for piece in pieces] == ["one", " two", " three", ""]
    assert (opened["type"], opened["id"], opened["rule"]) == ("opened", "acme/honest", "key")
    assert (answer["text"], answer["stop"], answer["seed"]) == ("one two three", " four", 7)
    assert answer["usage"] == {"prompt_tokens": 5, "cached_tokens": 0, "completion_tokens": 4}
    assert answer["peak_bytes"] > 1_000_000
    recorded = {entry.data["correlation_id"]: entry.kind for entry in read_record(state_directory)}
    assert recorded[answer["correlation_id"]] == "request.answered"
    assert opened["correlation_id"] in recorded


def test_a_conversation(capfd: pytest.CaptureFixture[str]) -> None:
    with FakeEngine(answers=["good day"]) as engine:
        assert main([*ASK, "--chat", "-q"]) == 0
        assert main([*ASK, "--system", "be kind", "-q"]) == 0
    assert capfd.readouterr().out == "good daygood day"
    roles = [[message["role"] for message in request.fields["messages"]] for request in engine.requests]  # type: ignore[attr-defined]
    assert roles == [["user"], ["system", "user"]]


def test_a_prompt_from_standard_input(
    fake: FakeEngine, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def give(data: bytes) -> None:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))

    give("grüße\n\n".encode())
    assert main([*ASK[:-1], "-", "-q"]) == 0
    assert fake.requests[0].fields["prompt"] == "grüße\n"
    give(b"\xff")
    assert main([*ASK[:-1], "-"]) == 2
    give(b"x" * (5 << 20))
    assert main([*ASK[:-1], "-"]) == 2
    assert "USAGE" in capfd.readouterr().err


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_on_a_terminal_the_model_cannot_write_but_text(monkeypatch: pytest.MonkeyPatch) -> None:
    out = Terminal()
    monkeypatch.setattr(sys, "stdout", out)
    with FakeEngine(answers=["\x1b]0;owned\x07 and\r so on \u202e"]):
        assert main([*ASK, "-q"]) == 0
    assert out.getvalue() == "\\x1b]0;owned\\x07 and\\r so on \\u202e\n"


def test_elsewhere_what_the_model_says_is_what_comes(capfd: pytest.CaptureFixture[str]) -> None:
    with FakeEngine(answers=["\x1b[31mred"]):
        assert main([*ASK, "-q"]) == 0
        assert capfd.readouterr().out == "\x1b[31mred"
        assert main([*ASK, "--json"]) == 0
    assert "\x1b" not in capfd.readouterr().out


@pytest.mark.parametrize("arguments", [[], ["--key", "honest.pub"]], ids=["no policy", "not signed"])
def test_who_has_nobodys_word_is_told_the_ways_on(
    fake: FakeEngine, capfd: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    assert main(["run", "unsigned", "-p", "x", *arguments]) == (3 if arguments else 2)
    err = capfd.readouterr().err
    assert ("TRUST_UNSIGNED" if arguments else "there is no policy") in err
    for way in ("--key PUBLISHER.pub", "ostiary sign unsigned --key me.key", "--unsafe-unsigned"):
        assert way in err


def test_unsigned_on_purpose_is_said_aloud_and_recorded(
    fake: FakeEngine, capfd: pytest.CaptureFixture[str], state_directory: Path
) -> None:
    arguments = ["--unsafe-unsigned", "--unsafe-without-landlock", "--quiet"]
    assert main(["run", "unsigned", "-p", "x", *arguments]) == 0
    err = capfd.readouterr().err
    assert "warning: it runs although it would be refused with TRUST_UNSIGNED" in err
    assert "warning: its wall stands without landlock" in err
    hatches = [entry.data["hatch"] for entry in read_record(state_directory) if entry.kind == "unsafe.used"]
    assert hatches == arguments[:2]


def test_a_file_that_nobody_signed_can_be_left_out(fake: FakeEngine, capfd: pytest.CaptureFixture[str]) -> None:
    Path("honest/NOTES.md").write_text("mine")
    assert main(ASK) == 3
    assert main([*ASK, "--unsafe-ignore", "NOTES.md", "--json"]) == 0
    assert read_lines(capfd.readouterr().out)[0]["left_out"] == ["NOTES.md"]


def test_limits_for_this_once(fake: FakeEngine, capfd: pytest.CaptureFixture[str]) -> None:
    assert main([*ASK, "--json", "--limit", "memory=1 GiB", "--limit", "tokens=3"]) == 0
    opened, *_, answer = read_lines(capfd.readouterr().out)
    assert (opened["limits"]["memory_bytes"], opened["limits"]["tokens"]) == (1 << 30, 3)
    assert (answer["text"], answer["finish_reason"]) == ("one two three", "length")
    assert main([*ASK, "--limit", "memory"]) == 2
    assert main([*ASK, "--limit", "memory=1 parsec"]) == 2


def test_a_request_that_does_not_fit(fake: FakeEngine, capfd: pytest.CaptureFixture[str]) -> None:
    assert main([*ASK, "--temperature", "1000", "--json"]) == 3
    out, err = capfd.readouterr()
    assert [line["type"] for line in read_lines(out)] == ["opened", "error"]
    assert "CONTRACT_RANGE: temperature must be from 0 to 100" in err


@pytest.mark.parametrize(
    ("failure", "status"),
    [("WORKER_CRASHED", 4), ("WORKER_VIOLATION", 4), ("WORKER_ENGINE_FAILED", 4), ("WORKER_CALL_REFUSED", 3)],
)
def test_what_came_before_a_failure_is_kept(failure: str, status: int, capfd: pytest.CaptureFixture[str]) -> None:
    with FakeEngine(failure=failure, failure_tokens=2):
        assert main(ASK) == status
        out, err = capfd.readouterr()
        assert out == "one two"
        assert "2 tokens came before it ended" in err
        assert f"{failure}: " in err.splitlines()[-1]
        assert "Hint: " in err.splitlines()[-1]
        assert main([*ASK, "--json"]) == status
    lines = read_lines(capfd.readouterr().out)
    assert [line["type"] for line in lines] == ["opened", "piece", "piece", "error"]
    assert lines[-1]["error"]["code"] == failure


def test_a_timeout(capfd: pytest.CaptureFixture[str]) -> None:
    with FakeEngine(token_milliseconds=100):
        assert main([*ASK, "--timeout", "0.15", "-q"]) == 4
    out, err = capfd.readouterr()
    assert "WORKER_SILENT" in err
    assert TEXT.startswith(out)


def test_the_progress_of_a_large_model(monkeypatch: pytest.MonkeyPatch, fake: FakeEngine) -> None:
    from ostiary.cli import run_output

    err = Terminal()
    monkeypatch.setattr(sys, "stderr", err)
    monkeypatch.setattr(run_output, "_WORTH_SAYING_BYTES", 1)
    monkeypatch.setattr(ui, "_PROGRESS_AFTER_S", 0)
    assert main(ASK) == 0
    shown = err.getvalue()
    assert "verifying [" in shown
    assert "loading 30" in shown
    assert shown.index("loading") < shown.index("ostiary: acme/honest")


# --- as a program of its own ---

PROGRAM = """
import sys
from ostiary.cli.main import run_program
from ostiary.testing import FakeEngine
with FakeEngine(token_milliseconds=20):
    sys.exit(run_program())
"""
LONG = ["run", "honest", "--key", "honest.pub", "--prompt", "word " * 100]


def start(*arguments: str, **options: Any) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", textwrap.dedent(PROGRAM), *LONG, *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_interrupted_in_the_middle(number: signal.Signals, status: int, state_directory: Path) -> None:
    with start() as program:
        assert program.stdout is not None
        first = os.read(program.stdout.fileno(), 100)
        program.send_signal(number)
        out, err = program.communicate(timeout=PATIENCE)
    assert program.returncode == status, err
    assert first.startswith(b"word")
    assert 0 < (first + out).count(b"word") < 100
    assert b"Traceback" not in err
    assert err.decode().splitlines()[-1] == ("ostiary: interrupted" if status == 130 else "ostiary: terminated")
    assert [entry.kind for entry in read_record(state_directory)][-2:] == ["request.cancelled", "cell.ended"]


def test_interrupted_for_machines() -> None:
    with start("--json") as program:
        assert program.stdout is not None
        head = program.stdout.readline() + program.stdout.readline()
        program.send_signal(signal.SIGINT)
        out, _ = program.communicate(timeout=PATIENCE)
    lines = read_lines((head + out).decode())
    assert (lines[0]["type"], lines[-1]["type"]) == ("opened", "cancelled")
    assert lines[-1]["text"] == "".join(line["text"] for line in lines[1:-1])


def test_a_reader_that_goes_away_ends_it(state_directory: Path) -> None:
    with start() as program:
        assert program.stdout is not None
        os.read(program.stdout.fileno(), 4)
        program.stdout.close()
        assert program.wait(PATIENCE) == 0
        assert program.stderr is not None
        err = program.stderr.read()
    assert b"Traceback" not in err
    assert b"BrokenPipe" not in err
    assert [entry.kind for entry in read_record(state_directory)][-2:] == ["request.cancelled", "cell.ended"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_disk_that_is_full(capfd: pytest.CaptureFixture[str], state_directory: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, *LONG],
            stdout=full,
            stderr=subprocess.PIPE,
            timeout=PATIENCE,
            check=False,
        )
    assert done.returncode == 4
    assert b"OUTPUT_UNWRITABLE" in done.stderr
    assert [entry.kind for entry in read_record(state_directory)][-2:] == ["request.cancelled", "cell.ended"]


def test_the_engine_starts_before_the_model_is_read(monkeypatch: pytest.MonkeyPatch, fake: FakeEngine) -> None:
    from ostiary.cell import prepare
    from ostiary.intake import judge

    order: list[str] = []
    started = threading.Event()
    find, read = prepare.find_fork_server, judge.examine_model

    def find_first(program: Any) -> Any:
        order.append("engine")
        started.set()
        return find(program)

    def read_later(*arguments: Any, **named: Any) -> Any:
        assert started.wait(PATIENCE)
        order.append("model")
        return read(*arguments, **named)

    monkeypatch.setattr(prepare, "find_fork_server", find_first)
    monkeypatch.setattr(judge, "examine_model", read_later)
    assert main([*ASK, "-q"]) == 0
    assert order[:1] == ["engine"]
    assert "model" in order
