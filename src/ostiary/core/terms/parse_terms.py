"""contract.json of a language model: bytes to a value, or a refusal that names the field. Pure.

The form is closed: what is not known is refused, and what is known may be narrower than the house's own bounds,
never wider. docs/contract.md explains each field; terms/schema.py says the same to machines.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ostiary.core.json_text import JsonValue, parse_json_object
from ostiary.core.limits import (
    MAX_ANSWER_CHARACTERS,
    MAX_CONTEXT_TOKENS,
    MAX_REQUEST_CHARACTERS,
    MAX_STOP_CHARACTERS,
    MAX_STOP_TEXTS,
    MAX_TERMS_BYTES,
    MAX_TERMS_VALUES,
    MAX_VOCABULARY,
)
from ostiary.core.terms.characters import CharacterClass
from ostiary.core.terms.fields import Fields
from ostiary.core.terms.rules import (
    CONTRACT_BEYOND_HOUSE,
    CONTRACT_CONTRADICTION,
    CONTRACT_FORMAT,
    CONTRACT_PLATFORM,
    CONTRACT_UNKNOWN_FIELD,
    CONTRACT_VERSION_UNKNOWN,
    CONTRACT_WRONG_TYPE,
)
from ostiary.core.terms.values import (
    FORMAT,
    LANGUAGE_PLATFORM,
    TOOLS,
    VERSION,
    Action,
    DimTerms,
    InputTerms,
    LanguageTerms,
    OutputTerms,
    ParameterTerms,
    Span,
    TextTerms,
)
from ostiary.core.terms.vocabulary import (
    ASKED,
    CHOICES,
    DIMS,
    FORMS,
    INPUTS,
    PARAMETERS,
    ROLES,
    TEXT_OUTPUT,
    InputWord,
    ParameterWord,
    bound_least,
    find_owners,
)

_CHARACTERS_IN: Final = Span(1, MAX_REQUEST_CHARACTERS)
_CHARACTERS_OUT: Final = Span(1, MAX_ANSWER_CHARACTERS)
_TOKENS: Final = Span(1, MAX_CONTEXT_TOKENS)
_CLASSES: Final = {named.value: named for named in CharacterClass}
_FORM_ACTIONS: Final = {action.value: action for action in (Action.APPLY, Action.REFUSE)}
_CHARACTER_ACTIONS: Final = {action.value: action for action in (Action.KEEP, Action.REMOVE, Action.REFUSE)}


def read_contract_values(data: bytes) -> dict[str, JsonValue]:
    """The object that a contract.json holds, of whatever platform."""
    return parse_json_object(data, max_bytes=MAX_TERMS_BYTES, max_values=MAX_TERMS_VALUES)


def read_platform(values: Mapping[str, JsonValue]) -> str:
    """Which kind of model it is for, once it is known that it is a contract of a version that is understood."""
    fields = Fields(values)
    fields.take_exactly("format", FORMAT, CONTRACT_FORMAT)
    fields.take_exactly("version", VERSION, CONTRACT_VERSION_UNKNOWN)
    return fields.take_text("platform")


def parse_language_contract(data: bytes) -> LanguageTerms:
    """Raises IntakeRefused."""
    return parse_language_terms(read_contract_values(data))


def parse_language_terms(values: Mapping[str, JsonValue]) -> LanguageTerms:
    """Raises IntakeRefused."""
    fields = Fields(values)
    if read_platform(values) != LANGUAGE_PLATFORM:
        fields.fail(CONTRACT_PLATFORM, "platform", f"is not '{LANGUAGE_PLATFORM}'")
    for name in ("format", "version", "platform"):
        fields.take(name)
    terms = LanguageTerms(
        inputs=_parse_inputs(fields),
        name=fields.take_text("name") if "name" in fields else None,
        vocabulary=fields.take_whole_or_none("vocabulary", Span(1, MAX_VOCABULARY)),
        context_tokens=fields.take_whole_or_none("context_tokens", _TOKENS),
        dims=_parse_dims(fields),
        parameters=_parse_parameters(fields),
        output=_parse_output(fields),
        text=_parse_text(fields),
    )
    fields.finish()
    _check_together(fields, terms)
    return terms


def _parse_inputs(fields: Fields) -> dict[str, InputTerms]:
    inputs: dict[str, InputTerms] = {}
    for item in fields.take_objects("inputs"):
        name = item.take_text("name")
        if name not in INPUTS:
            item.fail(CONTRACT_UNKNOWN_FIELD, "name", f"is none of {', '.join(INPUTS)}")
        if name in inputs:
            item.fail(CONTRACT_CONTRADICTION, "name", "stands there twice")
        word = INPUTS[name]
        _take_shape(item, word.datatype, word.dim)
        inputs[name] = _parse_bounds(item, name, word)
        item.finish()
    if inputs.keys().isdisjoint(ASKED):
        fields.fail(CONTRACT_CONTRADICTION, "inputs", f"has none of {', '.join(ASKED)}")
    return inputs


def _parse_bounds(item: Fields, name: str, word: InputWord) -> InputTerms:
    def has(bound: str) -> bool:
        return bound in word.bounds and bound in item

    return InputTerms(
        name=name,
        max_characters=item.take_whole("max_characters", _CHARACTERS_IN) if has("max_characters") else None,
        max_tokens=item.take_whole("max_tokens", _TOKENS) if has("max_tokens") else None,
        roles=item.take_texts("roles", lambda text: text if text in ROLES else None, "role")
        if has("roles")
        else None,
        allowed=item.take_texts("allowed", lambda text: text, "name") if has("allowed") else None,
        ids=item.take_span("range", Span(0, MAX_VOCABULARY - 1), is_whole=True) if has("range") else None,
    )


def _take_shape(item: Fields, datatype: str, dim: str | None) -> None:
    """As OIP metadata has it; what it must be follows from the name."""
    item.take_exactly("datatype", datatype)
    item.take_exactly("shape", [1] if dim is None else [-1])
    if dim is not None:
        item.take_exactly("dims", [dim])


def _parse_dims(fields: Fields) -> dict[str, DimTerms]:
    dims: dict[str, DimTerms] = {}
    if "dims" not in fields:
        return dims
    for name, house, item in fields.take_named("dims", DIMS, "dimension"):
        least = item.take_whole("min", bound_least(name)) if "min" in item else int(house.least)
        most = item.take_whole("max", house) if "max" in item else int(house.most)
        is_batch = item.take_flag("is_batch") if "is_batch" in item else False
        if least > most:
            item.fail(CONTRACT_CONTRADICTION, "min", "is above max")
        if is_batch and name != CHOICES:
            item.fail(CONTRACT_WRONG_TYPE, "is_batch", f"is for {CHOICES} only")
        item.finish()
        dims[name] = DimTerms(least, most, is_batch)
    return dims


def _parse_parameters(fields: Fields) -> dict[str, ParameterTerms] | None:
    if "parameters" not in fields:
        return None
    parameters: dict[str, ParameterTerms] = {}
    for name, word, item in fields.take_named("parameters", PARAMETERS, "option of a request"):
        parameters[name] = _parse_parameter(item, word)
        item.finish()
    return parameters


def _parse_parameter(item: Fields, word: ParameterWord) -> ParameterTerms:
    span, allowed, most_items = None, None, None
    if word.span is not None and "range" in item:
        span = item.take_span("range", word.span, is_whole=word.is_whole)
    if word.is_flag and "allowed" in item:
        items = item.take_list("allowed")
        flags = tuple(value for value in items if isinstance(value, bool))
        if len(flags) != len(items) or len(set(flags)) != len(flags):
            item.fail(CONTRACT_WRONG_TYPE, "allowed", "is not a list of true, false, or both")
        allowed = flags
    if word.most_items is not None:
        most_items = item.take_whole_or_none("max_items", Span(0, word.most_items))
    return ParameterTerms(span, allowed, most_items)


def _parse_output(fields: Fields) -> OutputTerms:
    outputs = fields.take_objects("outputs")
    item = outputs[0]
    item.take_exactly("name", TEXT_OUTPUT)
    if len(outputs) > 1:
        fields.fail(CONTRACT_CONTRADICTION, "outputs", f"has more than {TEXT_OUTPUT}")
    _take_shape(item, "BYTES", CHOICES)
    refused: tuple[CharacterClass, ...] = ()
    if "refused_characters" in item:
        refused = item.take_texts("refused_characters", _CLASSES.get, "class of characters")
    terms = OutputTerms(
        max_characters=item.take_whole_or_none("max_characters", _CHARACTERS_OUT),
        max_tokens=item.take_whole_or_none("max_tokens", _TOKENS),
        refused_characters=refused,
        is_json=item.take_flag("json") if "json" in item else False,
        stop=_parse_stop(item) if "stop" in item else (),
    )
    item.finish()
    return terms


def _parse_stop(item: Fields) -> tuple[str, ...]:
    """Any characters, as requests may have them: a stop text is compared, never shown."""
    stops = item.take_list("stop")
    texts = tuple(stop for stop in stops if isinstance(stop, str))
    if len(texts) != len(stops):
        item.fail(CONTRACT_WRONG_TYPE, "stop", "is not a list of strings")
    if len(set(texts)) != len(texts):
        item.fail(CONTRACT_CONTRADICTION, "stop", "has the same entry twice")
    if len(texts) > MAX_STOP_TEXTS or any(not 0 < len(text) <= MAX_STOP_CHARACTERS for text in texts):
        wanted = f"{int(MAX_STOP_TEXTS)} texts of 1 to {int(MAX_STOP_CHARACTERS)} characters"
        item.fail(CONTRACT_BEYOND_HOUSE, "stop", f"goes beyond what the house takes: {wanted}")
    return texts


def _parse_text(fields: Fields) -> TextTerms:
    if "text" not in fields:
        return TextTerms()
    item = fields.take_object("text")
    form, form_action = None, Action.REFUSE
    if "normalization" in item:
        normal = item.take_object("normalization")
        form = normal.take_choice("form", {name: name for name in FORMS})
        form_action = normal.take_choice("action", _FORM_ACTIONS)
        normal.finish()
    characters: dict[CharacterClass, Action] = {}
    if "characters" in item:
        classes = item.take_object("characters")
        for name, named in _CLASSES.items():
            if name in classes:
                characters[named] = classes.take_choice(name, _CHARACTER_ACTIONS)
        classes.finish()
    item.finish()
    return TextTerms(form, form_action, characters)


def _check_together(fields: Fields, terms: LanguageTerms) -> None:
    for place, item in enumerate(terms.inputs.values()):
        if item.ids is not None and terms.vocabulary is not None and item.ids.most >= terms.vocabulary:
            fields.fail(CONTRACT_CONTRADICTION, f"inputs[{place}].range", "goes past the vocabulary")
        if terms.context_tokens is not None and (item.max_tokens or 0) > terms.context_tokens:
            fields.fail(CONTRACT_CONTRADICTION, f"inputs[{place}].max_tokens", "is more than the context has")
    if terms.context_tokens is not None and (terms.output.max_tokens or 0) > terms.context_tokens:
        fields.fail(CONTRACT_CONTRADICTION, "outputs[0].max_tokens", "is more than the context has")
    if terms.output.is_json and TOOLS in terms.inputs:
        fields.fail(
            CONTRACT_CONTRADICTION, "outputs[0].json", "excludes tools: an answer that calls one is not JSON"
        )
    for name, dim in terms.dims.items():
        owners = find_owners(name)
        if owners and owners.isdisjoint(terms.inputs):
            fields.fail(CONTRACT_CONTRADICTION, f"dims.{name}", "bounds what is not among the inputs")
        if dim.most == 0:
            fields.fail(CONTRACT_CONTRADICTION, f"dims.{name}.max", "is 0: leave the input out instead")
