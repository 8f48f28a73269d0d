"""The settings that shape a network, by name: which JSON type each has and within which range it is sane.

Every integer that an architecture of MLX-LM takes is here; a conformance test says so. Settings that are not here
are not read by MLX-LM, or only name things.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import Enum
from types import MappingProxyType
from typing import Final

from ostiary.core.ceiling import Ceiling
from ostiary.core.findings import refuse
from ostiary.core.limits import (
    MAX_CONTEXT_TOKENS,
    MAX_EXPERTS,
    MAX_HEAD_WIDTH,
    MAX_HEADS,
    MAX_LAYERS,
    MAX_SMALL_COUNT,
    MAX_VOCABULARY,
    MAX_WIDTH,
)
from ostiary.core.text import quote_untrusted
from ostiary.core.values import dataclass
from ostiary.intake.read_json import JsonValue, describe_type
from ostiary.intake.rules.config import CONFIG_OUT_OF_RANGE, CONFIG_WRONG_TYPE


class Kind(Enum):
    """What may stand in a field. null always may: it means "not said"."""

    INTEGER = "an integer"
    NUMBER = "a number"
    BOOLEAN = "true or false"


@dataclass(frozen=True, slots=True)
class Field:
    """A list of such values may stand for one per layer."""

    kind: Kind
    low: int = 0
    high: Ceiling = MAX_SMALL_COUNT


_LAYERS: Final = Field(Kind.INTEGER, 1, MAX_LAYERS)
_WIDTH: Final = Field(Kind.INTEGER, 1, MAX_WIDTH)
_HEADS: Final = Field(Kind.INTEGER, 1, MAX_HEADS)
_HEAD_WIDTH: Final = Field(Kind.INTEGER, 1, MAX_HEAD_WIDTH)
_VOCABULARY: Final = Field(Kind.INTEGER, 1, MAX_VOCABULARY)
_OPTIONAL_WIDTH: Final = Field(Kind.INTEGER, 0, MAX_WIDTH)
_OPTIONAL_HEADS: Final = Field(Kind.INTEGER, 0, MAX_HEADS)
_OPTIONAL_HEAD_WIDTH: Final = Field(Kind.INTEGER, 0, MAX_HEAD_WIDTH)
_OPTIONAL_EXPERTS: Final = Field(Kind.INTEGER, 0, MAX_EXPERTS)
# -1 stands for "none" in published configurations.
_TOKENS: Final = Field(Kind.INTEGER, -1, MAX_CONTEXT_TOKENS)
_LAYER_INDEX: Final = Field(Kind.INTEGER, -1, MAX_LAYERS)
_COUNT: Final = Field(Kind.INTEGER, -1, MAX_SMALL_COUNT)
_NUMBER: Final = Field(Kind.NUMBER)
_BOOLEAN: Final = Field(Kind.BOOLEAN)

_NAMES: Final[tuple[tuple[Field, str], ...]] = (
    (_LAYERS, "num_hidden_layers num_layers n_layer n_layers num_transformer_layers"),
    (_WIDTH, "hidden_size n_embd d_model model_dim block_dim"),
    (
        _HEADS,
        """num_attention_heads n_head n_heads num_heads num_query_heads num_attention_heads_per_layer
        num_key_value_heads n_kv_heads num_kv_heads num_swa_attention_heads num_swa_key_value_heads
        swa_num_attention_heads swa_num_key_value_heads num_global_key_value_heads num_attention_groups""",
    ),
    (_HEAD_WIDTH, "head_dim hidden_size_per_head kv_channels swa_head_dim swa_v_head_dim global_head_dim"),
    (_VOCABULARY, "vocab_size num_vocab"),
    (Field(Kind.INTEGER, 0, MAX_VOCABULARY), "vocab_size_per_layer_input"),
    (
        _OPTIONAL_WIDTH,
        """intermediate_size intermediate_size_mlp n_inner ffn_hidden_size mlp_hidden_size hidden_dim block_ff_dim
        moe_intermediate_size shared_expert_intermediate_size moe_shared_expert_intermediate_size
        shared_intermediate_size dense_intermediate_size expert_ffn_hidden_size ff_intermediate_size
        moe_hidden_size routed_expert_hidden_size share_expert_dim moe_latent_size hidden_size_per_layer_input
        embedding_size out_hidden_size projector_hidden_size dim_model_base q_lora_rank kv_lora_rank o_lora_rank
        laurel_rank a_low_rank_dim v_low_rank_dim gate_low_rank_dim decay_low_rank_dim state_size ssm_state_size
        mamba_d_state mamba_d_ssm time_step_rank mamba_dt_rank""",
    ),
    (_OPTIONAL_HEADS, "linear_num_key_heads linear_num_value_heads index_n_heads mamba_num_heads mamba_n_heads"),
    (
        _OPTIONAL_HEAD_WIDTH,
        """qk_nope_head_dim qk_rope_head_dim v_head_dim qk_head_dim index_head_dim linear_key_head_dim
        linear_value_head_dim mamba_head_dim mamba_d_head rotary_dim""",
    ),
    (
        _OPTIONAL_EXPERTS,
        """num_experts n_routed_experts num_local_experts moe_num_experts num_experts_per_tok
        num_experts_per_token top_k_experts moe_topk moe_top_k moe_k n_shared_experts num_shared_experts
        num_shared_expert moe_num_shared_experts n_group topk_group num_expert_group zero_expert_num
        moe_capacity n_shared_head""",
    ),
    (
        _TOKENS,
        """max_position_embeddings n_positions n_ctx max_seq_len max_sequence_length seq_length model_max_length
        original_max_position_embeddings block_size sliding_window sliding_window_size window_size window_length
        attention_window_size attention_chunk_size floor_scale loop_window_size conv_window""",
    ),
    (
        _LAYER_INDEX,
        """first_k_dense_replace num_nextn_predict_layers num_kv_shared_layers num_kv_reuse_layers
        num_dense_layers loop_num num_loops attn_layer_offset attn_layer_period expert_layer_offset
        expert_layer_period decoder_sparse_step moe_layer_freq moe_layer_interval moe_layer_start_index
        moe_layer_end_index interleave_moe_layer_step full_attention_interval layer_group_size
        dense_attention_every_n_layers no_rope_layer_interval sliding_window_pattern mamba_step
        full_attention_idx full_attn_idxs mlp_only_layers no_rope_layers sliding_window_layers
        hybrid_layer_pattern kv_source_layer_ids index_source_layer_ids engram_layer_ids
        candidate_source_layer_id cla_share_factor sparse_attention_freq hc_sinkhorn_iters hc_mult
        altup_num_inputs altup_active_idx emb_neighbor_num emb_split_num n_heads_in_group""",
    ),
    (
        _COUNT,
        """conv_kernel conv_L_cache conv1d_width short_conv_kernel_size linear_conv_kernel_dim mamba_d_conv
        mamba_expand mamba_chunk_size mamba_n_groups n_groups group_norm_size mlp_expansion_factor mlp_ratio
        ffn_dim_divisor block_multiple_of o_groups ngram_vocab_size_ratio index_topk index_block_size
        index_local_blocks index_topk_blocks candidate_block_size candidate_topk_blocks compress_ratios
        blocksparse_block_size blocksparse_num_local_blocks blocksparse_vert_stride patch_size patch_temporal
        pos_emb_height pos_emb_width merge_size num_channels image_feature_size num_sink_tokens
        attn_res_block_size schema_version""",
    ),
    (
        _NUMBER,
        """rope_theta rope_local_base_freq rope_local_theta rope_freq_constant rope_embedding_base swa_rope_theta
        layer_rope_theta compress_rope_theta rotary_emb_base rotary_pct partial_rotary_factor
        partial_rotary_factors rms_norm_eps layer_norm_eps layer_norm_epsilon layernorm_epsilon norm_eps
        norm_epsilon mixer_rms_eps post_norm_eps logit_scale logits_scaling attention_multiplier
        embedding_multiplier residual_multiplier output_multiplier query_pre_attn_scalar
        final_logit_softcapping attn_logit_softcapping logits_soft_cap routed_scaling_factor
        moe_routed_scaling_factor route_scale scale_emb scale_depth hidden_dim_scale_factor qk_scale_factor
        rope_position_scale block_ffn_dim_multiplier""",
    ),
    (
        _BOOLEAN,
        """tie_word_embeddings weight_tying attention_bias attention_out_bias mlp_bias use_bias bias qkv_bias
        use_qkv_bias no_bias layer_norm_bias conv_bias use_conv_bias mamba_conv_bias mamba_proj_bias
        use_qk_norm qk_norm qk_layernorm use_parallel_residual norm_topk_prob multi_query rope_traditional
        share_input_output_layers""",
    ),
)

FIELDS: Final[Mapping[str, Field]] = MappingProxyType(
    {name: field for field, names in _NAMES for name in names.split()}
)

# Where published configurations also use a word: "auto", or a pattern such as "LLLG".
_OR_TEXT: Final = frozenset({"time_step_rank", "mamba_dt_rank", "sliding_window_pattern"})

# One entry per layer: MLX-LM builds as many layers as some of these are long.
PER_LAYER_LISTS: Final = frozenset(
    """
    layer_types layers_block_type block_types _block_types mlp_layer_types block_configs is_moe_layer
    hybrid_override_pattern
    """.split()
)


def check_fields(values: Mapping[str, JsonValue]) -> None:
    """Refuses the first setting of the wrong type or outside its range."""
    for name, value in values.items():
        field = FIELDS.get(name)
        if field is not None:
            _check_field(name, field, value)
        elif name in PER_LAYER_LISTS and isinstance(value, list | str) and len(value) > MAX_LAYERS:
            raise refuse(
                CONFIG_OUT_OF_RANGE, f"{name} has {len(value)} entries, the ceiling is {int(MAX_LAYERS)} layers"
            )


def check_inner_fields(values: Mapping[str, JsonValue]) -> None:
    """The same for parts that are not the text model: only what could be too large, since names differ there."""
    for part in _parts_of(values):
        for name, value in part.items():
            field = FIELDS.get(name)
            if field is None or field.kind is not Kind.INTEGER or isinstance(value, bool):
                continue
            if isinstance(value, int | float) and value > field.high:
                raise _out_of_range(name, field, value)


def _parts_of(values: Mapping[str, JsonValue]) -> Iterator[Mapping[str, JsonValue]]:
    waiting: list[JsonValue] = list(values.values())
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            yield value
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)


def _check_field(name: str, field: Field, value: JsonValue) -> None:
    if isinstance(value, list) and field.kind is not Kind.BOOLEAN:
        if len(value) > MAX_LAYERS:
            raise refuse(
                CONFIG_OUT_OF_RANGE, f"{name} has {len(value)} entries, the ceiling is {int(MAX_LAYERS)} layers"
            )
        for entry in value:
            _check_single(name, field, entry)
    else:
        _check_single(name, field, value)


def _check_single(name: str, field: Field, value: JsonValue) -> None:
    if value is None or (isinstance(value, str) and name in _OR_TEXT):
        return
    is_boolean = isinstance(value, bool)
    if field.kind is Kind.BOOLEAN:
        is_right = is_boolean
    elif field.kind is Kind.INTEGER:
        is_right = isinstance(value, int) and not is_boolean
    else:
        is_right = isinstance(value, int | float) and not is_boolean
    if not is_right:
        raise refuse(CONFIG_WRONG_TYPE, f"{name} is {_describe(value)}, not {field.kind.value}")
    if field.kind is Kind.INTEGER and isinstance(value, int) and not field.low <= value <= field.high:
        raise _out_of_range(name, field, value)


def _out_of_range(name: str, field: Field, value: float) -> Exception:
    return refuse(
        CONFIG_OUT_OF_RANGE,
        f"{name} is {quote_untrusted(str(value))}; from {field.low} to {int(field.high)} {field.high.unit} is sane",
    )


def _describe(value: JsonValue) -> str:
    if isinstance(value, float):
        return "a number with a fraction or exponent"
    return describe_type(value)
