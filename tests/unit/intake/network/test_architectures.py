"""Which names reach an import."""

from __future__ import annotations

import pytest

from ostiary.errors import IntakeRefused
from ostiary.intake.network.architectures import ARCHITECTURES, REMAPPED, REMAPPED_BY_CLASS, find_architecture
from ostiary.intake.read_json import JsonValue


@pytest.mark.parametrize(
    ("claimed", "classes", "architecture"),
    [
        ("llama", ["LlamaForCausalLM"], "llama"),
        ("mistral", None, "llama"),
        ("lille-130m", "One", "lille-130m"),
        ("bailing_hybrid", ["X", "BailingMoeV3ForCausalLM"], "bailing_moe_v3"),
        ("bailing_hybrid", [], "bailing_hybrid"),
    ],
)
def test_known(claimed: str, classes: JsonValue, architecture: str) -> None:
    assert find_architecture(claimed, classes) == architecture


@pytest.mark.parametrize(
    ("claimed", "classes", "rule"),
    [
        (None, None, "config.model-type-missing"),
        (7, None, "config.model-type-not-a-name"),
        (["llama"], None, "config.model-type-not-a-name"),
        ({}, None, "config.model-type-not-a-name"),
        (True, None, "config.model-type-not-a-name"),
        ("../../evil", None, "config.model-type-not-a-name"),
        ("llama\x00x", None, "config.model-type-not-a-name"),
        ("llama\n", None, "config.model-type-not-a-name"),
        ("\uff4c\uff4c\uff41\uff4d\uff41", None, "config.model-type-not-a-name"),
        ("base", None, "config.unknown-architecture"),
        ("cache", None, "config.unknown-architecture"),
        ("llama.Model", None, "config.unknown-architecture"),
        ("..os", None, "config.unknown-architecture"),
        ("Llama", None, "config.unknown-architecture"),
        ("", None, "config.unknown-architecture"),
        ("bert", ["BertModel"], "config.unknown-architecture"),
        ("llama", [1], "config.architectures-not-names"),
        ("llama", {"a": "b"}, "config.architectures-not-names"),
        ("llama", [["LlamaForCausalLM"]], "config.architectures-not-names"),
    ],
)
def test_refused(claimed: JsonValue, classes: JsonValue, rule: str) -> None:
    with pytest.raises(IntakeRefused) as caught:
        find_architecture(claimed, classes)
    assert caught.value.findings[0].rule.id == rule
    assert caught.value.message.isprintable()


def test_every_remapping_leads_to_a_module() -> None:
    assert set(REMAPPED.values()) | set(REMAPPED_BY_CLASS.values()) <= ARCHITECTURES
    assert not set(REMAPPED) & ARCHITECTURES
