"""Weights files: which of them belong to the model, read whole from descriptors, and put into the network."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any, Final

import mlx.core as mx

from ostiary.core.frames import ErrorName, JsonObject
from ostiary.core.json_text import JsonValue
from ostiary.networks.configuration import Configuration, read_object
from ostiary.networks.library import list_arrays, nn
from ostiary.networks.unfit import ModelUnfit

_INDEX: Final = "model.safetensors.index.json"
_FIXED: Final = {("nvfp4", 4, 16), ("mxfp4", 4, 32), ("mxfp8", 8, 32)}
"""Mode, bits and group size of the packings whose scales are bytes: each exists in one form only."""


def choose_weights(contents: Mapping[str, bytes]) -> frozenset[str] | None:
    """The files that the index lists; None without an index: every `model*.safetensors` beside config.json."""
    index = read_object(contents, _INDEX)
    if index is None:
        return None
    places = index.get("weight_map")
    if not isinstance(places, dict):
        raise ModelUnfit(ErrorName.LOAD_FAILED, f"{_INDEX} lists no weights")
    return frozenset(place for place in places.values() if isinstance(place, str))


def is_wanted(path: str, listed: frozenset[str] | None) -> bool:
    """MLX-LM would also take shards that no index lists; here the index has the last word."""
    if listed is not None:
        return path in listed
    place = PurePosixPath(path)
    return place.parent == PurePosixPath() and place.name.startswith("model") and place.suffix == ".safetensors"


def read_tensors(descriptor: int) -> dict[str, mx.array]:
    """All tensors of one safetensors file. A file object is read now, not when its tensors are first used."""
    with os.fdopen(descriptor, "rb", closefd=False) as file:
        loaded = mx.load(file, format="safetensors")
    if not isinstance(loaded, dict):
        raise ModelUnfit(ErrorName.LOAD_FAILED, "a weights file holds no named tensors")
    return loaded


def build_network(configuration: Configuration, module: Any, tensors: dict[str, mx.array]) -> Any:
    """The network with its weights in it, ready to answer. `tensors` is emptied. Raises ModelUnfit."""
    arguments = module.ModelArgs.from_dict(dict(configuration.values))
    model = module.Model(arguments)
    weights = model.sanitize(dict(tensors)) if hasattr(model, "sanitize") else dict(tensors)
    tensors.clear()
    plan = find_plan(configuration.values)
    if plan is not None:
        pack_layers(model, plan, weights)
    model.eval()
    try:
        model.load_weights(list(weights.items()), strict=True)
    except ValueError as error:
        raise ModelUnfit(ErrorName.LOAD_FAILED, "the tensors are not those of the architecture") from error
    weights.clear()
    mx.eval(model.parameters())
    return model


def find_plan(config: JsonObject) -> Mapping[str, JsonValue] | None:
    """How the weights are packed, as MLX-LM writes it. Raises ModelUnfit where another program packed them."""
    plan = config.get("quantization")
    if isinstance(plan, dict):
        return plan
    text = config.get("text_config")
    other = config.get("quantization_config")
    if other is None and isinstance(text, dict):
        other = text.get("quantization_config")
    if not isinstance(other, dict):
        return None
    if "quant_method" not in other and "bits" in other:
        return other
    raise ModelUnfit(ErrorName.LOAD_FAILED, "the weights are packed by another program: convert them with MLX-LM")


def pack_layers(model: Any, plan: Mapping[str, JsonValue], weights: Mapping[str, mx.array]) -> None:
    """Makes packed layers of those whose weights are packed, each as the plan says or as its tensors show."""

    def choose(path: str, layer: Any) -> bool | dict[str, Any]:
        own = plan.get(path)
        if isinstance(own, bool | dict):
            return own
        if not hasattr(layer, "to_quantized") or f"{path}.scales" not in weights:
            return False
        return _read_packing(layer, weights[f"{path}.weight"], weights[f"{path}.scales"])

    nn.quantize(
        model,
        group_size=_size(plan, "group_size"),
        bits=_size(plan, "bits"),
        mode=str(plan.get("mode") or "affine"),
        class_predicate=choose,
    )


def _size(plan: Mapping[str, JsonValue], name: str) -> int:
    value = plan.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ModelUnfit(ErrorName.LOAD_FAILED, f"the quantization has no {name}")
    return value


def _read_packing(layer: Any, weight: mx.array, scales: mx.array) -> dict[str, Any]:
    """How one layer was packed, from its tensors' shapes: the plan's own numbers may be those of other layers."""
    inputs = int(layer.weight.shape[-1])
    groups = scales.shape[-1]
    if not groups or inputs % groups:
        raise ModelUnfit(ErrorName.LOAD_FAILED, "a packed layer has groups of no whole size")
    group_size, bits = inputs // groups, weight.shape[-1] * 32 // inputs
    if scales.dtype != mx.uint8:
        return {"group_size": group_size, "bits": bits, "mode": "affine"}
    for mode, mode_bits, mode_size in _FIXED:
        if (bits, group_size) == (mode_bits, mode_size):
            return {"group_size": group_size, "bits": bits, "mode": mode}
    raise ModelUnfit(ErrorName.LOAD_FAILED, "a layer is packed in a way that MLX does not have")


def count_parameters(model: Any) -> int:
    """Numbers in memory; packed ones count as the words that hold them."""
    return sum(array.size for _, array in list_arrays(model))
