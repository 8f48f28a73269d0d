"""config.json and generation_config.json: which network, with which settings, and where a text ends.

The files were judged by intake before they were sealed; here they are read as MLX-LM reads them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

from ostiary.core.frames import ErrorName, JsonObject
from ostiary.core.json_text import JsonValue
from ostiary.core.values import dataclass
from ostiary.networks.architectures import Architecture, find_architecture
from ostiary.networks.unfit import ModelUnfit

_CONTEXT: Final = (
    "max_position_embeddings",
    "n_positions",
    "n_ctx",
    "max_seq_len",
    "max_sequence_length",
    "seq_length",
    "model_max_length",
)
_FLOATS: Final = {"Infinity": float("inf"), "-Infinity": float("-inf"), "NaN": float("nan")}


@dataclass(frozen=True, slots=True)
class Configuration:
    """What a model says about its network."""

    architecture: Architecture
    values: JsonObject
    """config.json, for the network's own arguments."""
    eos_ids: frozenset[int]
    """Where generation ends, as far as these two files say; the tokenizer may name one more."""
    context_tokens: int | None


def read_object(contents: Mapping[str, bytes], path: str) -> dict[str, JsonValue] | None:
    """A JSON object among the small files; None where there is no such file."""
    data = contents.get(path)
    if data is None:
        return None
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ModelUnfit(ErrorName.LOAD_FAILED, f"{path} is not JSON") from error
    if not isinstance(value, dict):
        raise ModelUnfit(ErrorName.LOAD_FAILED, f"{path} holds no object")
    return value


def read_configuration(contents: Mapping[str, bytes]) -> Configuration:
    """Raises ModelUnfit."""
    values = read_object(contents, "config.json")
    if values is None:
        raise ModelUnfit(ErrorName.LOAD_FAILED, "there is no config.json")
    values = {name: _untag(value) for name, value in values.items()}
    generation = read_object(contents, "generation_config.json") or {}
    return Configuration(
        architecture=find_architecture(values),
        values=values,
        eos_ids=_read_ids(generation.get("eos_token_id") or values.get("eos_token_id")),
        context_tokens=find_size(values, *_CONTEXT),
    )


def _untag(value: JsonValue) -> JsonValue:
    """Transformers writes numbers that JSON has no word for as an object with one member."""
    if isinstance(value, list):
        return [_untag(item) for item in value]
    if not isinstance(value, dict):
        return value
    word = value.get("__float__")
    if len(value) == 1 and isinstance(word, str) and word in _FLOATS:
        return _FLOATS[word]
    return {name: _untag(item) for name, item in value.items()}


def _read_ids(value: JsonValue) -> frozenset[int]:
    entries = value if isinstance(value, list) else [value]
    return frozenset(
        entry for entry in entries if isinstance(entry, int) and not isinstance(entry, bool) and entry >= 0
    )


def find_size(values: JsonObject, *names: str) -> int | None:
    """The first of these settings that is a size; a network of several parts has them in `text_config`."""
    inner = values.get("text_config")
    for part in (values, inner if isinstance(inner, dict) else {}):
        for name in names:
            value = part.get(name)
            if isinstance(value, int) and not isinstance(value, bool) and value > 0:
                return value
    return None
