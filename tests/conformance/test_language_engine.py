# ruff: noqa: E402 (the engine is imported once it is known that MLX is there)
"""The language engine at work: what a call gets, what it may not get, and what others notice of it."""

from __future__ import annotations

import json
import math
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

mx = pytest.importorskip("mlx.core")
pytest.importorskip("mlx_lm")

from mlx_lm.generate import generate_step
from mlx_lm.utils import load_model
from models.talk import LIMITS, Talk
from models.tiny import TinyModel, feed, make_model
from models.words import metaspace

from ostiary.worker.engines.contract import Call, CallUnfit, EngineLimits
from ostiary.worker.engines.language import prepare_engine

pytestmark = pytest.mark.mlx

PROMPT = [40, 41, 42, 43, 44]
LONG = [(7 * place) % 256 for place in range(400)]


@pytest.fixture(scope="module")
def tiny() -> TinyModel:
    return make_model("llama")


def open_talk(model: TinyModel, limits: EngineLimits = LIMITS, **settings: Any) -> Talk:
    engine = prepare_engine({"chunk_tokens": 32, "arithmetic": "plain", **settings})(limits)
    feed(engine, model)
    return Talk(engine)


@pytest.fixture(scope="module")
def talk(tiny: TinyModel) -> Talk:
    return open_talk(tiny)


@pytest.fixture
def decode(talk: Talk) -> Callable[[list[int]], str]:
    return lambda tokens: talk.ask("detokenize", tokens=tokens, show_special=True).result["text"]  # type: ignore[index]


def say(talk: Talk, **body: Any) -> list[int]:
    heard = talk.ask("generate", **{"prompt": PROMPT, "max_tokens": 12, "ignore_eos": True, **body})
    assert heard.error is None
    return heard.tokens()


# --- what a call gets -------------------------------------------------------------------------------------------


def test_pieces_then_one_result(talk: Talk) -> None:
    heard = talk.ask("generate", prompt=PROMPT, max_tokens=6, ignore_eos=True, seed=9)
    assert [piece["tokens"] for piece in heard.pieces] == [[token] for token in heard.tokens()]
    assert heard.result == {
        "choices": [{"choice": 0, "finish": "length", "stop": None, "tokens": 6}],
        "seed": 9,
        "usage": {"prompt_tokens": 5, "cached_tokens": 0, "completion_tokens": 6},
    }


def test_text_is_that_of_the_tokens(talk: Talk, decode: Callable[[list[int]], str]) -> None:
    heard = talk.ask("generate", prompt="hello world", max_tokens=40, ignore_eos=True, show_special=True)
    assert heard.text() == decode(heard.tokens())
    assert any(not piece["text"] for piece in heard.pieces)  # bytes of characters that were not whole yet


def test_a_stop_text_ends_an_answer_wherever_tokens_end(talk: Talk, decode: Callable[[list[int]], str]) -> None:
    whole = talk.ask("generate", prompt=PROMPT, max_tokens=60, ignore_eos=True, show_special=True)
    text = whole.text()
    place = len(text) // 2
    stop = text[place : place + 3]
    assert all(stop not in decode([token]) for token in whole.tokens()), "it should lie across tokens"
    heard = talk.ask(
        "generate", prompt=PROMPT, max_tokens=60, ignore_eos=True, show_special=True, stop=["never", stop]
    )
    assert heard.text() == text[: text.index(stop)]
    assert heard.result is not None
    assert heard.result["choices"][0]["finish"] == "stop"
    assert heard.result["choices"][0]["stop"] == stop
    assert len(heard.tokens()) < 60


def ends_of(tiny: TinyModel, token: int, *, path: str, values: dict[str, Any]) -> TinyModel:
    base = json.loads(tiny.contents.get(path, b"{}"))
    return TinyModel({**tiny.contents, path: json.dumps({**base, **values}).encode()}, tiny.weights)


@pytest.mark.parametrize("path", ["config.json", "generation_config.json", "tokenizer_config.json"])
def test_an_end_from_any_of_the_files_ends_an_answer(tiny: TinyModel, talk: Talk, path: str) -> None:
    tokens = say(talk)
    end = next(token for token in tokens[1:] if token < 256)
    value: dict[str, Any] = {"eos_token_id": [end, 999_999]}
    if path == "tokenizer_config.json":
        words = json.loads(tiny.contents["tokenizer.json"])["model"]["vocab"]
        value = {"eos_token": next(word for word, number in words.items() if number == end)}
    heard = open_talk(ends_of(tiny, end, path=path, values=value)).ask("generate", prompt=PROMPT, max_tokens=12)
    assert heard.tokens() == tokens[: tokens.index(end) + 1]
    assert heard.result is not None
    assert heard.result["choices"][0]["finish"] == "stop"


def test_the_word_that_ends_an_answer_is_not_part_of_its_text(tiny: TinyModel, talk: Talk) -> None:
    tokens = say(talk)
    ended = ends_of(tiny, tokens[3], path="config.json", values={"eos_token_id": tokens[3]})
    heard = open_talk(ended).ask("generate", prompt=PROMPT, max_tokens=12)
    shorter = talk.ask("generate", prompt=PROMPT, max_tokens=tokens.index(tokens[3]) or 1, ignore_eos=True)
    assert heard.text().rstrip("\ufffd") == shorter.text().rstrip("\ufffd")


def test_log_probabilities_are_the_networks(tiny: TinyModel, talk: Talk, tmp_path: Path) -> None:
    plain, _ = load_model(tiny.write(tmp_path))
    rows = [
        row for _, row in zip(range(5), (row for _, row in generate_step(mx.array(PROMPT), plain)), strict=False)
    ]
    heard = talk.ask("generate", prompt=PROMPT, max_tokens=5, ignore_eos=True, logprobs=3)
    for piece, row in zip(heard.pieces, rows, strict=True):
        (told,) = piece["logprobs"]
        values = row.tolist()
        best = sorted(range(len(values)), key=lambda number: -values[number])[:3]
        assert [entry["token"] for entry in told["top"]] == best
        assert [entry["logprob"] for entry in told["top"]] == pytest.approx([values[number] for number in best])
        assert told["logprob"] == pytest.approx(values[told["token"]])
        assert bytes(told["bytes"]).decode("utf-8", "replace") == told["text"]
    only = talk.ask("generate", prompt=PROMPT, max_tokens=1, logprobs=0).pieces[0]["logprobs"][0]
    assert only["top"] == []


def test_what_cannot_be_has_a_number_that_json_can_say(talk: Talk) -> None:
    heard = talk.ask("generate", prompt=PROMPT, max_tokens=3, logprobs=2, logit_bias={"7": -100})
    numbers = [entry["logprob"] for piece in heard.pieces for told in piece["logprobs"] for entry in told["top"]]
    assert all(math.isfinite(number) for number in numbers)


# --- chance -----------------------------------------------------------------------------------------------------


def test_the_same_seed_says_the_same_in_any_company(talk: Talk) -> None:
    alone = say(talk, temperature=1.0, seed=3)
    company = [{"prompt": LONG[:size], "max_tokens": 9 + size % 5, "temperature": 2.0} for size in (3, 50, 120, 7)]
    wanted = {"prompt": PROMPT, "max_tokens": 12, "ignore_eos": True, "temperature": 1.0, "seed": 3}
    for place in range(5):
        bodies = [*company[:place], wanted, *company[place:]]
        assert talk.ask_all(bodies)[place].tokens() == alone
    assert say(talk, temperature=1.0, seed=4) != alone


def test_a_seed_that_was_drawn_is_told_and_says_the_same_again(talk: Talk) -> None:
    first = talk.ask("generate", prompt=PROMPT, max_tokens=12, temperature=1.0, ignore_eos=True)
    second = talk.ask("generate", prompt=PROMPT, max_tokens=12, temperature=1.0, ignore_eos=True)
    assert first.result is not None
    assert second.result is not None
    assert first.result["seed"] != second.result["seed"]
    assert say(talk, temperature=1.0, seed=first.result["seed"]) == first.tokens()


def test_choices_differ_and_the_first_is_the_only_ones(talk: Talk) -> None:
    heard = talk.ask("generate", prompt=PROMPT, max_tokens=12, ignore_eos=True, temperature=1.0, seed=3, n=4)
    said = [heard.tokens(choice) for choice in range(4)]
    assert said[0] == say(talk, temperature=1.0, seed=3)
    assert len({tuple(tokens) for tokens in said}) == 4
    assert heard.result is not None
    assert heard.result["usage"] == {"prompt_tokens": 5, "cached_tokens": 0, "completion_tokens": 48}
    assert [choice["finish"] for choice in heard.result["choices"]] == ["length"] * 4


def test_a_bias_decides(talk: Talk) -> None:
    assert say(talk, logit_bias={"319": 100}, max_tokens=4) == [319] * 4
    first = say(talk, max_tokens=1)
    assert say(talk, max_tokens=1, logit_bias={str(first[0]): -100}) != first


# --- company ----------------------------------------------------------------------------------------------------


def test_calls_join_and_leave_between_steps(talk: Talk) -> None:
    bodies = [
        {"prompt": LONG[:size], "max_tokens": 5 + 3 * place, "ignore_eos": True, "temperature": 0.7, "seed": place}
        for place, size in enumerate((5, 90, 33, 2, 64, 1))
    ]
    alone = [talk.ask("generate", **body).tokens() for body in bodies]
    ids = []
    for body in bodies:
        ids.append(talk.submit("generate", body))
        for _ in range(3):
            talk.step()
    talk.finish()
    assert [talk.heard[call_id].tokens() for call_id in ids] == alone


def test_one_long_prompt_does_not_stop_the_others(tiny: TinyModel) -> None:
    talk = open_talk(tiny, chunk_tokens=16)
    running = talk.submit("generate", {"prompt": PROMPT, "max_tokens": 100, "ignore_eos": True})
    while not talk.heard[running].pieces:
        talk.step()
    long = talk.submit("generate", {"prompt": LONG, "max_tokens": 2})
    short = talk.submit("generate", {"prompt": [*PROMPT, 1], "max_tokens": 2, "ignore_eos": True})
    before = len(talk.heard[running].pieces)
    while not talk.heard[long].pieces:
        talk.step()
    assert len(talk.heard[running].pieces) - before >= len(LONG) // 16 - 1, "a token for each chunk"
    assert talk.heard[short].is_over
    talk.finish()


def test_who_is_not_wanted_any_more_says_nothing_more(talk: Talk) -> None:
    body = {"prompt": PROMPT, "max_tokens": 200, "ignore_eos": True}
    kept = talk.submit("generate", {**body, "max_tokens": 12})
    ids = [talk.submit("generate", {**body, "prompt": prompt}) for prompt in (PROMPT, LONG, [1])]
    new = talk.submit("generate", body)
    talk.engine.cancel(new)
    for _ in range(4):
        talk.step()
    counts = [len(talk.heard[call_id].pieces) for call_id in ids]
    for call_id in ids:
        talk.engine.cancel(call_id)
    talk.engine.cancel(12345)
    talk.finish()
    assert [len(talk.heard[call_id].pieces) for call_id in ids] == counts
    assert not talk.heard[new].pieces
    assert talk.heard[kept].tokens() == say(talk)
    assert not talk.engine.has_work


def test_more_calls_than_rows_wait_their_turn(tiny: TinyModel) -> None:
    talk = open_talk(tiny, rows=2)
    bodies = [{"prompt": [place + 1], "max_tokens": 4, "ignore_eos": True} for place in range(7)]
    ids = [talk.submit("generate", body) for body in bodies]
    most = 0
    while talk.engine.has_work:
        talk.step()
        begun = [talk.heard[call_id] for call_id in ids]
        most = max(most, sum(bool(heard.pieces) and not heard.is_over for heard in begun))
    assert most == 2
    assert [len(talk.heard[call_id].tokens()) for call_id in ids] == [4] * 7


def test_more_choices_than_rows_are_still_answered(tiny: TinyModel) -> None:
    heard = open_talk(tiny, rows=2).ask("generate", prompt=PROMPT, max_tokens=3, n=4, ignore_eos=True)
    assert [len(heard.tokens(choice)) for choice in range(4)] == [3] * 4


# --- prompt cache -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["llama", "llama-windows", "gemma2"])
def test_a_prompt_that_begins_alike_is_not_computed_twice_and_says_the_same(name: str) -> None:
    talk = open_talk(make_model(name))
    body = {"max_tokens": 8, "ignore_eos": True, "temperature": 0.8, "seed": 1}
    first, second = [*LONG[:100], 3], [*LONG[:80], *PROMPT, 9, *LONG[:90]]
    fresh = [talk.ask("generate", prompt=prompt, **body).tokens() for prompt in (first, second)]
    cached = []
    for prompt, wanted in ((first, fresh[0]), (second, fresh[1]), (second, fresh[1]), (first, fresh[0])):
        heard = talk.ask("generate", prompt=prompt, tenant="acme", **body)
        assert heard.tokens() == wanted
        assert heard.result is not None
        cached.append(heard.result["usage"]["cached_tokens"])
    assert cached[0] == 0
    assert cached[2] == 160
    assert cached[3] == 96
    if name != "llama-windows":  # what slid out of a window cannot be brought back
        assert cached[1] == 64


def test_nobody_finds_the_prompts_of_another_tenant(tiny: TinyModel) -> None:
    talk = open_talk(tiny)

    def count_cached(**body: Any) -> int:
        heard = talk.ask("generate", prompt=LONG[:120], max_tokens=1, **body)
        assert heard.result is not None
        cached: int = heard.result["usage"]["cached_tokens"]
        return cached

    assert count_cached(tenant="a") == 0
    assert count_cached(tenant="b") == 0
    assert count_cached(tenant="") == 0
    assert count_cached() == 0
    assert count_cached() == 0
    assert count_cached(tenant="a") == 96


def test_no_room_for_prompts_keeps_none(tiny: TinyModel) -> None:
    talk = open_talk(tiny, prompt_cache_bytes=0)
    for _ in range(2):
        heard = talk.ask("generate", prompt=LONG[:120], max_tokens=1, tenant="a")
        assert heard.result is not None
        assert heard.result["usage"]["cached_tokens"] == 0


# --- memory -----------------------------------------------------------------------------------------------------


def facts_of(talk: Talk) -> dict[str, Any]:
    described: dict[str, Any] = talk.engine._service.describe()
    return described


def test_a_model_that_leaves_no_memory_is_not_taken(tiny: TinyModel) -> None:
    with pytest.raises(Exception, match="no memory to answer") as refused:
        open_talk(tiny, EngineLimits(memory_bytes=256 << 20, threads=16, tokens=64, calls=4))
    assert refused.value.name == "CELL_MEMORY_BUDGET"  # type: ignore[attr-defined]


def test_calls_wait_for_memory_and_one_that_could_never_have_it_is_refused(tiny: TinyModel) -> None:
    size = (256 << 20) + 452_352
    limits = EngineLimits(memory_bytes=size + (2 << 20), threads=16, tokens=4_096, calls=64)
    talk = open_talk(tiny, limits, prompt_cache_bytes=0)
    huge = talk.ask("generate", prompt=LONG, max_tokens=100, n=5)
    assert huge.error is not None
    assert huge.error["code"] == "WORKER_CALL_REFUSED"
    assert "all calls together have 2 MiB" in huge.error["sentence"]
    heard = talk.ask_all([{"prompt": LONG, "max_tokens": 30, "ignore_eos": True} for _ in range(4)])
    assert [len(each.tokens()) for each in heard] == [30] * 4


def test_what_a_call_needs_is_what_its_caches_take(tiny: TinyModel) -> None:
    from ostiary.worker.engines.language.caches import count_bytes

    for name in ("llama", "llama-windows", "gemma3_text", "deepseek_v2"):
        talk = open_talk(make_model(name), chunk_tokens=64)
        service = talk.engine._service
        call_id = talk.submit("generate", {"prompt": LONG, "max_tokens": 100, "ignore_eos": True})
        most = 0
        while talk.engine.has_work:
            talk.step()
            work = service._schedule.find(call_id)
            if work is not None and work.answers[0].caches:
                most = max(most, count_bytes(work.answers[0].caches))
        need = service._network.cache.bytes_for(500)
        assert most <= need * 1.2, name
        assert most >= need * 0.5, name


# --- what goes wrong --------------------------------------------------------------------------------------------


def test_calls_that_do_not_fit_are_refused_at_once_or_when_their_prompt_is_known(talk: Talk) -> None:
    with pytest.raises(CallUnfit, match="there is no field 'model'"):
        talk.engine.submit(Call(999, "generate", {"prompt": "a", "model": "/etc"}))
    heard = talk.ask("generate", prompt="hello " * 600)
    assert heard.error is not None
    assert heard.error["code"] == "WORKER_CALL_REFUSED"
    assert "the context has 512" in heard.error["sentence"]
    assert talk.ask("generate", prompt=PROMPT, max_tokens=1).result is not None


class Failing:
    """A network that fails when it is told to."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self.error: Exception | None = None
        self.is_lost = False

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self.error is not None:
            raise self.error
        logits = self.model(*args, **kwargs)
        return logits * mx.array(float("nan")) if self.is_lost else logits


@pytest.fixture
def failing(tiny: TinyModel) -> tuple[Talk, Failing]:
    talk = open_talk(tiny)
    service = talk.engine._service
    network = Failing(service._network.model)
    service._batch._model = network
    return talk, network


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (RuntimeError("[matmul] /secret/path"), "WORKER_ENGINE_FAILED"),
        (MemoryError(), "WORKER_OUT_OF_MEMORY"),
        (ValueError("shapes (1,2) /secret/path"), "WORKER_ENGINE_FAILED"),
    ],
)
def test_a_step_that_fails_fails_those_who_were_in_it(
    failing: tuple[Talk, Failing], error: Exception, code: str
) -> None:
    talk, network = failing
    before = say(talk)
    ids = [talk.submit("generate", {"prompt": PROMPT, "max_tokens": 30, "ignore_eos": True}) for _ in range(2)]
    for _ in range(3):
        talk.step()
    network.error = error
    talk.finish()
    for call_id in ids:
        told = talk.heard[call_id].error
        assert told is not None
        assert told["code"] == code
        assert "secret" not in told["sentence"]
    network.error = None
    assert say(talk) == before


def test_a_network_that_loses_its_numbers_is_told(failing: tuple[Talk, Failing]) -> None:
    talk, network = failing
    network.is_lost = True
    heard = talk.ask("generate", prompt=PROMPT, max_tokens=3)
    assert heard.error == {
        "code": "WORKER_ENGINE_FAILED",
        "sentence": "the network computed something that is not a number",
    }
    assert not heard.pieces
    network.is_lost = False
    assert len(say(talk)) == 12


# --- other operations -------------------------------------------------------------------------------------------


def test_words_and_tokens(talk: Talk) -> None:
    tokens = talk.ask("tokenize", text="hello <|im_end|>").result
    assert tokens is not None
    assert tokens["tokens"][:2] == [256, 265]
    assert 257 not in tokens["tokens"]
    asked = talk.ask("tokenize", text="hello <|im_end|>", parse_special=True, add_special=False).result
    assert asked == {"tokens": [265, 32, 257]}
    assert talk.ask("detokenize", tokens=[265, 32, 257]).result == {"text": "hello "}
    assert talk.ask("detokenize", tokens=[265, 32, 257], show_special=True).result == {"text": "hello <|im_end|>"}


def test_a_chat_is_its_rendered_prompt_continued(talk: Talk) -> None:
    chat = {"messages": [{"role": "user", "content": "hello"}]}
    rendered = talk.ask("render_template", **chat).result
    assert rendered is not None
    assert rendered["text"] == "<|im_start|>user\nhello<|im_end|>\n<|im_start|>assistant\n"
    assert talk.ask("chat", **chat, max_tokens=5).tokens() == say(talk, prompt=rendered["tokens"], max_tokens=5)


def test_the_space_before_the_first_word_goes_in_a_chat_and_stays_in_a_continuation() -> None:
    """Where the tokenizer writes one in front of every word."""
    talk = open_talk(make_model("llama", tokenizer=metaspace()))
    bias = {"logit_bias": {"259": 100}, "max_tokens": 1}  # 259: a space alone
    assert talk.ask("generate", prompt="h", **bias).text() == " "
    assert talk.ask("chat", messages=[{"role": "user", "content": "h"}], **bias).text() == ""


# --- vectors ----------------------------------------------------------------------------------------------------


def vector_of(talk: Talk, **body: Any) -> list[float]:
    call_id = talk.submit("embed", body)
    replies = []
    while talk.engine.has_work:
        replies += talk.step()
    (reply,) = [reply for reply in replies if reply.call_id == call_id]
    assert reply.body == {"size": 64, "usage": {"prompt_tokens": len(body["text"])}}
    return list(struct.unpack("<64f", reply.tail))


@pytest.mark.parametrize("name", ["llama", "gemma2", "gemma3", "gpt2", "lfm2"])
def test_vectors_are_the_networks(name: str, tmp_path: Path) -> None:
    tiny = make_model(name)
    plain, _ = load_model(tiny.write(tmp_path))
    trunk = plain.language_model.model if name == "gemma3" else plain.model
    states = trunk(mx.array([LONG[:70]]))[0]
    talk = open_talk(tiny)
    mean = mx.mean(states, axis=0)
    assert vector_of(talk, text=LONG[:70], normalize=False) == pytest.approx(mean.tolist(), rel=1e-4, abs=1e-5)
    assert vector_of(talk, text=LONG[:70], pooling="last", normalize=False) == pytest.approx(
        states[-1].tolist(), rel=1e-4, abs=1e-5
    )
    length = math.sqrt(sum(number * number for number in vector_of(talk, text=LONG[:70])))
    assert length == pytest.approx(1.0, abs=1e-5)


def test_vectors_beside_answers(talk: Talk) -> None:
    alone = vector_of(talk, text=LONG[:70])
    said = say(talk)
    answer = talk.submit("generate", {"prompt": PROMPT, "max_tokens": 12, "ignore_eos": True})
    dropped = talk.submit("embed", {"text": LONG})
    for _ in range(3):
        talk.step()
    talk.engine.cancel(dropped)
    assert vector_of(talk, text=LONG[:70]) == alone
    assert talk.heard[answer].tokens() == said
    assert not talk.heard[dropped].is_over
    long = talk.ask("embed", text="hello " * 600)
    assert long.error is not None
    assert "the text has" in long.error["sentence"]


# --- the wall ---------------------------------------------------------------------------------------------------


def test_nothing_is_opened_and_nothing_imported_once_the_model_is_there() -> None:
    """What a wall without a single file in it asks for. The descriptors of weights were opened by others."""
    model = make_model("qwen3_moe")
    engine = prepare_engine({"chunk_tokens": 16, "arithmetic": "plain"})(LIMITS)
    talk = Talk(engine)
    seen: list[str] = []
    watching = [True]

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        if watching[0] and event in ("open", "import", "subprocess.Popen", "os.fork", "socket.connect"):
            seen.append(f"{event} {arguments[0]!r}")

    sys.addaudithook(watch)  # it stays: there is no way to remove one
    try:
        feed(engine, model)
        chat = [{"role": "user", "content": "hello \U0001f642"}]
        talk.ask_all(
            [{"prompt": LONG[:size], "max_tokens": 4, "temperature": 1.0, "top_p": 0.9} for size in (1, 50)]
        )
        talk.ask("chat", messages=chat, max_tokens=3, logprobs=2, stop=["x"], tenant="a", frequency_penalty=1)
        talk.ask("detokenize", tokens=[1, 2, 200])
        refused = talk.ask("chat", messages=chat, template_options={"x": 1})
    finally:
        watching[0] = False
    assert refused.error is not None
    assert not [event for event in seen if not event.startswith("open ") or not event.split(" ")[1].isdecimal()]
