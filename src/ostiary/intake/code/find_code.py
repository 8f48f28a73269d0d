"""What in a file carries code, hides something, or has no place in a model.

GGUF, npy, npz and .mlxfn files are not judged here but by the rules of their formats; what is written as JSON, as
safetensors or as a template is judged by its own strict reader besides.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Final
from urllib.parse import unquote_to_bytes

from ostiary.core.findings import Finding
from ostiary.core.limits import MAX_SIGNATURE_BYTES
from ostiary.core.text import quote_untrusted
from ostiary.core.tickets import FileKind
from ostiary.intake.code.find_pickles import find_in_pickle
from ostiary.intake.code.kinds import FOREIGN_EXTENSIONS, find_kind_of_name
from ostiary.intake.code.leftovers import judge_place
from ostiary.intake.code.magic import find_format, is_text
from ostiary.intake.code.read_pickle import looks_like_pickle
from ostiary.intake.rules import code as rules

_REFUSED_KINDS: Final = frozenset({FileKind.PICKLE, FileKind.CODE, FileKind.ARCHIVE, FileKind.EXECUTABLE})
_TEXT_KINDS: Final = frozenset(
    {FileKind.DOCUMENT, FileKind.VOCABULARY, FileKind.CHAT_TEMPLATE, FileKind.SIGNATURE, FileKind.UNKNOWN}
)
_TEMPLATES: Final = frozenset({"chat_template.jinja", "chat_template.json"})
_TEMPLATE_DIRECTORY: Final = "additional_chat_templates"
_LFS: Final = b"version https://git-lfs.github.com/spec/"
# A %TAG directive gives prefixes other names, so that a tag can be put together from pieces.
_YAML_TAG: Final = re.compile(rb"!!python/|tag:yaml\.org,2002:python/|^%TAG\b", re.MULTILINE)
_SCRIPT: Final = re.compile(rb"<script|javascript:|\son[a-z]{3,20}\s{0,8}=", re.IGNORECASE)
_PDF_ACTION: Final = re.compile(rb"/(?:JavaScript|JS|Launch|OpenAction|EmbeddedFile)\b")
_ZIP_STARTS: Final = (b"PK\x03\x04", b"PK\x05\x06")
_END_OF_ZIP: Final = b"PK\x05\x06"
_END_OF_ZIP_BYTES: Final = 22
_KNOWN_BY_KIND: Final = {
    FileKind.CODE: (rules.SOURCE, "its name is that of source code"),
    FileKind.EXECUTABLE: (rules.COMPILED, "its name is that of an executable or library"),
    FileKind.ARCHIVE: (rules.ARCHIVE, "its name is that of an archive"),
}


def find_in_file(path: str, kind: FileKind, kept: bytes, tail: bytes, size: int) -> tuple[Finding, ...]:
    """The findings on the file at `path`, of which `kept` is the beginning and `tail` the end. Never raises.

    `kept` should reach MAX_PICKLE_BYTES for a pickle and MAX_HEAD_BYTES for the rest; with less, less is named.
    """
    return tuple(_find(path, kind, kept, tail, size))


def _find(path: str, kind: FileKind, kept: bytes, tail: bytes, size: int) -> Iterator[Finding]:
    if kept.startswith(_LFS) and kind not in {FileKind.DOCUMENT, FileKind.UNKNOWN}:
        yield Finding(rules.LFS_POINTER, "it only says where Git LFS keeps the file", path)
    place = judge_place(path, kept, size)
    if place is not None:
        yield place
    if kind in _REFUSED_KINDS:
        yield from _find_in_refused_kind(path, kind, kept, size)
    elif kind in _TEXT_KINDS and looks_like_pickle(kept, size):
        yield from (replace(finding, path=path) for finding in find_in_pickle(kept))
    elif place is None:
        yield from _find_in_kind(path, kind, kept, size)
    appended = _find_end_of_zip(tail, size)
    if appended is not None and not kept.startswith(_ZIP_STARTS):
        yield Finding(rules.APPENDED_ARCHIVE, "a zip archive ends in it", path, appended)


def _find_in_refused_kind(path: str, kind: FileKind, kept: bytes, size: int) -> Iterator[Finding]:
    content = find_format(kept, size)
    claimed = find_kind_of_name(path)
    if kind is FileKind.PICKLE:
        pickles = find_in_pickle(kept)
        yield from (replace(finding, path=path) for finding in pickles)
        if not pickles:
            yield Finding(rules.FOREIGN_WEIGHTS, "its name is that of weights that are loaded by unpickling", path)
    else:
        rule, detail = _KNOWN_BY_KIND[kind]
        if content is not None and content.kind is kind:
            detail = f"its bytes are {content.name}"
            if kind is FileKind.CODE and not (kept.startswith(b"#!") or is_text(kept)):
                rule = rules.COMPILED
        yield Finding(rule, detail, path, None if content is None else 0)
    if claimed is not None and claimed is not kind and claimed not in _REFUSED_KINDS and content is not None:
        yield Finding(rules.DISGUISED, f"it is named like a {claimed} file but its bytes are {content.name}", path)


def _find_in_kind(path: str, kind: FileKind, kept: bytes, size: int) -> Iterator[Finding]:
    if kind is FileKind.UNKNOWN:
        yield _judge_unknown(path, kept, size)
    elif kind is FileKind.CHAT_TEMPLATE and path not in _TEMPLATES:
        yield Finding(rules.UNLISTED_TEMPLATE, "it is not the model's one template file", path)
    elif _TEMPLATE_DIRECTORY in path.lower().split("/")[:-1]:
        yield Finding(rules.UNLISTED_TEMPLATE, f"it lies in {_TEMPLATE_DIRECTORY}", path)
    elif kind is FileKind.SIGNATURE and size > MAX_SIGNATURE_BYTES:
        yield Finding(
            rules.SIGNATURE_TOO_LARGE, f"it has {size:,} bytes, the ceiling is {MAX_SIGNATURE_BYTES:,}", path
        )
    elif kind is FileKind.VOCABULARY and b"\0" in kept:
        yield Finding(rules.UNKNOWN_BINARY, "a vocabulary is text, this holds a zero byte", path, kept.index(b"\0"))
    elif kind is FileKind.DOCUMENT:
        yield from _find_in_document(path, kept)


def _judge_unknown(path: str, kept: bytes, size: int) -> Finding:
    extension = path.lower().rpartition(".")[2]
    content = find_format(kept, size)
    if content is not None and content.is_weights:
        return Finding(rules.FOREIGN_WEIGHTS, f"its bytes are {content.name}", path, 0)
    if extension in FOREIGN_EXTENSIONS:
        return Finding(rules.FOREIGN_WEIGHTS, f"its name ends in .{quote_untrusted(extension)}", path)
    if content is not None:
        return Finding(rules.UNKNOWN_BINARY, f"its bytes are {content.name}", path, 0)
    if not is_text(kept):
        return Finding(rules.UNKNOWN_BINARY, "its bytes are not text and of no format that is known", path)
    return Finding(rules.UNKNOWN_TEXT, "nothing that is known of models says what it is for", path)


def _find_in_document(path: str, kept: bytes) -> Iterator[Finding]:
    lowered = path.lower()
    if lowered.endswith((".yaml", ".yml")):
        yield from _find_yaml_tag(path, kept)
    if lowered.endswith((".md", ".markdown")) and kept.removeprefix(b"\xef\xbb\xbf").startswith(b"---"):
        yield from _find_yaml_tag(path, kept[: kept.find(b"\n---")])  # a card begins with its settings
    if lowered.endswith((".svg", ".html", ".htm")):
        script = _SCRIPT.search(kept)
        if script is not None:
            yield Finding(rules.ACTIVE_DOCUMENT, "it holds a script", path, script.start())
    if kept.startswith(b"%PDF-"):
        action = _PDF_ACTION.search(kept)
        if action is not None:
            yield Finding(rules.ACTIVE_DOCUMENT, "it holds an action or an embedded file", path, action.start())


def _find_yaml_tag(path: str, text: bytes) -> Iterator[Finding]:
    tag = _YAML_TAG.search(text)
    if tag is not None:
        yield Finding(rules.YAML_TAG, "it names a Python object to build", path, tag.start())
    elif b"%" in text and _YAML_TAG.search(unquote_to_bytes(text)) is not None:
        yield Finding(rules.YAML_TAG, "it names a Python object to build, in escaped letters", path)


def _find_end_of_zip(tail: bytes, size: int) -> int | None:
    """The offset of a zip's end record in the file's tail (APPNOTE 4.3.16), if a reader would believe it.

    Readers search it from the end and ignore what follows; so does this. An archive without members does nothing.
    """
    position = tail.rfind(_END_OF_ZIP)
    while position >= 0:
        record = tail[position : position + _END_OF_ZIP_BYTES]
        if len(record) == _END_OF_ZIP_BYTES and _is_end_of_zip(record, tail, position, size):
            return size - len(tail) + position
        position = tail.rfind(_END_OF_ZIP, 0, position)
    return None


def _is_end_of_zip(record: bytes, tail: bytes, position: int, size: int) -> bool:
    """Readers trust different fields of the record: Python the directory's size, others its offset."""
    if tail[max(0, position - 20) : position].startswith(b"PK\x06\x07"):
        return True  # the 64-bit form: the numbers are elsewhere
    tail_start = size - len(tail)
    directory_bytes = int.from_bytes(record[12:16], "little")
    by_size = tail_start + position - directory_bytes
    by_offset = int.from_bytes(record[16:20], "little")
    for start in (by_size, by_offset):
        if start >= tail_start and tail.startswith(b"PK\x01\x02", start - tail_start):
            return True
    # The directory begins before the tail. Weights are random bytes: without its signature the rest must fit well.
    has_one_disk = record[4:8] == bytes(4) and record[8:10] == record[10:12]
    return has_one_disk and directory_bytes >= 46 and 0 <= by_size < tail_start
