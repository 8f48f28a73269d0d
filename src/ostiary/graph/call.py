"""One operation about to be judged: the types of its inputs and its attributes, with plain questions to them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from ostiary.core.values import dataclass
from ostiary.graph.dtypes import Dtype
from ostiary.graph.scope import Scope
from ostiary.graph.sizes import Size
from ostiary.graph.values import AttributeValue, TensorType


class UnfitError(Exception):
    """Why an operation cannot take these inputs: one clause. Never leaves the package."""


@dataclass(frozen=True, slots=True)
class Call:
    inputs: tuple[TensorType, ...]
    attributes: Mapping[str, AttributeValue]
    scope: Scope

    def shape(self, position: int) -> tuple[Size, ...]:
        return self.inputs[position].shape

    def dtype(self, position: int) -> Dtype:
        return self.inputs[position].dtype

    def integer(self, name: str) -> int:
        return cast(int, self.attributes[name])

    def integers(self, name: str) -> tuple[int, ...]:
        return cast(tuple[int, ...], self.attributes[name])

    def flag(self, name: str) -> bool:
        return cast(bool, self.attributes[name])

    def number(self, name: str) -> float:
        return cast(float, self.attributes[name])

    def word(self, name: str) -> str:
        return cast(str, self.attributes[name])

    def element_type(self, name: str) -> Dtype:
        return cast(Dtype, self.attributes[name])

    def size(self, name: str) -> Size:
        return cast(Size, self.attributes[name])

    def sizes(self, name: str) -> tuple[Size, ...]:
        return cast(tuple[Size, ...], self.attributes[name])
