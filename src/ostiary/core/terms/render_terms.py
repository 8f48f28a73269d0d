"""The contract of a language model as contract.json: what is not bounded is not written. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping

from ostiary.core.json_text import JsonValue
from ostiary.core.terms.values import (
    FORMAT,
    LANGUAGE_PLATFORM,
    VERSION,
    DimTerms,
    InputTerms,
    LanguageTerms,
    OutputTerms,
    ParameterTerms,
    TextTerms,
)
from ostiary.core.terms.vocabulary import CHOICES, INPUTS, TEXT_OUTPUT

JsonObject = dict[str, JsonValue]


def render_contract(terms: LanguageTerms) -> str:
    """The text of the file."""
    return json.dumps(describe_terms(terms), indent=2, ensure_ascii=True) + "\n"


def describe_terms(terms: LanguageTerms) -> JsonObject:
    """Parsing it gives the same terms."""
    parameters: JsonValue = None
    if terms.parameters is not None:
        parameters = {name: _describe_parameter(item) for name, item in terms.parameters.items()}
    return {
        "format": FORMAT,
        "version": VERSION,
        "platform": LANGUAGE_PLATFORM,
        **_without_none(
            {
                "name": terms.name,
                "vocabulary": terms.vocabulary,
                "context_tokens": terms.context_tokens,
                "dims": {name: _describe_dim(item) for name, item in terms.dims.items()} or None,
            }
        ),
        "inputs": [_describe_input(item) for item in terms.inputs.values()],
        "outputs": [_describe_output(terms.output)],
        **_without_none({"parameters": parameters, "text": _describe_text(terms.text) or None}),
    }


def _describe_input(item: InputTerms) -> JsonObject:
    word = INPUTS[item.name]
    shape: JsonObject = {"shape": [1]} if word.dim is None else {"shape": [-1], "dims": [word.dim]}
    bounds: JsonObject = {
        "max_characters": item.max_characters,
        "max_tokens": item.max_tokens,
        "roles": None if item.roles is None else [*item.roles],
        "allowed": None if item.allowed is None else [*item.allowed],
        "range": None if item.ids is None else [item.ids.least, item.ids.most],
    }
    return {"name": item.name, "datatype": word.datatype, **shape, **_without_none(bounds)}


def _describe_dim(item: DimTerms) -> JsonObject:
    bounds: JsonObject = {"min": item.least, "max": item.most}
    return {**bounds, "is_batch": True} if item.is_batch else bounds


def _describe_parameter(item: ParameterTerms) -> JsonObject:
    return _without_none(
        {
            "range": None if item.span is None else [item.span.least, item.span.most],
            "allowed": None if item.allowed is None else [*item.allowed],
            "max_items": item.max_items,
        }
    )


def _describe_output(item: OutputTerms) -> JsonObject:
    bounds: JsonObject = {
        "max_characters": item.max_characters,
        "max_tokens": item.max_tokens,
        "refused_characters": [named.value for named in item.refused_characters] or None,
        "json": item.is_json or None,
        "stop": [*item.stop] or None,
    }
    return {"name": TEXT_OUTPUT, "datatype": "BYTES", "shape": [-1], "dims": [CHOICES], **_without_none(bounds)}


def _describe_text(text: TextTerms) -> JsonObject:
    described: JsonObject = {}
    if text.form is not None:
        described["normalization"] = {"form": text.form, "action": text.form_action.value}
    if text.characters:
        described["characters"] = {named.value: action.value for named, action in text.characters.items()}
    return described


def _without_none(values: Mapping[str, JsonValue]) -> JsonObject:
    return {name: value for name, value in values.items() if value is not None}
