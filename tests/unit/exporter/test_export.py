"""`ostiary.export` where MLX is not installed."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import ostiary
from ostiary.errors import Misuse


def test_without_mlx_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "mlx"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "mlx", None)
    with pytest.raises(Misuse) as caught:
        ostiary.export(lambda x: x, [], tmp_path / "model")
    assert caught.value.code == "EXTRA_MISSING"
    assert "mlx" in caught.value.message


def test_what_cannot_be_called_is_misuse(tmp_path: Path) -> None:
    with pytest.raises(Misuse):
        ostiary.export("function", [], tmp_path / "model")  # type: ignore[arg-type]
