from __future__ import annotations

import pytest
from attack_cases.tokenizer import GPT2, LLAMA3

from ostiary.core.limits import MAX_REGEX_CHARACTERS, MAX_REGEX_DEPTH, MAX_REGEX_REPEATS
from ostiary.errors import IntakeRefused
from ostiary.intake.tokens.check_regex import can_match_nothing, find_backtracking

PUBLISHED = {
    "gpt2": GPT2,
    "llama3": LLAMA3,
    "qwen2": LLAMA3.replace("{1,3}", ""),
    "o200k": r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    "cl100k": r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]"
    r"|\s+(?!\S)|\s",
    "deepseek": r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+"
    r"| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    "deepseek_han": "[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+",
    "kimi": r"[\p{Han}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lo}\p{M}&&[^\p{Han}]]*[\p{Ll}\p{Lo}\p{M}&&[^\p{Han}]]+(?i:'s|'t)?",
    "bloom": r" ?[^(\s|[.,!?\u2026])]+",
    "clip": r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+",
    "digits": r"(?=(\d{3})+(?!\d))",
    "spaces": " {2,}",
}
HOSTILE = {
    "plus_of_plus": r"(a+)+(b+)+$(?!x)",
    "star_of_star": r"(.*)*x",
    "optional_between": r"(\s?\w+)*!",
    "alternatives": r"(a|aa)+$",
    "classes": r"(\w|\d)+$",
    "neighbours": r"a*a*a*a*b",
    "counted": r"(?:(?:a{1,50})+)+",
    "behind_optional": r"(x?(y?a*))+",
}
BROKEN = [
    "(", ")", "[", "[]", "[a", "[z-a]", "[a-\\d]", "[[:nope:]]", "*a", "+", "{2}", "^*", "(?=a)*", "a{3,2}", "a**+?*",
    "(a)\\1", "(?<n>a)\\k<n>", "\\g<0>", "(?{x})", "(*FAIL)", "(?R)", "(?(1)a)", "\\p{Nope}", "\\p{", "\\q", "\\xff",
    "\\x{110000}", "\\uD800", "a\\", "(?<=a+)b", "(?i", "(?", "\\\x00",
]  # fmt: skip


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_patterns_are_clean(name: str) -> None:
    assert find_backtracking(PUBLISHED[name]) == ()


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_patterns_are_told(name: str) -> None:
    (finding,) = find_backtracking(HOSTILE[name])
    assert finding.rule.id == "tokenizer.backtracking-regex"


@pytest.mark.parametrize("text", ["(a++)+", "(?>a+)+", "(ab+)*", "(a+b)*", "(a|b)+", "a*b*c*d*", "(?:'s|'t)+"])
def test_what_cannot_be_split_two_ways_is_clean(text: str) -> None:
    assert find_backtracking(text) == ()


@pytest.mark.parametrize("text", BROKEN)
def test_what_is_not_understood_is_refused(text: str) -> None:
    with pytest.raises(IntakeRefused) as caught:
        find_backtracking(text)
    assert caught.value.code == "INTAKE_MALFORMED"


@pytest.mark.parametrize(
    "text",
    [
        "a" * (MAX_REGEX_CHARACTERS + 1),
        "(" * (MAX_REGEX_DEPTH + 1) + ")" * (MAX_REGEX_DEPTH + 1),
        "[" * (MAX_REGEX_DEPTH + 2) + "a" + "]" * (MAX_REGEX_DEPTH + 2),
        f"a{{{MAX_REGEX_REPEATS + 1}}}",
        "((a{100}){100})",
    ],
)
def test_what_is_too_large_is_refused(text: str) -> None:
    with pytest.raises(IntakeRefused) as caught:
        find_backtracking(text)
    assert caught.value.code == "INTAKE_TOO_LARGE"


def test_at_the_ceilings() -> None:
    assert find_backtracking("a" * MAX_REGEX_CHARACTERS) == ()
    assert find_backtracking(f"a{{{MAX_REGEX_REPEATS}}}") == ()
    assert find_backtracking("(ba{10}){100}") == ()


@pytest.mark.parametrize(
    ("text", "expected"), [("a*", True), ("a|", True), ("(?=a)", True), ("a", False), ("a+", False)]
)
def test_can_match_nothing(text: str, expected: bool) -> None:
    assert can_match_nothing(text) is expected
