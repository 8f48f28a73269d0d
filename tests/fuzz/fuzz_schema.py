"""Fuzzes schemas that answers are held to, and the plans of tools: any JSON is read, or refused in one line."""

from __future__ import annotations

import contextlib
import json
import sys

import atheris

with atheris.instrument_imports(include=["ostiary"]):
    from ostiary.core.answer_forms import parse_answer_form, parse_tool_plan
    from ostiary.core.schema_rules import SchemaUnfit, parse_schema
    from ostiary.core.tool_styles import ToolStyle
    from ostiary.worker.engines.language.grammar import write_grammar


def TestOneInput(data: bytes) -> None:  # noqa: N802  the name that fuzzers look for
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return
    with contextlib.suppress(SchemaUnfit):
        parse_answer_form(value)
    try:
        schema = parse_schema(value)
        plan = parse_tool_plan([{"name": "f", "parameters": value}], "required")
    except SchemaUnfit as refusal:
        if not refusal.detail.isprintable() or len(refusal.detail) > 2_000:
            raise AssertionError(refusal.detail) from refusal
        return
    for style in ToolStyle:
        grammar = write_grammar(schema, plan, style)
        if grammar is None or "start: " not in grammar:
            raise AssertionError(grammar)


if __name__ == "__main__":
    from text_seeds import arguments_with_inputs

    schemas = [
        {
            "type": "object",
            "properties": {"a": {"$ref": "#/$defs/b"}},
            "required": ["a"],
            "$defs": {"b": {"enum": [1]}},
        },
        {"anyOf": [{"type": "string", "pattern": "a", "minLength": 1}, {"multipleOf": 0.5, "maximum": 3}]},
        {"type": "array", "prefixItems": [{"const": None}], "items": False, "maxItems": 3},
    ]
    seeds = [json.dumps(schema).encode() for schema in schemas]
    seeds += [json.dumps({"type": "json_schema", "schema": schema}).encode() for schema in schemas]
    atheris.Setup(arguments_with_inputs(sys.argv, seeds), TestOneInput)
    atheris.Fuzz()
