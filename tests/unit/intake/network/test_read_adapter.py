"""Adapters: what they claim, and whether their tensors fit the model beside them."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest

from ostiary.errors import IntakeRefused
from ostiary.intake.network.check_adapter import check_adapter
from ostiary.intake.network.read_adapter import Adapter, AdapterKind, parse_adapter
from ostiary.intake.network.read_config import parse_config
from ostiary.intake.weights.tensor import Tensor

LORA: dict[str, object] = {
    "fine_tune_type": "lora",
    "num_layers": 1,
    "lora_parameters": {"rank": 4, "scale": 20.0, "dropout": 0.0, "keys": ["self_attn.q_proj"]},
    "batch_size": 4,
}
PEFT: dict[str, object] = {
    "peft_type": "LORA",
    "r": 4,
    "lora_alpha": 8,
    "lora_dropout": 0.05,
    "target_modules": ["q_proj"],
    "base_model_name_or_path": "owner/model",
}
CONFIG = parse_config(b'{"model_type":"llama"}')
Q, E = "model.layers.0.self_attn.q_proj", "model.embed_tokens"


def tensors(*named: tuple[str, tuple[int, ...]], dtype: str = "F32") -> dict[str, Tensor]:
    return {name: Tensor(name, dtype, shape, 0, 0) for name, shape in named}


BASE = tensors((f"{Q}.weight", (64, 32)), (f"{E}.weight", (100, 32)), ("x.switch_mlp.up_proj.weight", (5, 64, 32)))
PAIR = tensors((f"{Q}.lora_a", (32, 4)), (f"{Q}.lora_b", (4, 64)))


def parse(base: Mapping[str, object] = LORA, /, **changes: object) -> Adapter:
    return parse_adapter(json.dumps({**base, **changes}).encode())


def rules(adapter: Adapter, given: Mapping[str, Tensor], base: Mapping[str, Tensor] = BASE) -> list[str]:
    return [finding.rule.id for finding in check_adapter(adapter, given, CONFIG, base)]


def test_an_honest_adapter() -> None:
    adapter = parse()
    assert adapter == Adapter(AdapterKind.LORA, False, 4, 20.0, 1, ("self_attn.q_proj",), None, ())
    assert rules(adapter, PAIR) == []


def test_an_honest_peft_adapter() -> None:
    adapter = parse(PEFT)
    assert (adapter.kind, adapter.is_peft, adapter.rank, adapter.scale) == (AdapterKind.LORA, True, 4, 2.0)
    assert [note.rule.id for note in adapter.notes] == ["adapter.names-a-base"]
    prefix = f"base_model.model.{Q}.lora_"
    assert rules(adapter, tensors((f"{prefix}A.weight", (4, 32)), (f"{prefix}B.weight", (64, 4)))) == []
    whole = tensors(("base_model.model.lm_head.weight", (100, 32)))
    pair = tensors((f"{prefix}A.default.weight", (4, 32)), (f"{prefix}B.default.weight", (64, 4)))
    assert rules(adapter, {**pair, **whole}) == ["adapter.not-checked"]


@pytest.mark.parametrize(
    "changes",
    [
        {"lora_parameters": {"rank": 8, "alpha": 16, "scale": 10}},
        {"num_layers": -1},
        {"fine_tune_type": "dora"},
        {"model": "owner/model", "data": "x", "resume_adapter_file": None},
    ],
)
def test_honest_variations(changes: dict[str, object]) -> None:
    assert parse(**changes).notes == ()


@pytest.mark.parametrize(
    ("rule", "base", "changes"),
    [
        ("adapter.unknown-kind", LORA, {"fine_tune_type": "magic"}),
        ("adapter.unknown-kind", LORA, {"fine_tune_type": 1}),
        ("adapter.unknown-kind", LORA, {"fine_tune_type": ["lora"]}),
        ("adapter.malformed", LORA, {"num_layers": "1"}),
        ("adapter.malformed", LORA, {"num_layers": True}),
        ("adapter.malformed", LORA, {"lora_parameters": [1]}),
        ("adapter.malformed", LORA, {"lora_parameters": {"rank": 4.0}}),
        ("adapter.malformed", LORA, {"lora_parameters": {"rank": 4, "scale": "1"}}),
        ("adapter.malformed", LORA, {"lora_parameters": {"rank": 4, "keys": "q"}}),
        ("adapter.malformed", LORA, {"lora_parameters": {"rank": 4, "keys": [1]}}),
        ("adapter.out-of-range", LORA, {"num_layers": 10**9}),
        ("adapter.out-of-range", LORA, {"lora_parameters": {"rank": 0}}),
        ("adapter.out-of-range", LORA, {"lora_parameters": {"rank": 10**6}}),
        ("adapter.out-of-range", LORA, {"lora_parameters": {"rank": 4, "dropout": 1}}),
        ("adapter.out-of-range", LORA, {"lora_parameters": {"rank": 4, "dropout": -0.1}}),
        ("adapter.out-of-range", LORA, {"lora_parameters": {"rank": 4, "keys": ["a"] * 5_000}}),
        ("adapter.incomplete", LORA, {"lora_parameters": None}),
        ("adapter.incomplete", LORA, {"lora_parameters": {"scale": 1}}),
        ("json.not-finite", LORA, {"lora_parameters": {"rank": 4, "scale": float("inf")}}),
        ("adapter.malformed", PEFT, {"peft_type": 1}),
        ("adapter.malformed", PEFT, {"r": "8"}),
        ("adapter.malformed", PEFT, {"base_model_name_or_path": 5}),
        ("adapter.malformed", PEFT, {"target_modules": {"a": 1}}),
        ("adapter.out-of-range", PEFT, {"r": 0}),
        ("adapter.out-of-range", PEFT, {"lora_dropout": 2}),
        ("adapter.incomplete", PEFT, {"r": None}),
    ],
)
def test_refused(rule: str, base: Mapping[str, object], changes: dict[str, object]) -> None:
    with pytest.raises(IntakeRefused) as caught:
        parse(base, **changes)
    assert caught.value.findings[0].rule.id == rule


@pytest.mark.parametrize(
    ("rule", "base", "changes"),
    [
        ("adapter.replaces-weights", LORA, {"fine_tune_type": "full", "lora_parameters": None}),
        ("adapter.unusual", LORA, {"lora_parameters": {"rank": 4, "scale": 1e9}}),
        ("adapter.unusual", PEFT, {"lora_alpha": -1e9, "base_model_name_or_path": None}),
        ("adapter.pattern", PEFT, {"target_modules": "(a+)+$", "base_model_name_or_path": ""}),
        ("adapter.not-checked", PEFT, {"peft_type": "IA3", "base_model_name_or_path": None}),
    ],
)
def test_noted(rule: str, base: Mapping[str, object], changes: dict[str, object]) -> None:
    assert [note.rule.id for note in parse(base, **changes).notes] == [rule]


@pytest.mark.parametrize(
    ("expected", "given"),
    [
        (["adapter.incomplete"], {}),
        (["adapter.incomplete"], tensors((f"{Q}.lora_a", (32, 4)))),
        (["adapter.incomplete"], tensors((f"{Q}.lora_b", (4, 64)))),
        (["adapter.unexpected-tensor"], {**PAIR, **tensors((f"{Q}.weight", (64, 32)))}),
        (["adapter.unexpected-tensor"], {**PAIR, **tensors((f"{Q}.m", (64,)))}),
        (["adapter.unexpected-tensor"], tensors(("y.lora_a", (32, 4)), ("y.lora_b", (4, 64)))),
        (["adapter.does-not-fit"], tensors((f"{Q}.lora_a", (32, 5)), (f"{Q}.lora_b", (5, 64)))),
        (["adapter.does-not-fit"], tensors((f"{Q}.lora_a", (32, 4)), (f"{Q}.lora_b", (3, 64)))),
        (["adapter.does-not-fit"], tensors((f"{Q}.lora_a", (31, 4)), (f"{Q}.lora_b", (4, 64)))),
        (["adapter.does-not-fit"], tensors((f"{Q}.lora_a", (64, 4)), (f"{Q}.lora_b", (4, 32)))),
        (["adapter.does-not-fit"], tensors((f"{Q}.lora_a", (32,)), (f"{Q}.lora_b", (64,)))),
        (["adapter.does-not-fit"], tensors((f"{Q}.lora_a", (32, 0)), (f"{Q}.lora_b", (0, 64)))),
        (["adapter.does-not-fit"], tensors((f"{Q}.lora_a", (32, 4)), (f"{Q}.lora_b", (4, 64)), dtype="U32")),
        ([], tensors((f"{E}.lora_a", (100, 4)), (f"{E}.lora_b", (4, 32)))),
        ([], tensors(("x.switch_mlp.up_proj.lora_a", (5, 4, 32)), ("x.switch_mlp.up_proj.lora_b", (5, 64, 4)))),
        (
            ["adapter.does-not-fit"],
            tensors(("x.switch_mlp.up_proj.lora_a", (6, 4, 32)), ("x.switch_mlp.up_proj.lora_b", (6, 64, 4))),
        ),
    ],
)
def test_tensors(expected: list[str], given: Mapping[str, Tensor]) -> None:
    assert rules(parse(), given) == expected


def test_a_packed_base() -> None:
    packed = tensors((f"{Q}.weight", (64, 4)), dtype="U32")
    assert rules(parse(), PAIR, packed) == []
    assert rules(parse(), PAIR, tensors((f"{Q}.weight", (64, 7)), dtype="U32")) == ["adapter.does-not-fit"]


def test_dora_has_a_magnitude() -> None:
    magnitude = tensors((f"{Q}.m", (64,)))
    assert rules(parse(fine_tune_type="dora"), {**PAIR, **magnitude}) == []


def test_a_full_adapter_holds_what_the_base_has() -> None:
    adapter = parse(fine_tune_type="full")
    assert rules(adapter, tensors((f"{Q}.weight", (64, 32)))) == []
    assert rules(adapter, tensors((f"{Q}.weight", (64, 33)))) == ["adapter.does-not-fit"]
    assert rules(adapter, tensors((f"{Q}.weight", (64, 32)), dtype="U32")) == ["adapter.does-not-fit"]
    assert rules(adapter, tensors(("evil", (1,)))) == ["adapter.unexpected-tensor"]


def test_without_a_base() -> None:
    assert [f.rule.id for f in check_adapter(parse(), PAIR, None, {})] == ["adapter.not-checked"]
    assert [f.rule.id for f in check_adapter(parse(fine_tune_type="full"), PAIR, None, {})] == [
        "adapter.not-checked"
    ]
    assert check_adapter(parse(PEFT, peft_type="IA3"), {}, None, {}) == ()


def test_one_layer_named_twice() -> None:
    twice = tensors((f"base_model.model.{Q}.lora_A.weight", (4, 32)), (f"{Q}.lora_A.weight", (4, 32)), (f"{Q}.lora_B.weight", (64, 4)))  # fmt: skip
    assert rules(parse(PEFT), twice) == ["adapter.unexpected-tensor"]
