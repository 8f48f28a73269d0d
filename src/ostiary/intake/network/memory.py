"""How much memory a model would need once it runs, worked out from its configuration and tensors alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from ostiary.core.values import dataclass
from ostiary.intake.network.read_config import Config
from ostiary.intake.weights.tensor import Tensor

# MLX-LM lets a cache grow by so many tokens at once.
_STEP_TOKENS: Final = 256
_ITEM_BYTES: Final[Mapping[str, int]] = MappingProxyType({"F16": 2, "BF16": 2, "F32": 4, "F64": 8})


@dataclass(frozen=True, slots=True)
class MemoryNeed:
    """Bytes for one conversation. None: the architecture keeps something that is not known here."""

    weight_bytes: int
    cache_bytes_per_token: int | None
    """What one more token costs as long as no sliding window is full."""
    cache_bytes_at_context: int | None
    """What a conversation costs that fills the context."""
    context_tokens: int | None


@dataclass(frozen=True, slots=True)
class _Cache:
    """Numbers kept per token and layer, for layers that keep every token and for those with a window."""

    numbers: int
    whole_layers: int
    windowed_layers: int = 0
    window_tokens: int = 0


def estimate_memory(config: Config, tensors: Mapping[str, Tensor]) -> MemoryNeed:
    """Never raises. Activations are left out: they depend on how a prompt is cut."""
    weight_bytes = sum(tensor.bytes for tensor in tensors.values())
    find_cache = _CACHES.get(config.architecture)
    cache = None if find_cache is None or config.is_nested else find_cache(config)
    context = config.context_tokens
    if cache is None:
        return MemoryNeed(weight_bytes, None, None, context)
    per_layer = cache.numbers * _item_bytes(tensors)
    per_token = per_layer * (cache.whole_layers + cache.windowed_layers)
    if context is None:
        return MemoryNeed(weight_bytes, per_token, None, None)
    kept = cache.whole_layers * _rounded(context)
    kept += cache.windowed_layers * min(_rounded(context), cache.window_tokens)
    return MemoryNeed(weight_bytes, per_token, per_layer * kept, context)


def _rounded(tokens: int) -> int:
    return -(-tokens // _STEP_TOKENS) * _STEP_TOKENS


def _item_bytes(tensors: Mapping[str, Tensor]) -> int:
    """Keys and values have the dtype that runs through the network: that of most float tensors, scales included."""
    floats = Counter(tensor.dtype for tensor in tensors.values() if tensor.dtype in _ITEM_BYTES)
    if not floats:
        return 2
    ((dtype, _),) = floats.most_common(1)
    return _ITEM_BYTES[dtype]


def _grouped(config: Config) -> int | None:
    """One key and one value for each key head."""
    if config.heads is None:
        return None
    head_dim = config.head_dim
    if head_dim is None:
        if config.hidden_size is None:
            return None
        head_dim = config.hidden_size // config.heads
    return 2 * (config.heads if config.kv_heads is None else config.kv_heads) * head_dim


def _plain(config: Config) -> _Cache | None:
    numbers = _grouped(config)
    return None if numbers is None or config.layers is None else _Cache(numbers, config.layers)


def _by_layer_types(config: Config) -> _Cache | None:
    """Layers slide where layer_types says so; a window without that list is not used by these modules."""
    kinds = config.values.get("layer_types")
    numbers, window = _grouped(config), config.sliding_window
    if not isinstance(kinds, list) or numbers is None or window is None:
        return _plain(config)
    windowed = sum(kind == "sliding_attention" for kind in kinds)
    return _Cache(numbers, len(kinds) - windowed, windowed, window)


def _alternating(config: Config) -> _Cache | None:
    """As GPT-OSS does without layer_types: every second layer slides, the first one does."""
    if isinstance(config.values.get("layer_types"), list):
        return _by_layer_types(config)
    numbers = _grouped(config)
    if numbers is None or config.layers is None:
        return None
    whole = config.layers // 2
    return _Cache(numbers, whole, config.layers - whole, config.sliding_window or 128)


def _every(default_pattern: int, default_window: int) -> Callable[[Config], _Cache | None]:
    """Every so manieth layer keeps all, the others slide."""

    def find(config: Config) -> _Cache | None:
        numbers = _grouped(config)
        if numbers is None or config.layers is None:
            return None
        pattern = config.values.get("sliding_window_pattern")
        if pattern is None:
            pattern = default_pattern
        if not isinstance(pattern, int) or pattern < 1:
            return None
        whole = config.layers // pattern
        window = default_window if config.sliding_window is None else config.sliding_window
        return _Cache(numbers, whole, config.layers - whole, window)

    return find


def _lettered(config: Config) -> _Cache | None:
    """As EXAONE does: a pattern such as LLLG, over and over; L for local."""
    pattern, numbers = config.values.get("sliding_window_pattern"), _grouped(config)
    if not isinstance(pattern, str) or not pattern or config.sliding_window is None:
        return _plain(config)
    if numbers is None or config.layers is None:
        return None
    windowed = sum(pattern[number % len(pattern)] == "L" for number in range(config.layers))
    return _Cache(numbers, config.layers - windowed, windowed, config.sliding_window)


def _latent(config: Config) -> _Cache | None:
    """DeepSeek V3 keeps one compressed vector per token for all heads, and the rotary part beside it."""
    latent, rope = _said(config, "kv_lora_rank", 512), _said(config, "qk_rope_head_dim", 64)
    return None if config.layers is None else _Cache(latent + rope, config.layers)


def _unpacked_latent(config: Config) -> _Cache | None:
    """MLX-LM's DeepSeek V2 keeps the keys and values of every head, not the compressed vector."""
    if config.layers is None or config.heads is None:
        return None
    keys = _said(config, "qk_nope_head_dim", 128) + _said(config, "qk_rope_head_dim", 64)
    return _Cache(config.heads * (keys + _said(config, "v_head_dim", 128)), config.layers)


def _said(config: Config, name: str, default: int) -> int:
    value = config.values.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) else default


_CACHES: Final[Mapping[str, Callable[[Config], _Cache | None]]] = MappingProxyType(
    {
        **dict.fromkeys(
            """
            cohere deepseek dots1 ernie4_5 exaone gemma gemma2 glm glm4 gpt2 gpt_neox granite granitemoe helium
            internlm2 internlm3 mimo minicpm mixtral nemotron olmo2 olmoe phi phi3 phimoe qwen2 qwen2_moe qwen3
            qwen3_moe seed_oss smollm3 stablelm starcoder2
            """.split(),
            _plain,
        ),
        "cohere2": _every(4, 4096),
        "deepseek_v2": _unpacked_latent,
        "deepseek_v3": _latent,
        "exaone4": _lettered,
        "gemma3_text": _every(6, 512),
        "gpt_oss": _alternating,
        "llama": _by_layer_types,
        "ministral3": _by_layer_types,
    }
)
