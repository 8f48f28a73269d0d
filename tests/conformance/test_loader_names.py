"""The names in `loader_names` are those that the installed MLX-LM and Transformers ship."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

from ostiary.intake.tokens.loader_names import CHAT_TEMPLATE_TYPES, TOKENIZER_CLASSES, TOOL_PARSERS

pytestmark = pytest.mark.mlx


def package_directory(name: str) -> Path:
    pytest.importorskip(name)
    spec = importlib.util.find_spec(name)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent


def modules_in(directory: Path) -> set[str]:
    return {path.stem for path in directory.glob("*.py")} - {"__init__"}


def test_tool_parsers() -> None:
    assert modules_in(package_directory("mlx_lm") / "tool_parsers") == TOOL_PARSERS


def test_chat_template_types() -> None:
    assert modules_in(package_directory("mlx_lm") / "chat_templates") == CHAT_TEMPLATE_TYPES


def test_tokenizer_classes() -> None:
    shipped = set()
    for path in (package_directory("transformers") / "models").glob("*/tokenization_*.py"):
        shipped |= set(
            re.findall(r"^class (\w+Tokenizer)(?:Fast)?\(", path.read_text(encoding="utf-8"), re.MULTILINE)
        )
    assert len(shipped) > 50
    assert shipped <= TOKENIZER_CLASSES
