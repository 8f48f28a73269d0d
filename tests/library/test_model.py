"""`ostiary.open` as a program uses it: answers, pieces, refusals, and everything that goes wrong on the way."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cell_tools import LINUX_ONLY, PATIENCE

import ostiary
from ostiary.cli.main import main
from ostiary.record.begin import open_reader
from ostiary.record.entry import Entry, parse_entry
from ostiary.testing import FakeEngine, HostilePublisher, sign_model

pytestmark = LINUX_ONLY

TEXT = "one two three four five"


@pytest.fixture
def signed(tmp_path: Path) -> tuple[Path, Path]:
    """A model, and the key to believe for it."""
    model = HostilePublisher(tmp_path).publish_honest()
    return model, sign_model(model, model_id="acme/honest", model_version="1.2")


@pytest.fixture
def fake() -> Iterator[FakeEngine]:
    with FakeEngine() as engine:
        yield engine


@pytest.fixture
def slow() -> Iterator[FakeEngine]:
    with FakeEngine(token_milliseconds=20) as engine:
        yield engine


def read_record(state: Path) -> list[Entry]:
    with open_reader(state) as reader:
        return [parse_entry(body, number) for number, body in reader.read_bodies(0, reader.read_size())]


def read_endings(state: Path) -> list[str]:
    return [entry.kind for entry in read_record(state) if entry.kind.startswith("request.")]


def open_signed(signed: tuple[Path, Path], **arguments: Any) -> ostiary.Model:
    model, key = signed
    return ostiary.open(model, key=key, **arguments)


def test_a_result_says_all_that_is_to_be_said(signed: tuple[Path, Path], fake: FakeEngine) -> None:
    with open_signed(signed) as model:
        result = model.generate(TEXT, max_tokens=3, temperature=0.5, seed=9, logprobs=1)
    assert result.text == "one two three"
    assert result.finish_reason is ostiary.FinishReason.LENGTH
    assert result.usage == ostiary.Usage(prompt_tokens=5, cached_tokens=0, completion_tokens=3)
    assert result.seed == 9
    assert result.logprobs is not None
    assert [odds.text for odds in result.logprobs] == ["one", " two", " three"]
    assert len(result.tokens) == 3
    assert 0 < (result.timings.first_token_seconds or 0) <= result.timings.total_seconds
    assert result.verdict is model.verdict


def test_the_verdict_says_what_let_the_model_in(signed: tuple[Path, Path], fake: FakeEngine) -> None:
    with open_signed(signed, limits={"tokens": 50}) as model:
        verdict = model.verdict
    assert (verdict.model, verdict.model_id, verdict.model_version) == ("honest", "acme/honest", "1.2")
    (signer,) = verdict.signers
    assert signer.startswith("key:")
    assert (verdict.rule, verdict.is_enforced, verdict.objections, verdict.left_out) == ("key", True, (), ())
    assert len(verdict.root) == 64
    assert sum(verdict.sealed.values()) == 1
    assert {"seccomp", "landlock"} <= set(verdict.layers)
    assert verdict.left_open == ()
    assert verdict.limits["tokens"] == 50
    assert verdict.engine == "fake"


def test_a_conversation(signed: tuple[Path, Path]) -> None:
    with FakeEngine(replies={"hello": "good day"}) as engine, open_signed(signed) as model:
        messages = [{"role": "system", "content": "be kind"}, {"role": "user", "content": "hello"}]
        assert model.chat(messages).text == "good day"
        assert "".join(piece.text for piece in model.stream_chat(messages)) == "good day"
    assert [request.operation for request in engine.requests] == ["chat", "chat"]
    assert engine.requests[0].fields["messages"] is messages


def test_several_answers(signed: tuple[Path, Path], fake: FakeEngine) -> None:
    with open_signed(signed) as model:
        result = model.generate(TEXT, n=3, stop=" four")
    assert [choice.text for choice in result.choices] == ["one two three"] * 3
    assert {choice.stop for choice in result.choices} == {" four"}


def test_a_stream_and_its_result(signed: tuple[Path, Path], fake: FakeEngine, state_directory: Path) -> None:
    with open_signed(signed) as model, model.stream(TEXT) as stream:
        pieces = []
        for piece in stream:
            pieces.append(piece.text)
            assert stream.text == "".join(pieces)
            with pytest.raises(ostiary.Misuse):
                _ = stream.result
        assert stream.result.text == TEXT
        assert list(stream) == []
        stream.close()
    assert pieces == ["one", " two", " three", " four", " five"]
    assert read_endings(state_directory) == ["request.answered"]


def test_a_stream_that_is_left_early(signed: tuple[Path, Path], slow: FakeEngine, state_directory: Path) -> None:
    with open_signed(signed) as model:
        with model.stream("word " * 100) as stream:
            next(stream)
        with pytest.raises(ostiary.Misuse):
            _ = stream.result
        assert list(stream) == []
        assert stream.text == "word"
        for _ in model.stream("word " * 100):  # without `with`, and nobody holds it any more
            break
        gc.collect()
        assert model.generate("a").text == "a"
        assert model.read_usage().calls == 0
    assert read_endings(state_directory) == ["request.cancelled", "request.cancelled", "request.answered"]


def test_what_does_not_fit(signed: tuple[Path, Path], fake: FakeEngine, state_directory: Path) -> None:
    with open_signed(signed) as model:
        with pytest.raises(ostiary.Refusal) as caught:
            model.generate(TEXT, top_p=3)
        with pytest.raises(ostiary.Refusal, match="best_of"):
            model.generate(TEXT, best_of=3)  # type: ignore[call-arg]
        with pytest.raises(ostiary.Refusal, match="timeout"):
            model.generate(TEXT, timeout=-1)
        with pytest.raises(ostiary.Refusal, match="messages"):
            model.chat("hello")  # type: ignore[arg-type]
    assert caught.value.code == "CONTRACT_RANGE"
    assert read_endings(state_directory) == ["request.refused"] * 4
    correlation_ids = {entry.data["correlation_id"] for entry in read_record(state_directory)}
    assert caught.value.correlation_id in correlation_ids


@pytest.mark.parametrize("failure", ["WORKER_CRASHED", "WORKER_ENGINE_FAILED", "WORKER_VIOLATION"])
def test_what_fails_in_the_middle(signed: tuple[Path, Path], failure: str, state_directory: Path) -> None:
    with FakeEngine(failure=failure, failure_tokens=2), open_signed(signed) as model:
        stream = model.stream(TEXT)
        with pytest.raises(ostiary.Fault) as caught:
            list(stream)
        assert caught.value.code == failure
        assert caught.value.hint
        assert stream.text == "one two"
        with pytest.raises(ostiary.Misuse):
            _ = stream.result
    assert read_endings(state_directory) == ["request.failed"]


def test_a_timeout(signed: tuple[Path, Path], slow: FakeEngine, state_directory: Path) -> None:
    with open_signed(signed) as model, pytest.raises(ostiary.Fault) as caught:
        model.generate("word " * 100, timeout=0.1)
    assert caught.value.code == "WORKER_SILENT"
    assert read_endings(state_directory) == ["request.failed"]


def test_unsigned_and_unknown(tmp_path: Path, fake: FakeEngine, state_directory: Path) -> None:
    model = HostilePublisher(tmp_path).publish_honest()
    stranger = sign_model(HostilePublisher(tmp_path / "other").publish_honest())
    with pytest.raises(ostiary.Refusal) as caught:
        ostiary.open(model, key=stranger)
    assert caught.value.code == "TRUST_UNSIGNED"
    sign_model(model)
    with pytest.raises(ostiary.Refusal) as caught:
        ostiary.open(model, key=stranger)
    assert caught.value.code == "TRUST_WRONG_SIGNER"
    assert [entry.kind for entry in read_record(state_directory)][-1] == "model.refused"


def test_unsigned_on_purpose(tmp_path: Path, fake: FakeEngine, state_directory: Path) -> None:
    model = HostilePublisher(tmp_path).publish_honest()
    with ostiary.open(model, unsafe_unsigned=True, unsafe_without=["landlock"]) as opened:
        verdict = opened.generate("a").verdict
    assert (verdict.signers, verdict.rule, verdict.is_enforced) == ((), "unsigned", False)
    assert verdict.objections == ("TRUST_UNSIGNED",)
    assert verdict.left_open == ("landlock",)
    hatches = [entry.data["hatch"] for entry in read_record(state_directory) if entry.kind == "unsafe.used"]
    assert hatches == ["--unsafe-unsigned", "--unsafe-without-landlock"]


def test_unsigned_on_purpose_is_still_judged(tmp_path: Path, fake: FakeEngine) -> None:
    model = HostilePublisher(tmp_path).publish("renamed-pickle")
    with pytest.raises(ostiary.Refusal) as caught:
        ostiary.open(model, unsafe_unsigned=True)
    assert caught.value.code == "INTAKE_CARRIES_CODE"


def test_unsigned_on_purpose_lets_in_nothing_that_was_revoked(
    tmp_path: Path, fake: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = HostilePublisher(tmp_path).publish_honest()
    with ostiary.open(model, unsafe_unsigned=True) as opened:
        root = opened.verdict.root
    monkeypatch.setenv("OSTIARY_POLICY", str(tmp_path / "policy.toml"))
    assert main(["trust", "init"]) == 0
    ostiary.open(model, unsafe_unsigned=True).close()
    assert main(["trust", "revoke", "--digest", root, "--reason", "poisoned"]) == 0
    with pytest.raises(ostiary.Refusal) as caught:
        ostiary.open(model, unsafe_unsigned=True)
    assert caught.value.code == "TRUST_REVOKED"


def test_a_signature_over_other_files_is_not_unsigned(signed: tuple[Path, Path], fake: FakeEngine) -> None:
    model, _ = signed
    (model / "README.md").write_text("new")
    with pytest.raises(ostiary.Refusal) as caught:
        ostiary.open(model, unsafe_unsigned=True)
    assert caught.value.code == "TRUST_EXTRA_FILE"


def test_no_policy_and_nobody_named(
    signed: tuple[Path, Path], fake: FakeEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "nowhere"))
    monkeypatch.delenv("OSTIARY_POLICY", raising=False)
    with pytest.raises(ostiary.Misuse, match="there is no policy"):
        ostiary.open(signed[0])


@pytest.mark.parametrize(
    "arguments", [{"policy": "p"}, {"identity": "a"}, {"unsafe_unsigned": True}], ids=lambda a: next(iter(a))
)
def test_arguments_that_exclude_one_another(
    signed: tuple[Path, Path], fake: FakeEngine, arguments: dict[str, Any]
) -> None:
    with pytest.raises(ostiary.Misuse) as caught:
        open_signed(signed, **arguments)
    assert caught.value.code == "USAGE"


@pytest.mark.parametrize("arguments", [{"unsafe_unsigned": True}, {}], ids=["unsigned", "no policy either"])
def test_no_model_there(tmp_path: Path, fake: FakeEngine, arguments: dict[str, Any]) -> None:
    """That there is none is told before anything that would only matter if there were one."""
    with pytest.raises(ostiary.Misuse) as caught:
        ostiary.open(tmp_path / "absent", **arguments)
    assert caught.value.code == "MODEL_NOT_FOUND"


def test_progress_is_told(signed: tuple[Path, Path], fake: FakeEngine) -> None:
    told: list[ostiary.OpenProgress] = []
    with open_signed(signed, on_progress=told.append):
        pass
    assert told[0].stage == "verifying"
    assert [step.stage for step in told][-2:] == ["loading", "ready"]
    assert told[-1].done_bytes == told[-1].total_bytes > 20_000


def test_closed_twice_and_used_after(signed: tuple[Path, Path], fake: FakeEngine, state_directory: Path) -> None:
    model = open_signed(signed)
    model.close()
    model.close()
    with pytest.raises(ostiary.Misuse) as caught:
        model.generate("a")
    assert caught.value.code == "CELL_CLOSED"
    assert model.verdict.model == "honest"
    assert read_endings(state_directory) == []
    assert [entry.kind for entry in read_record(state_directory)][-1] == "cell.ended"


def test_closed_while_others_ask(signed: tuple[Path, Path], slow: FakeEngine, state_directory: Path) -> None:
    errors: list[BaseException] = []
    model = open_signed(signed)
    started = threading.Barrier(5, timeout=PATIENCE)

    def ask() -> None:
        try:
            with model.stream("word " * 100) as stream:
                next(stream)
                started.wait()
                stream.finish()
        except ostiary.OstiaryError as error:
            errors.append(error)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    started.wait()
    model.close()
    for thread in threads:
        thread.join(PATIENCE)
    assert [error.code for error in errors] == ["CELL_CLOSED"] * 4  # type: ignore[attr-defined]
    assert read_endings(state_directory) == ["request.failed"] * 4


def test_closed_while_nobody_reads(signed: tuple[Path, Path], slow: FakeEngine, state_directory: Path) -> None:
    """What was asked and is read by no thread has its ending when the model closes, not later."""
    model = open_signed(signed)
    stream = model.stream("word " * 100)
    next(stream)
    model.close()
    assert [entry.kind for entry in read_record(state_directory)][-2:] == ["request.failed", "cell.ended"]
    assert read_record(state_directory)[-2].data["code"] == "CELL_CLOSED"
    with pytest.raises(ostiary.Misuse):
        stream.finish()
    assert read_endings(state_directory) == ["request.failed"]


def test_many_threads_ask_one_model(signed: tuple[Path, Path], state_directory: Path) -> None:
    texts: dict[int, str] = {}
    with FakeEngine(token_milliseconds=1), open_signed(signed) as model:

        def ask(number: int) -> None:
            texts[number] = model.generate(f"number {number} has a word").text

        threads = [threading.Thread(target=ask, args=(number,)) for number in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE)
    assert texts == {number: f"number {number} has a word" for number in range(20)}
    assert read_endings(state_directory) == ["request.answered"] * 20


def test_two_models_in_one_process(signed: tuple[Path, Path], tmp_path: Path, fake: FakeEngine) -> None:
    other = HostilePublisher(tmp_path, honest_name="second").publish_honest()
    with open_signed(signed) as one, ostiary.open(other, unsafe_unsigned=True) as two:
        assert (one.generate("a").text, two.generate("b").text) == ("a", "b")
        assert one.verdict.model != two.verdict.model


def test_an_error_inside_comes_out_as_it_is(signed: tuple[Path, Path], fake: FakeEngine) -> None:
    with pytest.raises(KeyError), open_signed(signed) as model:
        raise KeyError(model.verdict.model)
    assert model._opened.is_closed


def test_nothing_that_was_said_is_in_the_record(
    signed: tuple[Path, Path], fake: FakeEngine, state_directory: Path
) -> None:
    with open_signed(signed) as model:
        model.generate("the answer is SECRET")
        with pytest.raises(ostiary.Refusal):
            model.generate("SECRET", stop=["SECRET" * 100])
    assert b"SECRET" not in b"".join(entry.body for entry in read_record(state_directory))
    (answered,) = (entry for entry in read_record(state_directory) if entry.kind == "request.answered")
    assert "prompt" not in answered.data


def test_salted_hashes_where_the_program_asks_for_them(
    signed: tuple[Path, Path], fake: FakeEngine, state_directory: Path
) -> None:
    with open_signed(signed, record_content=True, record_location=True) as model:
        model.generate("the answer is SECRET")
    entries = read_record(state_directory)
    (answered,) = (entry for entry in entries if entry.kind == "request.answered")
    assert answered.data["prompt"].startswith("hmac-sha256:") or ":" in answered.data["prompt"]
    assert answered.data["answer"] != answered.data["prompt"]
    assert b"SECRET" not in b"".join(entry.body for entry in entries)
    assert any("location" in entry.data for entry in entries)


def test_a_record_that_cannot_be_written_opens_nothing(
    signed: tuple[Path, Path], fake: FakeEngine, tmp_path: Path
) -> None:
    state = tmp_path / "state-file"
    state.write_text("not a directory")
    with pytest.raises(ostiary.Fault) as caught:
        open_signed(signed, state=state)
    assert caught.value.code.startswith("RECORD_")
