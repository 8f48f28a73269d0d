"""The allow-list of architectures is what the installed MLX-LM has, read without importing any of its modules."""

from __future__ import annotations

import ast
import importlib.util
from pathlib import Path

import pytest

pytest.importorskip("mlx_lm")

from ostiary.intake.network.architectures import ARCHITECTURES, REMAPPED, REMAPPED_BY_CLASS, WITH_TEXT_CONFIG

pytestmark = pytest.mark.mlx


def package() -> Path:
    spec = importlib.util.find_spec("mlx_lm")
    assert spec is not None
    assert spec.submodule_search_locations
    return Path(spec.submodule_search_locations[0])


def names_in(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.ImportFrom):
            names.update(alias.asname or alias.name for alias in node.names)
    return names


def test_every_module_with_a_model_is_listed_and_nothing_else() -> None:
    modules = {p.stem for p in (package() / "models").glob("*.py") if {"Model", "ModelArgs"} <= names_in(p)}
    assert modules == ARCHITECTURES


def test_remapping_is_mlx_lms() -> None:
    constants = {
        node.targets[0].id: ast.literal_eval(node.value)
        for node in ast.parse((package() / "utils.py").read_text(encoding="utf-8")).body
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and node.targets[0].id in ("MODEL_REMAPPING", "MODEL_ARCHITECTURE_REMAPPING")
    }
    assert constants["MODEL_REMAPPING"] == dict(REMAPPED)
    assert constants["MODEL_ARCHITECTURE_REMAPPING"] == dict(REMAPPED_BY_CLASS)


def test_only_these_read_a_text_config() -> None:
    def reads_it(path: Path) -> bool:
        return any(
            isinstance(part, ast.AnnAssign) and ast.unparse(part.target) == "text_config"
            for node in ast.parse(path.read_text(encoding="utf-8")).body
            if isinstance(node, ast.ClassDef) and node.name == "ModelArgs"
            for part in node.body
        )

    inheriting = {"prism_hadamard_qwen35"}  # from qwen3_5
    stems = {path.stem for path in (package() / "models").glob("*.py") if reads_it(path)}
    assert stems | inheriting == WITH_TEXT_CONFIG
