"""The bounds of a language model's contract, each in its place; refusals name the same places as rules. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from ostiary.core.limits import MAX_ANSWER_CHARACTERS, MAX_REQUEST_CHARACTERS, MAX_VOCABULARY
from ostiary.core.terms.bounds import (
    Bound,
    Change,
    Difference,
    Fact,
    Least,
    Most,
    NoneOf,
    OneOf,
    Step,
    compare_bounds,
)
from ostiary.core.terms.characters import CharacterClass
from ostiary.core.terms.values import (
    Action,
    DimTerms,
    InputTerms,
    LanguageTerms,
    OutputTerms,
    ParameterTerms,
    Span,
    TextTerms,
)
from ostiary.core.terms.vocabulary import DIMS, INPUTS, PARAMETERS, find_owners

_ACTIONS: Final = (Action.KEEP.value, Action.REMOVE.value, Action.REFUSE.value)
_FORM_ACTIONS: Final = (Action.KEEP.value, Action.APPLY.value, Action.REFUSE.value)
_FLAGS: Final = {True: "true", False: "false"}


def compare_terms(old: LanguageTerms, new: LanguageTerms) -> list[Difference]:
    """What a new version of a model's contract lets through beside the old one."""
    differences = compare_bounds(list_bounds(old), list_bounds(new))
    if old.text.form is not None and new.text.form is not None and old.text.form != new.text.form:
        differences.append(Difference("text.normalization.form", Change.OTHER, old.text.form, new.text.form))
    return sorted(differences, key=lambda difference: difference.place)


def list_bounds(terms: LanguageTerms) -> dict[str, Bound]:
    """Those of every input and option that it takes, the house's own where it says nothing."""
    bounds: dict[str, Bound] = {
        "name": Fact(terms.name),
        "vocabulary": Most(terms.vocabulary),
        "context_tokens": Most(terms.context_tokens),
        "inputs": OneOf(frozenset(terms.inputs)),
        "parameters": OneOf(frozenset(PARAMETERS if terms.parameters is None else terms.parameters)),
        **_list_text(terms.text),
        **_list_output(terms.output),
    }
    for item in terms.inputs.values():
        bounds |= _list_input(item)
    for name, house in DIMS.items():
        owners = find_owners(name)
        if not owners or owners & terms.inputs.keys():
            dim = terms.dims.get(name, DimTerms(int(house.least), int(house.most)))
            bounds |= {f"dims.{name}.min": Least(dim.least), f"dims.{name}.max": Most(dim.most)}
    for name in PARAMETERS:
        if terms.parameters is None or name in terms.parameters:
            bounds |= _list_parameter(name, (terms.parameters or {}).get(name, ParameterTerms()))
    return bounds


def _list_input(item: InputTerms) -> Mapping[str, Bound]:
    place, known = f"inputs.{item.name}", INPUTS[item.name].bounds
    bounds: dict[str, Bound] = {
        "max_characters": Most(item.max_characters or int(MAX_REQUEST_CHARACTERS)),
        "max_tokens": Most(item.max_tokens),
        "roles": _one_of(item.roles),
        "allowed": _one_of(item.allowed),
    }
    listed = {f"{place}.{name}": bound for name, bound in bounds.items() if name in known}
    if "range" in known:
        listed |= _list_span(f"{place}.range", item.ids or Span(0, MAX_VOCABULARY - 1))
    return listed


def _list_parameter(name: str, item: ParameterTerms) -> Mapping[str, Bound]:
    place, word = f"parameters.{name}", PARAMETERS[name]
    bounds: dict[str, Bound] = {}
    if word.span is not None:
        bounds |= _list_span(f"{place}.range", item.span or word.span)
    if word.is_flag:
        allowed = (True, False) if item.allowed is None else item.allowed
        bounds[f"{place}.allowed"] = _one_of(_FLAGS[flag] for flag in allowed)
    if word.most_items is not None:
        bounds[f"{place}.max_items"] = Most(word.most_items if item.max_items is None else item.max_items)
    return bounds


def _list_output(output: OutputTerms) -> Mapping[str, Bound]:
    place = "outputs.text"
    return {
        f"{place}.max_characters": Most(output.max_characters or int(MAX_ANSWER_CHARACTERS)),
        f"{place}.max_tokens": Most(output.max_tokens),
        f"{place}.refused_characters": NoneOf(frozenset(named.value for named in output.refused_characters)),
        f"{place}.json": Step(("false", "true"), _FLAGS[output.is_json]),
        f"{place}.stop": NoneOf(frozenset(map(ascii, output.stop))),
    }


def _list_text(text: TextTerms) -> Mapping[str, Bound]:
    action = Action.KEEP if text.form is None else text.form_action
    bounds: dict[str, Bound] = {"text.normalization.action": Step(_FORM_ACTIONS, action.value)}
    for named in CharacterClass:
        word = text.characters.get(named, Action.KEEP).value
        bounds[f"text.characters.{named.value}"] = Step(_ACTIONS, word)
    return bounds


def _list_span(place: str, span: Span) -> dict[str, Bound]:
    return {f"{place}.min": Least(span.least), f"{place}.max": Most(span.most)}


def _one_of(words: Iterable[str] | None) -> OneOf:
    return OneOf(None if words is None else frozenset(words))
