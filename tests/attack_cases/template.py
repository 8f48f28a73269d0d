"""Chat templates: ways into Python, out of the directory and into endless work; and honest ones that look alike."""

from __future__ import annotations

from attack_cases.base import ACCEPT, Case, honest_json, model_files

CODE = "INTAKE_CARRIES_CODE"
ESCAPE = "INTAKE_PATH_ESCAPE"
UNBOUNDED = "INTAKE_UNBOUNDED"
MALFORMED = "INTAKE_MALFORMED"
TOO_LARGE = "INTAKE_TOO_LARGE"

_INTERNALS = {
    "field_in_a_sentence": "{{ 'I am {0.__init__.__globals__} today'.format(messages) }}",
    "attribute": "{{ ''.__class__ }}",
    "item": "{{ ''['__class__'] }}",
    "filter": "{{ ''|attr('__class__') }}",
    "joined": "{{ ''['__cl' ~ 'ass__'] }}",
    "added": "{{ ''['__cl' + 'ass__'] }}",
    "join_filter": "{{ ''[['__','class','__']|join] }}",
    "join_method": "{{ ''[''.join(['__class', '__'])] }}",
    "reversed": "{{ ''['__ssalc__'[::-1]] }}",
    "reverse_filter": "{{ ''['__ssalc__'|reverse] }}",
    "lowered": "{{ ''['__CLASS__'|lower] }}",
    "lower_method": "{{ ''['__CLASS__'.lower()] }}",
    "replaced": "{{ ''['#class#'|replace('#', '__')] }}",
    "escaped": "{{ ''['\\x5f\\x5fclass\\x5f\\x5f'] }}",
    "characters": "{{ ''['%c%cclass%c%c'|format(95,95,95,95)] }}",
    "percent": "{{ ''['%sclass%s' % ('__','__')] }}",
    "braces": "{{ ''['{}class{}'.format('__', '__')] }}",
    "format_field": "{{ '{0.__class__}'.format(messages) }}",
    "format_map": "{{ '{x.__init__.__globals__}'.format_map({'x': messages}) }}",
    "set": "{% set a='__cl' %}{% set b='ass__' %}{{ ''[a~b] }}",
    "namespace": "{% set ns=namespace(a='__cl') %}{{ ''[ns.a ~ 'ass__'] }}",
    "condition": "{{ ''['__class__' if messages else 'x'] }}",
    "repeated": "{{ ''['_'*2 ~ 'class' ~ '_'*2] }}",
    "map": "{{ messages|map(attribute='__class__')|list }}",
    "map_attr": "{{ messages|map('attr', '__class__')|list }}",
    "select": "{{ messages|selectattr('__class__')|list }}",
    "group": "{{ messages|groupby('role.__class__') }}",
    "keywords": "{{ dict(__cla=messages, ss__=messages)|join }}",
    "function_text": "{{ (lipsum|string|list)[18] }}",
    "function_attribute": "{{ cycler.next }}",
    "generator_text": "{{ (()|select|string|list)[24] }}",
    "context": "{{ self._TemplateReference__context }}",
    "frame": "{{ messages.gi_frame.f_globals }}",
    "mro": "{{ messages.mro() }}",
    "full_width": "{{ ''|attr('\uff3f\uff3fclass\uff3f\uff3f') }}",
    "in_loop": "{% for m in messages %}{% if m.role == 'x' %}{{ m.__init__ }}{% endif %}{% endfor %}",
    "in_macro": "{% macro f(x) %}{{ x.__globals__ }}{% endmacro %}",
    "in_call": "{% macro f() %}{{ caller() }}{% endmacro %}{% call f() %}{{ ''.__class__ }}{% endcall %}",
    "in_filter_block": "{% filter upper %}{{ ''.__class__ }}{% endfilter %}",
    "in_set_block": "{% set x %}{{ ''.__class__ }}{% endset %}",
    "in_with": "{% with x = ''.__class__ %}{% endwith %}",
    "in_default": "{% macro f(x=''.__class__) %}{% endmacro %}",
    "in_test": "{% if messages is sameas(''.__class__) %}{% endif %}",
    "in_slice": "{{ messages[0:''.__class__] }}",
    "in_dict": "{{ {'a': ''.__class__} }}",
}
_COMPUTED = {
    "attr": "{{ messages|attr(bos_token) }}",
    "map_attr": "{{ messages|map('attr', bos_token)|list }}",
    "map_name": "{{ messages|map(bos_token, 'x')|list }}",
    "half": "{{ messages['__' ~ bos_token ~ '__'] }}",
    "spread": "{{ messages|attr(*messages) }}",
}
_FILES = {
    "include": "{% include '../../../etc/passwd' %}",
    "include_name": "{% include messages %}",
    "import": "{% import 'x' as y %}",
    "from": "{% from 'x' import y %}",
    "extends": "{% extends 'base' %}",
    "guarded": "{% if false %}{% include 'x' %}{% endif %}",
}
_WORK = {
    "range": "{% for a in range(10**12) %}{% endfor %}",
    "nested": "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
    "nested_set": "{% set n = 9999 %}{% for a in range(n) %}{% for b in range(n) %}{% endfor %}{% endfor %}",
    "nested_list": "{% for a in range(5000)|list %}{% for b in range(5000)|list %}{% endfor %}{% endfor %}",
    "letters": "{% for a in range(1000) %}{% for b in 'abcdefghij'*1000 %}{% endfor %}{% endfor %}",
    "macros": "{% macro f() %}{% for a in range(2000) %}{% endfor %}{% endmacro %}"
    "{% for a in range(2000) %}{{ f() }}{% endfor %}",
    "ladder": "{% macro a() %}x{% endmacro %}"
    + "".join(
        f"{{% macro {new}() %}}{f'{{{{ {old}() }}}}' * 10}{{% endmacro %}}"
        for old, new in zip("abcdefgh", "bcdefghi", strict=True)
    )
    + "{{ i() }}",
}
_TEXT = {
    "format_doubles": "{% set ns = namespace(s='a') %}{% for i in range(99) %}{% set ns.s = '%s%s'|format(ns.s, ns.s) %}{% endfor %}",
    "percent_doubles": "{% set ns = namespace(s='a') %}{% for i in range(99) %}{% set ns.s = '%s%s' % (ns.s, ns.s) %}{% endfor %}",
    "braces_double": "{% set ns = namespace(s='a') %}{% for i in range(99) %}{% set ns.s = '{0}{0}'.format(ns.s) %}{% endfor %}",
    "replace_doubles": "{% set ns = namespace(s='a') %}{% for i in range(99) %}{% set ns.s = ns.s.replace('a', 'aa') %}{% endfor %}",
    "choice_doubles": "{% set ns = namespace(s='a') %}{% for i in range(99) %}{% set ns.s = (ns.s ~ ns.s) if i else '' %}{% endfor %}",
    "powers_of_powers": "{% set ns = namespace(s=2) %}{% for i in range(99) %}{% set ns.s = ns.s ** 2 %}{% endfor %}",
    "words_multiplied": "{{ lipsum(5) * 100000000 }}",
    "times": "{{ 'A' * 20000000000 }}",
    "times_reversed": "{{ 20000000000 * 'A' }}",
    "times_computed": "{{ 'A' * (100000 * 100000) }}",
    "list": "{{ [0] * 10000000000 }}",
    "power": "{{ 9**(9**9) }}",
    "power_of_power": "{{ (9**9)**(9**9) }}",
    "center": "{{ 'a'|center(1000000000) }}",
    "center_method": "{{ bos_token.center(1000000000) }}",
    "zfill": "{{ '1'.zfill(1000000000) }}",
    "percent_width": "{{ '%1000000000d' % 1 }}",
    "percent_star": "{{ '%*d' % (1000000000, 1) }}",
    "percent_precision": "{{ '%.1000000000f' % 1 }}",
    "percent_filter": "{{ '%1000000000s'|format(bos_token) }}",
    "braces": "{{ '{:>1000000000}'.format(1) }}",
    "braces_nested": "{{ '{:>{}}'.format(1, 1000000000) }}",
    "indent": "{{ bos_token|indent(1000000000) }}",
    "tojson": "{{ messages|tojson(indent=1000000000) }}",
    "batch": "{{ messages|batch(1000000000, 'x')|list }}",
    "slices": "{{ messages|slice(1000000000)|list }}",
    "lipsum": "{{ lipsum(n=1000000) }}",
    "to_bytes": "{{ (1).to_bytes(1000000000, 'big') }}",
    "replace": "{{ bos_token|replace('', 'AAAAAAAAAA' * 10000) }}",
    "replace_chain": "{{ bos_token" + "|replace('a', 'aa')" * 40 + " }}",
    "doubling": "{% set x = 'a' %}" + "{% set x = x ~ x %}" * 40,
    "doubling_input": "{% set x = messages|string %}" + "{% set x = x ~ x %}" * 40,
    "doubling_loop": "{% set ns = namespace(x='a') %}{% for i in range(40) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}",
    "doubling_times": "{% set ns = namespace(x='a') %}{% for m in messages %}{% set ns.x = ns.x * 2 %}{% endfor %}",
    "doubling_list": "{% set ns = namespace(x=[1]) %}{% for m in messages %}{% set ns.x = ns.x + ns.x %}{% endfor %}",
    "printed_often": "{% for i in range(99999) %}{{ 'A' * 10000 }}{% endfor %}",
}
_RECURSION = {
    "self": "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
    "mutual": "{% macro f() %}{{ g() }}{% endmacro %}{% macro g() %}{{ f() }}{% endmacro %}{{ f() }}",
}
_MALFORMED = {
    "open": "{{ messages",
    "tag": "{% do messages.append(1) %}",
    "debug": "{% debug %}",
    "end": "{% for m in messages %}{{ m }}",
    "literal": "{{ " + "9" * 5_000 + " }}",
    "operator": "{{ 1 + }}",
}
_UNKNOWN = {
    "filter": "{{ messages|shell }}",
    "test": "{{ messages is pickled }}",
    "function": "{{ open('/etc/passwd') }}",
    "loop_filter": "{% if x %}{% for m in messages %}{{ m|shell }}{% endfor %}{% endif %}",
}
_LARGE = {
    "parentheses": "{{ " + "(" * 400 + "1" + ")" * 400 + " }}",
    "sum": "{{ " + "1+" * 5_000 + "1 }}",
    "attributes": "{{ m" + ".a" * 5_000 + " }}",
    "blocks": "{% if x %}" * 300 + "{% endif %}" * 300,
    "text": "x" * 300_000,
}
_HONEST = {
    "braces_in_prose": "{{ 'Write {name} and def __init__(self) in braces { like this }' }}",
    "counts_and_appends": "{% set ns = namespace(n=0, s='') %}{% for m in messages %}{% set ns.n = ns.n + 1 %}{% set ns.s = ns.s ~ ('%s' % m['content']).replace('a', 'b') %}{% endfor %}",
    "names": "{% for m in messages %}{{ m['role'] ~ '__' ~ m.content }}{% endfor %}",
    "prose": "Write __init__ methods, never touch __class__.{{ messages }}",
    "prose_text": "{{ 'Never call obj.__class__ in your answers.' }}",
    "tool_call": "{{ '__tool_call__' ~ messages }}",
    "json_dump": "{{ messages|tojson(indent=4)|indent(8, first=True) }}",
    "range": "{% for i in range(0, 100, 10) %}{% for j in range(10) %}{{ i }}{% endfor %}{% endfor %}",
    "counter": "{% set ns = namespace(i=0) %}{% for m in messages %}{% set ns.i = ns.i + 1 %}{% endfor %}",
    "grow": "{% set ns = namespace(t='') %}{% for m in messages %}{% set ns.t = ns.t ~ m.content %}{% endfor %}{{ ns.t }}",
    "choose": "{% set ns = namespace(t='') %}{% for m in messages %}"
    "{% set ns.t = ns.t if ns.t else m.content %}{% endfor %}",
    "line": "{{ '-' * 80 }}{{ '=' * 4000 }}",
    "numbers": "{{ 2 ** 32 }}{{ 1000000 * 1000000 }}{{ loop_count * 100000 }}",
    "replace": "{{ messages|string|replace('<', '&lt;')|replace('>', '&gt;')|trim }}",
    "format": "{{ '%s: %s'|format(bos_token, eos_token) }}{{ '{}-{:02d}'.format(bos_token, 3) }}",
    "defined": "{% if strftime_now is defined %}{{ strftime_now('%Y') }}{% elif strftime_now %}x{% endif %}",
    "exception": "{% if messages|length > 99 %}{{ raise_exception('too long') }}{% endif %}",
    "generation": "{% for m in messages %}{% generation %}{{ m.content }}{% endgeneration %}{% endfor %}",
    "controls": "{% for m in messages %}{% if loop.index > 9 %}{% break %}{% else %}{% continue %}{% endif %}{% endfor %}",
    "macro": "{% macro show(m, n=2) %}{{ m.content|indent(n) }}{% endmacro %}{% for m in messages %}{{ show(m) }}{% endfor %}",
    "select": "{{ messages|selectattr('role', 'equalto', 'user')|map(attribute='content')|join('\n') }}",
    "fromkeys": "{{ dict.fromkeys(['a', 'b'], 1) }}",
    "attr": "{{ messages[0]|attr('content') }}",
    "raw": "{% raw %}{{ ''.__class__ }}{% endraw %}{# {{ ''.__class__ }} #}",
    "full_width": "{{ '<\uff5cUser\uff5c>' ~ messages }}",
    "own_cycler": "{% set cycler = messages %}{{ cycler[0].content }}",
}
_TOLD = {
    "recursion": ("recursion", "{% macro f(x) %}{% if x.items %}{{ f(x.items) }}{% endif %}{% endmacro %}{{ f(tools) }}"),
    "recursive_loop": ("recursion", "{% for m in tools recursive %}{{ m }}{% if m.sub %}{{ loop(m.sub) }}{% endif %}{% endfor %}"),
    "guarded": ("guarded-name", "{% if pretty is defined %}{{ pretty(messages) }}{% endif %}"),
    "guarded_filter": ("guarded-name", "{% if messages is string %}{{ messages|fromjson }}{% endif %}"),
    "private": ("private-attribute", "{{ messages[0]._meta }}"),
    "bidi": ("hidden-characters", "{{ messages }}\u202e dlrow"),
    "zero_width": ("hidden-characters", "{{ 'ig\u200bnore' }}"),
    "escaped": ("hidden-characters", "{{ '\\u200b' }}"),
}  # fmt: skip


def _cases(family: str, texts: dict[str, str], expect: str, rule: str | None) -> list[Case]:
    return [
        Case(
            f"{family}_{name}",
            f"{family.replace('_', ' ')}: {name.replace('_', ' ')}",
            expect,
            model_files(tokenizer_config__json=honest_json("tokenizer_config.json", chat_template=text)),
            None if rule is None else f"template.{rule}",
        )
        for name, text in texts.items()
    ]


CASES: list[Case] = [
    *_cases("internals", _INTERNALS, CODE, "python-internals"),
    *_cases("computed", _COMPUTED, CODE, "computed-attribute"),
    *_cases("file", _FILES, ESCAPE, "loads-file"),
    *_cases("work", _WORK, UNBOUNDED, "unbounded-work"),
    *_cases("text", _TEXT, UNBOUNDED, "unbounded-text"),
    *_cases("recursion", _RECURSION, UNBOUNDED, "endless-recursion"),
    *_cases("malformed", _MALFORMED, MALFORMED, "malformed"),
    *_cases("unknown", _UNKNOWN, MALFORMED, "unknown-name"),
    *_cases("large", _LARGE, TOO_LARGE, "too-large"),
    *_cases("honest", _HONEST, ACCEPT, None),
    *(case for name, (rule, text) in _TOLD.items() for case in _cases("told", {name: text}, ACCEPT, rule)),
    Case(
        "too_many_characters",
        "six templates, each within its ceiling and all together not",
        TOO_LARGE,
        model_files(
            tokenizer_config__json=honest_json(
                "tokenizer_config.json",
                chat_template=[{"name": f"t{n}", "template": "x" * 100_000} for n in range(6)],
            )
        ),
        "template.too-large",
    ),
    Case(
        "jinja_file",
        "a chat_template.jinja that reaches for internals",
        CODE,
        model_files(chat_template__jinja=b"{{ ''.__class__ }}"),
        "template.python-internals",
    ),
    Case(
        "second_of_two",
        "the second of two named templates reaches for internals",
        CODE,
        model_files(
            tokenizer_config__json=honest_json(
                "tokenizer_config.json",
                chat_template=[
                    {"name": "default", "template": "{{ messages }}"},
                    {"name": "tool_use", "template": "{{ ''.__class__ }}"},
                ],
            )
        ),
        "template.python-internals",
    ),
]
