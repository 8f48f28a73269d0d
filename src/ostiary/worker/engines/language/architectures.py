"""The networks that may run here. A model names its type; which module that means is decided in this table alone.

Every one of them is run beside plain MLX-LM on generated models, alone and in a batch (tests/conformance). What
MLX-LM has beyond is refused: modules that nobody held against anything, some of which import other packages or end
the process while being imported.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from ostiary.core.frames import ErrorName
from ostiary.core.text import quote_untrusted
from ostiary.core.values import dataclass
from ostiary.worker.engines.contract import JsonObject, ModelUnfit


@dataclass(frozen=True, slots=True)
class Architecture:
    """A module of MLX-LM with a `Model` and its `ModelArgs`."""

    module: str
    is_batched: bool = True
    """Whether rows of several sequences go through it in one pass. If not, they take turns within a step."""


_BATCHED: Final = """
    cohere cohere2 deepseek_v2 exaone4 gemma gemma3_text glm4 gpt2 gpt_neox granite helium internlm2 llama
    ministral3 mixtral olmo2 olmoe phi phi3 qwen2 qwen2_moe qwen3 qwen3_moe seed_oss smollm3 stablelm starcoder2
""".split()
_IN_TURNS: Final = "deepseek_v3 gemma2".split()

ARCHITECTURES: Final[Mapping[str, Architecture]] = MappingProxyType(
    {
        **{name: Architecture(name) for name in _BATCHED},
        **{name: Architecture(name, is_batched=False) for name in _IN_TURNS},
        "mistral": Architecture("llama"),
    }
)
"""Model type to module."""

MODULES: Final = tuple(sorted({architecture.module for architecture in ARCHITECTURES.values()}))


def find_architecture(config: JsonObject) -> Architecture:
    """Raises ModelUnfit for a type that is not in the table."""
    claimed = config.get("model_type")
    architecture = ARCHITECTURES.get(claimed) if isinstance(claimed, str) else None
    if architecture is None:
        shown = f"'{quote_untrusted(claimed)}'" if isinstance(claimed, str) else "none"
        raise ModelUnfit(ErrorName.ARCHITECTURE_NOT_ALLOWED, f"the model type {shown} does not run here")
    return architecture
