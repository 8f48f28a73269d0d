"""How long somebody wants to wait for an answer. Pure."""

from __future__ import annotations

import math

from ostiary.contract.fields import name_type
from ostiary.contract.unfit import unfit
from ostiary.errors import CONTRACT_RANGE, CONTRACT_TYPE


def check_timeout(seconds: object) -> float | None:
    if seconds is None:
        return None
    if not isinstance(seconds, int | float) or isinstance(seconds, bool):
        raise unfit(CONTRACT_TYPE, "timeout", f"is {name_type(seconds)}, not a number of seconds")
    if not math.isfinite(seconds) or seconds <= 0:
        raise unfit(CONTRACT_RANGE, "timeout", "must be a number of seconds above 0")
    return float(seconds)
