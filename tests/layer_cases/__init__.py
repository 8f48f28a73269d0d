"""One or more cases for each layer, activation, loss and container of mlx.nn, and the names of what has none."""

from __future__ import annotations

from typing import Final

from layer_cases.activations import ACTIVATIONS
from layer_cases.base import Case, Given
from layer_cases.layers import LAYERS
from layer_cases.losses import LOSSES
from layer_cases.networks import NETWORKS

GROUPS: Final = {
    "Activations": ACTIVATIONS,
    "Layers": LAYERS,
    "Networks and quantized layers": NETWORKS,
    "Losses": LOSSES,
}
"""As docs/reference/layers.md has them."""
CASES: Final = tuple(case for group in GROUPS.values() for case in group)

_DISTRIBUTED: Final = "it is a part of a model that lies on several machines; join the parts before you export"
NOT_COVERED: Final = {
    "AllToShardedLinear": _DISTRIBUTED,
    "FullyShardedModule": _DISTRIBUTED,
    "QuantizedAllToShardedLinear": _DISTRIBUTED,
    "QuantizedShardedToAllLinear": _DISTRIBUTED,
    "ShardedToAllLinear": _DISTRIBUTED,
    "fully_shard": _DISTRIBUTED,
    "QQLinear": "MLX computes it on graphics processors only, and does not tell what it does there",
}
"""With the reason."""
NOT_LAYERS: Final = {
    "Module": "what layers are made from",
    "average_gradients": "a step of training",
    "init": "numbers that parameters begin with",
    "losses": "listed one by one",
    "quantize": "turns layers into quantized ones, before an export",
    "value_and_grad": "a step of training",
}

__all__ = ["CASES", "GROUPS", "NOT_COVERED", "NOT_LAYERS", "Case", "Given"]
