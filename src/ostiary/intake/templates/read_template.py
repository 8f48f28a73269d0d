"""Chat templates: programs in Jinja that every request runs. Parsed and judged, never rendered."""

from __future__ import annotations

from ostiary.core.findings import Finding
from ostiary.errors import IntakeRefused
from ostiary.intake.rules.template import TEMPLATE_TOO_LARGE


def find_in_template(text: str) -> tuple[Finding, ...]:
    """Everything found in a template, refusing findings included."""
    # Imported here: jinja2 takes longer to import than most commands take altogether.
    from ostiary.intake.templates.judge_template import judge_template  # noqa: PLC0415
    from ostiary.intake.templates.template_reach import find_hidden  # noqa: PLC0415

    hidden = find_hidden(text)
    try:
        return tuple(dict.fromkeys((*judge_template(text), *hidden)))
    except IntakeRefused as refusal:
        return (*refusal.findings, *hidden)
    except RecursionError:
        return (Finding(TEMPLATE_TOO_LARGE, "a chat template nested too deep to judge"), *hidden)
