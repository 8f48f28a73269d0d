"""Values that only pass through to templates: any JSON, but bounded, and of nothing else. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from ostiary.contract.fields import TextBudget, is_list, name_type
from ostiary.contract.unfit import unfit
from ostiary.core.json_text import JsonValue
from ostiary.core.limits import MAX_REQUEST_DEPTH, MAX_REQUEST_VALUES
from ostiary.errors import CONTRACT_RANGE, CONTRACT_TEXT, CONTRACT_TOO_LONG, CONTRACT_TYPE


class JsonCheck:
    """One for all such values of a request."""

    def __init__(self, budget: TextBudget) -> None:
        self._budget = budget
        self._left: int = MAX_REQUEST_VALUES

    def check(self, value: object, field: str, depth: int = 0) -> JsonValue:
        """The same value, as plain lists and dictionaries."""
        self._left -= 1
        if self._left < 0:
            raise unfit(
                CONTRACT_TOO_LONG, field, f"brings the request to more than {int(MAX_REQUEST_VALUES):,} values"
            )
        if depth > MAX_REQUEST_DEPTH:
            raise unfit(CONTRACT_TOO_LONG, field, f"is nested deeper than {int(MAX_REQUEST_DEPTH)} levels")
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, str):
            return self._budget.hold(value, field)
        if isinstance(value, int):
            if not -(1 << 63) <= value < 1 << 63:
                raise unfit(CONTRACT_RANGE, field, "holds an integer of more than 64 bits")
            return int(value)
        if isinstance(value, float):
            if not math.isfinite(value):
                raise unfit(CONTRACT_RANGE, field, "holds a number that is not finite")
            return float(value)
        if isinstance(value, Mapping):
            held = {
                self._check_name(name, field): self.check(item, field, depth + 1) for name, item in value.items()
            }
            if len(held) < len(value):
                raise unfit(
                    CONTRACT_TEXT, field, "has two names that become one in the form that the contract asks for"
                )
            return held
        if isinstance(value, Sequence) and is_list(value):
            return [self.check(item, field, depth + 1) for item in value]
        raise unfit(CONTRACT_TYPE, field, f"holds {name_type(value)}, which JSON has no word for")

    def _check_name(self, name: object, field: str) -> str:
        if not isinstance(name, str):
            raise unfit(CONTRACT_TYPE, field, f"has a name that is {name_type(name)}")
        return self._budget.hold(name, field)
