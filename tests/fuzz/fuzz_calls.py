"""Fuzzes calls to the language engine: any JSON becomes a call, or is refused in one line."""

from __future__ import annotations

import json
import sys

import atheris

with atheris.instrument_imports(include=["ostiary"]):
    from ostiary.worker.engines.contract import CallUnfit
    from ostiary.worker.engines.language.check_calls import OPERATIONS, Bounds, parse_call

BOUNDS = Bounds(rows=320, context_tokens=512, max_tokens=64)


def TestOneInput(data: bytes) -> None:  # noqa: N802  the name that fuzzers look for
    try:
        body = json.loads(data[1:])
    except (ValueError, RecursionError):
        return
    if not isinstance(body, dict):
        return
    try:
        parse_call(OPERATIONS[data[0] % len(OPERATIONS)], body, BOUNDS)
    except CallUnfit as refusal:
        if not str(refusal).isprintable() or len(str(refusal)) > 2_000:
            raise AssertionError(str(refusal)) from refusal


if __name__ == "__main__":
    from text_seeds import arguments_with_inputs

    whole = {
        "max_tokens": 5,
        "temperature": 1.5,
        "top_k": 3,
        "logit_bias": {"3": 1},
        "stop": ["a"],
        "seed": 1,
        "n": 2,
        "tenant": "a",
        "logprobs": 1,
    }
    chat = {
        "messages": [{"role": "user", "content": [{"type": "text", "text": "a"}]}],
        "template_options": {"a": 1},
    }
    bodies = [{"prompt": "a", **whole}, {"prompt": [1, 2], **whole}, {**chat, **whole, "tools": [{}]}, chat]
    bodies += [{"text": "a", "parse_special": True}, {"tokens": [1], "show_special": True}]
    places = ("generate", "generate", "chat", "render_template", "tokenize", "detokenize")
    seeds = [
        bytes([OPERATIONS.index(place)]) + json.dumps(body).encode()
        for place, body in zip(places, bodies, strict=True)
    ]
    atheris.Setup(arguments_with_inputs(sys.argv, seeds), TestOneInput)
    atheris.Fuzz()
