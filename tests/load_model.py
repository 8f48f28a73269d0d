"""A language model for measuring servers: made-up weights, a vocabulary of words, and answers that never end early."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

FIRST_WORD: Final = 275
"""Rows before it are bytes and control tokens: their odds are even and low, so no answer has one."""

SIZES: Final = {
    "tiny": (64, 2, 4, 128),
    "small": (256, 4, 4, 768),
    "usual": (384, 6, 6, 1_024),
    "large": (768, 12, 12, 3_072),
}
"""Width, layers, heads, width within: 1, 8, 17 and 127 million weights."""


def write_load_model(folder: Path, size: str = "usual", words: int = 8_192) -> int:
    """How many weights it has. In float32, which both servers compute with as it is."""
    import mlx.core as mx
    from mlx.utils import tree_flatten
    from models.tiny import build, dump_tensors

    width, layers, heads, inner = SIZES[size]
    config: dict[str, Any] = {
        "model_type": "llama",
        "hidden_size": width,
        "num_hidden_layers": layers,
        "intermediate_size": inner,
        "num_attention_heads": heads,
        "num_key_value_heads": heads,
        "rms_norm_eps": 1e-5,
        "vocab_size": words,
        "tie_word_embeddings": False,
        "max_position_embeddings": 2_048,
    }
    model = build(config)
    model.lm_head.weight = mx.concatenate([mx.zeros((FIRST_WORD, width)), model.lm_head.weight[FIRST_WORD:]])
    tensors = dict(tree_flatten(model.parameters()))
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer, tokenizer_config = make_tokenizer(words)
    for name, value in (
        ("config", config),
        ("tokenizer", tokenizer),
        ("tokenizer_config", {**tokenizer_config, "model_max_length": 2_048}),
    ):
        (folder / f"{name}.json").write_text(json.dumps(value), encoding="utf-8")
    (folder / "model.safetensors").write_bytes(dump_tensors(tensors))
    return sum(tensor.size for tensor in tensors.values())


def make_tokenizer(words: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """One token for each letter that is asked, and a word for each id that is answered."""
    from models.words import byte_level

    tokenizer, config = byte_level()
    tokenizer["truncation"] = None
    vocabulary = tokenizer["model"]["vocab"]
    for place in range(len(vocabulary), words):
        vocabulary[f"\u0120{_spell(place)}"] = place
    return tokenizer, config


def make_prompt(tokens: int, number: int) -> str:
    """Of so many tokens, the one that begins each prompt included. Two numbers have no common beginning."""
    text, state = "", number * 7_919 + 1
    while len(text) < tokens - 1:
        state = (state * 1_103_515_245 + 12_345) % (1 << 31)
        text += "bcdfgjkmpqsuvxyz"[(state >> 16) % 16]  # letters that no two of make a token
    return text


def _spell(number: int) -> str:
    letters = ""
    for _ in range(4):
        number, rest = divmod(number, 26)
        letters += chr(ord("a") + rest)
    return letters
