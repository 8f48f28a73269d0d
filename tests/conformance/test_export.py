"""What a researcher does with `ostiary.export`: names, sizes, options, and what is written."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest

mx = pytest.importorskip("mlx.core")

from mlx import nn  # noqa: E402

import ostiary  # noqa: E402
from ostiary.errors import ExportRefused, Misuse  # noqa: E402
from ostiary.exporter.tensors import write_tensors  # noqa: E402
from ostiary.graph.parse_graph import parse_graph  # noqa: E402
from ostiary.interpreter.function import Budget, Function  # noqa: E402
from ostiary.testing import sign_model  # noqa: E402

pytestmark = pytest.mark.mlx

X = mx.array([[1.0, -2.0, 3.0], [0.5, 4.0, -1.0]])


class Net(nn.Module):
    """Two layers, and what training needs between them."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = [nn.Linear(3, 4), nn.Linear(4, 2)]
        self.drop = nn.Dropout(0.5)
        self._scale = mx.array([2.0, 3.0])

    def __call__(self, x: mx.array) -> mx.array:
        return self.layers[1](self.drop(nn.relu(self.layers[0](x)))) * self._scale


def load(path: Path) -> Function:
    graph = parse_graph((path / "graph.json").read_bytes())
    return Function(graph, mx.load(str(path / "graph.safetensors")), Budget(1 << 30, 1 << 40))


def read_files(path: Path) -> dict[str, bytes]:
    return {item.name: item.read_bytes() for item in path.iterdir()}


def ops(exported: ostiary.Exported) -> list[str]:
    return [node.op for node in exported.graph.nodes]


def test_parameters_are_named_by_module_path_and_private_arrays_too(tmp_path: Path) -> None:
    exported = ostiary.export(Net(), X, tmp_path / "net")
    names = {item.tensor for item in exported.graph.constants}
    assert {"layers.0.weight", "layers.0.bias", "layers.1.weight", "layers.1.bias", "_scale"} <= names


def test_what_a_lambda_closes_over_is_named_by_its_variable(tmp_path: Path) -> None:
    model, bias = nn.Linear(3, 2), mx.array([1.0, 2.0])
    exported = ostiary.export(lambda x: model(x) + bias, X, tmp_path / "net")
    assert [item.tensor for item in exported.graph.constants] == ["model.weight", "model.bias", "bias"]


def test_a_tensor_that_is_used_twice_is_written_once(tmp_path: Path) -> None:
    shared = nn.Linear(3, 3)
    exported = ostiary.export(nn.Sequential(shared, nn.ReLU(), shared), X, tmp_path / "net")
    assert [item.tensor for item in exported.graph.constants if item.type.shape] == [
        "layers.0.weight",
        "layers.0.bias",
    ]


def test_a_module_is_exported_in_inference_and_left_as_it_was(tmp_path: Path) -> None:
    model = Net()
    model.layers[0].eval()
    exported = ostiary.export(model, X, tmp_path / "net")
    assert "random_bits" not in ops(exported)
    assert [model.training, model.layers[0].training, model.layers[1].training, model.drop.training] == [
        True,
        False,
        True,
        True,
    ]


def test_a_module_that_packs_its_weights_for_inference_has_them_back(tmp_path: Path) -> None:
    model = nn.QQLinear(64, 64)
    weight = model.weight
    with pytest.raises(RuntimeError):  # MLX has no kernel for it here
        ostiary.export(model, mx.ones((2, 64)), tmp_path / "net")
    assert model.weight is weight
    assert "scales" not in model
    assert model.training


def test_the_random_state_and_the_functions_of_the_library_are_as_before(tmp_path: Path) -> None:
    mx.random.seed(5)
    expected = mx.random.normal((3,)).tolist()
    mx.random.seed(5)
    functions = (mx.fast.rms_norm, mx.dequantize, mx.checkpoint, mx.array.__invert__)
    ostiary.export(lambda x: mx.fast.rms_norm(x, None, 1e-5), X, tmp_path / "net")
    assert mx.random.normal((3,)).tolist() == expected
    assert (mx.fast.rms_norm, mx.dequantize, mx.checkpoint, mx.array.__invert__) == functions


def test_inputs_are_called_as_parameters_and_nested_ones_by_their_path(tmp_path: Path) -> None:
    def function(image: mx.array, more: dict[str, Any], scale: float) -> mx.array:
        return image * scale + more["mask"] + more["two"][1]

    exported = ostiary.export(function, (X, {"mask": X, "two": [X, X]}, 2.0), tmp_path / "net")
    assert [item.name for item in exported.graph.inputs] == ["image", "more.mask", "more.two.0", "more.two.1"]


def test_results_in_tuples_and_mappings_are_outputs_by_name(tmp_path: Path) -> None:
    exported = ostiary.export(lambda x: {"a": x, "b": (x + 1, None)}, X, tmp_path / "one")
    assert [item.name for item in exported.graph.outputs] == ["a", "b.0"]
    exported = ostiary.export(lambda x: (x, x + 1), X, tmp_path / "two", outputs=["same", "more"])
    assert [item.name for item in exported.contract.outputs] == ["same", "more"]
    exported = ostiary.export(lambda x: x * 2, X, tmp_path / "three")
    assert [item.name for item in exported.contract.outputs] == ["output"]


def test_arrays_of_numpy_are_examples_too(tmp_path: Path) -> None:
    numpy = pytest.importorskip("numpy")
    exported = ostiary.export(lambda x: x * 2, numpy.ones((2, 3)), tmp_path / "net")
    assert exported.contract.inputs[0].datatype == "FP32"


@pytest.mark.parametrize(
    ("dims", "shape"),
    [
        ("batch", "[batch,3]"),
        ({"x": "n"}, "[n,3]"),
        ({"x": {0: "n", -1: "m"}}, "[n,m]"),
        ({"x": [None, "m"]}, "[2,m]"),
        (None, "[2,3]"),
    ],
)
def test_dims_are_named_in_several_ways(dims: Any, shape: str, tmp_path: Path) -> None:
    exported = ostiary.export(lambda x: x * 2, X, tmp_path / "net", dims=dims)
    assert "[" + ",".join(map(str, exported.contract.outputs[0].shape)) + "]" == shape


def _tell(shape: tuple[object, ...]) -> str:
    return ",".join(map(str, shape)).replace("(", "").replace(")", "")


def test_sizes_of_results_follow_the_dims(tmp_path: Path) -> None:
    def function(x: mx.array) -> dict[str, mx.array]:
        return {
            "mean": x.mean(axis=1),
            "last": x[:, -1],
            "half": x[:, : x.shape[1] // 2],
            "flat": x.reshape(-1),
            "twice": mx.concatenate([x, x], axis=1),
            "place": x + mx.arange(x.shape[1]),
            "positions": mx.arange(x.shape[1], 2 * x.shape[1]),
            "length": x * x.shape[1],
        }

    path = tmp_path / "net"
    exported = ostiary.export(
        function, mx.ones((2, 6)), path, dims={"x": ["batch", "length"]}, bounds={"length": (2, None)}
    )
    shapes = {item.name: _tell(item.shape) for item in exported.contract.outputs}
    assert shapes == {
        "mean": "batch",
        "last": "batch",
        "half": "batch,length//2",
        "flat": "batch*length",
        "twice": "batch,2*length",
        "place": "batch,length",
        "positions": "length",
        "length": "batch,length",
    }
    run = load(path)
    for size in ((1, 2), (3, 9), (7, 31)):
        x = mx.random.normal(size)
        for one, other in zip(run.call([x]), function(x).values(), strict=True):
            assert one.shape == other.shape
            assert mx.allclose(one, other, atol=1e-6).item()


def test_a_dim_begins_at_the_least_size_that_the_function_takes(tmp_path: Path) -> None:
    model = nn.Sequential(nn.Conv1d(2, 3, 4), nn.MaxPool1d(2))
    exported = ostiary.export(model, mx.ones((2, 12, 2)), tmp_path / "net", dims={"x": ["batch", "length"]})
    assert [(item.name, item.min) for item in exported.graph.dims] == [("batch", 1), ("length", 5)]
    exported = ostiary.export(
        lambda x: x[:, :3] * x[:, 1:4], mx.ones((2, 6)), tmp_path / "f", dims={"x": [None, "n"]}
    )
    assert exported.contract.dims[0].min == 4, "with less, slices are cut short"
    exported = ostiary.export(
        lambda x: x * mx.linspace(0, 1, x.shape[1]), X, tmp_path / "g", dims={"x": [None, "n"]}
    )
    assert exported.contract.dims[0].min == 2, "one number is no line"


def test_pooling_works_at_all_sizes_where_they_vary(tmp_path: Path) -> None:
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.MaxPool2d(2), nn.AvgPool2d(2))
    path = tmp_path / "net"
    ostiary.export(
        model,
        mx.random.normal((2, 14, 14, 1)),
        path,
        dims={"x": ["batch", "height", "width"]},
        bounds={"height": (6, None), "width": (6, None)},
    )
    x = mx.random.normal((3, 17, 20, 1))
    assert mx.allclose(load(path).call([x])[0], model(x), atol=1e-6).item()


def test_kernels_stay_whole(tmp_path: Path) -> None:
    def function(q: mx.array) -> mx.array:
        q = mx.fast.rope(q, 4, traditional=False, base=100.0, scale=1.0, offset=1)
        q = mx.fast.layer_norm(mx.fast.rms_norm(q, None, 1e-5), mx.ones((4,)), None, 1e-5)
        return mx.fast.scaled_dot_product_attention(q, q, q, scale=0.5, mask="causal")

    exported = ostiary.export(
        function, mx.random.normal((2, 2, 5, 4)), tmp_path / "net", dims={"q": ["batch", None, "n"]}
    )
    assert [op for op in ops(exported) if op not in {"broadcast_to"}] == [
        "rope",
        "rms_norm",
        "layer_norm",
        "attention",
    ]


def test_kernels_that_cannot_stay_whole_are_what_they_fall_back_to(tmp_path: Path) -> None:
    def mapped(x: mx.array) -> mx.array:
        return mx.vmap(lambda row: mx.fast.rms_norm(row, None, 1e-5))(x)

    def sinking(q: mx.array) -> mx.array:
        return mx.fast.scaled_dot_product_attention(q, q, q, scale=0.5, sinks=mx.zeros((2,)))

    def sloped(x: mx.array) -> mx.array:
        return mx.grad(lambda y: (mx.fast.rms_norm(y, None, 1e-5) ** 2).sum())(x)

    for name, function, x in (("m", mapped, X), ("s", sinking, mx.random.normal((2, 2, 5, 4))), ("g", sloped, X)):
        path = tmp_path / name
        ostiary.export(function, x, path)
        assert mx.allclose(load(path).call([x])[0], function(x), atol=1e-5).item()


def test_random_numbers_follow_from_a_key(tmp_path: Path) -> None:
    def function(x: mx.array, key: mx.array) -> mx.array:
        one, two = mx.random.split(key)
        return mx.where(mx.random.bernoulli(0.5, x.shape, key=one), x, mx.random.normal(x.shape, key=two))

    path = tmp_path / "net"
    ostiary.export(function, (X, mx.random.key(1)), path, dims={"x": "batch"})
    key = mx.random.key(77)
    assert mx.allclose(load(path).call([X, key])[0], function(X, key), atol=1e-6).item()


def test_checkpoints_of_training_are_not_in_the_way(tmp_path: Path) -> None:
    def function(x: mx.array) -> mx.array:
        return mx.checkpoint(lambda y: mx.sin(y) * 2)(x)

    exported = ostiary.export(function, X, tmp_path / "net")
    assert ops(exported) == ["sin", "multiply"]


def test_partials_and_bound_methods_are_functions(tmp_path: Path) -> None:
    model = nn.Embedding(5, 3)
    exported = ostiary.export(model.as_linear, X, tmp_path / "one")
    assert [item.tensor for item in exported.graph.constants] == ["weight"]
    exported = ostiary.export(partial(lambda scale, x: x * scale, mx.array(3.0)), X, tmp_path / "two")
    assert ops(exported) == ["multiply"]


def test_what_is_compiled_is_seen_through(tmp_path: Path) -> None:
    model = nn.Linear(3, 2)
    for name, function in (("one", mx.compile(model)), ("two", mx.compile(lambda x: nn.gelu(model(x))))):
        exported = ostiary.export(function, X, tmp_path / name, dims="batch")
        assert [item.tensor.rpartition(".")[2] for item in exported.graph.constants][:2] == ["weight", "bias"]
        assert load(tmp_path / name).call([X])[0].shape == (2, 2)


def test_calls_are_joined_only_where_entries_stay_apart(tmp_path: Path) -> None:
    apart = ostiary.export(mx.tanh, X, tmp_path / "apart", dims="batch")
    mixed = ostiary.export(lambda x: x - x.mean(axis=0), X, tmp_path / "mixed", dims="batch")
    assert apart.contract.batch_dim == "batch"
    assert mixed.contract.batch_dim is None
    with pytest.raises(ExportRefused) as caught:
        ostiary.export(lambda x: x - x.mean(axis=0), X, tmp_path / "asked", dims="batch", batch="batch")
    assert caught.value.code == "EXPORT_VALUE"


def test_what_inputs_may_hold_is_in_the_contract(tmp_path: Path) -> None:
    exported = ostiary.export(
        lambda x, label: x * label,
        (X, mx.array([[1], [2]])),
        tmp_path / "net",
        ranges={"x": (-10, 10)},
        allowed={"label": [2, 1]},
        finite=["x"],
    )
    x, label = exported.contract.inputs
    assert (x.range, x.is_finite, label.allowed) == ((-10.0, 10.0), True, (1, 2))


def test_what_an_input_cannot_hold_anyway_is_misuse(tmp_path: Path) -> None:
    small = mx.array([1, 2], dtype=mx.int8)
    for array, ends in ((small, (0, 1000)), (small, (0.5, 1)), (small > 1, (0, 1))):
        with pytest.raises(Misuse):
            ostiary.export(lambda x: x, array, tmp_path / "net", ranges={"x": ends})


def test_tensors_lie_in_one_order_aligned_and_without_holes(tmp_path: Path) -> None:
    held = {
        "wide": mx.arange(3).astype(mx.int64),
        "b": mx.array([1.5, -2.0]),
        "a": mx.array([[True, False, True]]),
        "c": mx.array(2.5, dtype=mx.bfloat16),
        "turned": mx.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]).T,
        "empty": mx.zeros((0, 2)),
    }
    write_tensors(tmp_path / "t.safetensors", held)
    data = (tmp_path / "t.safetensors").read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    assert (length + 8) % 64 == 0
    assert list(header) == ["wide", "b", "empty", "turned", "c", "a"]
    ends = [item["data_offsets"] for item in header.values()]
    assert [begin for begin, _ in ends] == [0, *(end for _, end in ends[:-1])]
    assert 8 + length + ends[-1][1] == len(data)
    for name, array in mx.load(str(tmp_path / "t.safetensors")).items():
        assert array.dtype == held[name].dtype
        assert mx.array_equal(array, held[name]).item()


def test_the_card_says_who_and_what_and_nothing_of_the_machine(tmp_path: Path) -> None:
    ostiary.export(
        Net(),
        X,
        tmp_path / "net",
        card={"who": "Ada", "data": "sums", "metrics": {"accuracy": 0.93}},
        when="2026-01-31T12:00:00+01:00",
    )
    text = (tmp_path / "net" / "card.json").read_text()
    card = json.loads(text)
    assert (card["who"], card["data"], card["metrics"]) == ("Ada", "sums", {"accuracy": 0.93})
    assert card["when"] == "2026-01-31T11:00:00Z"
    assert card["made_from"]["function"].endswith(".Net")
    assert {"mlx", "ostiary", "python"} <= card["dependencies"].keys()
    assert str(tmp_path) not in text
    assert os.path.expanduser("~") not in text  # noqa: PTH111


def test_the_time_comes_from_the_environment_where_it_is_fixed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "86400")
    ostiary.export(Net(), X, tmp_path / "net")
    assert json.loads((tmp_path / "net" / "card.json").read_text())["when"] == "1970-01-02T00:00:00Z"


def test_exporting_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    model = Net()
    for name in ("one", "two"):
        ostiary.export(model, X, tmp_path / name, name="net", dims="batch")
    assert read_files(tmp_path / "one") == read_files(tmp_path / "two")


_PROGRAM = """
import sys
import mlx.core as mx
from mlx import nn
import ostiary

def make():
    mx.random.seed(3)
    model = nn.Sequential(nn.Linear(4, 8), nn.GELU(), nn.LayerNorm(8), nn.Linear(8, 2))
    table = {name: mx.full((2,), float(len(name))) for name in ("b", "ab", "abc")}
    return lambda x: {**{k: model(x) * v for k, v in table.items()}, "n": mx.random.normal((2,), key=mx.random.key(1))}

ostiary.export(make(), mx.ones((2, 4)), sys.argv[1], name="net", dims="batch")
"""


def test_exporting_in_two_processes_gives_the_same_bytes(tmp_path: Path) -> None:
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)}
        subprocess.run(
            [sys.executable, "-c", _PROGRAM, str(tmp_path / seed)], check=True, env=environment, timeout=120
        )
    assert read_files(tmp_path / "1") == read_files(tmp_path / "2")


def test_an_earlier_export_is_replaced_only_if_asked(tmp_path: Path) -> None:
    path = tmp_path / "net"
    ostiary.export(lambda x: x + 1, X, path)
    sign_model(path)
    with pytest.raises(ExportRefused) as caught:
        ostiary.export(lambda x: x + 2, X, path)
    assert caught.value.code == "EXPORT_EXISTS"
    ostiary.export(lambda x: x + 2, X, path, overwrite=True)
    assert load(path).call([X])[0].tolist() == (X + 2).tolist()
    assert not list(path.glob("*.sig")), "the signature was over the earlier one"
    (path / "notes.txt").write_text("mine")
    with pytest.raises(ExportRefused):
        ostiary.export(lambda x: x + 3, X, path, overwrite=True)
    assert sorted(item.name for item in tmp_path.iterdir()) == ["net", "net.pub"]


def test_nothing_is_left_behind_where_an_export_fails(tmp_path: Path) -> None:
    with pytest.raises(ExportRefused):
        ostiary.export(mx.fft.fft, X, tmp_path / "net")
    assert not list(tmp_path.iterdir())


def test_what_the_function_itself_raises_comes_out(tmp_path: Path) -> None:
    def function(x: mx.array) -> mx.array:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        ostiary.export(function, X, tmp_path / "net")


@pytest.mark.parametrize(
    "options",
    [
        {"dims": {"y": "n"}},
        {"dims": {"x": "Not a name"}},
        {"dims": {"x": {5: "n"}}},
        {"dims": {"x": ["n", "n"]}},
        {"dims": "n", "bounds": {"m": 4}},
        {"dims": "n", "bounds": {"n": (3, 4)}},
        {"dims": "n", "batch": "m"},
        {"outputs": ["a", "b"]},
        {"outputs": "no name"},
        {"ranges": {"y": (0, 1)}},
        {"ranges": {"x": (1, 0)}},
        {"ranges": {"x": (0, float("nan"))}},
        {"allowed": {"x": [float("inf")]}},
        {"allowed": {"x": list(range(5000))}},
        {"finite": ["y"]},
        {"name": "no name"},
        {"card": {"author": "me"}},
        {"card": {"notes": {1, 2}}},
        {"card": {"notes": "\x07"}},
        {"when": "yesterday"},
    ],
    ids=str,
)
def test_options_that_do_not_fit_are_misuse(options: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(Misuse):
        ostiary.export(lambda x: x * 2, X, tmp_path / "net", **options)
    assert not list(tmp_path.iterdir())


def test_examples_that_do_not_fit_are_misuse(tmp_path: Path) -> None:
    for function, examples in ((lambda x: x, (X, X)), (lambda x: x, {"y": X}), (lambda x: x, 3), ("x", X)):
        with pytest.raises(Misuse):
            ostiary.export(function, examples, tmp_path / "net")  # type: ignore[arg-type]


def test_half_precision_stays_what_it_is(tmp_path: Path) -> None:
    for dtype, word in ((mx.float16, "FP16"), (mx.bfloat16, "BF16")):
        model = nn.Linear(3, 2)
        model.set_dtype(dtype)
        exported = ostiary.export(model, X.astype(dtype), tmp_path / word, dims="batch")
        assert [exported.contract.inputs[0].datatype, exported.contract.outputs[0].datatype] == [word, word]
        assert load(tmp_path / word).call([X.astype(dtype)])[0].dtype == dtype


def test_it_tells_in_a_line_what_was_exported(tmp_path: Path) -> None:
    exported = ostiary.export(nn.Linear(3, 2), X, tmp_path / "net", dims="batch")
    assert repr(exported) == "<net: x FP32[batch, 3] -> output FP32[batch, 2]; 8 numbers>"
