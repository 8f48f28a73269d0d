"""What carries code, hides something, or has no place in a model."""

from __future__ import annotations

from typing import Final

from ostiary.core.findings import Rule, Severity
from ostiary.errors import (
    INTAKE_CARRIES_CODE,
    INTAKE_INCOMPLETE,
    INTAKE_TOO_LARGE,
    INTAKE_UNLISTED_FILE,
    INTAKE_UNSAFE_FORMAT,
)

PICKLE_IMPORTS: Final = Rule(
    "code.pickle-imports",
    Severity.CRITICAL,
    INTAKE_CARRIES_CODE,
    "Pickle that imports code",
    "Whoever loads it runs what it names: it could start any program with the rights of the person who loads it.",
)
PICKLE: Final = Rule(
    "code.pickle",
    Severity.HIGH,
    INTAKE_UNSAFE_FORMAT,
    "Pickle",
    "A pickle is a program for Python's unpickler; this one names nothing unusual, but its reader would obey any.",
)
COMPILED: Final = Rule(
    "code.compiled",
    Severity.CRITICAL,
    INTAKE_CARRIES_CODE,
    "Executable, library or other compiled code",
    "A loader, a plug-in search or a person could run it, with the rights of that person.",
)
SOURCE: Final = Rule(
    "code.source",
    Severity.HIGH,
    INTAKE_CARRIES_CODE,
    "Source code or a script",
    "A loader that trusts the directory imports it (model_file, auto_map, custom tokenizers, tool parsers).",
)
ARCHIVE: Final = Rule(
    "code.archive",
    Severity.HIGH,
    INTAKE_UNSAFE_FORMAT,
    "Archive or compressed file",
    "What is inside is judged by nobody: it could unpack over other files, without bound, or carry code.",
)
APPENDED_ARCHIVE: Final = Rule(
    "code.appended-archive",
    Severity.HIGH,
    INTAKE_UNSAFE_FORMAT,
    "Zip archive behind another file",
    "Programs that read archives from the end see another file than the one that was judged; Python would run it.",
)
FOREIGN_WEIGHTS: Final = Rule(
    "code.foreign-weights",
    Severity.HIGH,
    INTAKE_UNSAFE_FORMAT,
    "Weights for another framework",
    "MLX does not need them, and reading them can run code: pickles, Keras Lambda layers, custom operators.",
)
DISGUISED: Final = Rule(
    "code.disguised",
    Severity.MEDIUM,
    INTAKE_UNSAFE_FORMAT,
    "File whose bytes contradict its name",
    "A check that looks at names lets it pass, and a program that looks at bytes then reads something else.",
)
UNKNOWN_BINARY: Final = Rule(
    "code.unknown-binary",
    Severity.MEDIUM,
    INTAKE_UNLISTED_FILE,
    "Binary file of no known kind",
    "Nobody can tell what it is for; it could hide code or data that some later program looks for.",
)
UNKNOWN_TEXT: Final = Rule(
    "code.unknown-text",
    Severity.LOW,
    None,
    "Text file of no known kind",
    "No loader is known to read it; it is let in unread.",
)
UNLISTED_TEMPLATE: Final = Rule(
    "code.unlisted-template",
    Severity.HIGH,
    INTAKE_UNLISTED_FILE,
    "Chat template beside the model's own",
    "Loaders pick such files up by themselves, so the model could be told other things than its template shows.",
)
HIDDEN_DIRECTORY: Final = Rule(
    "code.hidden-directory",
    Severity.MEDIUM,
    INTAKE_UNLISTED_FILE,
    "Files of version control or of a tool",
    "Signing tools skip these directories, so bytes in them can change unseen, and git runs hooks from them.",
)
HUB_LEFTOVER: Final = Rule(
    "code.hub-leftover",
    Severity.INFO,
    None,
    "Download notes of a hub client",
    "They do no harm; a signature over the directory would cover them as well.",
)
EDITOR_LEFTOVER: Final = Rule(
    "code.editor-leftover",
    Severity.LOW,
    None,
    "Leftover of an editor or file manager",
    "It could hold an older text than the one that was meant to be published.",
)
ACTIVE_DOCUMENT: Final = Rule(
    "code.active-document",
    Severity.LOW,
    None,
    "Document with a script in it",
    "A browser that opens it could run the script; no model loader does.",
)
YAML_TAG: Final = Rule(
    "code.yaml-tag",
    Severity.HIGH,
    INTAKE_CARRIES_CODE,
    "YAML that names Python objects",
    "An unsafe YAML reader would import and call what it names.",
)
LFS_POINTER: Final = Rule(
    "code.lfs-pointer",
    Severity.HIGH,
    INTAKE_INCOMPLETE,
    "Git LFS pointer instead of the file",
    "The file itself was never fetched; a loader could fail in a confusing way or load only a part.",
)
SIGNATURE_TOO_LARGE: Final = Rule(
    "code.signature-too-large",
    Severity.MEDIUM,
    INTAKE_TOO_LARGE,
    "Signature larger than its ceiling",
    "A verifier would have to hold all of it in memory before it knows who wrote it.",
)

RULES: Final = (
    PICKLE_IMPORTS,
    PICKLE,
    COMPILED,
    SOURCE,
    ARCHIVE,
    APPENDED_ARCHIVE,
    FOREIGN_WEIGHTS,
    DISGUISED,
    UNKNOWN_BINARY,
    UNKNOWN_TEXT,
    UNLISTED_TEMPLATE,
    HIDDEN_DIRECTORY,
    HUB_LEFTOVER,
    EDITOR_LEFTOVER,
    ACTIVE_DOCUMENT,
    YAML_TAG,
    LFS_POINTER,
    SIGNATURE_TOO_LARGE,
)
