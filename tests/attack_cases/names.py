"""Names: those that hide, escape or collide, and honest ones that must pass.

Only names that an ordinary Linux file system can hold are here; the others are in the unit tests.
"""

from __future__ import annotations

import unicodedata

from attack_cases.base import ACCEPT, Case, model_files

_TEXT = b"some text\n"


def _beside(name: str, what: str, extra: str, expect: str, rule: str | None, data: bytes = _TEXT) -> Case:  # noqa: PLR0917
    return Case(f"names_{name}", what, expect, {**model_files(), extra: data}, rule)


def _bad(name: str, what: str, extra: str, rule: str, data: bytes = _TEXT) -> Case:
    return _beside(name, what, extra, "INTAKE_UNSAFE_NAME", f"names.{rule}", data)


def _good(name: str, what: str, extra: str, data: bytes = _TEXT) -> Case:
    return _beside(name, what, extra, ACCEPT, None, data)


def _twice(name: str, what: str, first: str, second: str) -> Case:
    files = {first: _TEXT, second: _TEXT, **model_files()}
    return Case(f"names_{name}", what, "INTAKE_DUPLICATE_NAME", files, "names.collides")


CASES: list[Case] = [
    _bad("newline", "a newline in a name: forges a line of a log", "a\nb.md", "invisible-character"),
    _bad("escape_sequence", "a terminal escape in a name", "a\x1b[2Jb.md", "invisible-character"),
    _bad(
        "bidi_override",
        "right-to-left override: reads as 'exe.txt' backwards",
        "gnp\u202etxt.md",
        "invisible-character",
    ),
    _bad("bidi_isolate", "bidirectional isolate", "a\u2066b.md", "invisible-character"),
    _bad(
        "zero_width_space",
        "zero-width space: a second config.json to the eye",
        "config\u200b.json",
        "invisible-character",
        b"{}",
    ),
    _bad("zero_width_joiner", "zero-width joiner", "README\u200d.md", "invisible-character"),
    _bad("byte_order_mark", "byte order mark in front", "\ufeffREADME.md", "invisible-character"),
    _bad("no_break_space", "a space that is none", "a\u00a0b.md", "invisible-character"),
    _bad("hangul_filler", "a letter that is drawn as nothing", "README\u3164.md", "invisible-character"),
    _bad("variation_selector", "a mark that is drawn as nothing", "README\ufe0e.md", "invisible-character"),
    _bad("tag_character", "an invisible tag character", "README\U000e0041.md", "invisible-character"),
    _bad("private_use", "a character that every font draws differently", "a\ue000.md", "invisible-character"),
    _bad("leading_space", "a space in front", " README.md", "space-or-dot-at-the-edge"),
    _bad("trailing_space", "a space behind: dropped by Windows", "NOTICE.md ", "space-or-dot-at-the-edge"),
    _bad("trailing_dot", "a dot behind: dropped by Windows", "NOTICE.md.", "space-or-dot-at-the-edge"),
    _bad("three_dots", "only dots", "...", "space-or-dot-at-the-edge"),
    _bad("backslash", "a path on Windows", "..\\evil.md", "special-character"),
    _bad("stream", "an alternate data stream on Windows", "config.json:hidden", "special-character"),
    _bad("drive", "a drive on Windows", "C:notes.md", "special-character"),
    _bad("wildcard", "a name that a shell expands", "*.md", "special-character"),
    _bad("pipe", "a name that a shell obeys", "a|b.md", "special-character"),
    _bad("option", "a name that a command takes for an option", "--help.md", "leading-dash"),
    _bad("option_directory", "a directory that is an option", "-rf/notes.md", "leading-dash"),
    _bad("device", "a Windows device", "NUL.md", "reserved"),
    _bad("device_directory", "a directory named as a Windows device", "aux/notes.md", "reserved"),
    _bad("device_extension", "a Windows device with two extensions", "com1.tar.md", "reserved"),
    _bad("not_utf8", "a byte that is no UTF-8", "caf\udce9.md", "not-utf8"),
    _bad("overlong_dots", "an overlong encoding of '..'", "\udcc0\udcae\udcc0\udcae.md", "not-utf8"),
    _bad("cyrillic_config", "Cyrillic c in config.json", "\u0441onfig.json", "imitates", b"{}"),
    _bad("greek_model", "Greek o in a shard's name", "m\u03bfdel-00001-of-00002.safetensors", "imitates", b""),
    _bad("fullwidth_vocab", "full-width letters", "\uff56\uff4f\uff43\uff41\uff42.json", "imitates", b"{}"),
    _bad("dotless", "one dot leader instead of a dot", "vocab\u2024json", "imitates"),
    _bad(
        "hyphen",
        "another hyphen in a shard's name",
        "model\u201000001\u2010of\u201000002.safetensors",
        "imitates",
        b"",
    ),
    _bad("accent", "an accent on one letter of tokenizer.json", "tokeniz\u00e9r.json", "imitates", b"{}"),
    _bad(
        "case_alone",
        "Chat template in another letter case, which macOS would open",
        "Vocab.json",
        "imitates",
        b"{}",
    ),
    _twice("case", "README twice on macOS and Windows", "README.md", "readme.md"),
    _twice("fullwidth_config", "full-width letters", "config.json", "\uff43\uff4f\uff4e\uff46\uff49\uff47.json"),
    _twice("case_config", "config.json twice on macOS and Windows", "config.json", "CONFIG.JSON"),
    _twice("sharp_s", "one name where case is folded", "stra\u00dfe.md", "STRASSE.md"),
    _twice(
        "normal_form",
        "one name on macOS, two on Linux",
        unicodedata.normalize("NFC", "mod\u00e8le.md"),
        unicodedata.normalize("NFD", "mod\u00e8le.md"),
    ),
    _twice("ligature", "one name where compatibility forms count", "\ufb01le.md", "file.md"),
    _twice("kelvin", "the Kelvin sign and the letter K", "\u212aelvin.md", "kelvin.md"),
    _twice("directory", "two directories that are one", "docs/a.md", "Docs/b.md"),
    _twice("file_and_directory", "a file and a directory of one name", "docs/a.md", "DOCS"),
    Case(
        "names_dot_behind_collides",
        "two names that Windows makes one",
        "INTAKE_DUPLICATE_NAME",
        {**model_files(), "a.md": _TEXT, "a.md.": _TEXT},
        "names.collides",
    ),
    _good("readme", "the commonest name of all", "README.md"),
    _good("french", "an accent", "LISEZ-MOI-mod\u00e8le.md"),
    _good("russian", "a Cyrillic name that imitates nothing", "\u041c\u043e\u0434\u0435\u043b\u044c.md"),
    _good("chinese", "a Chinese name", "\u8bed\u8a00\u6a21\u578b.md"),
    _good("japanese", "a Japanese name", "\u30e2\u30c7\u30eb\u30ab\u30fc\u30c9.md"),
    _good("korean", "a Korean name", "\ud55c\uad6d\uc5b4.md"),
    _good("arabic", "an Arabic name, right to left without any override", "\u0645\u0633\u062a\u0646\u062f.md"),
    _good(
        "decomposed",
        "an accent stored decomposed: told, not refused",
        unicodedata.normalize("NFD", "mod\u00e8le.md"),
    ),
    _good("spaces_inside", "spaces between words", "read me first.md"),
    _good("parentheses", "a browser's second download", "README (1).md"),
    _good("console", "begins like a device", "console.md"),
    _good("com10", "a device has one digit", "com10.md"),
    _good("two_dots_inside", "two dots inside a name", "v1..v2.md"),
    _good("version", "dots and digits", "Qwen2.5-0.5B.md"),
    _good(
        "dotfile", "a hidden file of git", ".gitattributes", b"*.safetensors filter=lfs diff=lfs merge=lfs -text\n"
    ),
    _good("long", "as long as a name may be", "x" * 252 + ".md"),
    _good("same_name_elsewhere", "the same name in two directories", "docs/README.md"),
    _good("signs", "signs that no system interprets", "a+b=c, 50% #1.md"),
]
