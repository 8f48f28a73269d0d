"""The models that this server serves, by the names that its operator gave them. No other name leads anywhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from ostiary.errors import GATEWAY_MODEL_UNKNOWN, GatewayRefused

if TYPE_CHECKING:
    from ostiary.contract import TextContract
    from ostiary.library.opening import Opened
    from ostiary.library.verdict import Verdict


class ServedModel:
    """A model at work under a name."""

    def __init__(self, name: str, opened: Opened, created: int, threads: ThreadPoolExecutor) -> None:
        """`created`: when it was opened, in seconds since 1970. `threads`: a few, for what has to be waited for."""
        self.name: Final = name
        self.opened: Final = opened
        self.created: Final = created
        self.threads: Final = threads

    @property
    def verdict(self) -> Verdict:
        return self.opened.verdict

    @property
    def contract(self) -> TextContract:
        return self.opened.contract


class ServedModels:
    """All of them."""

    def __init__(self, models: Sequence[ServedModel]) -> None:
        self.by_name: Final[Mapping[str, ServedModel]] = MappingProxyType({model.name: model for model in models})

    def find(self, name: str) -> ServedModel:
        """Raises GatewayRefused(GATEWAY_MODEL_UNKNOWN)."""
        model = self.by_name.get(name)
        if model is None:
            raise GatewayRefused(GATEWAY_MODEL_UNKNOWN, "model: it names none of them", field="model")
        return model
