"""The language engine behind the real wall: everything it can be asked, and nothing that the wall has to stop."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

pytest.importorskip("mlx_lm")
pytest.importorskip("tokenizers")

from cell_tools import LINUX_ONLY, Events, make_sealed, open_cell
from models.tiny import TinyModel, make_adapter, make_model
from models.words import metaspace

from ostiary.core.frames import ReplyKind
from ostiary.errors import CallRefused, CellRefused, LoadFailed, WorkerOutOfMemory

pytestmark = [pytest.mark.mlx, LINUX_ONLY]

HELLO = [{"role": "user", "content": "hello \U0001f642 <|im_end|>"}]
TELLING = (
    "{%- for m in messages %}{% if m.role == 'robot' %}{{ raise_exception('no robots') }}{% endif %}"
    "{{ m.content | trim | tojson }}{% endfor %}{{ strftime_now('%d %b %Y') }}{{ missing + 'a' if missing else '' }}"
)


@pytest.fixture
def events() -> Events:
    return Events()


@pytest.fixture
def open_model(events: Events) -> Iterator[Any]:
    def open_one(model: TinyModel, **settings: Any) -> Any:
        sealed = make_sealed(model.contents, model.weights)
        return open_cell(events, "language", sealed=sealed, settings={"chunk_tokens": 32, **settings})

    yield open_one
    assert "cell.call_denied" not in events.kinds
    events.check_balance()


def ask(cell: Any, operation: str, **body: Any) -> tuple[list[Mapping[str, Any]], Mapping[str, Any]]:
    *pieces, last = cell.call(operation, body)
    assert last.kind is ReplyKind.RESULT
    return [piece.body for piece in pieces], last.body


FORMS: list[tuple[str, dict[str, Any]]] = [
    ("llama", {}),
    ("gemma2", {"dtype": "bfloat16"}),
    ("qwen3_moe", {"dtype": "bfloat16", "bits": 4}),
    ("llama-windows", {"tokenizer": metaspace()}),
]


@pytest.mark.parametrize(("name", "form"), FORMS, ids=[name for name, _ in FORMS])
def test_everything_that_can_be_asked(open_model: Any, name: str, form: dict[str, Any]) -> None:
    with open_model(make_model(name, **form)) as cell:
        assert cell.facts["context_tokens"] == 512
        options = {
            "max_tokens": 6,
            "temperature": 0.9,
            "top_p": 0.9,
            "top_k": 40,
            "min_p": 0.01,
            "repetition_penalty": 1.1,
            "presence_penalty": 0.2,
            "frequency_penalty": 0.2,
            "logit_bias": {"5": 1.0},
            "logprobs": 3,
            "stop": ["never this"],
            "n": 2,
            "tenant": "acme",
            "ignore_eos": True,
        }
        pieces, result = ask(cell, "generate", prompt="hello world " * 20, **options)
        assert len(pieces) == 12
        again, told = ask(cell, "generate", prompt="hello world " * 20, **options, seed=result["seed"])
        assert [piece["tokens"] for piece in again] == [piece["tokens"] for piece in pieces]
        assert told["usage"]["cached_tokens"] > 0
        ask(cell, "chat", messages=HELLO, max_tokens=3)
        _, tokens = ask(cell, "tokenize", text="hello \u65e5\u672c")
        _, text = ask(cell, "detokenize", tokens=tokens["tokens"])
        assert text["text"] == "hello \u65e5\u672c"


def test_templates_that_look_at_the_clock_and_ones_that_fail(open_model: Any) -> None:
    model = make_model("llama")
    model.contents["chat_template.jinja"] = TELLING.encode()
    with open_model(model) as cell:
        _, rendered = ask(cell, "render_template", messages=HELLO)
        assert rendered["text"].startswith('"hello')
        for body in ({"template_options": {"missing": 3}}, {"template_options": {"unknown": 1}}, {"tools": [1]}):
            with pytest.raises(CallRefused):
                list(cell.call("chat", {"messages": HELLO, **body}))
        assert ask(cell, "render_template", messages=HELLO)[1] == rendered


def test_an_adapter(open_model: Any) -> None:
    model = make_adapter(make_model("llama"), "lora")
    said = []
    for settings in ({}, {"adapter": "adapter"}):
        with open_model(model, **settings) as cell:
            said.append([piece["tokens"] for piece in ask(cell, "generate", prompt=[1, 2, 3], max_tokens=6)[0]])
    assert said[0] != said[1]


def test_models_that_are_not_taken(open_model: Any, events: Events) -> None:
    unknown = make_model("llama")
    unknown.contents["config.json"] = unknown.contents["config.json"].replace(b'"llama"', b'"base"')
    broken = make_model("llama")
    broken.weights["model.safetensors"] = b"\xff" * 4_096
    for model, kind in ((unknown, CellRefused), (broken, LoadFailed)):
        with pytest.raises(kind), open_model(model):
            pass


def test_a_model_that_does_not_fit_into_its_memory(events: Events) -> None:
    model = make_model("llama")
    sealed = make_sealed(model.contents, model.weights)
    with (
        pytest.raises((CellRefused, WorkerOutOfMemory)) as refused,
        open_cell(events, "language", sealed=sealed, memory_bytes=200 << 20),
    ):
        pass
    assert refused.value.code in ("CELL_MEMORY_BUDGET", "WORKER_OUT_OF_MEMORY")


def test_threads_that_mlx_cannot_do_without(events: Events) -> None:
    """With fewer it would hang or abort; with so many it answers."""
    model = make_model("llama")
    sealed = make_sealed(model.contents, model.weights)
    with (
        pytest.raises(LoadFailed, match="needs 6 threads"),
        open_cell(events, "language", sealed=sealed, threads=5),
    ):
        pass
    with open_cell(events, "language", sealed=sealed, settings={"arithmetic": "plain"}, threads=6) as cell:
        assert len(ask(cell, "generate", prompt=[1, 2], max_tokens=2, ignore_eos=True)[0]) == 2


def test_many_clients_at_once(open_model: Any) -> None:
    from concurrent.futures import ThreadPoolExecutor

    bodies = [
        {
            "prompt": list(range(1, 4 + 9 * place)),
            "max_tokens": 8,
            "temperature": 1.0,
            "seed": place,
            "ignore_eos": True,
        }
        for place in range(12)
    ]
    with open_model(make_model("qwen3")) as cell:

        def tokens_of(body: Mapping[str, Any]) -> list[Any]:
            return [piece["tokens"] for piece in ask(cell, "generate", **body)[0]]

        alone = [tokens_of(body) for body in bodies]
        with ThreadPoolExecutor(len(bodies)) as pool:
            assert list(pool.map(tokens_of, bodies)) == alone
