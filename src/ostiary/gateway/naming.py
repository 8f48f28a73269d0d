"""Fields as the client calls them: rooms further in know them by the engine's names. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from ostiary.errors import CODES, CallRefused, ContractRefused

Names = Sequence[tuple[str, str]]
"""Patterns at the beginning of a field, and what stands in their place. The first that fits is taken."""

CHAT: Names = (
    (r"response_format\.schema", "response_format.json_schema.schema"),
    (r"template_options", "chat_template_kwargs"),
)
CHAT_NEWER: Names = ((r"max_tokens", "max_completion_tokens"), *CHAT)
RESPONSES: Names = (
    (r"response_format", "text.format"),
    (r"max_tokens", "max_output_tokens"),
    (r"messages\b.*", "input"),
    (r"(tools\[\d+\])\.function", r"\1"),
)
MESSAGES: Names = (
    (r"stop\b.*", "stop_sequences"),
    (r"messages\b.*", "messages"),
    (r"parallel_tool_calls", "tool_choice.disable_parallel_tool_use"),
    (r"(tools\[\d+\])\.function\.parameters", r"\1.input_schema"),
    (r"(tools\[\d+\])\.function", r"\1"),
)
EMBEDDINGS: Names = ((r"text\b.*", "input"),)


@contextmanager
def naming(names: Names) -> Iterator[None]:
    """What a room says of its fields within this is said of the client's."""
    try:
        yield
    except ContractRefused as refused:
        raise rename(refused, names) from refused
    except CallRefused as refused:
        refused.field = _translate(refused.field, names) or refused.field
        raise


def rename(refused: ContractRefused, names: Names) -> ContractRefused:
    """The same refusal where no name fits."""
    field = _translate(refused.field, names)
    if field is None:
        return refused
    message = field + refused.message.removeprefix(refused.field)
    renamed = ContractRefused(
        CODES[refused.code], message, hint=refused.hint, field=field, rule=refused.rule, limit=refused.limit
    )
    renamed.correlation_id = refused.correlation_id
    return renamed


def _translate(field: str, names: Names) -> str | None:
    for pattern, told in names:
        match = re.match(pattern, field)
        if match is not None and _ends_a_name(field, match.end()):
            return match.expand(told) + field[match.end() :]
    return None


def _ends_a_name(field: str, place: int) -> bool:
    return place == len(field) or field[place] in ".["
