# ruff: noqa: E402 (the judge is imported once it is known that it is there)
"""The configurations that Transformers itself writes for the architectures of MLX-LM are honest, every one of them."""

from __future__ import annotations

import json

import pytest

transformers = pytest.importorskip("transformers")

from ostiary.intake.code.find_code_in_json import find_code_in_json
from ostiary.intake.network.architectures import ARCHITECTURES, REMAPPED
from ostiary.intake.network.read_config import parse_config

pytestmark = pytest.mark.mlx

TYPES = sorted({*ARCHITECTURES, *REMAPPED} & set(transformers.CONFIG_MAPPING.keys()))


def test_there_are_many() -> None:
    assert len(TYPES) > 50


@pytest.mark.parametrize("model_type", TYPES)
def test_a_default_configuration_is_let_in_without_a_note(model_type: str) -> None:
    text = transformers.CONFIG_MAPPING[model_type]().to_json_string(use_diff=False)
    config = parse_config(text.encode())
    assert config.model_type == json.loads(text)["model_type"]
    assert config.notes == ()
    assert find_code_in_json(json.loads(text)) == ()
