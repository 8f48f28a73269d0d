"""The index over several weights files."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest

from ostiary.errors import IntakeRefused
from ostiary.intake.weights.read_index import ShardIndex, check_index, parse_index
from ostiary.intake.weights.tensor import Tensor

A, B = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"


def tensors(*names: str) -> Mapping[str, Tensor]:
    return {name: Tensor(name, "F32", (2,), 8 * i, 8 * i + 8) for i, name in enumerate(names)}


def index(weight_map: object, **metadata: object) -> ShardIndex:
    return parse_index(json.dumps({"metadata": metadata, "weight_map": weight_map}).encode())


def rules_of(checked: ShardIndex, shards: Mapping[str, Mapping[str, Tensor]]) -> list[str]:
    return [finding.rule.id for finding in check_index(checked, shards)]


HONEST = {"x": A, "y": A, "z": B}
SHARDS = {A: tensors("x", "y"), B: tensors("z")}


@pytest.mark.parametrize("total", [0, 24, 24.0, None])
def test_an_honest_index(total: object) -> None:
    read = index(HONEST, total_size=total)
    assert read.weight_map == HONEST
    assert check_index(read, SHARDS) == ()


def test_no_metadata() -> None:
    assert parse_index(json.dumps({"weight_map": HONEST}).encode()).total_size is None


@pytest.mark.parametrize(
    ("rule", "weight_map"),
    [
        ("index.malformed", [1]),
        ("index.malformed", None),
        ("index.malformed", {}),
        ("index.malformed", {"x": 1}),
        ("index.malformed", {"x": None}),
        ("index.malformed", {"x": ""}),
        ("index.malformed", {"x": "./a.safetensors"}),
        ("index.malformed", {"x": "a//b"}),
        ("index.malformed", {"x": "a" * 2_000}),
        ("index.path-escape", {"x": "/etc/passwd"}),
        ("index.path-escape", {"x": "../../outside.safetensors"}),
        ("index.path-escape", {"x": "a/../b"}),
        ("index.path-escape", {"x": "a\\..\\b"}),
        ("index.path-escape", {"x": "C:/a"}),
        ("index.path-escape", {"x": "a\x00b"}),
        ("index.path-escape", {"x": "a\nb"}),
    ],
)
def test_refused(rule: str, weight_map: object) -> None:
    with pytest.raises(IntakeRefused) as caught:
        index(weight_map)
    assert caught.value.findings[0].rule.id == rule
    assert caught.value.message.isprintable()


def test_metadata_must_be_an_object() -> None:
    with pytest.raises(IntakeRefused):
        parse_index(b'{"weight_map":{"x":"a"},"metadata":[]}')


@pytest.mark.parametrize(
    ("rule", "weight_map", "shards"),
    [
        ("index.shard-missing", HONEST, {A: tensors("x", "y")}),
        ("index.shard-unlisted", HONEST, {**SHARDS, "model-9.safetensors": tensors("x")}),
        ("index.tensor-elsewhere", {"x": B, "y": A, "z": B}, SHARDS),
        ("index.tensor-unlisted", {"x": A, "z": B}, SHARDS),
        ("index.tensor-missing", {**HONEST, "w": A}, SHARDS),
        ("index.tensor-twice", HONEST, {A: tensors("x", "y"), B: tensors("z", "x")}),
    ],
)
def test_contradictions(rule: str, weight_map: object, shards: Mapping[str, Mapping[str, Tensor]]) -> None:
    found = check_index(index(weight_map), shards)
    assert [finding.rule.id for finding in found] == [rule]
    assert found[0].is_refusing


@pytest.mark.parametrize("total", [23, 1 << 60])
def test_a_wrong_size_is_a_note(total: object) -> None:
    (finding,) = check_index(index(HONEST, total_size=total), SHARDS)
    assert (finding.rule.id, finding.is_refusing) == ("index.wrong-size", False)


@pytest.mark.parametrize("total", ["24", -1, True, [1]])
def test_a_size_that_is_none_is_a_note(total: object) -> None:
    assert [note.rule.id for note in index(HONEST, total_size=total).notes] == ["index.wrong-size"]


def test_many_of_a_kind_are_one_finding() -> None:
    many = {f"t{i}": A for i in range(10_000)}
    (finding,) = check_index(index(many), {A: {}})
    assert finding.rule.id == "index.tensor-missing"
    assert "and 9997 more" in finding.detail
    assert len(finding.sentence) < 200
