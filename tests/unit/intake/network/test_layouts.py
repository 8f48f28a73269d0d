"""Tensors against the architecture that a configuration claims. That the lists themselves are right is shown against
MLX-LM in tests/conformance/test_layouts.py."""

from __future__ import annotations

import json
from collections.abc import Iterable

import pytest

from ostiary.core.limits import MAX_LAYERS, MAX_MISSING_TENSORS
from ostiary.intake.network.check_packing import check_packed, find_packing
from ostiary.intake.network.layout_names import Piece, clean_names
from ostiary.intake.network.layout_slots import Dims
from ostiary.intake.network.layouts import LAYOUTS, LayoutVerdict, check_layout
from ostiary.intake.network.quantization import Quantization, QuantizationPlan
from ostiary.intake.network.read_config import Config, parse_config
from ostiary.intake.weights.tensor import Tensor

LLAMA: dict[str, object] = {
    "model_type": "llama",
    "hidden_size": 64,
    "num_hidden_layers": 1,
    "intermediate_size": 96,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 32,
}
PLAN = QuantizationPlan(Quantization(4, 64, "affine"), {})


def config(**changes: object) -> Config:
    return parse_config(json.dumps({**LLAMA, **changes}).encode())


def tensors(*named: tuple[str, str, tuple[int, ...]]) -> dict[str, Tensor]:
    return {name: Tensor(name, dtype, shape, 0, 0) for name, dtype, shape in named}


def honest(read: Config) -> dict[str, Tensor]:
    slots = LAYOUTS[read.architecture](Dims(read.values, ()))
    return {slot.name: Tensor(slot.name, "F16", slot.shape, 0, 0) for slot in slots}


def rules_of(verdict: LayoutVerdict) -> list[str]:
    return [finding.rule.id for finding in verdict.findings]


def test_an_honest_model() -> None:
    verdict = check_layout(config(), honest(config()))
    assert verdict == LayoutVerdict((), True, 2048 + 64 * 64 * 2 + 2 * 32 * 64 + 3 * 96 * 64 + 3 * 64, 32)


@pytest.mark.parametrize("dropped", ["lm_head.weight", "model.layers.0.self_attn.rotary_emb.inv_freq"])
def test_what_loaders_drop_may_stay(dropped: str) -> None:
    extra = tensors((dropped, "F16", (32, 64)))
    assert check_layout(config(), {**honest(config()), **extra}).findings == ()


@pytest.mark.parametrize(
    ("rule", "name", "dtype", "shape"),
    [
        ("layout.wrong-shape", "model.norm.weight", "F16", (65,)),
        ("layout.wrong-shape", "model.norm.weight", "F16", (64, 1)),
        ("layout.wrong-shape", "model.norm.weight", "F16", ()),
        ("layout.wrong-shape", "model.embed_tokens.weight", "F16", (31, 64)),
        ("layout.wrong-dtype", "model.norm.weight", "I64", (64,)),
        ("layout.wrong-dtype", "model.embed_tokens.weight", "U32", (32, 64)),
        ("layout.wrong-dtype", "model.embed_tokens.weight", "F8_E4M3", (32, 64)),
        ("layout.unexpected-tensor", "model.layers.1.mlp.up_proj.weight", "F16", (96, 64)),
        ("layout.unexpected-tensor", "model.norm.scales", "F16", (1,)),
        ("layout.unexpected-tensor", "", "F16", ()),
    ],
)
def test_one_wrong_tensor(rule: str, name: str, dtype: str, shape: tuple[int, ...]) -> None:
    verdict = check_layout(config(), {**honest(config()), **tensors((name, dtype, shape))})
    assert rules_of(verdict) == [rule]
    assert verdict.is_checked


def test_a_missing_tensor() -> None:
    rest = honest(config())
    del rest["model.norm.weight"]
    assert rules_of(check_layout(config(), rest)) == ["layout.missing-tensor"]


def test_a_setting_that_the_architecture_needs() -> None:
    values = {k: v for k, v in LLAMA.items() if k != "intermediate_size"}
    verdict = check_layout(parse_config(json.dumps(values).encode()), honest(config()))
    assert rules_of(verdict) == ["config.incomplete", "layout.not-checked"]
    assert not verdict.is_checked


def test_a_configuration_alone_keeps_nobody_busy() -> None:
    huge = config(
        model_type="stablelm",
        num_hidden_layers=int(MAX_LAYERS),
        num_attention_heads=4096,
        num_key_value_heads=4096,
        hidden_size=4096,
        qk_layernorm=True,
    )
    # What lies past the point where counting stopped is not called unexpected.
    some = tensors(
        ("model.norm.weight", "F16", (4096,)), ("model.layers.999.mlp.up_proj.weight", "F16", (96, 4096))
    )
    verdict = check_layout(huge, some)
    assert rules_of(verdict) == ["layout.missing-tensor"]
    assert f"and {MAX_MISSING_TENSORS - 2} more" in verdict.findings[0].detail


def test_many_wrong_tensors_are_few_findings() -> None:
    extra = tensors(*((f"x.{i}", "F16", (1,)) for i in range(10_000)))
    wrong = {n: Tensor(n, t.dtype, (1,), 0, 0) for n, t in honest(config()).items()}
    verdict = check_layout(config(), {**wrong, **extra})
    assert rules_of(verdict) == ["layout.wrong-shape", "layout.unexpected-tensor"]
    assert all(len(finding.detail) < 600 for finding in verdict.findings)


def pack(
    all_: dict[str, Tensor], paths: Iterable[str], bits: int, group: int, dtype: str = "F16"
) -> dict[str, Tensor]:
    packed = dict(all_)
    for path in paths:
        rows, columns = all_[f"{path}.weight"].shape
        packed |= tensors(
            (f"{path}.weight", "U32", (rows, columns * bits // 32)),
            (f"{path}.scales", dtype, (rows, columns // group)),
            (f"{path}.biases", dtype, (rows, columns // group)),
        )
        if dtype == "U8":
            del packed[f"{path}.biases"]
    return packed


Q, E = "model.layers.0.self_attn.q_proj", "model.embed_tokens"


def test_packed_layers_count_unpacked() -> None:
    read = config(quantization={"bits": 4, "group_size": 64})
    assert check_layout(read, pack(honest(read), [Q, E], 4, 64)) == check_layout(config(), honest(config()))


@pytest.mark.parametrize(("mode", "bits", "group"), [("mxfp4", 4, 32), ("mxfp8", 8, 32), ("nvfp4", 4, 16)])
def test_modes_without_biases(mode: str, bits: int, group: int) -> None:
    read = config(quantization={"mode": mode})
    packed = pack(honest(read), [Q], bits, group, "U8")
    assert check_layout(read, packed).findings == ()
    extra = tensors((f"{Q}.biases", "U8", packed[f"{Q}.scales"].shape))
    assert rules_of(check_layout(read, {**packed, **extra})) == ["layout.unexpected-tensor"]
    scale = tensors((f"{Q}.global_scale", "F32", ()))
    expected = [] if mode == "nvfp4" else ["layout.unexpected-tensor"]
    assert rules_of(check_layout(read, {**packed, **scale})) == expected


@pytest.mark.parametrize(
    ("rule", "changed"),
    [
        ("layout.bad-quantization", (f"{Q}.scales", "F16", (64, 0))),
        ("layout.bad-quantization", (f"{Q}.scales", "F16", ())),
        ("layout.bad-quantization", (f"{Q}.scales", "F16", (64, 4))),
        ("layout.bad-quantization", (f"{Q}.scales", "F16", (63, 1))),
        ("layout.bad-quantization", (f"{Q}.scales", "I32", (64, 1))),
        ("layout.bad-quantization", (f"{Q}.scales", "U8", (64, 1))),
        ("layout.bad-quantization", (f"{Q}.biases", "F16", (64, 2))),
        ("layout.bad-quantization", (f"{Q}.biases", "F32", (64,))),
        ("layout.bad-quantization", (f"{Q}.weight", "U32", (64, 7))),
        ("layout.bad-quantization", (f"{Q}.weight", "U32", (64, 14))),
        ("layout.bad-quantization", (f"{Q}.weight", "F16", (64, 64))),
        ("layout.bad-quantization", (f"{Q}.weight", "U32", ())),
        ("layout.bad-quantization", (f"{Q}.weight", "U32", (64, 1 << 60))),
    ],
)
def test_packed_layers_that_do_not_fit(rule: str, changed: tuple[str, str, tuple[int, ...]]) -> None:
    read = config(quantization={"bits": 4, "group_size": 64})
    packed = {**pack(honest(read), [Q], 4, 64), **tensors(changed)}
    assert rule in rules_of(check_layout(read, packed))


def test_missing_parts_of_a_packed_layer() -> None:
    read = config(quantization={"bits": 4, "group_size": 64})
    for leaf, rule in (
        ("biases", "layout.missing-tensor"),
        ("weight", "layout.missing-tensor"),
        ("scales", "layout.wrong-shape"),
    ):
        packed = pack(honest(read), [Q], 4, 64)
        del packed[f"{Q}.{leaf}"]
        assert rule in rules_of(check_layout(read, packed)), leaf


def test_packed_without_a_word_in_the_configuration() -> None:
    assert "layout.unexpected-tensor" in rules_of(check_layout(config(), pack(honest(config()), [Q], 4, 64)))


def test_a_layer_may_differ_only_as_the_configuration_says() -> None:
    read = config(quantization={"bits": 4, "group_size": 64, Q: {"bits": 8, "group_size": 32}, E: False})
    assert check_layout(read, pack(honest(read), [Q], 8, 32)).findings == ()
    assert "layout.bad-quantization" in rules_of(check_layout(read, pack(honest(read), [Q], 4, 64)))
    assert "layout.wrong-shape" in rules_of(check_layout(read, pack(pack(honest(read), [Q], 8, 32), [E], 4, 64)))
    # MLX-LM reads what it is not told from the shapes.
    other = config(quantization={"bits": 4, "group_size": 64})
    assert check_layout(other, pack(honest(other), [Q], 8, 32)).findings == ()


def test_odd_widths_cannot_be_packed() -> None:
    _, findings = check_packed("x", (8, 48), Quantization(4, 64, "affine"), {})
    assert [finding.rule.id for finding in findings] == ["layout.bad-quantization"]
    assert find_packing("x", 0, {"x.scales": Piece("F16", (1,)), "x.weight": Piece("U32", (1,))}, PLAN) is not None


OTHER: dict[str, object] = {"model_type": "gemma3n", "text_config": {"num_hidden_layers": 2, "vocab_size": 32}}


def other(**changes: object) -> Config:
    return parse_config(json.dumps({**OTHER, **changes}).encode())


@pytest.mark.parametrize(
    ("rules", "changes", "pieces"),
    [
        ([], {}, [("model.embed_tokens.weight", "F16", (32, 8)), ("language_model.model.layers.1.x", "I8", (3,))]),
        ([], {}, [("vision_tower.layers.30.x", "F16", (1,)), ("embed_tokens.weight", "F16", (40, 8))]),
        (["layout.wrong-shape"], {}, [("language_model.model.embed_tokens.weight", "F16", (31, 8))]),
        (["layout.layer-beyond-last"], {}, [("model.layers.2.x", "F16", (1,))]),
        ([], {"num_nextn_predict_layers": 1}, [("model.layers.2.x", "F16", (1,))]),
        (["layout.layer-beyond-last"], {}, [("model.language_model.layers.999999999.x", "F16", (1,))]),
        (
            [],
            {"quantization": {"bits": 4}},
            [("a.weight", "U32", (2, 8)), ("a.scales", "F16", (2, 1)), ("a.biases", "F16", (2, 1))],
        ),
        ([], {"quantization": {"mode": "mxfp4"}}, [("a.weight", "U32", (2, 4)), ("a.scales", "U8", (2, 1))]),
        (["layout.bad-quantization"], {"quantization": {"bits": 4}}, [("a.scales", "F16", (2, 1))]),
        (
            ["layout.bad-quantization"],
            {"quantization": {"bits": 4}},
            [("a.weight", "U32", (2, 7)), ("a.scales", "F16", (2, 1))],
        ),
        (
            ["layout.bad-quantization"],
            {"quantization": {"bits": 4}},
            [("a.weight", "U32", (3, 8)), ("a.scales", "F16", (2, 1))],
        ),
        (
            ["layout.bad-quantization"],
            {"quantization": {"bits": 4}},
            [("a.weight", "U32", (2, 0)), ("a.scales", "F16", (2, 0))],
        ),
        (
            ["layout.bad-quantization"],
            {"quantization": {"bits": 4}},
            [("a.weight", "U32", (2, 8)), ("a.scales", "F16", (2, 1)), ("a.biases", "F16", (2, 2))],
        ),
        (
            ["layout.bad-quantization"],
            {"quantization": {"bits": 4, "a": {"bits": 8}}},
            [("a.weight", "U32", (2, 8)), ("a.scales", "F16", (2, 1))],
        ),
    ],
)
def test_what_holds_for_any_architecture(
    rules: list[str], changes: dict[str, object], pieces: list[tuple[str, str, tuple[int, ...]]]
) -> None:
    verdict = check_layout(other(**changes), tensors(*pieces))
    assert rules_of(verdict) == ["layout.not-checked", *rules]
    assert not verdict.is_checked


def test_unlisted_packed_weights_count_unpacked() -> None:
    read = other(quantization={"bits": 4, "b": {"bits": 8}})
    pieces = tensors(
        ("a.weight", "U32", (2, 8)), ("a.scales", "F16", (2, 1)), ("a.biases", "F16", (2, 1)), ("a.bias", "F16", (2,)),
        ("b.weight", "U32", (2, 16)), ("b.scales", "F16", (2, 1)), ("norm", "F16", (5,)),
    )  # fmt: skip
    assert check_layout(read, pieces).parameters == 128 + 2 + 128 + 5


@pytest.mark.parametrize(
    ("changes", "extra"),
    [
        ({"quantization_config": {"quant_method": "awq"}}, "model.layers.0.self_attn.q_proj.qweight"),
        ({}, "model.layers.0.self_attn.q_proj.weight_scale_inv"),
    ],
)
def test_weights_of_other_packers_are_left_to_the_loader(changes: dict[str, object], extra: str) -> None:
    read = config(**changes)
    verdict = check_layout(read, {**honest(config()), **tensors((extra, "F32", (1,)))})
    assert (rules_of(verdict), verdict.is_checked) == (["layout.not-checked"], False)


def test_another_convention_of_names_is_refused_as_the_loader_would() -> None:
    renamed = {
        f"transformer.{n}": Tensor(f"transformer.{n}", t.dtype, t.shape, 0, 0) for n, t in honest(config()).items()
    }
    assert rules_of(check_layout(config(), renamed)) == ["layout.missing-tensor", "layout.unexpected-tensor"]
    assert "layout.missing-tensor" in rules_of(check_layout(config(), {}))


def test_two_names_for_one_tensor_are_seen() -> None:
    cleaned = clean_names("gpt2", tensors(("wte.weight", "F16", (1,)), ("model.wte.weight", "F16", (2,))))
    assert cleaned == {"model.wte.weight": Piece("F16", (2,)), "wte.weight": Piece("F16", (1,))}


def test_experts_are_stacked_only_when_alike_and_complete() -> None:
    def stacked(*pieces: tuple[int, tuple[int, ...]]) -> bool:
        named = tensors(*((f"model.layers.0.mlp.experts.{i}.up_proj.weight", "F16", s) for i, s in pieces))
        return "model.layers.0.mlp.switch_mlp.up_proj.weight" in clean_names("qwen2_moe", named)

    assert stacked((0, (2, 3)), (1, (2, 3)))
    assert not stacked((0, (2, 3)), (1, (2, 4)))
    assert not stacked((0, (2, 3)), (2, (2, 3)))
    assert not stacked((1, (2, 3)))
    twice = tensors(
        ("x.mlp.experts.0.up_proj.weight", "F16", (1,)), ("x.mlp.switch_mlp.up_proj.weight", "F16", (1, 1)),
        ("x.mlp.experts.00.up_proj.weight", "F16", (1,)),
    )  # fmt: skip
    assert len(clean_names("qwen2_moe", twice)) == 3
