"""The model types that MLX-LM 0.32.2 has a module for. A name that is not here never reaches an import.

A conformance test holds this list against the installed MLX-LM.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from ostiary.core.findings import refuse
from ostiary.core.text import quote_untrusted
from ostiary.intake.read_json import JsonValue, describe_type
from ostiary.intake.rules.config import (
    CONFIG_ARCHITECTURES_NOT_NAMES,
    CONFIG_MODEL_TYPE_MISSING,
    CONFIG_MODEL_TYPE_NOT_A_NAME,
    CONFIG_UNKNOWN_ARCHITECTURE,
)

ARCHITECTURES: Final = frozenset(
    """
    Klear afm7 afmoe apertus baichuan_m1 bailing_hybrid bailing_moe bailing_moe_linear bailing_moe_v3 bitnet
    cohere cohere2 dbrx deepseek deepseek_v2 deepseek_v3 deepseek_v32 deepseek_v41 dots1 ernie4_5
    ernie4_5_moe exaone exaone4 exaone_moe falcon_h1 gear gemma gemma2 gemma3 gemma3_text gemma3n gemma4
    gemma4_text glm glm4 glm4_moe glm4_moe_lite glm_moe_dsa gpt2 gpt_bigcode gpt_neox gpt_oss gptj granite
    granitemoe granitemoehybrid helium hunyuan hunyuan_v1_dense internlm2 internlm3 iquestloopcoder jamba
    kimi_k25 kimi_k3 kimi_linear kimi_vl laguna lfm2 lfm2-vl lfm2_moe lille-130m llama llama4 llama4_text
    longcat_flash longcat_flash_ngram mamba mamba2 mellum mimo mimo_v2_flash minicpm minicpm3 minimax
    minimax_m3_vl ministral3 mistral3 mistral4 mixtral muse_glimmer muse_spark nanbeige nanochat nemotron
    nemotron-nas nemotron_h olmo olmo2 olmo3 olmo_hybrid olmoe openelm phi phi3 phi3small phimoe phixtral
    pixtral plamo plamo2 plamo3 prism_hadamard_qwen35 qwen qwen2 qwen2_moe qwen2_vl qwen3 qwen3_5
    qwen3_5_moe qwen3_moe qwen3_next qwen3_vl qwen3_vl_moe recurrent_gemma rwkv7 seed_oss smollm3 solar_open
    spark2_5 stablelm starcoder2 step3p5 talkie telechat3 youtu_llm
    """.split()
)
"""The modules themselves; helpers that lie beside them (base, cache, switch_layers, ...) are no architectures."""

REMAPPED: Final[Mapping[str, str]] = MappingProxyType(
    {
        "deepseek_v41_text": "deepseek_v41",
        "falcon_mamba": "mamba",
        "gemma4_unified": "gemma4",
        "iquestcoder": "llama",
        "joyai_llm_flash": "deepseek_v3",
        "kimi_k2": "deepseek_v3",
        "llava": "mistral3",
        "minimax_m2": "minimax",
        "mistral": "llama",
        "phi-msft": "phixtral",
        "qwen2_5_vl": "qwen2_vl",
        "xverse": "llama",
    }
)
"""Model types that another type's module serves."""

REMAPPED_BY_CLASS: Final[Mapping[tuple[str, str], str]] = MappingProxyType(
    {("bailing_hybrid", "BailingMoeV3ForCausalLM"): "bailing_moe_v3"}
)
"""Where only the name in `architectures` tells two modules apart; looked at first, as MLX-LM does."""


WITH_TEXT_CONFIG: Final = frozenset(
    """
    gemma3 gemma3n gemma4 kimi_k25 kimi_k3 kimi_vl lfm2-vl llama4 minimax_m3_vl mistral3 muse_spark pixtral
    prism_hadamard_qwen35 qwen2_vl qwen3_5 qwen3_5_moe qwen3_vl qwen3_vl_moe
    """.split()
)
"""The modules that take their text model from text_config; all others do not look at it."""


def find_architecture(claimed_type: JsonValue, claimed_classes: JsonValue) -> str:
    """The module that would serve a configuration's `model_type` and `architectures`."""
    if claimed_type is None:
        raise refuse(CONFIG_MODEL_TYPE_MISSING, "config.json names no model_type")
    if not isinstance(claimed_type, str):
        raise refuse(CONFIG_MODEL_TYPE_NOT_A_NAME, f"model_type is {describe_type(claimed_type)}, not a name")
    for claimed_class in _class_names(claimed_classes):
        by_class = REMAPPED_BY_CLASS.get((claimed_type, claimed_class))
        if by_class is not None:
            return by_class
    architecture = REMAPPED.get(claimed_type, claimed_type)
    if architecture in ARCHITECTURES:
        return architecture
    if not all(character.isascii() and (character.isalnum() or character in "._-") for character in claimed_type):
        raise refuse(
            CONFIG_MODEL_TYPE_NOT_A_NAME,
            f"model_type is '{quote_untrusted(claimed_type)}', which is not a plain name",
        )
    raise refuse(CONFIG_UNKNOWN_ARCHITECTURE, f"model_type '{quote_untrusted(claimed_type)}' is not known")


def _class_names(claimed_classes: JsonValue) -> list[str]:
    if claimed_classes is None:
        return []
    names = claimed_classes if isinstance(claimed_classes, list) else [claimed_classes]
    for name in names:
        if not isinstance(name, str):
            raise refuse(
                CONFIG_ARCHITECTURES_NOT_NAMES, f"architectures holds {describe_type(name)} where a name belongs"
            )
    return [name for name in names if isinstance(name, str)]
