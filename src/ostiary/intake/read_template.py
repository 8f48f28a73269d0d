"""Chat templates: programs in Jinja that every request runs. Parsed and judged, never rendered."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from ostiary.core.findings import Finding
from ostiary.errors import IntakeRefused
from ostiary.intake.rules.template import TEMPLATE_ADDITIONAL_FOLDER, TEMPLATE_TOO_LARGE

_ADDITIONAL_FOLDER: Final = "additional_chat_templates/"


def find_in_template(text: str) -> tuple[Finding, ...]:
    """Everything found in a template, refusing findings included."""
    # Imported here: jinja2 takes longer to import than most commands take altogether.
    from ostiary.intake.judge_template import judge_template  # noqa: PLC0415
    from ostiary.intake.template_reach import find_hidden  # noqa: PLC0415

    hidden = find_hidden(text)
    try:
        return tuple(dict.fromkeys((*judge_template(text), *hidden)))
    except IntakeRefused as refusal:
        return (*refusal.findings, *hidden)
    except RecursionError:
        return (Finding(TEMPLATE_TOO_LARGE, "a chat template nested too deep to judge"), *hidden)


def find_additional_templates(paths: Iterable[str]) -> tuple[Finding, ...]:
    """The folder whose templates Transformers loads without being told, by the paths of a model."""
    first = min((path for path in paths if path.startswith(_ADDITIONAL_FOLDER)), default=None)
    if first is None:
        return ()
    return (Finding(TEMPLATE_ADDITIONAL_FOLDER, "loaders pick it up silently", first),)
