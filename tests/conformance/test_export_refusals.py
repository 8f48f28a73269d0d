"""What cannot become a graph is refused with its name and its place in the code."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

mx = pytest.importorskip("mlx.core")

from mlx import nn  # noqa: E402

import ostiary  # noqa: E402
from ostiary.errors import ExportRefused  # noqa: E402
from ostiary.exporter.translate import PRIMITIVES_OF_MLX  # noqa: E402
from ostiary.exporter.untraced import UNTRACED  # noqa: E402

pytestmark = pytest.mark.mlx

X = mx.ones((4, 6))
FILE = Path(__file__).name


class Packing(nn.Module):
    def __call__(self, x: mx.array) -> mx.array:
        y = x * 2
        packed = mx.to_fp8(y)  # here
        return mx.from_fp8(packed, mx.float32) + y


class Counting(nn.Module):
    """Keeps what it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: Any = None
        self.all: list[mx.array] = []

    def __call__(self, x: mx.array) -> mx.array:
        self.seen = x
        self.all.append(x)
        return x * 2


def find_line(text: str) -> int:
    """The number of the only line of this file that ends so."""
    lines = Path(__file__).read_text(encoding="utf-8").splitlines()
    (found,) = [number for number, line in enumerate(lines, 1) if line.endswith(text)]
    return found


def refuse(function: Callable[..., Any], path: Path, examples: Any = X, **options: Any) -> ExportRefused:
    with pytest.raises(ExportRefused) as caught:
        ostiary.export(function, examples, path / "f", **options)
    assert not list(path.iterdir())
    return caught.value


def test_an_unknown_operation_is_named_with_its_line_and_its_module(tmp_path: Path) -> None:
    model = nn.Sequential(nn.Linear(6, 6), nn.Sequential(nn.ReLU(), Packing()))
    error = refuse(model, tmp_path)
    assert error.operation == "ToFP8"
    assert error.where == f"{FILE} line {find_line('# here')}, in layers.1.layers.1 (Packing)"
    assert error.message.endswith(f"({error.where})")


def test_every_primitive_of_the_library_is_known_or_said_not_to_be() -> None:
    headers = Path(mx.__file__).parent / "include" / "mlx"
    names: set[str] = set()
    for header in ("primitives.h", "fast_primitives.h"):
        text = (headers / header).read_text(encoding="utf-8")
        names |= set(
            re.findall(
                r"^class (?:MLX_API )?(\w+) (?:final )?: public \w*(?:Primitive|Custom)\b", text, re.MULTILINE
            )
        )
    assert len(names) > 100
    assert names - PRIMITIVES_OF_MLX.keys() - UNTRACED.keys() == {"UnaryPrimitive"}
    assert not PRIMITIVES_OF_MLX.keys() & UNTRACED.keys()


def test_an_unknown_operation_comes_with_what_to_do(tmp_path: Path) -> None:
    error = refuse(lambda x: mx.linalg.solve(x, x, stream=mx.cpu), tmp_path, mx.eye(4))
    assert (error.operation, error.hint) == ("LUF", UNTRACED["LUF"])


def test_an_operation_within_a_layer_of_the_library_is_told_by_the_line_that_calls_it(tmp_path: Path) -> None:
    recurrent = nn.LSTM(6, 4)

    def function(x: mx.array) -> mx.array:
        y = x + 1
        hidden, _ = recurrent(y)  # calls it
        return hidden

    error = refuse(function, tmp_path, mx.ones((2, 5, 6)), dims={"x": ["batch", "length", None]})
    assert error.where == f"{FILE} line {find_line('# calls it')}, in recurrent (LSTM)"


def test_a_value_that_is_looked_at_is_told_by_its_line(tmp_path: Path) -> None:
    def function(x: mx.array) -> mx.array:
        if x.sum().item() > 0:  # looks
            return x
        return -x

    error = refuse(function, tmp_path)
    assert (error.code, error.where) == ("EXPORT_FUNCTION", f"{FILE} line {find_line('# looks')}")


def test_random_numbers_without_a_key_are_told_by_their_line(tmp_path: Path) -> None:
    def function(x: mx.array) -> mx.array:
        y = x * 2
        noise = mx.random.normal(x.shape)  # draws
        return y + noise

    error = refuse(function, tmp_path)
    assert (error.code, error.where) == ("EXPORT_FUNCTION", f"{FILE} line {find_line('# draws')}")


def test_numbers_that_change_from_call_to_call_are_refused(tmp_path: Path) -> None:
    assert refuse(lambda x: x * random.random(), tmp_path).code == "EXPORT_SIZE"  # noqa: S311
    drawn = refuse(lambda x: x * mx.random.normal((1,)).item(), tmp_path)
    assert drawn.code == "EXPORT_SIZE"


def test_a_function_that_keeps_something_is_refused_and_what_it_kept_is_gone(tmp_path: Path) -> None:
    model = Counting()
    error = refuse(model, tmp_path)
    assert error.code == "EXPORT_FUNCTION"
    assert "it changes 'seen'" in error.message
    assert (model.seen, model.all) == (None, [])


def test_a_loop_or_a_choice_by_a_size_names_the_dim_and_the_line(tmp_path: Path) -> None:
    def loop(x: mx.array) -> mx.array:
        total = mx.zeros((x.shape[0],))
        for place in range(x.shape[1]):
            total = total + x[:, place]  # again and again
        return total

    error = refuse(loop, tmp_path, dims={"x": ["batch", "length"]})
    assert error.code == "EXPORT_SIZE"
    assert "'length'" in error.message
    assert f"line {find_line('# again and again')}" in error.message

    def choose(x: mx.array) -> mx.array:
        return mx.sin(x) if x.shape[0] > 100 else mx.cos(x)

    assert "'batch'" in refuse(choose, tmp_path, dims="batch", bounds={"batch": 200}).message


def test_the_recurrent_layers_loop_over_their_length(tmp_path: Path) -> None:
    error = refuse(nn.LSTM(6, 4), tmp_path, mx.ones((2, 5, 6)), dims={"x": ["batch", "length", None]})
    assert (error.code, "'length'" in error.message) == ("EXPORT_SIZE", True)


def test_an_array_that_another_library_made_for_a_size_is_refused(tmp_path: Path) -> None:
    numpy = pytest.importorskip("numpy")

    def function(x: mx.array) -> mx.array:
        mask = mx.array(numpy.tri(x.shape[0], 6, dtype=numpy.float32))
        return x * mask  # masked

    error = refuse(function, tmp_path, dims={"x": "n"})
    assert error.code == "EXPORT_SIZE"
    assert error.where == f"{FILE} line {find_line('# masked')}"


def test_sizes_for_which_the_function_does_something_else_are_refused(tmp_path: Path) -> None:
    def rise(x: mx.array) -> mx.array:
        return x * mx.linspace(0, 1, x.shape[1])

    error = refuse(rise, tmp_path, dims={"x": [None, "n"]}, bounds={"n": (1, None)})
    assert (error.code, "n 1" in error.message, "'n'" in error.hint) == ("EXPORT_SIZE", True, True)


def test_sizes_that_the_function_does_not_take_are_refused(tmp_path: Path) -> None:
    def cut(x: mx.array) -> mx.array:
        return x[:, :3] + x[:, 3:6]

    error = refuse(cut, tmp_path, dims={"x": [None, "n"]}, bounds={"n": (5, None)})
    assert (error.code, "n 5" in error.message) == ("EXPORT_SIZE", True)


def test_a_function_that_takes_multiples_only_is_told_so(tmp_path: Path) -> None:
    error = refuse(lambda x: x.reshape(x.shape[0] // 2, 2, 6), tmp_path, dims={"x": "n"})
    assert error.code == "EXPORT_SIZE"
    assert "multiples of 2" in error.hint


def test_complex_and_double_numbers_are_refused_at_the_door(tmp_path: Path) -> None:
    assert refuse(mx.fft.fft, tmp_path).code == "EXPORT_VALUE"
    assert refuse(mx.abs, tmp_path, X.astype(mx.complex64)).code == "EXPORT_VALUE"
    assert refuse(mx.abs, tmp_path, mx.zeros((2,), dtype=mx.float64)).code == "EXPORT_VALUE"


def test_what_is_no_array_cannot_come_out_or_go_in(tmp_path: Path) -> None:
    assert refuse(lambda x: (x, "done"), tmp_path).code == "EXPORT_VALUE"
    assert refuse(lambda x, _y: x, tmp_path, (X, object())).code == "EXPORT_VALUE"
