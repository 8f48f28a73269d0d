"""Adapters as MLX-LM trains them: LoRA and DoRA beside the layers of a network, `full` in their place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import mlx.core as mx

from ostiary.core.frames import ErrorName
from ostiary.core.json_text import JsonValue
from ostiary.core.values import dataclass
from ostiary.networks.configuration import read_object
from ostiary.networks.library import import_part, list_arrays, nest_parts, nn
from ostiary.networks.unfit import ModelUnfit

_KINDS: Final = ("lora", "dora", "full")
_LEAVES: Final = frozenset({"lora_a", "lora_b", "m"})
CONFIG_NAME: Final = "adapter_config.json"
WEIGHTS_NAME: Final = "adapters.safetensors"


@dataclass(frozen=True, slots=True)
class Adapter:
    """What adapter_config.json says."""

    kind: str
    layers: int
    """How many layers, counted from the last; 0 or less: all."""
    rank: int
    scale: float
    keys: frozenset[str] | None
    """Which parts of a layer; None: every part that can be adapted."""


def read_adapter(contents: Mapping[str, bytes], folder: str) -> Adapter:
    """The adapter in a folder of the model. Raises ModelUnfit."""
    values = read_object(contents, f"{folder}/{CONFIG_NAME}")
    if values is None:
        raise _unfit(f"there is no {CONFIG_NAME} where the adapter should be")
    if "peft_type" in values:
        raise _unfit("it was made by PEFT: convert it with MLX-LM")
    kind = values.get("fine_tune_type", "lora")
    if not isinstance(kind, str) or kind not in _KINDS:
        raise _unfit("it is of an unknown kind")
    if kind == "full":
        return Adapter(kind, 0, 0, 0.0, None)
    parameters = values.get("lora_parameters")
    if not isinstance(parameters, dict):
        raise _unfit("it has no lora_parameters")
    keys = parameters.get("keys")
    if keys is not None and not isinstance(keys, list):
        raise _unfit("its keys are no list")
    return Adapter(
        kind=kind,
        layers=int(_number(values, "num_layers")),
        rank=int(_number(parameters, "rank")),
        scale=_number(parameters, "scale"),
        keys=None if keys is None else frozenset(str(key) for key in keys),
    )


def apply_adapter(model: Any, adapter: Adapter, tensors: Mapping[str, mx.array]) -> None:
    """Changes the network in place. Every tensor must have its place there, in its own shape."""
    if adapter.kind != "full":
        _insert_layers(model, adapter)
    places = dict(list_arrays(model))
    for name, tensor in tensors.items():
        place = places.get(name)
        if adapter.kind != "full" and name.rpartition(".")[2] not in _LEAVES:
            place = None
        if place is None or place.shape != tensor.shape:
            raise _unfit("a tensor of it has no place in the model")
    if not tensors:
        raise _unfit("it holds no tensors")
    model.load_weights(list(tensors.items()), strict=False)
    model.eval()
    mx.eval(model.parameters())


def _insert_layers(model: Any, adapter: Adapter) -> None:
    keys = adapter.keys
    if keys is None:
        keys = frozenset(
            path for layer in model.layers for path, part in layer.named_modules() if _find_kind(part) is not None
        )
    layers = model.layers
    for layer in layers[-max(adapter.layers, 0) :]:
        _adapt_parts(layer, keys, adapter)
    _adapt_parts(model, keys, adapter)


def _adapt_parts(module: Any, keys: frozenset[str], adapter: Adapter) -> None:
    made = [(path, _adapt(part, adapter)) for path, part in module.named_modules() if path in keys]
    if made:
        module.update_modules(nest_parts(made))


def _adapt(layer: Any, adapter: Adapter) -> Any:
    if adapter.kind == "lora" and hasattr(layer, "to_lora"):
        return layer.to_lora(r=adapter.rank, scale=adapter.scale, dropout=0.0)
    kind = _find_kind(layer)
    if kind is None or (adapter.kind == "dora" and kind == "SwitchLinear"):
        raise _unfit("it adapts a layer that cannot be adapted")
    name = ("DoRA" if adapter.kind == "dora" else "LoRA") + kind
    made_by = getattr(import_part(f"tuner.{adapter.kind}"), name)
    return made_by.from_base(layer, r=adapter.rank, scale=adapter.scale, dropout=0.0)


def _find_kind(layer: Any) -> str | None:
    """The word for a layer in the names of MLX-LM's adapter layers."""
    switches = import_part("models.switch_layers")
    if isinstance(layer, nn.Linear | nn.QuantizedLinear):
        return "Linear"
    if isinstance(layer, nn.Embedding | nn.QuantizedEmbedding):
        return "Embedding"
    if isinstance(layer, switches.SwitchLinear | switches.QuantizedSwitchLinear):
        return "SwitchLinear"
    return None


def _number(values: Mapping[str, JsonValue], name: str) -> float:
    value = values.get(name)
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise _unfit(f"it does not say its {name}")
    return value


def _unfit(sentence: str) -> ModelUnfit:
    return ModelUnfit(ErrorName.LOAD_FAILED, f"the adapter does not fit: {sentence}")
