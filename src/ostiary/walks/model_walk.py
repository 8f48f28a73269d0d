"""A model's way through the house, top to bottom: directory -> intake. Later rooms follow here."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection

from ostiary.core.tickets import FileKind
from ostiary.intake import Judgement, judge_model
from ostiary.record.events import Emit


def inspect_model(
    path: str | os.PathLike[str],
    emit: Emit,
    *,
    allowed_formats: Collection[FileKind],
    record_location: bool,
    start: Callable[[int], None],
    advance: Callable[[int], None],
) -> Judgement:
    """Read and judge the model at `path`; its verdict is in the record when this returns."""
    return judge_model(
        path,
        emit,
        allowed_formats=allowed_formats,
        record_location=record_location,
        start=start,
        advance=advance,
    )
