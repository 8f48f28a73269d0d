"""An answer that is held to a schema parses and validates, whatever the model would rather say."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, event, given, settings
from hypothesis import strategies as st

pytest.importorskip("llguidance")
pytest.importorskip("tokenizers")

from jsonschema import Draft202012Validator

from ostiary.core.answer_forms import ToolPlan, ToolUse
from ostiary.core.schema_rules import SchemaUnfit, parse_schema
from ostiary.core.tool_styles import ToolStyle
from ostiary.worker.engines.contract import CallUnfit
from ostiary.worker.engines.language.constraint import Constraint, Vocabulary
from ostiary.worker.engines.language.grammar import write_grammar

pytestmark = pytest.mark.mlx

WORDS = [bytes([byte]) for byte in range(256)] + [
    b'{"',
    b'":',
    b'", "',
    b"true",
    b"null",
    b"  ",
    b"\n",
    b"\xc3\xa9",
    b"12",
]


class Words:
    """As the vocabulary asks a tokenizer."""

    has_plain_pieces = True

    def piece(self, token: int) -> bytes:
        return WORDS[token]


VOCABULARY = Vocabulary(Words(), len(WORDS), ())  # type: ignore[arg-type]


def hold(schema: Any) -> Constraint:
    grammar = write_grammar(parse_schema(schema), ToolPlan(ToolUse.NONE), ToolStyle.JSON)
    assert grammar is not None
    return VOCABULARY.compile(grammar)


def say_anything(constraint: Constraint, dice: Any, most: int = 600) -> bytes | None:
    """A model without any sense. None: it was cut before the end."""
    said = b""
    for _ in range(most):
        mask = constraint.read_mask()
        assert constraint.failure is None, constraint.failure
        if mask is None:
            return said
        if mask.may_end and dice.random() < 0.5:
            return said
        fitting = [token for token in range(len(WORDS)) if mask.bits[token // 8] >> (token % 8) & 1]
        closing = [token for token in fitting if WORDS[token] in (b"}", b"]", b'"', b",", b":")]
        token = dice.choice(closing if closing and dice.random() < 0.4 else fitting)
        said += WORDS[token]
        constraint.advance(token)
        assert constraint.failure is None, (constraint.failure, said)
    return None


_NAMES = st.sampled_from(["a", "b", "long name", "é", 'q"uote', "back\\slash", ""])
_VALUES = st.none() | st.booleans() | st.integers(-(2**31), 2**31) | st.text(max_size=5) | st.just({"k": [1, None]})
_LEAVES = st.one_of(
    st.just({}),
    st.just({"type": "null"}),
    st.just({"type": "boolean"}),
    st.builds(
        lambda low, size: {"type": "string", "minLength": low, "maxLength": low + size},
        st.integers(0, 4),
        st.integers(0, 6),
    ),
    st.builds(
        lambda pattern: {"type": "string", "pattern": pattern},
        st.sampled_from(["^a+$", "b", "^[0-9]{2,4}", "x|y$", "^(ab)*$", "\\d"]),
    ),
    st.builds(
        lambda low, size: {"type": "integer", "minimum": low, "maximum": low + size},
        st.integers(-1000, 1000),
        st.integers(0, 500),
    ),
    st.builds(
        lambda low, size: {"type": "number", "minimum": low, "exclusiveMaximum": low + 1 + size},
        st.integers(-50, 50),
        st.integers(0, 50),
    ),
    st.builds(lambda of: {"type": "integer", "multipleOf": of}, st.sampled_from([1, 2, 3, 8, 10, 12, 25])),
    st.builds(lambda kind: {"type": "string", "format": kind}, st.sampled_from(["date", "time", "uuid", "ipv4"])),
    st.builds(lambda values: {"enum": values}, st.lists(_VALUES, min_size=1, max_size=4)),
    st.builds(lambda value: {"const": value}, _VALUES),
    st.just({"type": ["string", "null"], "maxLength": 3}),
)


def _extend(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    objects = st.builds(
        lambda properties, extra, required: {
            "type": "object",
            "properties": properties,
            "required": sorted(properties)[:required],
            "additionalProperties": extra,
        },
        st.dictionaries(_NAMES, inner, max_size=3),
        st.just(False) | inner,
        st.integers(0, 3),
    )
    lists = st.builds(
        lambda items, low, size: {"type": "array", "items": items, "minItems": low, "maxItems": low + size},
        inner,
        st.integers(0, 2),
        st.integers(0, 2),
    )
    tuples = st.builds(
        lambda items: {"type": "array", "prefixItems": items, "items": False},
        st.lists(inner, min_size=1, max_size=3),
    )
    choices = st.builds(lambda some: {"anyOf": some}, st.lists(inner, min_size=1, max_size=3))
    everything = st.builds(lambda some: {"allOf": some}, st.lists(inner, min_size=1, max_size=2))
    return objects | lists | tuples | choices | everything


SCHEMAS = st.recursive(_LEAVES, _extend, max_leaves=8)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much]
)
@given(schema=SCHEMAS, dice=st.randoms(use_true_random=False))
def test_what_was_said_to_its_end_validates(schema: Any, dice: Any) -> None:
    try:
        constraint = hold(schema)
    except CallUnfit as refused:
        event(f"refused: {refused}")
        return
    said = say_anything(constraint, dice)
    assume(said is not None)
    assert said is not None
    event("said to its end")
    Draft202012Validator(schema).validate(json.loads(said))


@settings(max_examples=30, deadline=None)
@given(dice=st.randoms(use_true_random=False))
def test_any_object(dice: Any) -> None:
    said = say_anything(hold({"type": "object"}), dice)
    assume(said is not None)
    assert isinstance(json.loads(said or b""), dict)


# --- schemas that are made to hurt ------------------------------------------------------------------------------------


def _nest(times: int) -> Any:
    return {"type": "string"} if not times else {"type": "array", "items": _nest(times - 1)}


def _double(times: int) -> Any:
    steps = {f"a{n}": {"type": "array", "prefixItems": [{"$ref": f"#/$defs/a{n + 1}"}] * 2} for n in range(times)}
    return {"$defs": {**steps, f"a{times}": {"type": "string"}}, "$ref": "#/$defs/a0"}


def _multiply(ways: int, times: int) -> Any:
    """Alternatives of alternatives, each behind a reference."""
    some = {
        f"a{n}": {"anyOf": [{"properties": {f"p{n}": {"const": way}}} for way in range(ways)]} for n in range(times)
    }
    return {"$defs": some, "allOf": [{"$ref": f"#/$defs/{name}"} for name in some]}


HOSTILE = {
    "deep": _nest(500),
    "deep enough": _nest(25),
    "doubling": _double(25),
    "multiplying": _multiply(10, 12),
    "many values": {"enum": [f"value {n}" for n in range(16_000)]},
    "too many values": {"enum": [f"value {n}" for n in range(20_000)]},
    "many properties": {"properties": {f"p{n}": {"type": "integer"} for n in range(1_000)}},
    "many that must be there": {
        "type": "object",
        "properties": {f"p{n}": {"type": "integer"} for n in range(1_000)},
        "required": [f"p{n}" for n in range(1_000)],
        "additionalProperties": False,
    },
    "too many properties": {"properties": {f"p{n}": {} for n in range(1_025)}},
    "long text": {"type": "string", "minLength": 65_536},
    "long list": {"type": "array", "minItems": 65_536},
    "too long a list": {"type": "array", "minItems": 65_537},
    "a state for each remainder": {"type": "integer", "multipleOf": 999_983},
    "many states": {"type": "integer", "multipleOf": 4_999},
    "states that multiply": {"allOf": [{"multipleOf": number} for number in (97, 89, 83, 79)]},
    "states and zeros": {"allOf": [{"type": "number", "multipleOf": number} for number in (1e8, 997, 0.5)]},
    "repeats of repeats": {"type": "string", "pattern": "((a{1000}){1000}){1000}"},
    "a choice long ago": {"type": "string", "pattern": "^(a|b)*a(a|b){40}$"},
    "choices long ago": {"type": "string", "pattern": "|".join(f"(a|b)*a(a|b){{{n}}}" for n in range(30))},
    "brackets": {"type": "string", "pattern": "(" * 500 + ")" * 500},
    "a long pattern": {"type": "string", "pattern": "a" * 1_025},
    "every letter": {"type": "string", "pattern": r"\p{L}{1,500}[\p{Han}\p{Greek}]{500}"},
    "patterns that meet": {"allOf": [{"type": "string", "pattern": f"{c}.{{0,20}}{c}"} for c in "abcdefgh"]},
    "names by pattern": {
        "patternProperties": {f"^{c}.*{d}$": {"type": "integer"} for c in "abcdefghij" for d in "klmn"}
    },
    "looking ahead": {"type": "string", "pattern": "a(?=b)"},
    "looking back": {"type": "string", "pattern": r"(a)\1"},
    "no pattern": {"type": "string", "pattern": "("},
    "itself": {"$ref": "#"},
    "itself by another": {
        "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"anyOf": [{"$ref": "#/$defs/a"}]}},
        "$ref": "#/$defs/a",
    },
    "itself in a list without end": {"type": "array", "items": {"$ref": "#"}, "minItems": 1},
    "itself and more": {
        "allOf": [{"properties": {"a": {"$ref": "#"}}}, {"properties": {"a": {"$ref": "#"}, "b": {"$ref": "#"}}}]
    },
    "elsewhere": {"$ref": "http://127.0.0.1:9/schema.json"},
    "a file": {"$ref": "file:///etc/passwd"},
    "nowhere": {"$ref": "#/$defs/none"},
    "no schema there": {"$defs": {"a": {"enum": ["x"]}}, "$ref": "#/$defs/a/enum"},
    "nothing fits": {"type": "integer", "minimum": 5, "maximum": 2},
    "nothing at all": {"enum": []},
    "huge numbers": {"type": "integer", "minimum": -(2**63), "maximum": 2**63 - 1},
    "far numbers": {"type": "number", "minimum": -1e308, "maximum": 1e308},
    "close numbers": {"type": "number", "minimum": 1.23456789012345, "maximum": 1.23456789012346},
    "tiny numbers": {"type": "number", "minimum": 1e-300, "maximum": 2e-300},
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_schema_fails_alone_or_is_kept_to(name: str) -> None:
    try:
        constraint = hold(HOSTILE[name])
    except (SchemaUnfit, CallUnfit):
        return
    dice = random.Random(7)  # noqa: S311
    for _ in range(150):
        mask = constraint.read_mask()
        if mask is None:
            break
        fitting = [token for token in range(len(WORDS)) if mask.bits[token // 8] >> (token % 8) & 1]
        constraint.advance(dice.choice(fitting))
    assert constraint.failure is None or "\n" not in constraint.failure


class Exhausted:
    """A matcher whose budget is spent."""

    def is_stopped(self) -> bool:
        return False

    def is_error(self) -> bool:
        return True

    def compute_bitmask(self) -> bytes:
        return bytes(64)

    def consume_token(self, _token: int) -> bool:
        return False

    def get_error(self) -> str:
        return "lexer error: too many states: 50000 >= 50000"


def test_what_takes_too_much_while_it_is_said_is_told_so() -> None:
    reading, saying = (Constraint(Exhausted(), len(WORDS)) for _ in range(2))  # type: ignore[arg-type]
    assert reading.read_mask() is None
    saying.advance(0)
    assert reading.failure == saying.failure == "what the answer is held to would take too much work"
    assert not reading.is_over


@pytest.mark.parametrize(
    "keyword",
    "not if then else contains minContains propertyNames dependentRequired dependentSchemas unevaluatedProperties "
    "unevaluatedItems uniqueItems $dynamicRef $anchor x-guidance additionalItems contentEncoding nullable foo".split(),
)
def test_a_keyword_that_is_not_kept_to_is_refused_by_name(keyword: str) -> None:
    with pytest.raises(SchemaUnfit) as refused:
        parse_schema({"properties": {"a": {keyword: {}}}})
    assert refused.value.where == f"schema.properties.a.{keyword}"
