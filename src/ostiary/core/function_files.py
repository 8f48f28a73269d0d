"""What the files of a function are called. By these names every room knows them; contract.json is in core/terms."""

from __future__ import annotations

from typing import Final

GRAPH_FILE: Final = "graph.json"
TENSORS_FILE: Final = "graph.safetensors"
CARD_FILE: Final = "card.json"
