"""What a checked request wants, as a claim: from its own fields, within what its model's tokens cost. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Final

from ostiary.admission.claims import Claim
from ostiary.admission.room import Room
from ostiary.core.json_text import JsonValue
from ostiary.core.limits import MAX_REMEMBERED_TENANTS
from ostiary.core.requests import Operation
from ostiary.core.tickets import CheckedRequest, CheckedTensors

_TEXTS: Final = ("prompt", "text", "messages", "tools", "documents", "template_options", "response_format")
_UNUSUAL: Final = 3
_CHARACTERS_PER_MESSAGE: Final = 24
"""That the template puts around it."""
_USUAL_DENSITY: Final = 1 / 3
"""Tokens for each character, before anything is known of a model; people's prose in English has a quarter."""
_LEAST_DENSITY: Final = 0.1
_MARGIN: Final = 1.2
_FIRST_CHARACTERS: Final = 1_000
"""As many as these count what was believed of somebody who comes anew."""
_MOST_CHARACTERS: Final = 1 << 22
"""What was sent before counts half from here on."""
_USUAL_ANSWER: Final = 256
"""What an answer is expected to be at most, for whose turn it is: many say nothing of its length."""
_COPIES: Final = 4
"""Inputs lie in the process as they came and as arrays, and results beside them."""
_BYTES_PER_TOKEN: Final = 1 << 12
"""Of tensors, for turns, which count in tokens."""


class Density:
    """How many tokens a character of a prompt makes, as answers tell. Of one gate.

    Each tenant's own: what one sends must not change what is held for another. Of who comes anew it is what tenants
    have on the average, each with one voice. The numbers come from behind the wall: a worker that lies makes
    requests of its own model wait longer, or leaves it to the engine to hold the budget.
    """

    def __init__(self) -> None:
        self._by_tenant: Final[dict[str, tuple[float, float]]] = {}
        """Characters and tokens."""

    def note(self, tenant: str, characters: int, tokens: int) -> None:
        """All that a tenant sent counts by its length: a few short prompts make no room for long ones of another
        kind, of which more would be used than was held.
        """
        if characters <= 0:
            return
        seen = min(max(tokens, _LEAST_DENSITY * characters), characters)
        before = self._by_tenant.get(tenant)
        if before is None:
            before = (_FIRST_CHARACTERS, _FIRST_CHARACTERS * self._find(tenant))
            if len(self._by_tenant) >= MAX_REMEMBERED_TENANTS:
                self._by_tenant.pop(next(iter(tuple(self._by_tenant))), None)
        share = 1.0 if before[0] < _MOST_CHARACTERS else 0.5
        self._by_tenant[tenant] = (share * before[0] + characters, share * before[1] + seen)

    def estimate(self, tenant: str, characters: int) -> int:
        return max(1, min(characters, math.ceil(_MARGIN * self._find(tenant) * characters)))

    def _find(self, tenant: str) -> float:
        own = self._by_tenant.get(tenant)
        if own is not None:
            return own[1] / own[0]
        voices = (_USUAL_DENSITY, *(tokens / characters for characters, tokens in tuple(self._by_tenant.values())))
        return sum(voices) / len(voices)


def measure_request(checked: CheckedRequest, tenant: str, room: Room, density: Density) -> Claim:
    exact = _count_ids(checked.body)
    characters = _count_characters(checked.body) if exact is None else 0
    prompt = density.estimate(tenant, characters) if exact is None else exact
    if room.costs.context_tokens is not None:
        prompt = min(prompt, room.costs.context_tokens)
    rows = max(1, checked.choices)
    said = checked.body.get("max_tokens")
    certain = said if isinstance(said, int) else 0
    expected = rows * min(checked.most_tokens, _USUAL_ANSWER)
    is_free = checked.operation is Operation.RENDER  # nothing is computed
    least_prompt = 1 if exact is None else exact
    return Claim(
        tenant=tenant,
        rows=rows,
        prompt_tokens=prompt,
        characters=characters,
        tokens=0 if is_free else prompt + (rows * certain or expected),
        most_tokens=0 if is_free or certain else prompt + rows * checked.most_tokens,
        work=prompt + expected,
        bytes=0 if is_free else room.costs.most_bytes(prompt + checked.most_tokens, rows),
        least_bytes=room.costs.least_bytes(least_prompt + certain, rows),
        field="max_tokens" if certain > least_prompt else "prompt",
        is_serial=checked.operation is Operation.EMBED,
    )


def measure_tensors(checked: CheckedTensors, tenant: str) -> Claim:
    work = 1 + checked.bytes // _BYTES_PER_TOKEN
    return Claim(
        tenant=tenant,
        rows=1,
        prompt_tokens=0,
        tokens=0,
        work=work,
        bytes=_COPIES * checked.bytes,
        least_bytes=checked.bytes,
        field="inputs",
    )


def _count_ids(body: Mapping[str, JsonValue]) -> int | None:
    for name in ("prompt", "text"):
        value = body.get(name)
        if isinstance(value, list):
            return len(value)
    return None


def _count_characters(body: Mapping[str, JsonValue]) -> int:
    """What is no ASCII counts thrice: most vocabularies have more tokens for it."""
    count = 1
    for text in _find_texts([body[name] for name in _TEXTS if name in body]):
        count += len(text) if text.isascii() else _UNUSUAL * len(text)
    messages = body.get("messages")
    return count + (_CHARACTERS_PER_MESSAGE * len(messages) if isinstance(messages, list) else 0)


def _find_texts(values: list[JsonValue]) -> Iterator[str]:
    """Of any depth, without recursion."""
    rest = list(values)
    while rest:
        value = rest.pop()
        if isinstance(value, str):
            yield value
        elif isinstance(value, list):
            rest.extend(value)
        elif isinstance(value, Mapping):
            rest.extend(value.values())
