"""The form of contract.json as a JSON Schema, from the same words that the reader knows. Pure.

What a schema cannot say (which bounds contradict one another, and the model) is in docs/contract.md.
"""

from __future__ import annotations

from ostiary.core.json_text import JsonValue
from ostiary.core.limits import (
    MAX_ANSWER_CHARACTERS,
    MAX_CONTEXT_TOKENS,
    MAX_REQUEST_CHARACTERS,
    MAX_STOP_CHARACTERS,
    MAX_STOP_TEXTS,
    MAX_TERMS_TEXT_CHARACTERS,
    MAX_VOCABULARY,
)
from ostiary.core.terms.characters import CharacterClass
from ostiary.core.terms.values import FORMAT, LANGUAGE_PLATFORM, VERSION, Span
from ostiary.core.terms.vocabulary import (
    CHOICES,
    DIMS,
    FORMS,
    INPUTS,
    PARAMETERS,
    ROLES,
    TEXT_OUTPUT,
    ParameterWord,
    bound_least,
)

Schema = dict[str, JsonValue]

_TOKENS = Span(1, int(MAX_CONTEXT_TOKENS))
_TEXT: Schema = {"type": "string", "minLength": 1, "maxLength": int(MAX_TERMS_TEXT_CHARACTERS)}


def describe_schema() -> Schema:
    """Of the contract of a language model."""
    closed = _close(
        {
            "format": {"const": FORMAT},
            "version": {"const": VERSION},
            "platform": {"const": LANGUAGE_PLATFORM},
            "name": {**_TEXT, "description": "what the model is called; it bounds nothing"},
            "vocabulary": _whole(Span(1, int(MAX_VOCABULARY)), "token ids are below this"),
            "context_tokens": _whole(_TOKENS, "of prompt and answer together"),
            "dims": _close({name: _describe_dim(name, house) for name, house in DIMS.items()}),
            "inputs": {
                "type": "array",
                "minItems": 1,
                "description": "what is not listed is not taken; a prompt or messages must be",
                "items": {"oneOf": [_describe_input(name) for name in INPUTS]},
            },
            "outputs": {"type": "array", "minItems": 1, "maxItems": 1, "items": _describe_output()},
            "parameters": {
                **_close({name: _describe_parameter(word) for name, word in PARAMETERS.items()}),
                "description": "the options that a request may have; without this field, all that the house knows",
            },
            "text": _describe_text(),
        },
        required=("format", "version", "platform", "inputs", "outputs"),
    )
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:ostiary:contract:{VERSION}",
        "title": "The contract of a language model",
        "description": "contract.json beside a language model's config.json. It only narrows what the house takes.",
        **closed,
    }


def _describe_dim(name: str, house: Span) -> Schema:
    bounds: Schema = {"min": _whole(bound_least(name)), "max": _whole(house)}
    return _close({**bounds, "is_batch": {"type": "boolean"}} if name == CHOICES else bounds)


def _describe_input(name: str) -> Schema:
    word = INPUTS[name]
    bounds: dict[str, Schema] = {
        "max_characters": _whole(Span(1, int(MAX_REQUEST_CHARACTERS))),
        "max_tokens": _whole(_TOKENS, "of the whole prompt, as the engine counts them"),
        "roles": _list({"enum": [*ROLES]}),
        "allowed": {**_list(_TEXT), "description": "names of options"},
        "range": _range(Span(0, MAX_VOCABULARY - 1), is_whole=True),
    }
    shape: dict[str, JsonValue] = {"shape": {"const": [1]}}
    if word.dim is not None:
        shape = {"shape": {"const": [-1]}, "dims": {"const": [word.dim]}}
    fixed: dict[str, JsonValue] = {"name": {"const": name}, "datatype": {"const": word.datatype}, **shape}
    return _close({**fixed, **{bound: bounds[bound] for bound in sorted(word.bounds)}}, required=tuple(fixed))


def _describe_output() -> Schema:
    fixed: dict[str, JsonValue] = {
        "name": {"const": TEXT_OUTPUT},
        "datatype": {"const": "BYTES"},
        "shape": {"const": [-1]},
        "dims": {"const": [CHOICES]},
    }
    stop: Schema = {"type": "string", "minLength": 1, "maxLength": int(MAX_STOP_CHARACTERS)}
    bounds: dict[str, JsonValue] = {
        "max_characters": _whole(Span(1, int(MAX_ANSWER_CHARACTERS))),
        "max_tokens": _whole(_TOKENS, "of each answer"),
        "refused_characters": _list({"enum": [named.value for named in CharacterClass]}),
        "json": {"type": "boolean", "description": "whether every answer must be JSON"},
        "stop": {**_list(stop), "maxItems": int(MAX_STOP_TEXTS), "description": "texts at which every answer ends"},
    }
    return _close({**fixed, **bounds}, required=tuple(fixed))


def _describe_parameter(word: ParameterWord) -> Schema:
    bounds: dict[str, JsonValue] = {}
    if word.span is not None:
        bounds["range"] = _range(word.span, is_whole=word.is_whole)
    if word.is_flag:
        bounds["allowed"] = _list({"type": "boolean"})
    if word.most_items is not None:
        bounds["max_items"] = _whole(Span(0, int(word.most_items)))
    return _close(bounds)


def _describe_text() -> Schema:
    normalization = _close(
        {"form": {"enum": [*FORMS]}, "action": {"enum": ["apply", "refuse"]}}, ("form", "action")
    )
    action: Schema = {"enum": ["keep", "remove", "refuse"]}
    characters = _close({named.value: action for named in CharacterClass})
    return _close({"normalization": normalization, "characters": characters})


def _close(properties: Schema, required: tuple[str, ...] = ()) -> Schema:
    schema: Schema = {"type": "object", "additionalProperties": False, "properties": properties}
    return {**schema, "required": [*required]} if required else schema


def _whole(bounds: Span, description: str | None = None) -> Schema:
    schema: Schema = {"type": "integer", "minimum": int(bounds.least), "maximum": int(bounds.most)}
    return schema if description is None else {**schema, "description": description}


def _range(bounds: Span, *, is_whole: bool) -> Schema:
    number: Schema = (
        _whole(bounds) if is_whole else {"type": "number", "minimum": bounds.least, "maximum": bounds.most}
    )
    return {"type": "array", "minItems": 2, "maxItems": 2, "items": number, "description": "the least and the most"}


def _list(items: Schema) -> Schema:
    return {"type": "array", "minItems": 1, "uniqueItems": True, "items": items}
