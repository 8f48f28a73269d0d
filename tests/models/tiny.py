"""Small models as the files that they are made of."""

from __future__ import annotations

import io
import json
import os
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import mlx.core as mx
from mlx import nn
from mlx.utils import tree_flatten, tree_unflatten

from models.settings import config_of
from models.words import byte_level


@dataclass
class TinyModel:
    """Path to bytes: the small files, and the weights files."""

    contents: dict[str, bytes]
    weights: dict[str, bytes] = field(default_factory=dict)

    def write(self, folder: Path) -> Path:
        for path, data in (self.contents | self.weights).items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(data)
        return folder


def make_model(
    name: str = "llama",
    *,
    dtype: str = "float32",
    bits: int | None = None,
    tokenizer: tuple[dict[str, Any], dict[str, Any]] | None = None,
    changes: Mapping[str, Any] | None = None,
) -> TinyModel:
    """A network of `models.settings.NETWORKS` with weights that follow from the names of its tensors."""
    config = {**config_of(name), **(changes or {})}
    words, words_config = tokenizer or byte_level()
    model = build(config)
    model.set_dtype(getattr(mx, dtype))
    if bits is not None:
        plan = {"group_size": 32, "bits": bits}
        nn.quantize(model, class_predicate=_is_packed, **plan)
        config["quantization"] = {**plan, **_mixed(model, bits)}
    contents = {
        "config.json": _dump(config),
        "tokenizer.json": _dump(words),
        "tokenizer_config.json": _dump(words_config),
    }
    return TinyModel(contents, {"model.safetensors": dump_tensors(dict(tree_flatten(model.parameters())))})


def _is_packed(path: str, layer: Any) -> bool | dict[str, int]:
    """All that can be, and the first layer's last matrix in eight bits: a packing for each layer."""
    if not hasattr(layer, "to_quantized") or layer.weight.shape[-1] % 32:
        return False
    return {"group_size": 32, "bits": 8} if path.endswith("layers.0.mlp.down_proj") else True


def _mixed(model: Any, bits: int) -> dict[str, Any]:
    return {
        path: {"group_size": layer.group_size, "bits": layer.bits}
        for path, layer in model.named_modules()
        if getattr(layer, "bits", bits) != bits
    }


def build(config: Mapping[str, Any]) -> Any:
    """A network of plain MLX-LM's choosing, its weights set."""
    from mlx_lm.utils import _get_classes

    model_class, arguments_class = _get_classes(dict(config))
    model = model_class(arguments_class.from_dict(dict(config)))
    filled = [(name, fill(name, array.shape)) for name, array in tree_flatten(model.parameters())]
    model.update(tree_unflatten(filled))
    model.eval()
    return model


def fill(name: str, shape: tuple[int, ...]) -> mx.array:
    """Numbers that follow from a tensor's name: around one for norms, wide enough elsewhere to tell tokens apart."""
    noise = mx.random.normal(shape, key=mx.random.key(zlib.crc32(name.encode())))
    if "norm" in name and name.endswith("weight"):
        return 1 + 0.1 * noise
    return noise * (0.5 if len(shape) < 2 else 1.5 / shape[-1] ** 0.5)


def make_adapter(
    model: TinyModel, kind: str, *, keys: list[str] | None = None, folder: str = "adapter"
) -> TinyModel:
    """The same model with an adapter in a folder, as MLX-LM trains and saves it."""
    from mlx_lm.tuner.utils import linear_to_lora_layers

    config = json.loads(model.contents["config.json"])
    network = build({name: value for name, value in config.items() if name != "quantization"})
    plan = config.get("quantization")
    if plan is not None:
        nn.quantize(network, group_size=32, bits=plan["bits"], class_predicate=_is_packed)
    parameters: dict[str, Any] = {"rank": 4, "scale": 8.0, "dropout": 0.1}
    if keys is not None:
        parameters["keys"] = keys
    if kind == "full":
        named = dict(tree_flatten(network.parameters()))
        chosen = [name for name in named if "layers.1." in name and name.endswith("_proj.weight")]
    else:
        linear_to_lora_layers(network, 2, parameters, use_dora=kind == "dora")
        named = dict(tree_flatten(network.parameters()))
        chosen = [name for name in named if name.rpartition(".")[2] in ("lora_a", "lora_b")]
    tensors = {name: fill("adapted " + name, named[name].shape) * 0.3 for name in chosen}
    if kind == "dora":
        tensors |= {name: array for name, array in named.items() if name.endswith(".m")}
    told = {"fine_tune_type": kind, "num_layers": 2, "lora_parameters": parameters}
    contents = {**model.contents, f"{folder}/adapter_config.json": _dump(told)}
    return TinyModel(contents, {**model.weights, f"{folder}/adapters.safetensors": dump_tensors(tensors)})


def dump_tensors(tensors: Mapping[str, mx.array]) -> bytes:
    file = io.BytesIO()
    mx.save_safetensors(file, dict(tensors), {"format": "mlx"})
    return file.getvalue()


def feed(engine: Any, model: TinyModel) -> Mapping[str, Any]:
    """As the worker does it: the small files, each weights file by a descriptor, the end."""
    engine.read_contents(model.contents)
    for path, data in model.weights.items():
        descriptor = os.memfd_create("weights")
        try:
            os.write(descriptor, data)
            os.lseek(descriptor, 0, os.SEEK_SET)
            engine.read_weights(path, descriptor, len(data))
        finally:
            os.close(descriptor)
    facts: Mapping[str, Any] = engine.finish_load()
    return facts


def _dump(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()
