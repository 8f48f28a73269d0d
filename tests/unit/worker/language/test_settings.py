"""How the engine is set up: closed as well."""

from __future__ import annotations

from typing import Any

import pytest

from ostiary.networks.architectures import list_modules
from ostiary.worker.engines.language.settings import Settings, parse_settings


def test_settings() -> None:
    assert parse_settings({}) == Settings()
    assert parse_settings({}).modules == list_modules()
    read = parse_settings({"adapter": "a", "chunk_tokens": 64, "rows": 3, "architectures": ["mistral", "llama"]})
    assert read == Settings(adapter="a", chunk_tokens=64, rows=3, modules=("llama",))
    assert parse_settings({"architectures": ["gemma3"]}).modules == ("gemma3", "gemma3_text")


@pytest.mark.parametrize(
    "values",
    [
        {"trust_remote_code": True},
        {"adapter": 3},
        {"chunk_tokens": 0},
        {"chunk_tokens": True},
        {"chunk_tokens": "64"},
        {"rows": 257},
        {"architectures": "llama"},
        {"architectures": ["os"]},
        {"architectures": [["llama"]]},
    ],
)
def test_settings_that_are_none(values: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"setting|adapter|must"):
        parse_settings(values)
