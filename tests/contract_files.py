"""contract.json files for tests: an honest one, and that with changes."""

from __future__ import annotations

import json
from typing import Any

PROMPT = {"name": "prompt", "datatype": "BYTES", "shape": [1]}
IDS = {"name": "prompt_ids", "datatype": "INT64", "shape": [-1], "dims": ["tokens"]}
MESSAGES = {"name": "messages", "datatype": "BYTES", "shape": [-1], "dims": ["messages"]}
TOOLS = {"name": "tools", "datatype": "BYTES", "shape": [-1], "dims": ["tools"]}
EMBEDDED = {"name": "text", "datatype": "BYTES", "shape": [1]}
EMBEDDED_IDS = {"name": "text_ids", "datatype": "INT64", "shape": [-1], "dims": ["tokens"]}
OPTIONS = {"name": "template_options", "datatype": "BYTES", "shape": [1]}
TEXT = {"name": "text", "datatype": "BYTES", "shape": [-1], "dims": ["choices"]}
LEAST: dict[str, Any] = {
    "format": "ostiary.contract",
    "version": 1,
    "platform": "ostiary-language",
    "inputs": [PROMPT],
    "outputs": [TEXT],
}
FULL: dict[str, Any] = {
    **LEAST,
    "name": "acme/tiny",
    "vocabulary": 64,
    "context_tokens": 128,
    "dims": {
        "tokens": {"min": 1, "max": 100},
        "messages": {"max": 8},
        "tools": {"min": 0, "max": 4},
        "choices": {"min": 1, "max": 2, "is_batch": True},
    },
    "inputs": [
        {**PROMPT, "max_characters": 1000, "max_tokens": 50},
        {**IDS, "range": [3, 63]},
        {**MESSAGES, "max_characters": 500, "max_tokens": 60, "roles": ["system", "user", "assistant"]},
        {**TOOLS, "max_characters": 400},
        {**OPTIONS, "allowed": ["enable_thinking"], "max_characters": 100},
    ],
    "outputs": [
        {**TEXT, "max_tokens": 40, "max_characters": 900, "refused_characters": ["tags"], "stop": ["\nUser:"]}
    ],
    "parameters": {
        "temperature": {"range": [0, 1.5]},
        "top_k": {"range": [0, 50]},
        "seed": {},
        "logit_bias": {"range": [-1, 1], "max_items": 2},
        "stop": {"max_items": 3},
        "add_generation_prompt": {"allowed": [True]},
    },
    "text": {
        "normalization": {"form": "NFC", "action": "apply"},
        "characters": {"control": "refuse", "bidi": "refuse", "tags": "refuse", "invisible": "remove"},
    },
}


def contract_file(base: dict[str, Any] | None = None, **changes: Any) -> bytes:
    """The least one (or `base`) with top-level fields replaced; None takes one out."""
    value = {**(LEAST if base is None else base), **changes}
    return json.dumps({name: item for name, item in value.items() if item is not None}).encode()
