"""Any text as a template is judged; what is let in renders in bounded work where jinja2 can render it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jinja2 import TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from ostiary.core.limits import MAX_TEMPLATE_OUTPUT
from ostiary.intake.templates.read_template import find_in_template

PIECES = st.sampled_from(
    """{{ }} {% %} {%- -%} {# #} if else elif endif for in endfor set endset macro endmacro call endcall with endwith
    filter endfilter raw endraw block endblock generation endgeneration break continue include import from extends
    messages m x loop ns namespace( range( dict( cycler lipsum self caller() ( ) [ ] { } , : . | ~ + - * / // % **
    == != < is not and or defined string list join replace( attr( map( select indent( center( format( tojson
    '__class__' '__' 'a' "b" 0 1 9 99999 10**9 .upper() .join( ['a'] [::-1] recursive true none""".split()
)
TEXTS = st.lists(PIECES, max_size=30).map(" ".join)


@given(st.one_of(TEXTS, st.text(max_size=60)))
@settings(max_examples=300, deadline=None)
def test_any_text_is_judged(text: str) -> None:
    for finding in find_in_template(text):
        assert "\n" not in finding.sentence
        assert len(finding.sentence) < 1_000


EXPRESSIONS = st.recursive(
    st.sampled_from(["'a'", "'ab'", "1", "3", "x", "[1, 2]", "none", "true", "range(3)"]),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["~", "+", "*", "-", "//", "%", "and", "or", "=="]), inner).map(
            lambda t: f"({t[0]} {t[1]} {t[2]})"
        ),
        st.tuples(
            inner, st.sampled_from("upper lower list join reverse string length first last trim".split())
        ).map(lambda t: f"({t[0]}|{t[1]})"),
        st.tuples(inner, inner, inner).map(lambda t: f"({t[0]} if {t[1]} else {t[2]})"),
        st.tuples(inner, st.sampled_from(["0", "-1", "::-1", ":1"])).map(lambda t: f"{t[0]}[{t[1]}]"),
        st.tuples(inner, inner).map(lambda t: f"({t[0]}|replace('a', {t[1]}))"),
    ),
    max_leaves=8,
)


@given(EXPRESSIONS)
@settings(max_examples=300, deadline=None)
def test_what_is_let_in_stays_small(expression: str) -> None:
    text = f"{{{{ {expression} }}}}"
    if any(finding.is_refusing for finding in find_in_template(text)):
        return
    try:
        rendered = ImmutableSandboxedEnvironment().from_string(text).render(x="xyz")
    except (TemplateError, TypeError, ValueError, ArithmeticError, IndexError, AttributeError, SyntaxError):
        return
    assert len(rendered) <= MAX_TEMPLATE_OUTPUT


SPELLINGS = st.recursive(
    st.sampled_from(["__class__", "__globals__", "__subclasses__"]).map(lambda name: (name, f"'{name}'")),
    lambda inner: st.one_of(
        st.tuples(inner, st.integers(1, 8)).map(
            lambda t: (t[0][0], f"('{t[0][0][: t[1]]}' ~ '{t[0][0][t[1] :]}')")
        ),
        inner.map(lambda t: (t[0], f"({t[1]}|trim)")),
        inner.map(lambda t: (t[0], f"({t[1]})[::-1][::-1]")),
        inner.map(lambda t: (t[0], f"[{t[1]}]|join")),
        inner.map(lambda t: (t[0], f"('%s'|format({t[1]}))")),
        inner.map(lambda t: (t[0], f"('{{}}'.format({t[1]}))")),
        inner.map(lambda t: (t[0], f"({t[1]} if x else {t[1]})")),
        inner.map(lambda t: (t[0], f"({t[1]}|upper|lower)")),
    ),
    max_leaves=4,
)


@pytest.mark.parametrize("use", ["{{{{ x[{0}] }}}}", "{{{{ x|attr({0}) }}}}", "{{% set n = {0} %}}{{{{ x[n] }}}}"])
@given(spelling=SPELLINGS)
def test_internals_are_found_however_they_are_spelled(use: str, spelling: tuple[str, str]) -> None:
    assert any(finding.rule.code is not None for finding in find_in_template(use.format(spelling[1])))
