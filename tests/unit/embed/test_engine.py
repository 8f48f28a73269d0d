"""MLX is an extra: without it there is a no with a hint, and importing this room needs none of it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ostiary import embed
from ostiary.errors import Misuse


def test_importing_imports_no_engine() -> None:
    program = """
import sys
import ostiary.embed
engines = {"mlx", "mlx_lm", "numpy", "transformers", "tokenizers", "safetensors", "torch"} & set(sys.modules)
sys.exit(f"imported {engines}" if engines else 0)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("load", [embed.load, embed.load_model])
def test_without_mlx_nothing_is_looked_at(load: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mlx.core", None)
    with pytest.raises(Misuse, match="needs mlx, which is not installed") as caught:
        load(tmp_path / "nothing")  # type: ignore[operator]
    assert caught.value.code == "EXTRA_MISSING"
    assert "ostiary[mlx]" in caught.value.hint


def test_without_mlx_lists_are_checked_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mlx.core", None)
    embed.token_ids(5)([1, [2, 4]])
