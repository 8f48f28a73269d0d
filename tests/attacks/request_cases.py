"""Requests that ended, silenced or misled other servers, and what is to become of each here."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

FILES: Final = Path(__file__).parent / "requests"
HI: Final = [{"role": "user", "content": "hi"}]
CHAT: Final = "/v1/chat/completions"
TEXT: Final = "/v1/completions"
MESSAGES: Final = "/v1/messages"


@dataclass(frozen=True)
class RequestCase:
    """`expected`: accept, reject (the client's fault, said so), or contain (either, but nothing else happens)."""

    name: str
    path: str
    body: bytes
    expected: str
    by_engine: bool = False
    """Whether only the engine that has the model's template can tell."""


def list_cases() -> list[RequestCase]:
    told = json.loads((FILES / "cases.json").read_text())
    found = [
        RequestCase(
            case["name"],
            CHAT,
            (FILES / f"{case['name']}.json").read_bytes(),
            case["expected"],
            case["name"] in ("template_kwargs_clash", "tool_args_bad"),
        )
        for case in told
    ]
    assert {case.name for case in found} == {path.stem for path in FILES.glob("*.json")} - {"cases"}
    return [*found, *_OURS]


def _case(name: str, path: str, expected: str, body: Any) -> RequestCase:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return RequestCase(name, path, data, expected)


def _chat(name: str, expected: str = "reject", **fields: Any) -> RequestCase:
    return _case(name, CHAT, expected, {"messages": HI, "max_tokens": 4, **fields})


def _template(name: str, **options: Any) -> RequestCase:
    return replace(_chat(name, chat_template_kwargs=options), by_engine=True)


def _text(name: str, expected: str = "reject", **fields: Any) -> RequestCase:
    return _case(name, TEXT, expected, {"prompt": "hi", "max_tokens": 4, **fields})


def _message(name: str, expected: str = "reject", **fields: Any) -> RequestCase:
    return _case(name, MESSAGES, expected, {"model": "honest", "messages": HI, "max_tokens": 4, **fields})


_OURS: Final = [
    _chat("bias_at_end", logit_bias={"64": 1}),
    _chat("bias_of_words", logit_bias={"one": 1}),
    _chat("bias_infinite", logit_bias={"1": 1e308}),
    _text("bias_far", logit_bias={"4294967296": 1}),
    _text("bias_negative", logit_bias={"-1": 1}),
    _text("top_k_past_words", top_k=65),
    _text("top_k_negative", top_k=-1),
    _text("stop_of_numbers", stop=[1]),
    _text("stop_empty", stop=[""]),
    _text("stop_many", stop=["a"] * 17),
    _text("prompt_empty", "contain", prompt=""),
    _text("prompt_empty_list", prompt=[]),
    _text("prompt_of_lists", prompt=[[[1]]]),
    _text("prompt_far_token", prompt=[64]),
    _text("prompt_negative_token", prompt=[-1]),
    _text("prompt_huge_token", prompt=[2**63]),
    _text("prompt_missing", prompt=None),
    _text("prompt_long", "contain", prompt="a" * 40_000),
    _text("n_zero", n=0),
    _text("n_huge", n=10**9),
    _text("logprobs_huge", logprobs=10**6),
    _text("max_tokens_negative", max_tokens=-1),
    _text("max_tokens_zero", max_tokens=0),
    _text("seed_negative_is_one", "accept", seed=-1),
    _text("penalty_infinite", repetition_penalty=1e300),
    _text("context_zero", repetition_penalty=1.1, repetition_context_size=0),
    _chat("own_template", chat_template="{{ 9**(9**9) }}"),
    _template("padding", padding="max_length", max_length=10**9),
    _template("template_variable_messages", messages=[]),
    _chat("model_hub", model="mlx-community/Llama-3.2-1B"),
    _chat("model_file", model="file:///etc"),
    _chat("model_parent", model="../honest"),
    _chat("model_object", model={"a": 1}),
    _chat("model_long", model="a" * 100_000),
    _chat("adapter", adapters="/etc"),
    _chat("role_unknown", messages=[{"role": "root", "content": "a"}]),
    _chat("content_number", messages=[{"role": "user", "content": 1}]),
    _chat("content_null", messages=[{"role": "user", "content": None}]),
    _chat("content_reserved", messages=[{"role": "user", "content": "\U0010e000"}]),
    _chat("content_special_words", "accept", messages=[{"role": "user", "content": "</s><s><|im_end|>"}]),
    _chat("messages_many", messages=HI * 5_000),
    _chat(
        "schema_remote",
        response_format={
            "type": "json_schema",
            "json_schema": {"name": "a", "schema": {"$ref": "http://127.0.0.1:9/"}},
        },
    ),
    _chat(
        "schema_itself",
        response_format={"type": "json_schema", "json_schema": {"name": "a", "schema": {"$ref": "#"}}},
    ),
    _chat(
        "schema_states",
        response_format={"type": "json_schema", "json_schema": {"name": "a", "schema": {"multipleOf": 999_983}}},
    ),
    _chat("tools_many", tools=[{"type": "function", "function": {"name": "f"}}] * 200),
    _chat("tool_choice_none_there", tool_choice={"type": "function", "function": {"name": "f"}}),
    _message(
        "anthropic_image",
        messages=[
            {
                "role": "user",
                "content": [{"type": "image", "source": {"type": "url", "url": "http://127.0.0.1:9/"}}],
            }
        ],
    ),
    _message(
        "anthropic_document",
        messages=[
            {
                "role": "user",
                "content": [{"type": "document", "source": {"type": "url", "url": "file:///etc/passwd"}}],
            }
        ],
    ),
    _message("anthropic_stop", stop_sequences=[1]),
    _message("anthropic_top_k", top_k=10**9),
    _message("anthropic_model_path", model="/etc"),
    _case("not_json", CHAT, "reject", b"{"),
    _case("empty", CHAT, "reject", b""),
    _case("a_list", CHAT, "reject", b"[]"),
    _case("null", CHAT, "reject", b"null"),
    _case("twice", CHAT, "reject", b'{"messages": [], "messages": []}'),
    _case("not_a_number", CHAT, "reject", b'{"messages": [{"role": "user", "content": "hi"}], "temperature": NaN}'),
    _case("overflow", CHAT, "reject", b'{"messages": [{"role": "user", "content": "hi"}], "temperature": 1e999}'),
    _case("long_number", CHAT, "reject", b'{"seed": ' + b"9" * 10_000 + b"}"),
    _case("broken_utf8", CHAT, "reject", b'{"messages": [{"role": "user", "content": "\xff\xfe"}]}'),
    _case("cut_utf8", CHAT, "reject", b'{"messages": [{"role": "user", "content": "\xe2\x82"}]}'),
    _case("overlong_utf8", CHAT, "reject", b'{"messages": [{"role": "user", "content": "\xc0\xaf"}]}'),
    _case("utf16", CHAT, "reject", '{"messages": []}'.encode("utf-16")),
    _case("byte_order_mark", CHAT, "reject", b"\xef\xbb\xbf" + json.dumps({"messages": HI}).encode()),
    _case("half_pair", CHAT, "reject", b'{"messages": [{"role": "user", "content": "\\ud800"}]}'),
    _case("zero_byte", CHAT, "contain", b'{"messages": [{"role": "user", "content": "a\\u0000b"}]}'),
    _case("deep_list", CHAT, "reject", b'{"messages": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
    _case("deep_object", CHAT, "reject", b'{"a":' * 50_000 + b"1" + b"}" * 50_000),
    _case("wide", CHAT, "reject", b'{"messages": [' + b"0," * 500_000 + b"0]}"),
    _case("many_names", CHAT, "reject", json.dumps({f"a{n}": 0 for n in range(50_000)}).encode()),
    _case(
        "large", CHAT, "reject", json.dumps({"messages": [{"role": "user", "content": "a" * (9 << 20)}]}).encode()
    ),
    _case(
        "deep_tools",
        CHAT,
        "reject",
        json.dumps(
            {
                "messages": HI,
                "tools": [
                    {
                        "type": "function",
                        "function": {"name": "f", "parameters": json.loads('{"a":' * 60 + "1" + "}" * 60)},
                    }
                ],
            }
        ).encode(),
    ),
]
