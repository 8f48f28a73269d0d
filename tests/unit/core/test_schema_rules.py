"""Schemas: what they say of values is kept, what they say besides is dropped, and what nobody keeps to is refused."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ostiary.core.answer_forms import Tool, ToolPlan, ToolUse, parse_answer_form, parse_tool_plan
from ostiary.core.limits import (
    MAX_PATTERN_CHARACTERS,
    MAX_SCHEMA_CHARACTERS,
    MAX_SCHEMA_COUNT,
    MAX_SCHEMA_DEPTH,
    MAX_SCHEMA_MULTIPLE,
    MAX_SCHEMA_PROPERTIES,
    MAX_SCHEMA_VALUES,
    MAX_TOOLS,
)
from ostiary.core.schema_rules import KEYWORDS, SchemaFault, SchemaUnfit, parse_schema


def refuse(schema: Any) -> SchemaUnfit:
    with pytest.raises(SchemaUnfit) as refused:
        parse_schema(schema)
    return refused.value


def test_what_says_nothing_of_values_is_left_out() -> None:
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "x",
        "title": "A",
        "type": "object",
        "properties": {"title": {"type": "string", "description": "d", "default": [1], "examples": [{"not": 1}]}},
        "required": ["title"],
    }
    assert parse_schema(schema) == {
        "type": "object",
        "properties": {"title": {"type": "string"}},
        "required": ["title"],
    }


def test_values_are_values_whatever_they_are_called() -> None:
    schema: Any = {"enum": [{"not": 1, "title": 2}], "const": {"$ref": "http://x"}}
    assert parse_schema(schema) == schema


@pytest.mark.parametrize(
    ("schema", "where", "fault"),
    [
        ([], "schema", SchemaFault.TYPE),
        ({"properties": []}, "schema.properties", SchemaFault.TYPE),
        ({"properties": {"a": 1}}, "schema.properties.a", SchemaFault.TYPE),
        ({"items": [{}]}, "schema.items", SchemaFault.TYPE),
        ({"items": {"$id": "a"}}, "schema.items.$id", SchemaFault.UNKNOWN),
        ({"anyOf": []}, "schema.anyOf", SchemaFault.TYPE),
        ({"enum": []}, "schema.enum", SchemaFault.TYPE),
        ({"enum": [float("inf")]}, "schema.enum.0", SchemaFault.RANGE),
        ({"type": "text"}, "schema.type", SchemaFault.RANGE),
        ({"type": []}, "schema.type", SchemaFault.RANGE),
        ({"type": ["null", "null"]}, "schema.type", SchemaFault.RANGE),
        ({"type": [{}]}, "schema.type", SchemaFault.RANGE),
        ({"format": "credit-card"}, "schema.format", SchemaFault.RANGE),
        ({"format": []}, "schema.format", SchemaFault.RANGE),
        ({"pattern": 1}, "schema.pattern", SchemaFault.TYPE),
        ({"pattern": "a" * (MAX_PATTERN_CHARACTERS + 1)}, "schema.pattern", SchemaFault.TOO_LONG),
        ({"patternProperties": {"a" * 2_000: {}}}, "schema.patternProperties", SchemaFault.TOO_LONG),
        ({"required": "a"}, "schema.required", SchemaFault.TYPE),
        ({"required": [1]}, "schema.required", SchemaFault.TYPE),
        ({"required": ["a", "a"]}, "schema.required", SchemaFault.RANGE),
        ({"minLength": -1}, "schema.minLength", SchemaFault.RANGE),
        ({"minLength": 1.5}, "schema.minLength", SchemaFault.TYPE),
        ({"minItems": True}, "schema.minItems", SchemaFault.TYPE),
        ({"maxItems": MAX_SCHEMA_COUNT + 1}, "schema.maxItems", SchemaFault.RANGE),
        ({"minimum": "1"}, "schema.minimum", SchemaFault.TYPE),
        ({"exclusiveMinimum": True}, "schema.exclusiveMinimum", SchemaFault.TYPE),
        ({"maximum": float("nan")}, "schema.maximum", SchemaFault.RANGE),
        ({"multipleOf": 0}, "schema.multipleOf", SchemaFault.RANGE),
        ({"multipleOf": MAX_SCHEMA_MULTIPLE + 1}, "schema.multipleOf", SchemaFault.RANGE),
        ({"allOf": [{"multipleOf": 97}, {"multipleOf": 89}]}, "schema.allOf.1.multipleOf", SchemaFault.RANGE),
        ({"$ref": 1}, "schema.$ref", SchemaFault.RANGE),
        ({"$ref": "other.json"}, "schema.$ref", SchemaFault.RANGE),
        ({"$ref": "https://x/#/a"}, "schema.$ref", SchemaFault.RANGE),
        ({"$ref": "#name"}, "schema.$ref", SchemaFault.RANGE),
        ({"$ref": "#/$defs/a"}, "schema.$ref", SchemaFault.RANGE),
        ({"$ref": "#"}, "schema", SchemaFault.RANGE),
        ({"properties": {"a": {"anyOf": [{"$ref": "#/properties/a"}]}}}, "schema.properties.a", SchemaFault.RANGE),
        ({"enum": ["\ud800"]}, "schema.enum.0", SchemaFault.RANGE),
        ({"properties": {"\udfff": {}}}, "schema.properties", SchemaFault.RANGE),
    ],
)
def test_what_does_not_fit_is_named(schema: Any, where: str, fault: SchemaFault) -> None:
    refused = refuse(schema)
    assert (refused.where, refused.fault) == (where, fault)
    assert refused.detail.isprintable()


def test_a_reference_finds_its_place_by_any_way_of_writing_it() -> None:
    schema: Any = {
        "$defs": {"a/b~c d": {"type": "null"}},
        "properties": {"x": {"$ref": "#/$defs/a~1b~0c%20d"}, "y": {"$ref": "#/properties/x"}, "z": {"$ref": "#"}},
    }
    assert parse_schema(schema) == schema


def test_a_long_chain_of_references_needs_no_stack() -> None:
    steps: Any = {f"a{n}": {"$ref": f"#/$defs/a{n + 1}"} for n in range(1_000)}
    assert parse_schema({"$defs": {**steps, "a1000": {}}, "$ref": "#/$defs/a0"})
    assert (
        refuse({"$defs": {**steps, "a1000": {"$ref": "#/$defs/a0"}}, "$ref": "#/$defs/a0"}).fault
        is SchemaFault.RANGE
    )


@pytest.mark.parametrize(
    "schema",
    [
        {"enum": list(range(MAX_SCHEMA_VALUES))},
        {"const": "a" * (MAX_SCHEMA_CHARACTERS + 1)},
        {"title": "a" * (MAX_SCHEMA_CHARACTERS + 1)},
        {"properties": {str(n): True for n in range(MAX_SCHEMA_PROPERTIES + 1)}},
        {"const": json.loads("[" * (MAX_SCHEMA_DEPTH + 2) + "]" * (MAX_SCHEMA_DEPTH + 2))},
        {"default": json.loads("[" * (MAX_SCHEMA_DEPTH + 2) + "]" * (MAX_SCHEMA_DEPTH + 2))},
    ],
    ids=range(6),
)
def test_ceilings(schema: Any) -> None:
    assert refuse(schema).fault is SchemaFault.TOO_LONG


_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 5)
    | st.floats()
    | st.sampled_from(["", "object", "#", "a", "date"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([*KEYWORDS, "title", "not", "a"]), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(schema=_JSON)
def test_any_json_is_a_schema_or_refused(schema: Any) -> None:
    with suppress(SchemaUnfit):
        parsed = parse_schema(schema)
        assert parse_schema(parsed) == parsed  # what was read once is read the same again


# --- forms and tools --------------------------------------------------------------------------------------------------


def test_forms() -> None:
    assert parse_answer_form({"type": "text"}) is None
    assert parse_answer_form({"type": "json_object"}) == {"type": "object"}
    assert parse_answer_form({"type": "json_schema", "schema": {"title": "x"}}) == {}
    for value, where in (
        ("json", "response_format"),
        ({"type": "xml"}, "response_format.type"),
        ({"type": "json_object", "schema": {}}, "response_format.schema"),
        ({"type": "json_schema"}, "response_format.schema"),
        ({"type": "json_schema", "schema": {}, "strict": True}, "response_format.strict"),
    ):
        with pytest.raises(SchemaUnfit) as refused:
            parse_answer_form(value)
        assert refused.value.where == where


TOOL: Any = {"type": "function", "function": {"name": "f", "parameters": {"properties": {"a": {"title": "x"}}}}}
STRICT: Any = {"function": {"name": "g", "strict": True}}


def test_tools_are_read_where_calls_are_held_to_a_form() -> None:
    plain = Tool("f", {"properties": {"a": {}}, "type": "object"}, is_strict=False)
    strict = Tool("g", {"type": "object"}, is_strict=True)
    assert parse_tool_plan([TOOL], None) == ToolPlan()
    assert parse_tool_plan([{"any": "thing"}], "auto") == ToolPlan()
    assert parse_tool_plan([TOOL, STRICT], "none") == ToolPlan(ToolUse.NONE)
    assert parse_tool_plan(None, "none") == ToolPlan(ToolUse.NONE)
    assert parse_tool_plan([TOOL, STRICT], "auto").tools == (plain, strict)
    assert parse_tool_plan([TOOL], None, is_held=True).tools == (plain,)
    assert parse_tool_plan([TOOL, STRICT], "required", is_parallel=False) == ToolPlan(
        ToolUse.REQUIRED, (plain, strict), is_parallel=False
    )
    assert parse_tool_plan([TOOL, STRICT], {"name": "g"}) == ToolPlan(ToolUse.REQUIRED, (strict,))


@pytest.mark.parametrize(
    ("tools", "choice", "where"),
    [
        (None, "required", "tool_choice"),
        ([], {"name": "f"}, "tool_choice"),
        ([TOOL], {"name": "g"}, "tool_choice"),
        ([TOOL], {"name": "f", "type": "function"}, "tool_choice"),
        ([TOOL], "any", "tool_choice"),
        ([TOOL], 1, "tool_choice"),
        ([TOOL, TOOL], "required", "tools"),
        ([STRICT] * (MAX_TOOLS + 1), None, "tools"),
        ([{"function": {"name": "a b"}}], "required", "tools[0].function.name"),
        ([{"function": {"name": "a\n"}}], "required", "tools[0].function.name"),
        ([{"function": {"name": "a" * 65}}], "required", "tools[0].function.name"),
        ([TOOL, 1], "required", "tools[1].function.name"),
        ([{"name": "f", "parameters": {"type": "array"}}], "required", "tools[0].function.parameters.type"),
        ([{"name": "f", "parameters": {"if": 1}}], "required", "tools[0].function.parameters.if"),
    ],
)
def test_tools_that_do_not_fit(tools: Any, choice: Any, where: str) -> None:
    with pytest.raises(SchemaUnfit) as refused:
        parse_tool_plan(tools, choice)
    assert refused.value.where == where
