"""The networks that may run here. A model names its type; which module that means is decided in this table alone.

Every one of them is run beside plain MLX-LM on generated models, alone and in a batch (tests/conformance). What
MLX-LM has beyond is refused: modules that nobody held against anything, some of which import other packages or end
the process while being imported.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

from ostiary.core.frames import ErrorName, JsonObject
from ostiary.core.json_text import JsonValue
from ostiary.core.text import quote_untrusted
from ostiary.core.values import dataclass
from ostiary.networks.unfit import ModelUnfit


@dataclass(frozen=True, slots=True)
class Architecture:
    """A module of MLX-LM with a `Model` and its `ModelArgs`."""

    module: str
    is_batched: bool = True
    """Whether rows of several sequences go through it in one pass. If not, they take turns within a step."""
    inner: tuple[str, ...] = ()
    """Modules that it builds its text network from."""


_BATCHED: Final = """
    apertus cohere cohere2 deepseek deepseek_v2 dots1 ernie4_5 exaone exaone4 gemma gemma3_text glm glm4 glm4_moe
    gpt2 gpt_neox gpt_oss granite granitemoe helium hunyuan_v1_dense internlm2 internlm3 llama mimo minicpm
    ministral3 mixtral nemotron olmo2 olmo3 olmoe phi phi3 phimoe qwen2 qwen2_moe qwen3 qwen3_moe seed_oss smollm3
    stablelm starcoder2
""".split()
# Attention of their own, or layers that keep a state.
_IN_TURNS: Final = "deepseek_v3 gemma2 granitemoehybrid lfm2 qwen3_next".split()

ARCHITECTURES: Final[Mapping[str, Architecture]] = MappingProxyType(
    {
        **{name: Architecture(name) for name in _BATCHED},
        **{name: Architecture(name, is_batched=False) for name in _IN_TURNS},
        "gemma3": Architecture("gemma3", inner=("gemma3_text",)),
        "mistral": Architecture("llama"),
        "mistral3": Architecture("mistral3", inner=("llama", "ministral3")),
        "smollm3": Architecture("smollm3", inner=("llama",)),
    }
)
"""Model type to module."""


def list_modules(names: Iterable[str] = ARCHITECTURES) -> tuple[str, ...]:
    """All modules that these model types need."""
    chosen = [ARCHITECTURES[name] for name in names]
    return tuple(sorted({module for each in chosen for module in (each.module, *each.inner)}))


def find_architecture(config: JsonObject) -> Architecture:
    """Raises ModelUnfit for a type that is not in the table, at the top or of the text network within."""
    architecture = _look_up(config.get("model_type"))
    text = config.get("text_config")
    if architecture.inner and isinstance(text, dict) and "model_type" in text:
        _look_up(text["model_type"])
    return architecture


def _look_up(claimed: JsonValue) -> Architecture:
    architecture = ARCHITECTURES.get(claimed) if isinstance(claimed, str) else None
    if architecture is None:
        shown = f"'{quote_untrusted(claimed)}'" if isinstance(claimed, str) else "none"
        raise ModelUnfit(ErrorName.ARCHITECTURE_NOT_ALLOWED, f"the model type {shown} does not run here")
    return architecture
