"""Graphs and calls that would lead MLX astray, each with where it has to end."""

from __future__ import annotations

from hostile_graphs.base import Hostile
from hostile_graphs.by_data import BY_DATA
from hostile_graphs.by_shape import BY_SHAPE
from hostile_graphs.by_size import BY_SIZE

HOSTILE = (*BY_DATA, *BY_SHAPE, *BY_SIZE)

__all__ = ["HOSTILE", "Hostile"]
