"""The form of contract.json as a JSON Schema, of functions and of every platform together. Pure.

What a schema cannot say (that `shape` and `dims` are of one length, what contradicts, the graph) is in
docs/formats/graph.md.
"""

from __future__ import annotations

from typing import Final

from ostiary.core.function_limits import (
    MAX_CONTRACT_NUMBERS,
    MAX_GRAPH_DIMS,
    MAX_GRAPH_INPUTS,
    MAX_GRAPH_OUTPUTS,
    MAX_GRAPH_RANK,
    MAX_SIZE_CHARACTERS,
)
from ostiary.core.json_text import JsonValue
from ostiary.core.limits import MAX_DIMENSION
from ostiary.core.terms.schema import describe_schema as describe_language_schema
from ostiary.graph.fields import NAME
from ostiary.graph.function_contract import CONTRACT_FORMAT, CONTRACT_VERSION, DATATYPES, DTYPES, PLATFORM
from ostiary.graph.parse_contract import INTEGER_ENDS
from ostiary.graph.parse_size import DIM_NAME

Schema = dict[str, JsonValue]

_NAME: Final[Schema] = {"type": "string", "pattern": f"^{NAME.pattern}$"}
_FINITE: Final[Schema] = {"const": True, "description": "no infinity, and nothing that is no number"}
_FLOAT: Final[Schema] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["f"],
    "properties": {"f": {"type": "string", "description": "in hexadecimal, as docs/formats/graph.md says"}},
}


def describe_contracts() -> Schema:
    """Of a model of any platform: each has its own form, and the field `platform` says which."""
    forms = []
    for form in (describe_language_schema(), describe_function_schema()):
        forms.append({name: value for name, value in form.items() if name not in {"$schema", "$id"}})
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:ostiary:contract:{CONTRACT_VERSION}",
        "title": "The contract of a model",
        "description": "contract.json; its platform says which of the forms it has.",
        "oneOf": [*forms],
    }


def describe_function_schema() -> Schema:
    """Of the contract of a function."""
    size: Schema = {"anyOf": [{"type": "string", "maxLength": int(MAX_SIZE_CHARACTERS)}, {"type": "null"}]}
    tensor: Schema = {
        "name": _NAME,
        "shape": _list(
            {**_whole(-1, int(MAX_DIMENSION)), "description": "-1 where it follows dims"}, MAX_GRAPH_RANK
        ),
        "dims": _list({**size, "description": "what the size follows; null where it is a number"}, MAX_GRAPH_RANK),
    }
    return {
        "title": "The contract of a function",
        "description": "contract.json beside a function's graph.json, with which it agrees.",
        **_close(
            {
                "format": {"const": CONTRACT_FORMAT},
                "version": {"const": CONTRACT_VERSION},
                "name": {**_NAME, "description": "that of the graph"},
                "platform": {"const": PLATFORM},
                "dims": {
                    "type": "object",
                    "maxProperties": int(MAX_GRAPH_DIMS),
                    "propertyNames": {"pattern": f"^{DIM_NAME.pattern}$"},
                    "additionalProperties": _describe_dim(),
                },
                "inputs": _list({"oneOf": _describe_inputs(tensor)}, MAX_GRAPH_INPUTS),
                "outputs": _list({"oneOf": _describe_outputs(tensor)}, MAX_GRAPH_OUTPUTS),
            }
        ),
    }


def _describe_dim() -> Schema:
    size = _whole(1, int(MAX_DIMENSION))
    return _close(
        {
            "min": size,
            "max": {"anyOf": [size, {"type": "null"}]},
            "is_batch": {
                "type": "boolean",
                "description": "along it, each entry is a case of its own; one at most",
            },
        }
    )


def _describe_inputs(tensor: Schema) -> list[JsonValue]:
    forms: list[JsonValue] = [_close({**tensor, "datatype": {"const": "BOOL"}})]
    for word, (low, high) in INTEGER_ENDS.items():
        forms.append(_close({**tensor, "datatype": {"const": word}}, _describe_numbers(_whole(low, high))))
    floats: Schema = {**tensor, "datatype": {"enum": _list_floats()}}
    forms.append(_close(floats, {"finite": _FINITE, **_describe_numbers(_FLOAT)}))
    return forms


def _describe_numbers(number: Schema) -> Schema:
    ends: Schema = {"type": "array", "minItems": 2, "maxItems": 2, "items": number}
    allowed: Schema = {**_list(number, MAX_CONTRACT_NUMBERS), "minItems": 1, "uniqueItems": True}
    return {
        "range": {**ends, "description": "the least and the greatest"},
        "allowed": {**allowed, "description": "the numbers that there may be, ascending"},
    }


def _describe_outputs(tensor: Schema) -> list[JsonValue]:
    others: list[JsonValue] = [word for word in DATATYPES.values() if word not in _list_floats()]
    return [
        _close({**tensor, "datatype": {"enum": others}}),
        _close({**tensor, "datatype": {"enum": _list_floats()}}, {"finite": _FINITE}),
    ]


def _list_floats() -> list[JsonValue]:
    return [word for word, dtype in DTYPES.items() if dtype.is_float]


def _close(required: Schema, optional: Schema | None = None) -> Schema:
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": {**required, **(optional or {})},
        "required": [*required],
    }


def _whole(least: int, most: int) -> Schema:
    return {"type": "integer", "minimum": least, "maximum": most}


def _list(items: Schema, most: int) -> Schema:
    return {"type": "array", "maxItems": int(most), "items": items}
