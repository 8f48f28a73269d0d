"""Codes of admission: whether there is right and room for a request that fits its model."""

from __future__ import annotations

from typing import Final

from ostiary.codes.declare import declare

ADMISSION_QUEUE_FULL: Final = declare(
    "ADMISSION_QUEUE_FULL",
    "As many requests of yours are waiting for this model as may.",
    "Ask again after the seconds that Retry-After names, with fewer requests at once.",
    429,
)
ADMISSION_OVERLOADED: Final = declare(
    "ADMISSION_OVERLOADED",
    "There is no room for this request now.",
    "Ask again after the seconds that Retry-After names.",
    503,
)
ADMISSION_DEADLINE: Final = declare(
    "ADMISSION_DEADLINE",
    "The time that the request has was over before its turn came.",
    "Ask again later, or give the request more time.",
    504,
)
ADMISSION_TOO_LARGE: Final = declare(
    "ADMISSION_TOO_LARGE",
    "The request may come to need more memory than this model has for all requests.",
    "Ask for fewer tokens or fewer answers, with a shorter prompt, or with smaller tensors.",
    413,
)
