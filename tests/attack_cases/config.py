"""The honest model with one thing wrong in its configuration, index or adapter, and honest look-alikes."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping

from attack_cases.base import ACCEPT, CORPUS, Case, honest_json, model_files, safetensors_bytes

MALFORMED = "INTAKE_MALFORMED"
RANGE = "INTAKE_OUT_OF_RANGE"
CODE = "INTAKE_CARRIES_CODE"
UNKNOWN = "INTAKE_UNKNOWN_ARCHITECTURE"
INCOMPLETE = "INTAKE_INCOMPLETE"
INCONSISTENT = "INTAKE_INCONSISTENT"
DUPLICATE = "INTAKE_DUPLICATE_NAME"
ESCAPE = "INTAKE_PATH_ESCAPE"
UNLISTED = "INTAKE_UNLISTED_FILE"
LARGE = "INTAKE_TOO_LARGE"

Shapes = dict[str, tuple[str, list[int]]]
ITEM_BYTES = {"F16": 2, "BF16": 2, "F32": 4, "U32": 4, "U8": 1, "I64": 8}

LAYER = "model.layers.0"
Q = f"{LAYER}.self_attn.q_proj"
# The tensors of the honest model; the numbers in those built here are all zero.
HONEST: Shapes = {
    "model.embed_tokens.weight": ("F16", [64, 32]),
    "model.norm.weight": ("F16", [32]),
    f"{Q}.weight": ("F16", [32, 32]),
    f"{LAYER}.self_attn.k_proj.weight": ("F16", [32, 32]),
    f"{LAYER}.self_attn.v_proj.weight": ("F16", [32, 32]),
    f"{LAYER}.self_attn.o_proj.weight": ("F16", [32, 32]),
    f"{LAYER}.mlp.gate_proj.weight": ("F16", [64, 32]),
    f"{LAYER}.mlp.up_proj.weight": ("F16", [64, 32]),
    f"{LAYER}.mlp.down_proj.weight": ("F16", [32, 64]),
    f"{LAYER}.input_layernorm.weight": ("F16", [32]),
    f"{LAYER}.post_attention_layernorm.weight": ("F16", [32]),
}
SHARDED = CORPUS / "dirs" / "ok_sharded"
FIRST, SECOND = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"


def _weights(shapes: Shapes) -> bytes:
    return safetensors_bytes(
        {
            name: (dtype, shape, bytes(math.prod(shape) * ITEM_BYTES[dtype]))
            for name, (dtype, shape) in shapes.items()
        }
    )


def _packed(shapes: Shapes, bits: int, group: int, names: tuple[str, ...] = (), dtype: str = "F16") -> Shapes:
    """`shapes` with its matrices quantized, or only those of `names`."""
    packed: Shapes = {}
    for name, (kind, shape) in shapes.items():
        path = name.removesuffix(".weight")
        if len(shape) < 2 or (names and path not in names):
            packed[name] = (kind, shape)
            continue
        packed[name] = ("U32", [*shape[:-1], shape[-1] * bits // 32])
        packed[f"{path}.scales"] = (dtype, [*shape[:-1], shape[-1] // group])
        if dtype != "U8":
            packed[f"{path}.biases"] = (dtype, [*shape[:-1], shape[-1] // group])
    return packed


def _config(name: str, what: str, expect: str, rule: str | None = None, /, **changes: object) -> Case:
    return Case(name, what, expect, {**model_files(), "config.json": honest_json("config.json", **changes)}, rule)


def _raw(name: str, what: str, expect: str, rule: str, config: bytes) -> Case:
    return Case(name, what, expect, {**model_files(), "config.json": config}, rule)


def _built(name: str, what: str, expect: str, rule: str | None, shapes: Shapes, /, **changes: object) -> Case:
    files = {
        **model_files(),
        "model.safetensors": _weights(shapes),
        "config.json": honest_json("config.json", **changes),
    }
    return Case(name, what, expect, files, rule)


def _beside(name: str, what: str, expect: str, rule: str | None, extra: Mapping[str, object]) -> Case:
    return Case(
        name, what, expect, {**model_files(), **{n: json.dumps(v).encode() for n, v in extra.items()}}, rule
    )


def _index(name: str, what: str, expect: str, rule: str | None, change: dict[str, object], **files: bytes) -> Case:
    """The honest sharded model with entries of its weight map changed; None takes one away."""
    found = {path.name: path.read_bytes() for path in sorted(SHARDED.iterdir())}
    index = json.loads(found["model.safetensors.index.json"])
    for tensor, place in change.items():
        if place is None:
            del index["weight_map"][tensor]
        else:
            index["weight_map"][tensor] = place
    found["model.safetensors.index.json"] = json.dumps(index).encode()
    found |= {key.replace("__", "."): data for key, data in files.items()}
    return Case(name, what, expect, found, rule)


def _adapter(
    name: str, what: str, expect: str, rule: str | None, shapes: Shapes | None = None, /, **changes: object
) -> Case:
    """The honest model with an adapter folder."""
    config = {
        "fine_tune_type": "lora",
        "num_layers": 1,
        "lora_parameters": {"rank": 4, "scale": 1.0, "dropout": 0.0, "keys": ["self_attn.q_proj"]},
    }
    config = {key: value for key, value in {**config, **changes}.items() if value is not None}
    files = {**model_files(), "adapter/adapter_config.json": json.dumps(config).encode()}
    if shapes is None:
        shapes = {f"{Q}.lora_a": ("F16", [32, 4]), f"{Q}.lora_b": ("F16", [4, 32])}
    if shapes:
        files["adapter/adapters.safetensors"] = _weights(shapes)
    return Case(name, what, expect, files, rule)


def _without(*names: str) -> Shapes:
    return {name: shape for name, shape in HONEST.items() if name not in names}


_BIASED = {f"{LAYER}.self_attn.{letter}_proj.bias": ("F16", [32]) for letter in "qkvo"}
_MLP_BIASED = {
    f"{LAYER}.mlp.gate_proj.bias": ("F16", [64]),
    f"{LAYER}.mlp.up_proj.bias": ("F16", [64]),
    f"{LAYER}.mlp.down_proj.bias": ("F16", [32]),
}
_HEAD = {"lm_head.weight": ("F16", [64, 32])}
_PACKED = {"bits": 4, "group_size": 32}


def _experts(*, stacked: bool) -> Shapes:
    """A mixtral of four experts, as MLX-LM or as Transformers writes it."""
    shapes = {name: shape for name, shape in HONEST.items() if ".mlp." not in name}
    shapes |= _HEAD
    path = f"{LAYER}.block_sparse_moe"
    shapes[f"{path}.gate.weight"] = ("F16", [4, 32])
    for short, long, shape in (("w1", "gate", [64, 32]), ("w2", "down", [32, 64]), ("w3", "up", [64, 32])):
        if stacked:
            shapes[f"{path}.switch_mlp.{long}_proj.weight"] = ("F16", [4, *shape])
        else:
            shapes |= {f"{path}.experts.{number}.{short}.weight": ("F16", shape) for number in range(4)}
    return shapes


_EXPERTS = {"model_type": "mixtral", "num_local_experts": 4, "num_experts_per_tok": 2, "tie_word_embeddings": False}
_QWEN2 = {**HONEST, **{f"{LAYER}.self_attn.{letter}_proj.bias": ("F16", [32]) for letter in "qkv"}}
_QWEN3 = {**HONEST, **{f"{LAYER}.self_attn.{letter}_norm.weight": ("F16", [8]) for letter in "qk"}}
_DEEP = b"[" * 70 + b"]" * 70

_JSON = [
    _raw("deep", "a value nested deeper than any parser should go", LARGE, "json.too-deep", b'{"a":' + _DEEP + b"}"),
    _raw("repeated_escaped", "a key twice, once written with an escape", DUPLICATE, "json.duplicate-key",
         b'{"model_type":"llama","model_\\u0074ype":"base"}'),
    _raw("comment", "a comment, as lenient parsers take it", MALFORMED, "json.malformed", b'{"model_type":"llama"} // x'),
    _raw("trailing_comma", "a comma before the end", MALFORMED, "json.malformed", b'{"model_type":"llama",}'),
    _raw("single_quotes", "Python's quotes", MALFORMED, "json.malformed", b"{'model_type':'llama'}"),
    _raw("infinite_eps", "Infinity as an epsilon", MALFORMED, "json.not-finite",
         honest_json("config.json", rms_norm_eps=math.inf)),
    _raw("overflowing", "a number that overflows to infinity", MALFORMED, "json.not-finite",
         b'{"model_type":"llama","rope_theta":1e999}'),
    _raw("surrogate", "half a surrogate pair", MALFORMED, "json.lone-surrogate", b'{"model_type":"\\ud800"}'),
    _raw("big_integer", "an integer of 65 bits", MALFORMED, "json.big-integer",
         b'{"model_type":"llama","x":18446744073709551616}'),
    _raw("list", "a list, not an object", MALFORMED, "json.not-an-object", b'["llama"]'),
    _raw("empty", "no byte at all", MALFORMED, "json.malformed", b""),
    _raw("too_large", "more than a mebibyte of white space", LARGE, "json.too-large", b"{}" + b" " * (1 << 20)),
    _raw("latin1", "not UTF-8", MALFORMED, "json.not-utf8", b'{"model_type":"llama","x":"\xe9"}'),
]  # fmt: skip

_FIELDS = [
    _config("type_dots", "a relative import", UNKNOWN, "config.unknown-architecture", model_type="..os"),
    _config("type_helper", "a module beside the architectures", UNKNOWN, "config.unknown-architecture", model_type="cache"),
    _config("type_case", "a name that a case-blind disk would find", UNKNOWN, "config.unknown-architecture",
            model_type="LLAMA"),
    _config("type_wide", "a name of full-width letters", UNKNOWN, "config.model-type-not-a-name",
            model_type="\uff4c\uff4c\uff41\uff4d\uff41"),
    _config("type_null", "no model type", INCOMPLETE, "config.model-type-missing", model_type=None),
    _config("classes_nested", "a list among the architectures", MALFORMED, "config.architectures-not-names",
            architectures=[["LlamaForCausalLM"]]),
    _config("layers_text", "the layers as a text", MALFORMED, "config.wrong-type", num_hidden_layers="1"),
    _config("layers_true", "the layers as true", MALFORMED, "config.wrong-type", num_hidden_layers=True),
    _config("layers_float", "the layers as 1e9", MALFORMED, "config.wrong-type", num_hidden_layers=1e9),
    _config("layers_negative", "minus one layers", RANGE, "config.out-of-range", num_hidden_layers=-1),
    _config("heads_zero", "no heads: division by zero", RANGE, "config.out-of-range", num_attention_heads=0),
    _config("heads_share", "three key heads for four query heads", RANGE, "config.heads-do-not-divide",
            num_key_value_heads=3),
    _config("vocabulary_zero", "no vocabulary", RANGE, "config.out-of-range", vocab_size=0),
    _config("hidden_huge", "a hidden size of 2**40", RANGE, "config.out-of-range", hidden_size=1 << 40),
    _config("layer_list", "a hundred thousand layers by their list of types", RANGE, "config.out-of-range",
            layer_types=["full_attention"] * 50_000),
    _config("hidden_elsewhere", "a billion layers in a part that one architecture reads", RANGE, "config.out-of-range",
            attn_config={"n_layers": 10**9}),
    _config("experts_more", "more experts for a token than there are", RANGE, "config.out-of-range",
            num_experts=2, num_experts_per_tok=3),
    _config("tie_text", "false as a text, which is true to Python", MALFORMED, "config.wrong-type",
            tie_word_embeddings="false"),
    _config("eos_text", "an end token that is a text", MALFORMED, "config.wrong-type", **{"eos_token_id": "2"}),
    _config("tagged_nan", "NaN as Transformers tags it", MALFORMED, "config.wrong-type", rms_norm_eps={"__float__": "NaN"}),
    _config("text_config_list", "a text model that is a list", MALFORMED, "config.wrong-type", text_config=[]),
    _config("context_huge", "a promise of a billion tokens", ACCEPT, "config.unusual", max_position_embeddings=10**9),
    _config("eps_negative", "an epsilon below zero", ACCEPT, "config.unusual", rms_norm_eps=-1.0),
    _config("other_fields", "settings that only other programs read", ACCEPT, None, torch_dtype="float16",
            id2label={"0": "A"}, use_cache=True, transformers_version="4.40.0", _name_or_path="owner/name"),
    _config("nulls", "settings left to their defaults", ACCEPT, None, head_dim=None, rope_scaling=None,
            sliding_window=None, quantization=None, attention_bias=None, pad_token_id=-1),
    _config("scaled_rope", "rotary positions stretched as in Llama 3", ACCEPT, None,
            rope_scaling={"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
                          "original_max_position_embeddings": 64}),
]  # fmt: skip

_REFERENCES = [
    _config("model_file", "a Python file to run", CODE, "reference.model-file", model_file="evil.py"),
    _config("model_file_inside", "the same, in a part of the configuration", CODE, "reference.model-file",
            text_config={"model_file": "evil.py"}),
    _config("auto_map", "classes of its own", CODE, "reference.auto-map", auto_map={"AutoModel": "modeling.Model"}),
    _config("remote_class", "a class in another repository under a key of no meaning", CODE, "reference.remote",
            anything=["owner/repo--module.Class"]),
    _config("trust", "a wish to be trusted", CODE, "reference.trust-asked", trust_remote_code=True),
    _config("pipeline", "a pipeline of its own", CODE, "reference.custom-pipeline",
            custom_pipelines={"task": {"impl": "pipe.Pipe"}}),
    _config("kernel", "an attention kernel from a repository", CODE, "reference.kernel",
            attn_implementation="owner/flash-attn"),
    _config("target", "an object for Hydra to build", CODE, "reference.object", loss={"_target_": "os.system"}),
    _beside("other_json", "a class of its own in a file of another name", CODE, "reference.auto-map",
            {"preprocessor_config.json": {"auto_map": {"AutoProcessor": "p.P"}}}),
    _config("no_code", "the same keys where they mean nothing", ACCEPT, None, auto_map={}, trust_remote_code=False,
            model_file=None, attn_implementation="sdpa"),
]  # fmt: skip

_GENERATION = [
    _beside("generation_text", "a length that is a text", MALFORMED, "generation.wrong-type",
            {"generation_config.json": {"max_length": "many"}}),
    _beside("generation_beams", "a million beams", RANGE, "generation.out-of-range",
            {"generation_config.json": {"num_beams": 10**6}}),
    _beside("generation_odd", "a temperature below zero", ACCEPT, "generation.unusual",
            {"generation_config.json": {"temperature": -1.0}}),
    _beside("generation_honest", "as Transformers writes it", ACCEPT, None,
            {"generation_config.json": {"bos_token_id": 1, "eos_token_id": [2], "do_sample": True, "temperature": 0.6,
                                        "top_p": 0.9, "transformers_version": "4.40.0"}}),
]  # fmt: skip

_LAYOUTS = [
    _built("untied", "a head of its own", ACCEPT, None, {**HONEST, **_HEAD}, tie_word_embeddings=False),
    _built("tied_with_head", "a head beside tied embeddings, which loaders drop", ACCEPT, None, {**HONEST, **_HEAD}),
    _built("head_missing", "no head, though nothing is tied", INCOMPLETE, "layout.missing-tensor", HONEST,
           tie_word_embeddings=False),
    _built("biases", "biases, as the configuration says", ACCEPT, None, {**HONEST, **_BIASED, **_MLP_BIASED},
           attention_bias=True, mlp_bias=True),
    _built("biases_unsaid", "biases of which the configuration says nothing", INCONSISTENT, "layout.unexpected-tensor",
           {**HONEST, **_BIASED}),
    _built("frequencies", "rotary frequencies, as old checkpoints carry them", ACCEPT, None,
           {**HONEST, f"{LAYER}.self_attn.rotary_emb.inv_freq": ("F32", [4])}),
    _built("grouped", "two key heads for four query heads", ACCEPT, None,
           {**HONEST, **{f"{LAYER}.self_attn.{letter}_proj.weight": ("F16", [16, 32]) for letter in "kv"}},
           num_key_value_heads=2),
    _built("float32", "the same in another dtype", ACCEPT, None, {n: ("F32", s) for n, (_, s) in HONEST.items()}),
    _built("integer_norm", "a norm of integers", INCONSISTENT, "layout.wrong-dtype",
           {**HONEST, "model.norm.weight": ("I64", [32])}),
    _built("second_layer", "a layer more than was said", INCONSISTENT, "layout.unexpected-tensor",
           {**HONEST, **{n.replace("layers.0", "layers.1"): s for n, s in HONEST.items() if "layers.0" in n}}),
    _built("layer_missing", "a layer fewer than was said", INCOMPLETE, "layout.missing-tensor", HONEST,
           num_hidden_layers=2),
    _built("transposed", "one matrix turned around", INCONSISTENT, "layout.wrong-shape",
           {**HONEST, f"{LAYER}.mlp.down_proj.weight": ("F16", [64, 32])}),
    _built("embedding_short", "fewer rows than tokens: lookups read past the end", INCONSISTENT, "layout.wrong-shape",
           {**HONEST, "model.embed_tokens.weight": ("F16", [60, 32])}),
    _built("embedding_short_excused", "the same, with a text part that the loader does not read", INCONSISTENT,
           "layout.wrong-shape", {**HONEST, "model.embed_tokens.weight": ("F16", [60, 32])},
           text_config={"vocab_size": 60}),
    _built("incomplete_config", "no inner size", INCOMPLETE, "config.incomplete", HONEST, intermediate_size=None),
    _built("qwen2", "another family, with biases of its own", ACCEPT, None, _QWEN2, model_type="qwen2"),
    _built("qwen3", "a family with norms on its heads", ACCEPT, None, _QWEN3, model_type="qwen3", head_dim=8),
    _built("qwen2_as_llama", "one family under another's name", INCONSISTENT, "layout.unexpected-tensor", _QWEN2),
    _built("mistral", "a type that another module serves", ACCEPT, None, HONEST, model_type="mistral"),
    _built("experts", "experts as MLX-LM stacks them", ACCEPT, None, _experts(stacked=True), **_EXPERTS),
    _built("experts_apart", "experts as Transformers writes them", ACCEPT, None, _experts(stacked=False), **_EXPERTS),
    _built("expert_missing", "one expert of four is missing", INCOMPLETE, "layout.missing-tensor",
           {n: s for n, s in _experts(stacked=False).items() if ".experts.2.w1." not in n}, **_EXPERTS),
    _built("unlisted_family", "a known family whose tensors are not listed", ACCEPT, "layout.not-checked", HONEST,
           model_type="nemotron"),
]  # fmt: skip

_QUANTIZED = [
    _built("quantized", "four bits throughout", ACCEPT, None, _packed(HONEST, 4, 32), quantization=_PACKED),
    _built("quantized_twice_said", "the same plan under both names", ACCEPT, None, _packed(HONEST, 4, 32),
           quantization=_PACKED, quantization_config=_PACKED),
    _built("quantized_per_layer", "one layer finer, one not at all", ACCEPT, None,
           _packed(_packed(HONEST, 8, 32, (Q,)), 4, 32, ("model.embed_tokens",)),
           quantization={**_PACKED, Q: {"bits": 8, "group_size": 32}, f"{LAYER}.self_attn.k_proj": False}),
    _built("quantized_mxfp4", "a mode without biases", ACCEPT, None, _packed(HONEST, 4, 32, dtype="U8"),
           quantization={"mode": "mxfp4", "bits": 4, "group_size": 32}),
    _built("quantized_unsaid", "packed without a word", INCONSISTENT, None, _packed(HONEST, 4, 32)),
    _built("quantized_lie", "said to be eight bits, packed in four", INCONSISTENT, "layout.bad-quantization",
           _packed(HONEST, 4, 32), quantization={"bits": 8, "group_size": 32, Q: {"bits": 8, "group_size": 32}}),
    _built("quantized_half", "scales without biases", INCOMPLETE, "layout.missing-tensor",
           {n: s for n, s in _packed(HONEST, 4, 32).items() if n != f"{Q}.biases"}, quantization=_PACKED),
    _config("group_zero", "groups of nothing: division by zero", RANGE, "config.quantization-unsupported",
            quantization={"bits": 4, "group_size": 0}),
    _config("bits_seven", "seven bits", RANGE, "config.quantization-unsupported",
            quantization={"bits": 7, "group_size": 64}),
    _config("bits_in_layer", "ninety-nine bits in one layer only", RANGE, "config.quantization-unsupported",
            quantization={**_PACKED, "model.embed_tokens": {"bits": 99, "group_size": 32}}),
    _config("mode_unknown", "a mode that MLX does not have", RANGE, "config.quantization-unsupported",
            quantization={"mode": "../x", "bits": 4, "group_size": 32}),
    _config("mode_mismatch", "a mode with another mode's groups", RANGE, "config.quantization-unsupported",
            quantization={"mode": "nvfp4", "bits": 4, "group_size": 64}),
    _config("plan_list", "a plan that is a list", MALFORMED, "config.wrong-type", quantization=[4, 64]),
]  # fmt: skip

_INDEXES = [
    _index("index_escape", "a shard in the directory above", ESCAPE, "index.path-escape",
           {"model.norm.weight": "../model.safetensors"}),
    _index("index_backslash", "the same for Windows", ESCAPE, "index.path-escape",
           {"model.norm.weight": "..\\model.safetensors"}),
    _index("index_drive", "a drive letter", ESCAPE, "index.path-escape", {"model.norm.weight": "C:model.safetensors"}),
    _index("index_missing_shard", "a shard that is not there", INCOMPLETE, "index.shard-missing",
           {"model.norm.weight": "model-00003-of-00003.safetensors"}),
    _index("index_elsewhere", "a tensor in the other shard", INCONSISTENT, "index.tensor-elsewhere",
           {"model.norm.weight": FIRST}),
    _index("index_unlisted", "a tensor that is not listed", INCONSISTENT, "index.tensor-unlisted",
           {"model.norm.weight": None}),
    _index("index_more", "a tensor that is in no file", INCOMPLETE, "index.tensor-missing", {"model.extra.weight": FIRST}),
    _index("index_number", "a number for a file", MALFORMED, "index.malformed", {"model.norm.weight": 1}),
    _index("index_shard_beside", "a third shard that replaces a norm", UNLISTED, "index.shard-unlisted", {},
           **{"model-zz__safetensors": _weights({"model.other.weight": ("F16", [1])})}),
    _index("index_honest", "two shards as they are", ACCEPT, None, {}),
]  # fmt: skip

_FULL: Shapes = {f"{Q}.weight": ("F16", [32, 32])}
_ADAPTERS = [
    _adapter("adapter_honest", "a LoRA pair", ACCEPT, None),
    _adapter("adapter_dora", "a DoRA pair with its magnitudes", ACCEPT, None,
             {f"{Q}.lora_a": ("F16", [32, 4]), f"{Q}.lora_b": ("F16", [4, 32]), f"{Q}.m": ("F32", [32])},
             fine_tune_type="dora"),
    _adapter("adapter_full", "weights that replace the base's", ACCEPT, "adapter.replaces-weights", _FULL,
             fine_tune_type="full"),
    _adapter("adapter_full_misfit", "a replacement of another shape", INCONSISTENT, "adapter.does-not-fit",
             {f"{Q}.weight": ("F16", [32, 33])}, fine_tune_type="full"),
    _adapter("adapter_smuggles", "a base weight among the pairs", INCONSISTENT, "adapter.unexpected-tensor",
             {f"{Q}.lora_a": ("F16", [32, 4]), f"{Q}.lora_b": ("F16", [4, 32]), **_FULL}),
    _adapter("adapter_half", "half a pair: the loader draws the rest at random", INCOMPLETE, "adapter.incomplete",
             {f"{Q}.lora_a": ("F16", [32, 4])}),
    _adapter("adapter_rank", "another rank than was said", INCONSISTENT, "adapter.does-not-fit",
             {f"{Q}.lora_a": ("F16", [32, 8]), f"{Q}.lora_b": ("F16", [8, 32])}),
    _adapter("adapter_misfit", "a pair for a wider model", INCONSISTENT, "adapter.does-not-fit",
             {f"{Q}.lora_a": ("F16", [64, 4]), f"{Q}.lora_b": ("F16", [4, 64])}),
    _adapter("adapter_kind", "a kind that nobody knows", MALFORMED, "adapter.unknown-kind", fine_tune_type="magic"),
    _adapter("adapter_rank_zero", "a rank of nothing", RANGE, "adapter.out-of-range", lora_parameters={"rank": 0}),
    _adapter("adapter_empty", "a configuration without tensors", INCOMPLETE, "adapter.incomplete", {}),
    _adapter("adapter_code", "a library for PEFT to import", CODE, "reference.parent-library",
             auto_mapping={"parent_library": "evil"}),
]  # fmt: skip

CASES: list[Case] = [
    *_JSON,
    *_FIELDS,
    *_REFERENCES,
    *_GENERATION,
    *_LAYOUTS,
    *_QUANTIZED,
    *_INDEXES,
    *_ADAPTERS,
]
