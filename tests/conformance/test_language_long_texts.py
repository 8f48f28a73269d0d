"""A long text is read beside everything else: whoever is being answered does not wait for the tokenizer."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

pytest.importorskip("mlx.core")
pytest.importorskip("mlx_lm")

from models.talk import LIMITS, Talk
from models.tiny import feed, make_model
from models.words import byte_level

from ostiary.worker.engines.language import prepare_engine
from ostiary.worker.engines.language.long_texts import LONG_CHARACTERS
from ostiary.worker.engines.language.text_tokenizer import TextTokenizer

pytestmark = pytest.mark.mlx

LONG = "hello there " * (LONG_CHARACTERS // 10)
RUNNING = {"prompt": [1, 2, 3], "max_tokens": 60, "ignore_eos": True}


class Gate:
    """Long texts wait in front of it."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        encode = TextTokenizer.encode
        self.is_open = threading.Event()
        self.reached = threading.Event()
        self.read_by: set[str] = set()
        self.panics = False

        def wait(tokenizer: TextTokenizer, text: str, *, is_framed: bool) -> list[int]:
            if len(text) > LONG_CHARACTERS:
                self.read_by.add(threading.current_thread().name)
                self.reached.set()
                assert self.is_open.wait(60)
                if self.panics:
                    raise SystemExit
            return encode(tokenizer, text, is_framed=is_framed)

        patch.setattr(TextTokenizer, "encode", wait)


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    made = Gate(monkeypatch)
    yield made
    made.is_open.set()


@pytest.fixture
def talk() -> Talk:
    words, config = byte_level()
    engine = prepare_engine({"chunk_tokens": 32, "arithmetic": "plain", "architectures": ["llama"]})(LIMITS)
    feed(engine, make_model("llama", tokenizer=(words, config)))
    return Talk(engine)


def step_to_the_end_of(talk: Talk, call_id: int) -> None:
    while not talk.heard[call_id].is_over:
        talk.step()


@pytest.mark.parametrize(
    ("operation", "body"),
    [
        ("generate", {"prompt": LONG, "max_tokens": 1}),
        ("chat", {"messages": [{"role": "user", "content": LONG}], "max_tokens": 1}),
        ("render_template", {"messages": [{"role": "user", "content": LONG}]}),
        ("tokenize", {"text": LONG}),
        ("embed", {"text": LONG}),
    ],
)
def test_others_are_answered_while_a_long_text_is_read(
    talk: Talk, gate: Gate, operation: str, body: object
) -> None:
    running = talk.submit("generate", RUNNING)
    long = talk.submit(operation, body)  # type: ignore[arg-type]
    step_to_the_end_of(talk, running)
    assert len(talk.heard[running].tokens()) == 60
    assert gate.reached.wait(60)
    assert not talk.heard[long].is_over
    short = talk.submit("generate", {**RUNNING, "max_tokens": 2})
    step_to_the_end_of(talk, short)
    assert talk.engine.has_work
    gate.is_open.set()
    talk.finish()
    assert talk.heard[long].is_over
    assert threading.current_thread().name not in gate.read_by


def test_what_it_says_is_what_it_said_of_a_short_one(talk: Talk, gate: Gate) -> None:
    gate.is_open.set()
    long = talk.ask("tokenize", text=LONG).result
    short = talk.ask("tokenize", text=LONG[: LONG_CHARACTERS // 2]).result
    assert long is not None
    assert short is not None
    assert long["tokens"][: len(short["tokens"]) - 2] == short["tokens"][:-2]


def test_who_is_not_wanted_any_more_is_forgotten_and_the_next_is_read(talk: Talk, gate: Gate) -> None:
    first, second, third = (talk.submit("tokenize", {"text": LONG + end}) for end in "abc")
    talk.step()
    assert gate.reached.wait(60)
    talk.engine.cancel(first)
    talk.engine.cancel(second)
    gate.is_open.set()
    talk.finish()
    assert not talk.heard[first].is_over
    assert not talk.heard[second].is_over
    assert talk.heard[third].result is not None
    assert not talk.engine.has_work


def test_a_tokenizer_that_panics_fails_its_own_call(talk: Talk, gate: Gate) -> None:
    gate.panics = True
    gate.is_open.set()
    assert talk.ask("tokenize", text=LONG).error is not None
    gate.panics = False
    assert talk.ask("tokenize", text=LONG).result is not None


def test_where_there_are_no_more_threads_everybody_waits(
    talk: Talk, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(ThreadPoolExecutor, "submit", refuse)
    gate.is_open.set()
    assert talk.ask("tokenize", text=LONG).result is not None
    gate.panics = True
    assert talk.ask("tokenize", text=LONG).error is not None
    assert gate.read_by == {threading.current_thread().name}
