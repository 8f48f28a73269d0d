"""One test for each code of functions on their way into a graph, named by what brings it about."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

mx = pytest.importorskip("mlx.core")

import ostiary  # noqa: E402
from ostiary.errors import ExportRefused  # noqa: E402
from ostiary.exporter import try_out  # noqa: E402
from ostiary.exporter.compare import Difference  # noqa: E402

pytestmark = pytest.mark.mlx

X = mx.ones((2, 3))


def an_operation_that_mlx_tells_nothing_of(path: Path, _monkeypatch: pytest.MonkeyPatch) -> None:
    ostiary.export(mx.to_fp8, X, path / "f")


def a_loop_over_a_size_that_varies(path: Path, _monkeypatch: pytest.MonkeyPatch) -> None:
    ostiary.export(
        lambda x: mx.stack([x[:, i] * i for i in range(x.shape[1])]), X, path / "f", dims={"x": [None, "n"]}
    )


def a_choice_by_the_value_of_an_array(path: Path, _monkeypatch: pytest.MonkeyPatch) -> None:
    ostiary.export(lambda x: x if x.sum() > 0 else -x, X, path / "f")


def a_result_that_is_no_array(path: Path, _monkeypatch: pytest.MonkeyPatch) -> None:
    ostiary.export(lambda x: {"x": x, "size": x.size}, X, path / "f")


def a_graph_that_computes_something_else(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(try_out, "find_worst", lambda *_: (0, Difference(0.5, is_rounding=False)))
    ostiary.export(lambda x: x * 2, X, path / "f")


def a_place_that_is_taken(path: Path, _monkeypatch: pytest.MonkeyPatch) -> None:
    (path / "f").mkdir()
    ostiary.export(lambda x: x * 2, X, path / "f")


@pytest.mark.parametrize(
    ("act", "code"),
    [
        (an_operation_that_mlx_tells_nothing_of, "EXPORT_OPERATION"),
        (a_loop_over_a_size_that_varies, "EXPORT_SIZE"),
        (a_choice_by_the_value_of_an_array, "EXPORT_FUNCTION"),
        (a_result_that_is_no_array, "EXPORT_VALUE"),
        (a_graph_that_computes_something_else, "EXPORT_DIFFERS"),
        (a_place_that_is_taken, "EXPORT_EXISTS"),
    ],
)
def test_the_code(
    act: Callable[[Path, pytest.MonkeyPatch], None], code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ExportRefused) as caught:
        act(tmp_path, monkeypatch)
    assert caught.value.code == code
    assert str(tmp_path) not in caught.value.message
    assert "\n" not in caught.value.message
