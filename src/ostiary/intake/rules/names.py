"""Names that are not what they look like, that escape, or that two programs read differently."""

from __future__ import annotations

from typing import Final

from ostiary.core.findings import Rule, Severity
from ostiary.errors import (
    INTAKE_DUPLICATE_NAME,
    INTAKE_PATH_ESCAPE,
    INTAKE_TOO_LARGE,
    INTAKE_UNSAFE_NAME,
)

ESCAPES: Final = Rule(
    "names.escapes",
    Severity.HIGH,
    INTAKE_PATH_ESCAPE,
    "Name that leads elsewhere",
    "A program that joins it to a directory would read or write outside that directory.",
)
NOT_UTF8: Final = Rule(
    "names.not-utf8",
    Severity.MEDIUM,
    INTAKE_UNSAFE_NAME,
    "Name that is not UTF-8",
    "It cannot be signed, shown or copied faithfully, so what is checked and what is loaded could differ.",
)
INVISIBLE: Final = Rule(
    "names.invisible-character",
    Severity.HIGH,
    INTAKE_UNSAFE_NAME,
    "Name with a control or invisible character",
    "It can look like another name, reverse how it is read, or act on the terminal that prints it.",
)
EDGE: Final = Rule(
    "names.space-or-dot-at-the-edge",
    Severity.MEDIUM,
    INTAKE_UNSAFE_NAME,
    "Name that begins or ends with a space, or ends with a dot",
    "Windows drops these characters, so two names become one; people do not see them.",
)
RESERVED: Final = Rule(
    "names.reserved",
    Severity.MEDIUM,
    INTAKE_UNSAFE_NAME,
    "Name that Windows reserves for a device",
    "Opening it there reaches a device instead of the file.",
)
SPECIAL_CHARACTER: Final = Rule(
    "names.special-character",
    Severity.MEDIUM,
    INTAKE_UNSAFE_NAME,
    "Name with a character that systems or shells interpret",
    "A colon opens a hidden stream on Windows, a backslash a directory, and a shell expands the others.",
)
LEADING_DASH: Final = Rule(
    "names.leading-dash",
    Severity.MEDIUM,
    INTAKE_UNSAFE_NAME,
    "Name that begins with a dash",
    "A command that is given all files of the directory takes it for an option.",
)
TOO_LONG: Final = Rule(
    "names.too-long",
    Severity.MEDIUM,
    INTAKE_TOO_LARGE,
    "Name or path longer than its ceiling",
    "Some systems cut or refuse it, so the model could not be copied faithfully.",
)
IMITATES: Final = Rule(
    "names.imitates",
    Severity.MEDIUM,
    INTAKE_UNSAFE_NAME,
    "Name that imitates a file that loaders open",
    "A person takes it for the other file, and some systems open it in its place.",
)
COLLIDES: Final = Rule(
    "names.collides",
    Severity.CRITICAL,
    INTAKE_DUPLICATE_NAME,
    "Two names that some systems hold for one",
    "Where letter case or Unicode form does not count, one of the two files silently replaces the other.",
)
NOT_NORMALISED: Final = Rule(
    "names.not-normalised",
    Severity.LOW,
    None,
    "Name in decomposed Unicode",
    "Some file systems store it in another form, so that the name in a signature no longer matches.",
)

RULES: Final = (
    ESCAPES,
    NOT_UTF8,
    INVISIBLE,
    EDGE,
    RESERVED,
    SPECIAL_CHARACTER,
    LEADING_DASH,
    TOO_LONG,
    IMITATES,
    COLLIDES,
    NOT_NORMALISED,
)
