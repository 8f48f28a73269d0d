"""What a chat template must not be: a way into Python, a way out of the model's directory, or work without end."""

from __future__ import annotations

from typing import Final

from ostiary.core.findings import Rule, Severity
from ostiary.errors import (
    INTAKE_CARRIES_CODE,
    INTAKE_MALFORMED,
    INTAKE_PATH_ESCAPE,
    INTAKE_TOO_LARGE,
    INTAKE_UNBOUNDED,
)

TEMPLATE_MALFORMED: Final = Rule(
    "template.malformed",
    Severity.MEDIUM,
    INTAKE_MALFORMED,
    "Chat template that cannot be compiled",
    "Every chat request would fail, and another renderer may read it as something else.",
)
TEMPLATE_UNKNOWN_NAME: Final = Rule(
    "template.unknown-name",
    Severity.MEDIUM,
    INTAKE_MALFORMED,
    "Chat template that uses a filter, test or function nobody provides",
    "It cannot be rendered, or only by a program that gives it more than MLX-LM does.",
)
TEMPLATE_TOO_LARGE: Final = Rule(
    "template.too-large",
    Severity.MEDIUM,
    INTAKE_TOO_LARGE,
    "Chat template larger or deeper than a ceiling",
    "Compiling it could take all time or memory before the first request.",
)
TEMPLATE_PYTHON_INTERNALS: Final = Rule(
    "template.python-internals",
    Severity.CRITICAL,
    INTAKE_CARRIES_CODE,
    "Chat template that reaches for Python internals",
    "In a renderer without a sandbox it runs any command; in one with a sandbox it looks for the hole.",
)
TEMPLATE_COMPUTED_ATTRIBUTE: Final = Rule(
    "template.computed-attribute",
    Severity.HIGH,
    INTAKE_CARRIES_CODE,
    "Chat template that computes the name of an attribute",
    "It hides from a reader which attribute it reaches for, and honest templates never need to.",
)
TEMPLATE_LOADS_FILE: Final = Rule(
    "template.loads-file",
    Severity.HIGH,
    INTAKE_PATH_ESCAPE,
    "Chat template that includes or imports another file",
    "In a renderer with a loader it would put files of the host into the prompt.",
)
TEMPLATE_UNBOUNDED_WORK: Final = Rule(
    "template.unbounded-work",
    Severity.HIGH,
    INTAKE_UNBOUNDED,
    "Chat template that works without bound",
    "One chat request would hold the process for hours.",
)
TEMPLATE_UNBOUNDED_TEXT: Final = Rule(
    "template.unbounded-text",
    Severity.HIGH,
    INTAKE_UNBOUNDED,
    "Chat template that builds an enormous text or number",
    "One chat request would take all memory and end the process.",
)
TEMPLATE_ENDLESS_RECURSION: Final = Rule(
    "template.endless-recursion",
    Severity.HIGH,
    INTAKE_UNBOUNDED,
    "Chat template with a macro that calls itself unconditionally",
    "Every chat request would exhaust the stack.",
)
TEMPLATE_RECURSION: Final = Rule(
    "template.recursion",
    Severity.MEDIUM,
    None,
    "Chat template that recurses into what it is given",
    "Deeply nested tools or messages in a request could exhaust the stack.",
)
TEMPLATE_GUARDED_NAME: Final = Rule(
    "template.guarded-name",
    Severity.LOW,
    None,
    "Chat template that may use a filter, test or function nobody provides",
    "Requests that reach it fail.",
)
TEMPLATE_PRIVATE_ATTRIBUTE: Final = Rule(
    "template.private-attribute",
    Severity.LOW,
    None,
    "Chat template that reads a name with a leading underscore",
    "Sandboxes refuse such attributes, so rendering may fail.",
)
TEMPLATE_HIDDEN_CHARACTERS: Final = Rule(
    "template.hidden-characters",
    Severity.MEDIUM,
    None,
    "Chat template with characters that cannot be seen",
    "A reviewer reads another text than the model is given.",
)

RULES: Final = (
    TEMPLATE_MALFORMED,
    TEMPLATE_UNKNOWN_NAME,
    TEMPLATE_TOO_LARGE,
    TEMPLATE_PYTHON_INTERNALS,
    TEMPLATE_COMPUTED_ATTRIBUTE,
    TEMPLATE_LOADS_FILE,
    TEMPLATE_UNBOUNDED_WORK,
    TEMPLATE_UNBOUNDED_TEXT,
    TEMPLATE_ENDLESS_RECURSION,
    TEMPLATE_RECURSION,
    TEMPLATE_GUARDED_NAME,
    TEMPLATE_PRIVATE_ATTRIBUTE,
    TEMPLATE_HIDDEN_CHARACTERS,
)
