"""The fast library behind the real wall: with threads of its own, with weights widened or as stored, and without."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("mlx_lm")
pytest.importorskip("tokenizers")

from cell_tools import LINUX_ONLY, Events, make_sealed, open_cell
from models.tiny import TinyModel, make_model

from ostiary.cell.blas import choose_blas, find_blas
from ostiary.core.frames import ReplyKind

pytestmark = [pytest.mark.mlx, LINUX_ONLY]

PROMPT = [(37 * place + 11) % 256 for place in range(200)]
WIDE = {"hidden_size": 256, "intermediate_size": 512, "num_hidden_layers": 2}
"""Wide enough for the library to share a product among threads."""


@pytest.fixture
def open_model() -> Iterator[Any]:
    events = Events()

    def open_one(model: TinyModel, settings: dict[str, Any], **limits: int) -> Any:
        sealed = make_sealed(model.contents, model.weights)
        return open_cell(events, "language", sealed=sealed, settings={"chunk_tokens": 64, **settings}, **limits)

    yield open_one
    assert "cell.call_denied" not in events.kinds
    events.check_balance()


def ask(cell: Any) -> list[int]:
    tokens: list[int] = []
    for reply in cell.call("generate", {"prompt": PROMPT, "max_tokens": 8, "ignore_eos": True}):
        assert reply.kind is not ReplyKind.ERROR
        tokens += reply.body.get("tokens", ())
    return tokens


@pytest.fixture(scope="module")
def library() -> str:
    chosen = choose_blas(find_blas())
    if chosen is None:
        pytest.skip("no fast library is installed here")
    return f"{chosen.kind.value} of {chosen.source}"


@pytest.mark.parametrize("form", [{}, {"dtype": "bfloat16"}, {"dtype": "bfloat16", "bits": 4}], ids=str)
def test_threads_begin_behind_the_wall(open_model: Any, library: str, form: dict[str, Any]) -> None:
    model = make_model("llama", changes=WIDE, **form)
    with open_model(model, {"prompt_threads": 3, "answer_threads": 2}) as cell:
        told = cell.facts["arithmetic"]
        assert told["library"] == library
        assert (told["prompt_threads"], told["answer_threads"]) == (3, 2)
        assert (told["numbers"], told["stored_layers"]) == ("float32", 0)
        many = [ask(cell) for _ in range(2)]
    with open_model(model, {}) as cell:
        assert cell.facts["arithmetic"]["answer_threads"] == 1
        assert many == [ask(cell)] * 2


def test_no_more_threads_than_the_cell_allows(open_model: Any, library: str) -> None:
    with open_model(
        make_model("llama", changes=WIDE), {"prompt_threads": 64, "answer_threads": 64}, threads=8
    ) as cell:
        told = cell.facts["arithmetic"]
        assert (told["library"], told["prompt_threads"], told["answer_threads"]) == (library, 3, 3)
        assert len(ask(cell)) == 8


@pytest.mark.parametrize("form", [{"dtype": "bfloat16"}, {"dtype": "float16", "bits": 4}], ids=str)
def test_weights_stay_as_stored_where_memory_is_short(open_model: Any, library: str, form: dict[str, Any]) -> None:
    model = make_model("llama", changes=WIDE, **form)
    with open_model(model, {"widen_bytes": 0}) as cell:
        told = cell.facts["arithmetic"]
        assert (told["library"], told["wide_layers"]) == (library, 0)
        stored = ask(cell)
    with open_model(model, {}) as cell:
        assert cell.facts["arithmetic"]["stored_layers"] == 0
        assert ask(cell) == stored


def test_mlx_alone(open_model: Any) -> None:
    model = make_model("llama", changes=WIDE)
    with open_model(model, {"blas": "none"}) as cell:
        assert cell.facts["arithmetic"]["library"] == "MLX's own"
        own = ask(cell)
    with open_model(model, {"arithmetic": "plain"}) as cell:
        told = cell.facts["arithmetic"]
        assert (told["library"], told["numbers"]) == ("MLX's own", "as stored")
        assert ask(cell) == own
    with open_model(model, {}) as cell:
        assert ask(cell) == own


def test_the_memory_of_the_cell_bounds_what_is_widened(open_model: Any) -> None:
    model = make_model("llama", dtype="bfloat16", changes={**WIDE, "num_hidden_layers": 40})
    with open_model(model, {}, memory_bytes=400 << 20) as cell:
        facts = cell.facts
        told = facts["arithmetic"]
        assert told["wide_layers"] > 0
        assert told["stored_layers"] > 0
        assert facts["cache_budget_bytes"] > 0
        assert len(ask(cell)) == 8
        assert (cell.read_usage().memory_bytes or 0) < 400 << 20
