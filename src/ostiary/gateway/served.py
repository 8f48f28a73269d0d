"""The models that this server serves, by the names that its operator gave them. No other name leads anywhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from ostiary.core.text import quote_untrusted
from ostiary.errors import GATEWAY_MODEL_UNKNOWN, GatewayRefused

if TYPE_CHECKING:
    from ostiary.contract import TextContract
    from ostiary.core.callers import Caller
    from ostiary.library.opening import Opened
    from ostiary.library.verdict import Verdict

_SHOWN_CHARACTERS: Final = 80


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

    def list_for(self, caller: Caller) -> tuple[ServedModel, ...]:
        """Those that this caller may ask."""
        return tuple(model for name, model in self.by_name.items() if caller.may_ask(name))

    def find(self, name: str, caller: Caller) -> ServedModel:
        """Raises GatewayRefused(GATEWAY_MODEL_UNKNOWN); of a model that this caller may not ask, the very same."""
        model = self.by_name.get(name)
        if model is None or not caller.may_ask(name):
            shown = quote_untrusted(name, _SHOWN_CHARACTERS)
            raise GatewayRefused(GATEWAY_MODEL_UNKNOWN, f"model: no model '{shown}' is served here", field="model")
        return model
