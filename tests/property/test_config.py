"""Any bytes give a value or a refusal; what is honest passes; one thing changed in it is seen."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from attack_cases.base import CORPUS
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from ostiary.core.findings import Finding
from ostiary.errors import IntakeRefused
from ostiary.intake.code.find_code_in_json import find_code_in_json
from ostiary.intake.network.check_adapter import check_adapter
from ostiary.intake.network.config_fields import FIELDS, Kind
from ostiary.intake.network.layout_slots import Dims
from ostiary.intake.network.layouts import LAYOUTS, check_layout
from ostiary.intake.network.memory import estimate_memory
from ostiary.intake.network.read_adapter import parse_adapter
from ostiary.intake.network.read_config import parse_config
from ostiary.intake.network.read_generation_config import parse_generation_config
from ostiary.intake.read_json import parse_json, parse_json_object
from ostiary.intake.weights.read_index import check_index, parse_index
from ostiary.intake.weights.tensor import Tensor

QUICK = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
READERS: list[Callable[[bytes], object]] = [
    parse_json,
    parse_json_object,
    parse_config,
    parse_generation_config,
    parse_index,
    parse_adapter,
]
FILES = sorted(path for path in CORPUS.glob("dirs/*/*.json") if path.is_file() and not path.is_symlink())

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
INTEGERS = st.integers(-(1 << 63), (1 << 64) - 1)
VALUES = st.recursive(
    st.none() | st.booleans() | INTEGERS | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=20,
)


def read(reader: Callable[[bytes], object], data: bytes) -> object:
    """The value, or None for a refusal that can be shown; anything else that is raised is a failure."""
    try:
        return reader(data)
    except IntakeRefused as refused:
        refusal = refused
    assert refusal.findings
    assert "\n" not in refusal.message
    assert len(refusal.message) < 1_000
    return None


def check_shown(findings: tuple[Finding, ...]) -> None:
    for finding in findings:
        assert "\n" not in finding.sentence
        assert len(finding.sentence) < 2_000


@QUICK
@given(data=st.binary(max_size=300), reader=st.sampled_from(READERS))
def test_any_bytes(data: bytes, reader: Callable[[bytes], object]) -> None:
    read(reader, data)


@QUICK
@given(
    path=st.sampled_from(FILES),
    reader=st.sampled_from(READERS),
    position=st.floats(0, 1, exclude_max=True),
    inserted=st.binary(max_size=4),
    removed=st.integers(0, 4),
)
def test_damaged_files(
    path: Path, reader: Callable[[bytes], object], position: float, inserted: bytes, removed: int
) -> None:
    data = path.read_bytes()
    start = int(len(data) * position)
    read(reader, data[:start] + inserted + data[start + removed :])


@QUICK
@given(value=VALUES, ascii_only=st.booleans(), indent=st.none() | st.integers(0, 2))
def test_what_a_writer_wrote_is_read_back(value: Any, ascii_only: bool, indent: int | None) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent)
    assert parse_json(text.encode()) == value
    assert isinstance(find_code_in_json(value), tuple)


@QUICK
@given(text=st.text('[]{}",:\\u0d8c 1e-N', max_size=60))
def test_the_standard_library_agrees(text: str) -> None:
    data = text.encode()
    value = read(parse_json, data)
    if value is not None:
        assert value == json.loads(data)
    try:
        honest = json.loads(data)
    except (ValueError, RecursionError):
        assert value is None
    else:
        assert value == honest or any(c in text for c in 'Ne9ud"')


@QUICK
@given(depth=st.integers(1, 200), opening=st.sampled_from(["[", '{"a":', '["\\"]",']))
def test_depth_is_counted_before_anything_recurses(depth: int, opening: str) -> None:
    closing = "}" if opening.startswith("{") else "]"
    data = (opening * depth + "1" + closing * depth).encode()
    assert (read(parse_json, data) is not None) == (depth <= 64)


ENTRIES = st.dictionaries(
    st.sampled_from(sorted(FIELDS) + "quantization text_config rope_scaling eos_token_id architectures".split()),
    VALUES | st.integers(-2, 300),
    max_size=6,
)


@QUICK
@given(entries=ENTRIES, model_type=st.sampled_from(sorted(LAYOUTS)))
def test_any_settings(entries: dict[str, Any], model_type: str) -> None:
    data = json.dumps({"model_type": model_type, **entries}).encode()
    try:
        config = parse_config(data)
    except IntakeRefused as refused:
        check_shown(refused.findings)
        return
    for name, value in config.values.items():
        field = FIELDS.get(name)
        if field is not None and field.kind is Kind.INTEGER and isinstance(value, int):
            assert field.low <= value <= field.high
    check_shown(config.notes)
    check_shown(check_layout(config, {}).findings)
    assert estimate_memory(config, {}).weight_bytes == 0


@st.composite
def honest_models(draw: st.DrawFn) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """A configuration of a listed architecture with small numbers, and the tensors that it describes."""
    name = draw(st.sampled_from(sorted(set(LAYOUTS) - {"gpt2"})))
    kv_heads = draw(st.integers(1, 3))
    heads = kv_heads * draw(st.integers(1, 3))
    head_dim = draw(st.integers(1, 8))
    values: dict[str, Any] = {
        "model_type": name,
        "hidden_size": heads * head_dim,
        "head_dim": head_dim,
        "num_hidden_layers": draw(st.integers(1, 3)),
        "intermediate_size": draw(st.integers(1, 20)),
        "num_attention_heads": heads,
        "num_key_value_heads": kv_heads,
        "vocab_size": draw(st.integers(1, 50)),
        "tie_word_embeddings": draw(st.booleans()),
        "attention_bias": draw(st.booleans()),
        "num_experts": 2,
        "num_local_experts": 2,
        "n_routed_experts": 2,
        "moe_intermediate_size": 3,
        "shared_expert_intermediate_size": 5,
        "decoder_sparse_step": 1,
        "num_experts_per_tok": 1,
    }
    config = parse_config(json.dumps(values).encode())
    slots = LAYOUTS[name](Dims(config.values, ()))
    return values, {
        slot.name: Tensor(slot.name, "BF16", slot.shape, 0, 2 * math.prod(slot.shape)) for slot in slots
    }


@QUICK
@given(model=honest_models(), data=st.data())
def test_honest_models_pass_and_one_change_is_seen(
    model: tuple[dict[str, Any], dict[str, Tensor]], data: st.DataObject
) -> None:
    values, tensors = model
    config = parse_config(json.dumps(values).encode())
    verdict = check_layout(config, tensors)
    assert verdict.findings == ()
    assert verdict.is_checked
    assert verdict.parameters == sum(tensor.elements for tensor in tensors.values())
    name = data.draw(st.sampled_from(sorted(tensors)))
    tensor = tensors[name]
    change = data.draw(st.sampled_from(["remove", "rename", "grow", "dtype", "flatten"]))
    assume(name != "lm_head.weight" or change == "grow")
    changed = {
        "remove": {n: t for n, t in tensors.items() if n != name},
        "rename": {**{n: t for n, t in tensors.items() if n != name}, f"{name}x": tensor},
        "grow": {**tensors, name: Tensor(name, "BF16", (*tensor.shape[:-1], tensor.shape[-1] + 1), 0, 0)},
        "dtype": {**tensors, name: Tensor(name, "I32", tensor.shape, 0, 0)},
        "flatten": {**tensors, name: Tensor(name, "BF16", (tensor.elements, 1, 1), 0, 0)},
    }[change]
    assert any(finding.is_refusing for finding in check_layout(config, changed).findings)


SHAPES = st.lists(st.integers(0, 1 << 40), max_size=4).map(tuple)
TENSOR_NAMES = st.sampled_from(
    [
        "model.embed_tokens",
        "model.layers.0.self_attn.q_proj",
        "model.layers.0.mlp.experts.0.up_proj",
        "x",
        "lm_head",
    ]
)
TENSORS = st.lists(
    st.builds(
        lambda path, leaf, dtype, shape: Tensor(f"{path}{leaf}", dtype, shape, 0, 8),
        TENSOR_NAMES | TEXTS,
        st.sampled_from([".weight", ".scales", ".biases", ".lora_a", ".lora_b", ".m", ""]),
        st.sampled_from(["F16", "U32", "U8", "I64"]),
        SHAPES,
    ),
    max_size=10,
).map(lambda tensors: {tensor.name: tensor for tensor in tensors})


@QUICK
@given(tensors=TENSORS, entries=ENTRIES, model_type=st.sampled_from([*sorted(LAYOUTS), "nemotron", "gemma3"]))
def test_any_tensors(tensors: dict[str, Tensor], entries: dict[str, Any], model_type: str) -> None:
    plan = {"quantization": {"bits": 4, "group_size": 64, "x": {"bits": 8}, "lm_head": False}}
    config = read(parse_config, json.dumps({"model_type": model_type, **plan, **entries}).encode())
    if config is not None:
        check_shown(check_layout(config, tensors).findings)  # type: ignore[arg-type]
        assert estimate_memory(config, tensors).weight_bytes == 8 * len(tensors)  # type: ignore[arg-type]


@QUICK
@given(
    places=st.dictionaries(TEXTS, st.sampled_from(["a.safetensors", "b.safetensors"]), min_size=1, max_size=8),
    data=st.data(),
)
def test_an_index_agrees_with_its_files_or_is_told(places: dict[str, str], data: st.DataObject) -> None:
    index = parse_index(json.dumps({"weight_map": places}).encode())
    shards: dict[str, dict[str, Tensor]] = {path: {} for path in set(places.values())}
    for name, path in places.items():
        shards[path][name] = Tensor(name, "U8", (1,), 0, 1)
    assert check_index(index, shards) == ()
    name = data.draw(st.sampled_from(sorted(places)))
    other = {"a.safetensors": "b.safetensors", "b.safetensors": "a.safetensors"}[places[name]]
    moved = {path: dict(tensors) for path, tensors in shards.items()}
    moved.setdefault(other, {})[name] = moved[places[name]].pop(name)
    found = check_index(index, moved)
    assert any(finding.is_refusing for finding in found)
    check_shown(found)


@QUICK
@given(paths=st.dictionaries(TEXTS, st.text("abc/.\\:\x00", min_size=1, max_size=8), min_size=1, max_size=3))
def test_no_path_of_an_index_leaves_the_directory(paths: dict[str, str]) -> None:
    index = read(parse_index, json.dumps({"weight_map": paths}).encode())
    if index is not None:
        for path in paths.values():
            assert not path.startswith("/")
            assert not {"..", ".", ""} & set(path.split("/"))
            assert not set("\\:\x00") & set(path)


@QUICK
@given(tensors=TENSORS, base=TENSORS, kind=st.sampled_from(["lora", "dora", "full"]))
def test_any_adapter_beside_any_model(tensors: dict[str, Tensor], base: dict[str, Tensor], kind: str) -> None:
    adapter = parse_adapter(json.dumps({"fine_tune_type": kind, "lora_parameters": {"rank": 4}}).encode())
    check_shown(check_adapter(adapter, tensors, None, base))


@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.__name__)
def test_a_reader_that_is_given_too_much_says_so(reader: Callable[[bytes], object]) -> None:
    with pytest.raises(IntakeRefused) as caught:
        reader(b"[" * (65 << 20))
    assert caught.value.code == "INTAKE_TOO_LARGE"
