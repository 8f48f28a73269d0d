"""The parts of MLX and MLX-LM that networks are built from."""

from __future__ import annotations

import importlib
from typing import Any, Final

import mlx.core as mx

nn: Final[Any] = importlib.import_module("mlx.nn")
"""Its stubs do not list what it exports."""
_tree: Final[Any] = importlib.import_module("mlx.utils")
SUPPORTED: Final = (0, 32)
"""The series of MLX-LM whose networks the tests hold ours against: another may do other things."""


def check_version() -> None:
    """Raises ImportError."""
    version = str(import_part("_version").__version__)
    if tuple(int(part) for part in version.split(".")[:2]) != SUPPORTED:
        raise ImportError(f"mlx-lm {'.'.join(map(str, SUPPORTED))} is needed, not another series", name="mlx_lm")


def import_part(name: str) -> Any:
    """A module of MLX-LM, by a name of ours and never by a model's."""
    return importlib.import_module(f"mlx_lm.{name}")


def list_arrays(model: Any) -> list[tuple[str, mx.array]]:
    """The weights of a network, by name."""
    listed: list[tuple[str, mx.array]] = _tree.tree_flatten(model.parameters())
    return listed


def nest_parts(parts: list[tuple[str, Any]]) -> Any:
    """Parts of a network by path, as `update_modules` takes them."""
    return _tree.tree_unflatten(parts)
