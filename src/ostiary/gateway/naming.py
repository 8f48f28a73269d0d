"""Fields as the client calls them: rooms further in know them by the engine's names. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from ostiary.errors import CODES, AdmissionRefused, CallRefused, ContractRefused

Places = Callable[[], Sequence[str]]
"""Of each message that the engine is to read: where the client wrote it. Asked where something is refused only."""
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


_MESSAGE: Final = re.compile(r"messages\[(\d+)\]")


@contextmanager
def naming(names: Names, places: Places = tuple) -> Iterator[None]:
    """What a room says of its fields within this is said of the client's."""
    try:
        yield
    except ContractRefused as refused:
        raise rename(refused, names, places) from refused
    except AdmissionRefused as refused:
        raise _rename_admission(refused, names, places) from refused
    except CallRefused as refused:
        refused.field = _translate(refused.field, names, places) or refused.field
        raise


def rename(refused: ContractRefused, names: Names, places: Places = tuple) -> ContractRefused:
    """The same refusal where no name fits."""
    field = _translate(refused.field, names, places)
    if field is None:
        return refused
    message = field + refused.message.removeprefix(refused.field)
    renamed = ContractRefused(
        CODES[refused.code], message, hint=refused.hint, field=field, rule=refused.rule, limit=refused.limit
    )
    renamed.correlation_id = refused.correlation_id
    return renamed


def _rename_admission(refused: AdmissionRefused, names: Names, places: Places) -> AdmissionRefused:
    field = _translate(refused.field, names, places)
    if field is None:
        return refused
    told = refused.public_detail
    renamed = AdmissionRefused(
        CODES[refused.code],
        refused.message,
        hint=refused.hint,
        retry_after_seconds=refused.retry_after_seconds,
        public_detail=field + told.removeprefix(refused.field) if told.startswith(refused.field) else told,
        field=field,
    )
    renamed.correlation_id = refused.correlation_id
    return renamed


def _translate(field: str, names: Names, places: Places) -> str | None:
    message = _MESSAGE.match(field)
    told_of = places() if message is not None else ()
    if message is not None and int(message[1]) < len(told_of):
        return told_of[int(message[1])]
    for pattern, told in names:
        match = re.match(pattern, field)
        if match is not None and _ends_a_name(field, match.end()):
            return match.expand(told) + field[match.end() :]
    return None


def _ends_a_name(field: str, place: int) -> bool:
    return place == len(field) or field[place] in ".["
