"""Names that are not what they look like are found, each alone and all together; honest names pass."""

from __future__ import annotations

import unicodedata

import pytest

from ostiary.core.findings import Rule
from ostiary.core.limits import MAX_FINDINGS, MAX_NAME_BYTES, MAX_PATH_BYTES
from ostiary.intake.names import find_in_names, judge_name
from ostiary.intake.rules import names as rules

STRIKES: list[tuple[Rule, bytes]] = [
    (rules.ESCAPES, b""),
    (rules.ESCAPES, b"."),
    (rules.ESCAPES, b".."),
    (rules.ESCAPES, b"a/b"),
    (rules.NOT_UTF8, b"caf\xe9.txt"),
    (rules.NOT_UTF8, b"\xed\xa0\x80"),
    (rules.NOT_UTF8, b"\xc0\xae\xc0\xae"),
    (rules.INVISIBLE, b"a\0b"),
    (rules.INVISIBLE, b"a\nb"),
    (rules.INVISIBLE, b"a\x1b[2Jb"),
    (rules.INVISIBLE, b"a\x7f"),
    (rules.INVISIBLE, "gnp\u202etxt".encode()),
    (rules.INVISIBLE, "config\u200b.json".encode()),
    (rules.INVISIBLE, "\ufeffconfig.json".encode()),
    (rules.INVISIBLE, "a\u00a0b".encode()),
    (rules.INVISIBLE, "a\u3164b".encode()),
    (rules.INVISIBLE, "a\ufe0fb".encode()),
    (rules.INVISIBLE, "a\u2800b".encode()),
    (rules.INVISIBLE, "a\U000e0041b".encode()),
    (rules.EDGE, b" config.json"),
    (rules.EDGE, b"config.json "),
    (rules.EDGE, b"config.json."),
    (rules.EDGE, b"..."),
    (rules.SPECIAL_CHARACTER, b"a\\b"),
    (rules.SPECIAL_CHARACTER, b"config.json:evil"),
    (rules.SPECIAL_CHARACTER, b"what?"),
    (rules.SPECIAL_CHARACTER, b"*"),
    (rules.RESERVED, b"CON"),
    (rules.RESERVED, b"nul.safetensors"),
    (rules.RESERVED, b"aux.tar.gz"),
    (rules.RESERVED, b"COM1"),
    (rules.RESERVED, "lpt\u00b2.txt".encode()),
    (rules.RESERVED, b"con .txt"),
    (rules.RESERVED, b"CONOUT$"),
    (rules.LEADING_DASH, b"-rf"),
    (rules.LEADING_DASH, b"--output=x"),
    (rules.TOO_LONG, b"a" * (MAX_NAME_BYTES + 1)),
    (rules.IMITATES, "\u0441onfig.json".encode()),
    (rules.IMITATES, "tok\u0435nizer.json".encode()),
    (rules.IMITATES, "\uff43onfig.json".encode()),
    (rules.IMITATES, "config\u2024json".encode()),
    (rules.IMITATES, "mod\u00e9l.safetensors".encode()),
    (rules.IMITATES, "m\u03bfdel-00001-of-00002.safetensors".encode()),
    (rules.IMITATES, "model\u201000001-of-00002.safetensors".encode()),
]


@pytest.mark.parametrize(("rule", "name"), STRIKES)
def test_the_rule_strikes(rule: Rule, name: bytes) -> None:
    found = judge_name(name)
    assert found is not None
    assert found.rule is rule
    assert found.is_refusing
    if b"/" not in name:
        in_tree = find_in_names([name.decode("utf-8", "surrogateescape")])
        assert rule in [finding.rule for finding in in_tree]


@pytest.mark.parametrize(
    "name",
    [
        "config.json",
        "model-00001-of-00002.safetensors",
        "Qwen2.5",
        "README.md",
        "LICENSE",
        ".gitattributes",
        "Llama-3.2-1B_4bit",
        "model (1).txt",
        "Модель.md",
        "конфиг.json",
        "语言模型.md",
        "モデルカード.md",
        "한국어.txt",
        "modèle.md",
        "Ελληνικά.md",
        "مستند.md",
        "हिन्दी.md",
        "console.md",
        "auxiliary.json",
        "com10.txt",
        "nullable",
        "lpt.txt",
        "a..b",
        "~draft",
        "C#.md",
        "50%.md",
        "a+b=c.md",
        "x" * 255,
    ],
)
def test_honest_names_pass(name: str) -> None:
    assert judge_name(name.encode()) is None
    assert find_in_names([name]) == ()


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("config.json", "CONFIG.JSON"),
        ("README.md", "readme.md"),
        ("straße.md", "STRASSE.md"),
        (unicodedata.normalize("NFC", "modèle.md"), unicodedata.normalize("NFD", "modèle.md")),
        ("ﬁle.md", "file.md"),
        ("Ⅳ.md", "iv.md"),
        ("Kelvin.md", "\u212aelvin.md"),
        ("a/x.md", "A/y.md"),
        ("a/b/x.md", "a/B"),
        ("a.md", "a.md."),
    ],
)
def test_two_names_for_one_are_found(first: str, second: str) -> None:
    for paths in ([first, second], [second, first]):
        found = [finding for finding in find_in_names(paths) if finding.rule is rules.COLLIDES]
        assert len(found) == 1
        assert found[0].path


def test_both_names_are_told() -> None:
    (found,) = [f for f in find_in_names(["Config.json", "config.json"]) if f.rule is rules.COLLIDES]
    assert "Config.json" in found.detail
    assert "config.json" in found.detail


@pytest.mark.parametrize(
    "paths",
    [
        ["sub", "sub/a.md", "sub/b.md"],
        ["sub/a.md", "sub"],
        ["a/x.md", "b/X.md"],
        ["a/config.json", "config.json"],
        [],
    ],
)
def test_what_is_no_collision(paths: list[str]) -> None:
    assert find_in_names(paths) == ()


def test_a_path_that_is_listed_twice_is_found() -> None:
    assert [f.rule for f in find_in_names(["a.md", "a.md"])] == [rules.COLLIDES]


def test_a_name_in_another_letter_case_is_found_in_a_tree() -> None:
    (found,) = find_in_names(["sub/Tokenizer.json"])
    assert found.rule is rules.IMITATES
    assert found.path == "sub/Tokenizer.json"
    assert judge_name(b"Tokenizer.json") is None


def test_a_decomposed_name_is_only_told() -> None:
    (found,) = find_in_names([unicodedata.normalize("NFD", "modèle.md")])
    assert found.rule is rules.NOT_NORMALISED
    assert not found.is_refusing


def test_the_path_of_a_bad_directory_ends_at_it() -> None:
    (found,) = find_in_names(["a/-b/c.md", "a/-b/d.md"])
    assert found.path == "a/-b"


def test_a_path_beyond_the_ceiling_is_refused() -> None:
    long_path = "/".join(["abcdefg"] * 200)
    assert len(long_path) > MAX_PATH_BYTES
    assert [f.rule for f in find_in_names([long_path])] == [rules.TOO_LONG]


@pytest.mark.parametrize("path", ["/etc/passwd", "a//b", "../x", "a/../b", "a/", "."])
def test_paths_that_lead_elsewhere_are_found(path: str) -> None:
    assert rules.ESCAPES in [f.rule for f in find_in_names([path])]


def test_lone_surrogates_are_no_crash() -> None:
    assert [f.rule for f in find_in_names(["\ud800", "\udcff"])] == [rules.NOT_UTF8, rules.NOT_UTF8]


def test_findings_are_bounded() -> None:
    assert len(find_in_names(f"-{n}" for n in range(MAX_FINDINGS + 50))) == MAX_FINDINGS


def test_every_rule_is_struck_by_some_case() -> None:
    struck = {rule.id for rule, _ in STRIKES} | {rules.COLLIDES.id, rules.NOT_NORMALISED.id}
    assert struck == {rule.id for rule in rules.RULES}
