"""What MLX-LM's tests of its own server ask for, asked of the door and of the parts that stand behind it.

`EQUIVALENTS` names every test of theirs (tests/test_server.py, as published beside MLX-LM 0.32) and ours; one without an
entry, and an entry without a test, fails. Where theirs looks at a part that is not here, ours asks for what it is for.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

import pytest

pytest.importorskip("mlx.core")
pytest.importorskip("mlx_lm")

import mlx.core as mx
from attacks.request_cases import CHAT, TEXT
from door_tools import head
from hypothesis import given
from hypothesis import strategies as st
from mlx_lm.generate import TextStateMachine
from mlx_lm.models.cache import KVCache
from models.tiny import make_model
from models.words import byte_level
from served_models import Served, serve

from ostiary.answer.said import CallBegun, CallBroken, CallPiece, Thought
from ostiary.answer.split import AnswerSplitter
from ostiary.answer.tools import ToolSplitter
from ostiary.core.requests import ToolCall
from ostiary.core.thought_styles import Thinking, ThoughtStyle
from ostiary.core.tool_styles import ToolStyle
from ostiary.testing import sign_model
from ostiary.worker.engines.language.prompt_cache import PromptCache
from ostiary.worker.engines.language.stop import StopFinder

pytestmark = pytest.mark.mlx

THEIR_TESTS: Final = """
    TestTextStateMachine.test_strips_control_sequences
    TestTextStateMachine.test_back_to_back_tool_calls
    TestTextStateMachine.test_partial_match_buffered_then_flushed
    TestTextStateMachine.test_discard_drops_buffer
    TestTextStateMachine.test_stop_words_stripped
    TestTextStateMachine.test_reasoning_to_tool_transition
    TestTextStateMachine.test_empty_end_marker_stays_in_tool_on_discard
    TestServer.test_handle_completions
    TestServer.test_handle_chat_completions
    TestServer.test_handle_chat_completions_with_content_fragments
    TestServer.test_handle_chat_completions_with_null_tool_content
    TestServer.test_make_state_machine_empty_tool_call_end
    TestServer.test_handle_models
    TestServerWithDraftModel.test_handle_completions_with_draft_model
    TestServerWithDraftModel.test_handle_chat_completions_with_draft_model
    TestServerWithDraftModel.test_streaming_with_draft_model
    TestServerWithDraftModel.test_prompt_cache_with_draft_model
    TestKeepalive.test_keepalive_callback
    TestLRUPromptCache.test_caching
    TestLRUPromptCache.test_lru
    TestLRUPromptCache.test_insert_trimmable_cache_removes_immediate_prefix
    TestLRUPromptCache.test_insert_empty_tokens_does_not_self_destruct
    TestLRUPromptCache.test_fetch_empty_tokens_after_root_eviction
    TestLRUPromptCache.test_lru_bytes
    TestMakeSampler.test_xtc_special_tokens
""".split()
EQUIVALENTS: Final = {
    "TestTextStateMachine.test_strips_control_sequences": "test_marks_of_a_call_are_not_said",
    "TestTextStateMachine.test_back_to_back_tool_calls": "test_one_call_right_after_the_other",
    "TestTextStateMachine.test_partial_match_buffered_then_flushed": "test_half_a_mark_is_held_back_and_said_at_the_end",
    "TestTextStateMachine.test_discard_drops_buffer": "test_what_was_held_back_for_a_stop_text_that_came_is_never_said",
    "TestTextStateMachine.test_stop_words_stripped": "test_a_stop_text_is_not_said",
    "TestTextStateMachine.test_reasoning_to_tool_transition": "test_a_call_within_thoughts_is_a_call",
    "TestTextStateMachine.test_empty_end_marker_stays_in_tool_on_discard": "test_a_call_without_an_end_mark_ends_with_the_answer",
    "TestServer.test_handle_completions": "test_a_completion_is_the_same_with_the_same_seed",
    "TestServer.test_handle_chat_completions": "test_a_chat",
    "TestServer.test_handle_chat_completions_with_content_fragments": "test_a_chat_in_fragments",
    "TestServer.test_handle_chat_completions_with_null_tool_content": "test_a_chat_with_a_call_and_no_content",
    "TestServer.test_make_state_machine_empty_tool_call_end": "test_text_before_a_call_without_an_end_mark_is_said",
    "TestServer.test_handle_models": "test_models_are_listed",
    # Draft models are not served, and a request that names one is refused. What theirs ask of the answers holds.
    "TestServerWithDraftModel.test_handle_completions_with_draft_model": "test_a_draft_model_is_refused_and_without_one_tokens_come",
    "TestServerWithDraftModel.test_handle_chat_completions_with_draft_model": "test_a_draft_model_is_refused_and_without_one_tokens_come",
    "TestServerWithDraftModel.test_streaming_with_draft_model": "test_each_event_of_a_stream_has_one_choice_with_a_delta",
    "TestServerWithDraftModel.test_prompt_cache_with_draft_model": "test_a_prompt_that_begins_like_another_is_answered",
    # Comments between events are not sent: headers and the first event do not wait for the prompt.
    "TestKeepalive.test_keepalive_callback": "test_a_stream_begins_before_its_prompt_is_read_and_may_break_off",
    "TestLRUPromptCache.test_caching": "test_the_longest_beginning_is_found_and_the_rest_is_computed",
    "TestLRUPromptCache.test_lru": "test_what_was_not_asked_for_the_longest_time_goes_first",
    "TestLRUPromptCache.test_insert_trimmable_cache_removes_immediate_prefix": "test_a_longer_prompt_takes_the_place_of_its_beginning",
    "TestLRUPromptCache.test_insert_empty_tokens_does_not_self_destruct": "test_a_prompt_without_tokens_is_not_kept_and_not_found",
    "TestLRUPromptCache.test_fetch_empty_tokens_after_root_eviction": "test_a_prompt_without_tokens_is_not_kept_and_not_found",
    "TestLRUPromptCache.test_lru_bytes": "test_bytes_have_a_bound",
    # This sampler is not offered; a request for it is refused by the field's name instead of ignored.
    "TestMakeSampler.test_xtc_special_tokens": "test_a_sampler_that_is_not_here_is_refused_by_name",
}

CALL: Final = '{"name": "f", "arguments": {"a": 1}}'
F: Final = ToolCall("f", '{"a":1}')
OFFERED: Final[list[Any]] = [{"type": "function", "function": {"name": "f"}}]
HELLO: Final = [
    {"role": "system", "content": "You are a helpful assistant."},
    {"role": "user", "content": "Hello!"},
]


def test_every_test_of_theirs_has_one_of_ours() -> None:
    assert set(EQUIVALENTS) == set(THEIR_TESTS)
    for name in EQUIVALENTS.values():
        assert callable(globals().get(name)), name


# --- text and calls ---------------------------------------------------------------------------------------------------


def split(style: ToolStyle, *pieces: str) -> tuple[str, list[ToolCall]]:
    splitter = ToolSplitter(style, OFFERED)
    said = [*(item for piece in pieces for item in splitter.feed(piece)), *splitter.finish()]
    assert not [item for item in said if isinstance(item, CallBroken)]
    told = "".join(item.text for item in said if isinstance(item, CallPiece))
    calls = [item for item in said if isinstance(item, ToolCall)]
    assert told == "".join(call.arguments for call in calls)
    assert len(calls) == len([item for item in said if isinstance(item, CallBegun)])
    return "".join(item for item in said if isinstance(item, str)), calls


def test_marks_of_a_call_are_not_said() -> None:
    assert split(ToolStyle.HERMES, f"hi <tool_call>{CALL}</tool_call> bye") == ("hi bye", [F])


def test_one_call_right_after_the_other() -> None:
    one = f"<tool_call>{CALL}</tool_call>"
    assert split(ToolStyle.HERMES, one, one) == ("", [F, F])


def test_half_a_mark_is_held_back_and_said_at_the_end() -> None:
    splitter = ToolSplitter(ToolStyle.HERMES, OFFERED)
    assert splitter.feed("body<tool_") == ["body"]
    assert splitter.finish() == ["<tool_"]


def test_what_was_held_back_for_a_stop_text_that_came_is_never_said() -> None:
    finder = StopFinder(["STOP"])
    assert finder.feed("hello ST") == ("hello ", None)
    assert finder.feed("OP world") == ("", "STOP")
    assert finder.flush() == ""


def test_a_stop_text_is_not_said(served: Served) -> None:
    """Here an answer ends at it; what follows is not said either."""
    bias = {"98": 100}  # "b"
    answer = post(served, TEXT, prompt="a", max_tokens=9, stop="bbb", logit_bias=bias)
    assert (answer["choices"][0]["text"], answer["choices"][0]["finish_reason"]) == ("", "stop")
    answer = post(served, TEXT, prompt="a", max_tokens=9, stop="c", logit_bias=bias)
    assert (answer["choices"][0]["text"], answer["choices"][0]["finish_reason"]) == ("b" * 9, "length")


def test_a_call_within_thoughts_is_a_call() -> None:
    """And ends them: what follows is no thought."""
    splitter = AnswerSplitter(ToolStyle.HERMES, OFFERED, Thinking(ThoughtStyle.THINK, is_begun=True))
    said = [item for text in f"hmm<tool_call>{CALL}</tool_call>end" for item in splitter.feed(text)]
    said += splitter.finish()
    assert "".join(item.text for item in said if isinstance(item, Thought)) == "hmm"
    assert [item for item in said if isinstance(item, ToolCall)] == [F]
    assert "".join(item for item in said if isinstance(item, str)) == "end"


@given(
    text=st.lists(st.sampled_from(["<think>", "</think>", "<think", "</", "<", ">", "a", "b"]), max_size=20).map(
        "".join
    ),
    is_begun=st.booleans(),
)
def test_thoughts_and_text_are_theirs(text: str, is_begun: bool) -> None:
    """Of any text without white space, which they keep where it stands beside a mark."""
    machine = TextStateMachine({"normal": [("<think>", "reasoning")], "reasoning": [("</think>", "normal")]})
    state, segments = TextStateMachine.split(machine.make_state("reasoning" if is_begun else "normal"), text)
    _, rest, last = TextStateMachine.flush(state)
    told: dict[str, str] = {"normal": "", "reasoning": ""}
    for name, part in [*segments, (last, rest)]:
        told[name] += part
    splitter = AnswerSplitter(ToolStyle.HERMES, (), Thinking(ThoughtStyle.THINK, is_begun=is_begun))
    said = [*splitter.feed(text), *splitter.finish()]
    assert "".join(item.text for item in said if isinstance(item, Thought)) == told["reasoning"]
    assert "".join(item for item in said if isinstance(item, str)) == told["normal"]


def test_a_call_without_an_end_mark_ends_with_the_answer() -> None:
    assert split(ToolStyle.MISTRAL, "[TOOL_CALLS]f", '[ARGS]{"a": 1}') == ("", [F])


def test_text_before_a_call_without_an_end_mark_is_said() -> None:
    assert split(ToolStyle.MISTRAL, 'hello[TOOL_CALLS]f[ARGS]{"a": 1}') == ("hello", [F])


# --- the server -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("served")
    words, config = byte_level()
    told = (
        "{% for tool in tools or [] %}{{ tool | tojson }}{% endfor %}{% for m in messages %}{{ m.role + ':' + (m.content or '') "
        "+ (m.tool_calls | tojson if m.tool_calls else '') + '\\n' }}{% endfor %}{{ '<tool_call>' if false }}"
    )
    path = make_model("llama", tokenizer=(words, {**config, "chat_template": told})).write(folder / "tiny")
    with serve(folder / "state", ("tiny", path, sign_model(path))) as door:
        yield door
    assert door.door.failures == []


def post(served: Served, path: str, **body: Any) -> Any:
    answer = served.door.post(path, json.dumps({"model": "tiny", **body}).encode())
    assert answer.status == 200, answer.body
    return answer.json


def refuse(served: Served, path: str, **body: Any) -> Any:
    answer = served.door.post(path, json.dumps({"model": "tiny", **body}).encode())
    assert answer.status == 400, answer.body
    return answer.json["error"]


def test_a_completion_is_the_same_with_the_same_seed(served: Served) -> None:
    body = {
        "prompt": "Once upon a time",
        "max_tokens": 10,
        "temperature": 0.5,
        "top_p": 0.9,
        "repetition_penalty": 1.1,
        "repetition_context_size": 20,
        "seed": 999,
        "stop": "stop sequence",
    }
    first, second = post(served, TEXT, **body), post(served, TEXT, **body)
    assert first["id"] != second["id"]
    assert first["choices"] == second["choices"]


def test_a_chat(served: Served) -> None:
    answer = post(served, CHAT, messages=HELLO, max_tokens=10, temperature=0.7, top_p=0.85, repetition_penalty=1.2)
    assert answer["id"]
    assert answer["choices"][0]["message"]["role"] == "assistant"


def test_a_chat_in_fragments(served: Served) -> None:
    fragments = [{**message, "content": [{"type": "text", "text": message["content"]}]} for message in HELLO]
    said = [
        post(served, CHAT, messages=messages, max_tokens=10, temperature=0.7, seed=1)
        for messages in (HELLO, fragments)
    ]
    assert said[0]["choices"] == said[1]["choices"]
    assert said[0]["usage"]["prompt_tokens"] == said[1]["usage"]["prompt_tokens"]


def test_a_chat_with_a_call_and_no_content(served: Served) -> None:
    call = {"id": "123", "type": "function", "function": {"name": "f", "arguments": '{"a": 2, "b": 3}'}}
    messages = [
        {"role": "user", "content": "what is 2+3?"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "content": "5", "tool_call_id": "123"},
    ]
    answer = post(served, CHAT, messages=messages, max_tokens=10, temperature=0.7, top_p=0.85)
    assert answer["usage"]["completion_tokens"] > 0


def test_models_are_listed(served: Served) -> None:
    answer = served.door.get("/v1/models")
    assert answer.status == 200
    listed: Any = answer.json
    assert listed["object"] == "list"
    (model,) = listed["data"]
    assert (model["id"], model["object"]) == ("tiny", "model")
    assert model["created"] > 0


@pytest.mark.parametrize(("path", "asked"), [(TEXT, {"prompt": "Once upon a time"}), (CHAT, {"messages": HELLO})])
def test_a_draft_model_is_refused_and_without_one_tokens_come(served: Served, path: str, asked: Any) -> None:
    error = refuse(served, path, **asked, max_tokens=10, draft_model="tiny")
    assert (error["code"], error["param"]) == ("CONTRACT_UNKNOWN_FIELD", "draft_model")
    answer = post(served, path, **asked, max_tokens=10, temperature=0.0)
    assert answer["usage"]["completion_tokens"] > 0


def test_each_event_of_a_stream_has_one_choice_with_a_delta(served: Served) -> None:
    asked = {"model": "tiny", "messages": HELLO, "max_tokens": 10, "temperature": 0.0, "stream": True}
    answer = served.door.post(CHAT, json.dumps(asked).encode())
    assert answer.status == 200
    events = [line.removeprefix("data: ") for line in answer.body.decode().split("\n") if line]
    assert events.pop() == "[DONE]"
    assert len(events) > 2
    for event in events:
        (choice,) = json.loads(event)["choices"]
        assert "delta" in choice


def test_a_prompt_that_begins_like_another_is_answered(served: Served) -> None:
    story = "Tell me a story about " + "a sea and a sky " * 3
    answers = [
        post(served, CHAT, messages=[HELLO[0], {"role": "user", "content": told}], max_tokens=5)
        for told in (story, f"{story} dragons.")
    ]
    for answer in answers:
        assert answer["choices"][0]["message"]["content"] is not None


def test_a_stream_begins_before_its_prompt_is_read_and_may_break_off(served: Served) -> None:
    body = json.dumps({"model": "tiny", "messages": HELLO, "max_tokens": 100, "stream": True}).encode()
    sent = head("POST", CHAT, "content-type: application/json", f"content-length: {len(body)}") + body
    for _ in range(3):
        with served.door.connect() as connection:
            connection.sendall(sent)
            assert connection.recv(20).startswith(b"HTTP/1.1 200")
    whole = served.door.post(CHAT, body)
    assert whole.status == 200
    assert not [line for line in whole.body.decode().split("\n") if line.startswith(":")]


def test_a_sampler_that_is_not_here_is_refused_by_name(served: Served) -> None:
    error = refuse(served, TEXT, prompt="a", xtc_probability=1.0, xtc_threshold=0.1)
    assert error["code"] == "CONTRACT_UNKNOWN_FIELD"
    assert error["param"].startswith("xtc_")


# --- prompts that are kept --------------------------------------------------------------------------------------------

CHUNK: Final = 4


def keep(cache: PromptCache, tokens: list[int], tenant: str = "a") -> None:
    layer = KVCache()
    numbers = mx.array(tokens, dtype=mx.float32).reshape(1, 1, len(tokens), 1)
    layer.update_and_fetch(numbers, numbers)
    cache.keep(tenant, tokens, [layer])


def find(cache: PromptCache, tokens: list[int], tenant: str = "a") -> list[int] | None:
    """The tokens whose caches are found."""
    found = cache.find(tenant, tokens)
    if found is None:
        return None
    (layer,), size = found
    keys = layer.keys[..., : layer.offset, :]
    held: list[int] = keys.flatten().tolist()
    assert len(held) == size
    return [int(token) for token in held]


def test_the_longest_beginning_is_found_and_the_rest_is_computed() -> None:
    cache = PromptCache(CHUNK, 1 << 20)
    assert find(cache, [10] * 24) is None
    keep(cache, [10] * 24)
    assert find(cache, [10] * 24 + [20] * 5) == [10] * 24
    keep(cache, [10] * 24 + [20] * 8)
    assert find(cache, [10] * 24 + [20] * 4 + [40] * 8) == [10] * 24 + [20] * 4
    keep(cache, [10] * 24 + [40] * 8)
    assert find(cache, [10] * 24 + [40] * 8) == [10] * 24 + [40] * 8
    assert find(cache, [10] * 24 + [20] * 8) == [10] * 24 + [20] * 8
    assert find(cache, [10] * 24, tenant="b") is None


def test_what_was_not_asked_for_the_longest_time_goes_first() -> None:
    one, two, three = ([first] * CHUNK for first in (1, 2, 3))
    size = _size_of(one)
    cache = PromptCache(CHUNK, 2 * size)
    keep(cache, one)
    keep(cache, two)
    assert find(cache, one) == one
    keep(cache, three)
    assert find(cache, two) is None
    assert find(cache, one) == one
    assert find(cache, three) == three


def test_a_longer_prompt_takes_the_place_of_its_beginning() -> None:
    cache = PromptCache(CHUNK, 1 << 20)
    keep(cache, [1] * CHUNK)
    keep(cache, [1] * 2 * CHUNK)
    assert cache._size == _size_of([1] * 2 * CHUNK)
    assert find(cache, [1] * CHUNK + [2]) == [1] * CHUNK


def test_a_prompt_without_tokens_is_not_kept_and_not_found() -> None:
    cache = PromptCache(CHUNK, 1 << 20)
    cache.keep("a", [], [KVCache()])
    assert cache._size == 0
    keep(cache, [1] * CHUNK)
    assert find(cache, []) is None


def test_bytes_have_a_bound() -> None:
    size = _size_of([0] * CHUNK)
    cache = PromptCache(CHUNK, 3 * size)
    for first in range(4):
        keep(cache, [first] * CHUNK)
    assert cache._size == 3 * size
    assert find(cache, [0] * CHUNK) is None
    cache.shrink(2 * size)
    assert cache._size == 2 * size
    assert find(cache, [1] * CHUNK) is None
    assert find(cache, [3] * CHUNK) == [3] * CHUNK


def _size_of(tokens: list[int]) -> int:
    cache = PromptCache(CHUNK, 1 << 20)
    keep(cache, tokens)
    return cache._size
