"""contract.json of a language model: read strictly, written the same, and never wider than the house."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest
from contract_files import FULL, IDS, LEAST, MESSAGES, PROMPT, contract_file
from hypothesis import given
from hypothesis import strategies as st

from ostiary.core.terms.characters import CharacterClass
from ostiary.core.terms.derive_terms import derive_terms
from ostiary.core.terms.parse_terms import parse_language_contract
from ostiary.core.terms.render_terms import describe_terms, render_contract
from ostiary.core.terms.schema import describe_schema
from ostiary.core.terms.values import HOUSE_TERMS, Action, DimTerms, InputTerms, Span
from ostiary.errors import IntakeRefused

SCHEMA = jsonschema.Draft202012Validator(describe_schema())


def test_the_least_contract_bounds_nothing_but_its_inputs() -> None:
    terms = parse_language_contract(contract_file())
    assert terms.inputs == {"prompt": InputTerms("prompt")}
    assert (terms.vocabulary, terms.context_tokens, terms.parameters, terms.dims) == (None, None, None, {})


def test_every_field_is_read() -> None:
    terms = parse_language_contract(contract_file(FULL))
    assert terms.inputs["messages"].roles == ("system", "user", "assistant")
    assert terms.inputs["prompt_ids"].ids == Span(3, 63)
    assert terms.inputs["template_options"].allowed == ("enable_thinking",)
    assert terms.dims["choices"] == DimTerms(1, 2, is_batch=True)
    assert terms.dims["messages"] == DimTerms(1, 8)
    assert terms.parameters is not None
    assert terms.parameters["logit_bias"].max_items == 2
    assert terms.parameters["add_generation_prompt"].allowed == (True,)
    assert terms.output.stop == ("\nUser:",)
    assert terms.text.characters[CharacterClass.INVISIBLE] is Action.REMOVE
    assert (terms.text.form, terms.text.form_action) == ("NFC", Action.APPLY)


@pytest.mark.parametrize(
    "terms",
    [
        HOUSE_TERMS,
        derive_terms(64, 128, "acme/tiny"),
        derive_terms(None, None),
        parse_language_contract(contract_file(FULL)),
        parse_language_contract(contract_file()),
    ],
    ids=["house", "derived", "derived-unknown", "full", "least"],
)
def test_what_is_written_is_read_as_it_was(terms: Any) -> None:
    assert parse_language_contract(render_contract(terms).encode()) == terms
    SCHEMA.validate(describe_terms(terms))


def test_a_message_names_the_field_and_stays_on_its_line() -> None:
    with pytest.raises(IntakeRefused) as caught:
        parse_language_contract(contract_file(inputs=[PROMPT, {**MESSAGES, "max_tokens\x1b[2J": 1}]))
    (finding,) = caught.value.findings
    assert finding.detail == "inputs[1].max_tokens\\x1b[2J is no field of it"


def test_derived_terms_fit_the_model() -> None:
    terms = derive_terms(64, 128)
    assert not {"prompt_ids", "text", "text_ids"} & terms.inputs.keys()
    assert (terms.vocabulary, terms.context_tokens) == (64, 128)
    assert terms.parameters is not None
    assert "parse_special" not in terms.parameters


# --- the reader and the schema that is published ---------------------------------------------------------------------

VALUES = st.one_of(
    st.integers(-2, 200),
    st.sampled_from(
        [1 << 40, True, None, "user", "refuse", "", 1.5, [], {}, [0, 1], [1], [-1], ["user"], {"max": 3}]
    ),
)


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for name, item in members for place in _places(item, (*path, name)))]


PLACES = _places(FULL)[1:]


@given(st.lists(st.tuples(st.sampled_from(PLACES), VALUES, st.booleans()), max_size=3))
def test_what_the_schema_forbids_the_reader_refuses(changes: list[tuple[tuple[Any, ...], Any, bool]]) -> None:
    value = json.loads(json.dumps(FULL))
    for path, new, is_added in changes:
        owner = value
        for step in path[:-1]:
            try:
                owner = owner[step]
            except (KeyError, IndexError, TypeError):
                break
        if isinstance(owner, dict):
            owner["extra" if is_added else str(path[-1])] = new
        elif isinstance(owner, list) and isinstance(path[-1], int) and path[-1] < len(owner):
            owner[path[-1]] = new
    try:
        terms = parse_language_contract(json.dumps(value).encode())
    except IntakeRefused:
        return
    assert SCHEMA.is_valid(value)
    assert parse_language_contract(render_contract(terms).encode()) == terms


@given(
    st.recursive(VALUES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner))
)
def test_any_value_anywhere_is_a_contract_or_a_refusal(value: Any) -> None:
    for name in LEAST:
        message = ""
        try:
            parse_language_contract(contract_file(**{name: value}))
        except IntakeRefused as refusal:
            message = refusal.message
        assert message.isprintable()


def test_ids_are_bounded_by_the_vocabulary_in_the_file() -> None:
    assert parse_language_contract(contract_file(vocabulary=64, inputs=[{**IDS, "range": [0, 63]}]))
