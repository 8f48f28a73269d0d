"""What is known of a network once it is built: which ids it looks up, how long a text may be, what that costs."""

from __future__ import annotations

import math
from typing import Any, Final

import mlx.core as mx

from ostiary.core.frames import ErrorName
from ostiary.core.values import dataclass
from ostiary.networks.configuration import Configuration, find_size
from ostiary.networks.library import import_part, list_arrays, nn
from ostiary.networks.weights import count_parameters
from ostiary.worker.engines.contract import EngineLimits, ModelUnfit
from ostiary.worker.engines.language.caches import CacheNeed, make_caches, measure_need
from ostiary.worker.engines.language.settings import Settings

_TOKEN_TABLES: Final = frozenset({"embed_tokens", "wte", "tok_embeddings", "embed_in", "embeddings"})
_POSITION_TABLES: Final = frozenset({"wpe", "embed_positions"})
_UNSTATED_CONTEXT: Final = 4_096
_LARGEST_CONTEXT: Final = 1 << 31
_HEADS: Final = ("num_attention_heads", "n_head", "n_heads", "num_heads")
_USUAL_HEADS: Final = 32
_SMALLEST_CHUNK, _LARGEST_CHUNK, _LARGEST_CHUNK_ON_DEVICE = 32, 128, 512
_CHUNK_WORK: Final = 22e9
"""Multiplications and additions of one chunk on a processor: a quarter of a second for one core, in a fast library.

So long others wait for their next token, and who cancels for the end of it. Each chunk goes through every weight,
which costs as much as some eight tokens: shorter ones waste that; from 128 tokens on nothing more is gained.
"""
_BASE_BYTES: Final = 256 << 20
"""Interpreter, libraries and tokenizer."""
_PROMPT_CACHE_SHARE: Final = 4
"""One part in so many of the free memory may hold prompts for later."""


@dataclass(frozen=True, slots=True)
class Network:
    """One that was built, and what was found out about it."""

    model: Any
    rows: int
    """Token ids that can be looked up."""
    context_tokens: int
    parameters: int
    weight_bytes: int
    cache: CacheNeed
    score_bytes: int
    """What attention keeps for each pair of a token of a chunk and a token before it."""
    chunk_tokens: int
    budget: int
    """Bytes for the caches of all calls together."""
    prompt_cache_bytes: int

    def bytes_for(self, tokens: int, choices: int) -> int:
        """What a call may come to need: prompt and answers of so many tokens together, `choices` times."""
        return choices * self.cache.bytes_for(tokens) + self.score_bytes * min(self.chunk_tokens, tokens) * tokens


def look_at(model: Any, configuration: Configuration, settings: Settings, limits: EngineLimits) -> Network:
    """Raises ModelUnfit for a network that could look up what is not there, or that leaves no room for work."""
    _check_experts(model)
    rows, positions = _find_tables(model)
    caches = make_caches(model)
    logits = model(mx.zeros((1, 1), dtype=mx.int32), cache=caches)  # its shapes are wanted, so nothing is computed
    if logits.shape[-1] != rows:  # an id of one side would reach past the end of the other
        raise ModelUnfit(ErrorName.LOAD_FAILED, "its head and its embedding do not know the same token ids")
    parameters = count_parameters(model)
    weight_bytes = sum(array.nbytes for _, array in list_arrays(model))
    context = min(
        configuration.context_tokens or _UNSTATED_CONTEXT, positions, settings.context_tokens or _LARGEST_CONTEXT
    )
    budget = limits.memory_bytes - weight_bytes - _BASE_BYTES
    need = measure_need(caches)
    if budget < need.bytes_for(1):
        raise ModelUnfit(ErrorName.MEMORY_BUDGET, "its weights leave no memory to answer with")
    cached = settings.prompt_cache_bytes
    return Network(
        model=model,
        rows=rows,
        context_tokens=context,
        parameters=parameters,
        weight_bytes=weight_bytes,
        cache=need,
        score_bytes=(find_size(configuration.values, *_HEADS) or _USUAL_HEADS) * 4 * 2,
        chunk_tokens=settings.chunk_tokens or _choose_chunk(parameters),
        budget=budget,
        prompt_cache_bytes=min(budget, budget // _PROMPT_CACHE_SHARE if cached is None else cached),
    )


def _check_experts(model: Any) -> None:
    """MLX has the product of several matrices at once, on a processor, for float32 and for packed ones only."""
    if mx.default_device() != mx.cpu:
        return
    plain = import_part("models.switch_layers").SwitchLinear
    for _, part in model.named_modules():
        if isinstance(part, plain) and part.weight.dtype != mx.float32:
            raise ModelUnfit(
                ErrorName.LOAD_FAILED,
                "its experts are neither packed nor float32, which MLX cannot compute on a processor",
            )


def _find_tables(model: Any) -> tuple[int, int]:
    """How many token ids and how many positions can be looked up: MLX reads past the end of a table."""
    tokens: list[int] = []
    positions = [_LARGEST_CONTEXT]
    for path, part in model.named_modules():
        if isinstance(part, nn.Embedding | nn.QuantizedEmbedding):
            names = set(path.split(".")[-2:])  # an adapted table lies within its adapter
            if names & _TOKEN_TABLES:
                tokens.append(part.weight.shape[0])
            elif names & _POSITION_TABLES:
                positions.append(part.weight.shape[0])
    if not tokens:
        raise ModelUnfit(ErrorName.LOAD_FAILED, "it has no table of tokens that is known here")
    return min(tokens), min(positions)


def _choose_chunk(parameters: int) -> int:
    """A power of two, the same for a model whenever it is opened: chunks decide how sums are rounded."""
    wanted = _CHUNK_WORK / (2 * max(parameters, 1))
    if mx.default_device() != mx.cpu:
        return _LARGEST_CHUNK_ON_DEVICE
    return max(_SMALLEST_CHUNK, min(_LARGEST_CHUNK, 1 << int(math.log2(max(wanted, 1)))))
