"""generation_config.json: how answers are made unless a request says otherwise.

MLX-LM takes eos_token_id from it, before the one in config.json; Transformers takes all of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final

from ostiary.core.ceiling import Ceiling
from ostiary.core.findings import Finding, refuse
from ostiary.core.limits import (
    MAX_BEAMS,
    MAX_CONFIG_BYTES,
    MAX_CONTEXT_TOKENS,
    MAX_SMALL_COUNT,
    MAX_TOKEN_ID,
    MAX_VOCABULARY,
)
from ostiary.core.values import dataclass
from ostiary.intake.read_json import JsonValue, describe_type, parse_json_object
from ostiary.intake.rules.config import GENERATION_OUT_OF_RANGE, GENERATION_UNUSUAL, GENERATION_WRONG_TYPE

_COUNTS: Final[Mapping[str, tuple[int, Ceiling]]] = MappingProxyType(
    {
        "max_length": (-1, MAX_CONTEXT_TOKENS),
        "max_new_tokens": (-1, MAX_CONTEXT_TOKENS),
        "min_length": (-1, MAX_CONTEXT_TOKENS),
        "min_new_tokens": (-1, MAX_CONTEXT_TOKENS),
        "top_k": (-1, MAX_VOCABULARY),
        "num_beams": (0, MAX_BEAMS),
        "num_beam_groups": (0, MAX_BEAMS),
        "num_return_sequences": (0, MAX_BEAMS),
        "no_repeat_ngram_size": (0, MAX_SMALL_COUNT),
        "encoder_no_repeat_ngram_size": (0, MAX_SMALL_COUNT),
        "prompt_lookup_num_tokens": (0, MAX_SMALL_COUNT),
        "num_assistant_tokens": (0, MAX_SMALL_COUNT),
    }
)

# The range in which a value means something; outside it a sampler fails or ignores it.
_NUMBERS: Final[Mapping[str, tuple[float, float]]] = MappingProxyType(
    {
        "temperature": (0.0, 100.0),
        "top_p": (0.0, 1.0),
        "min_p": (0.0, 1.0),
        "typical_p": (0.0, 1.0),
        "epsilon_cutoff": (0.0, 1.0),
        "eta_cutoff": (0.0, 1.0),
        "repetition_penalty": (0.01, 100.0),
        "encoder_repetition_penalty": (0.01, 100.0),
        "length_penalty": (-100.0, 100.0),
    }
)

_SWITCHES: Final = ("do_sample", "use_cache", "early_stopping", "renormalize_logits", "output_scores")
_OTHER_IDS: Final = (
    "decoder_start_token_id",
    "forced_bos_token_id",
    "forced_eos_token_id",
    "suppress_tokens",
    "begin_suppress_tokens",
    "bad_words_ids",
)


@dataclass(frozen=True, slots=True)
class GenerationConfig:
    bos_ids: tuple[int, ...]
    eos_ids: tuple[int, ...]
    pad_ids: tuple[int, ...]
    other_ids: tuple[int, ...]
    """Tokens that are forced or forbidden."""
    notes: tuple[Finding, ...]


def parse_generation_config(data: bytes) -> GenerationConfig:
    values = parse_json_object(data, max_bytes=MAX_CONFIG_BYTES)
    for name, (low, high) in _COUNTS.items():
        _check_count(name, values.get(name), low, high)
    for name in _SWITCHES:
        value = values.get(name)
        # early_stopping may also be the word "never".
        if value is not None and not isinstance(value, bool) and value != "never":
            raise refuse(GENERATION_WRONG_TYPE, f"{name} is {describe_type(value)}, not true or false")
    return GenerationConfig(
        bos_ids=_parse_ids(values, "bos_token_id"),
        eos_ids=_parse_ids(values, "eos_token_id"),
        pad_ids=_parse_ids(values, "pad_token_id"),
        other_ids=tuple(token for name in _OTHER_IDS for token in _parse_ids(values, name)),
        notes=tuple(_find_unusual(values)),
    )


def _check_count(name: str, value: JsonValue, low: int, high: Ceiling) -> None:
    if value is None:
        return
    if not isinstance(value, int) or isinstance(value, bool):
        raise refuse(GENERATION_WRONG_TYPE, f"{name} is {describe_type(value)}, not an integer")
    if not low <= value <= high:
        raise refuse(GENERATION_OUT_OF_RANGE, f"{name} is {value}; from {low} to {int(high)} {high.unit} is sane")


def _find_unusual(values: Mapping[str, JsonValue]) -> Iterator[Finding]:
    for name, (low, high) in _NUMBERS.items():
        value = values.get(name)
        if value is None:
            continue
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise refuse(GENERATION_WRONG_TYPE, f"{name} is {describe_type(value)}, not a number")
        if not low <= value <= high:
            yield Finding(GENERATION_UNUSUAL, f"{name} is {value:g}; from {low:g} to {high:g} has a meaning")


def _parse_ids(values: Mapping[str, JsonValue], name: str) -> tuple[int, ...]:
    """One id, several, or sequences of them; -1 stands for none."""
    ids: list[int] = []
    waiting = [values.get(name)]
    while waiting:
        value = waiting.pop()
        if isinstance(value, list):
            waiting.extend(reversed(value))
        elif isinstance(value, bool) or not isinstance(value, int | None):
            raise refuse(GENERATION_WRONG_TYPE, f"{name} holds {describe_type(value)}, not a token id")
        elif value is not None and not -1 <= value <= MAX_TOKEN_ID:
            raise refuse(GENERATION_OUT_OF_RANGE, f"{name} holds {value}, which is no token id")
        elif value is not None and value >= 0:
            ids.append(value)
    return tuple(ids)
