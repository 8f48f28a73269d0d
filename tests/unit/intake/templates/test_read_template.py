from __future__ import annotations

from pathlib import Path

import pytest
from attack_cases.template import CASES

from ostiary.core.limits import (
    MAX_TEMPLATE_CHARACTERS,
    MAX_TEMPLATE_OUTPUT,
    MAX_TEMPLATE_RANGE,
    MAX_TEMPLATE_WIDTH,
)
from ostiary.intake.rules.template import RULES
from ostiary.intake.templates.read_template import find_in_template

PUBLISHED = sorted((Path(__file__).parent / "published").glob("*.jinja"))
RECURSE = {"command_r", "gpt_oss"}
"""They render schemas, which nest."""


def rules_of(text: str) -> list[str]:
    return [finding.rule.id for finding in find_in_template(text)]


@pytest.mark.parametrize("path", PUBLISHED, ids=lambda path: path.stem)
def test_templates_as_publishers_write_them(path: Path) -> None:
    expected = ["template.recursion"] if path.stem in RECURSE else []
    assert rules_of(path.read_text(encoding="utf-8")) == expected


def test_there_are_ten_of_them() -> None:
    assert len(PUBLISHED) == 10


def test_each_thing_is_said_once_and_everything_is_said() -> None:
    found = find_in_template("{{ a.__class__ }}{{ b.__class__ }}{% include 'x' %}{{ 'A' * 10**9 }}")
    assert [finding.rule.id for finding in found] == [
        "template.python-internals",
        "template.loads-file",
        "template.unbounded-text",
    ]


def test_hidden_characters_are_told_also_of_what_is_refused() -> None:
    assert rules_of("{{ \u200b") == ["template.malformed", "template.hidden-characters"]


def test_details_are_one_line_and_quote() -> None:
    for finding in find_in_template("{{ x['__\u202eclass\n__'] }}"):
        assert "\n" not in finding.sentence
        assert "\u202e" not in finding.sentence


@pytest.mark.parametrize(
    ("inside", "outside"),
    [
        (f"{{{{ x|indent({int(MAX_TEMPLATE_WIDTH)}) }}}}", f"{{{{ x|indent({MAX_TEMPLATE_WIDTH + 1}) }}}}"),
        (f"{{{{ 'a' * {int(MAX_TEMPLATE_OUTPUT)} }}}}", f"{{{{ 'a' * {MAX_TEMPLATE_OUTPUT + 1} }}}}"),
        (f"{{{{ range({int(MAX_TEMPLATE_RANGE)}) }}}}", f"{{{{ range({MAX_TEMPLATE_RANGE + 1}) }}}}"),
        ("x" * MAX_TEMPLATE_CHARACTERS, "x" * (MAX_TEMPLATE_CHARACTERS + 1)),
        (
            "{% for a in range(1000) %}{% for b in range(998) %}{% endfor %}{% endfor %}",
            "{% for a in range(1000) %}{% for b in range(1001) %}{% endfor %}{% endfor %}",
        ),
        ("{{ 2 ** 4000 }}", "{{ 2 ** 5000 }}"),
    ],
)
def test_at_the_ceilings(inside: str, outside: str) -> None:
    assert rules_of(inside) == []
    assert len(rules_of(outside)) == 1


@pytest.mark.parametrize(
    "text",
    [
        "{{ a" + ".b(x" * 40 + ")" * 40 + " }}",
        "{{ x" + "|attr(x" * 40 + ")" * 40 + " }}",
        "{{ x" + "[x" * 40 + "]" * 40 + " }}",
        "{{ '' " + "~ ('a' if x else 'b')" * 3_000 + " }}",
        "{% set a = [x, x] %}" + "{% set a = [a, a] %}" * 3_000,
        "{% if x %}{% elif y %}" * 1 + "{% elif y %}" * 5_000 + "{% endif %}",
        "".join(f"{{% macro m{n}() %}}{{{{ m{n + 1}() }}}}{{% endmacro %}}" for n in range(2_000)),
        "{{ {" + "'a': 1, " * 10_000 + "} }}",
    ],
)
def test_work_of_its_own_is_bounded(text: str) -> None:
    find_in_template(text)


def test_shadowed_functions_are_ordinary_names() -> None:
    assert (
        rules_of("{% set range = messages %}{{ range.first }}{% for dict in range %}{{ dict|string }}{% endfor %}")
        == []
    )


@pytest.mark.parametrize("text", ["{{ dict(__a=x)|first }}", "{{ namespace(a__=x) }}", "{{ f(__b__=1) if f }}"])
def test_names_of_arguments_can_become_texts(text: str) -> None:
    assert "template.python-internals" in rules_of(text)


def test_unknown_functions_in_macros_need_not_run() -> None:
    assert rules_of("{% macro f() %}{{ nope() }}{% endmacro %}") == ["template.guarded-name"]


def test_every_rule_has_a_case_that_makes_it_strike() -> None:
    assert {rule.id for rule in RULES} == {case.rule for case in CASES} - {None}
