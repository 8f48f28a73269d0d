"""What the contract of a language model says. None: the house's own bound is the only one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum
from typing import Final

from ostiary.core.terms.characters import CharacterClass
from ostiary.core.values import dataclass

FORMAT: Final = "ostiary.contract"
VERSION: Final = 1
CONTRACT_FILE: Final = "contract.json"
LANGUAGE_PLATFORM: Final = "ostiary-language"
FUNCTION_PLATFORM: Final = "ostiary-graph"


class Action(StrEnum):
    """What is done about a text that is not as it should be."""

    KEEP = "keep"
    REMOVE = "remove"
    """Of characters."""
    APPLY = "apply"
    """Of a normal form."""
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True)
class Span:
    """From, to, both included."""

    least: int | float
    most: int | float


@dataclass(frozen=True, slots=True)
class TextTerms:
    """For every text that comes in."""

    form: str | None = None
    """NFC, NFD, NFKC or NFKD."""
    form_action: Action = Action.REFUSE
    characters: Mapping[CharacterClass, Action] = field(default_factory=dict)
    """What is not named is kept."""


@dataclass(frozen=True, slots=True)
class InputTerms:
    """For one input: what is absent from a contract's inputs is not taken at all."""

    name: str
    max_characters: int | None = None
    """Of each text: of each message; of all texts in tools, in documents, in options together."""
    max_tokens: int | None = None
    """Of the whole prompt, as the engine counts it."""
    roles: tuple[str, ...] | None = None
    """Of messages."""
    allowed: tuple[str, ...] | None = None
    """Names of template options."""
    ids: Span | None = None
    """Token ids that may come in."""


@dataclass(frozen=True, slots=True)
class DimTerms:
    """How many of something one request may have."""

    least: int
    most: int
    is_batch: bool = False


@dataclass(frozen=True, slots=True)
class ParameterTerms:
    """For one option of a request."""

    span: Span | None = None
    allowed: tuple[bool, ...] | None = None
    """Of an option that is yes or no."""
    max_items: int | None = None


@dataclass(frozen=True, slots=True)
class OutputTerms:
    """For each answer."""

    max_characters: int | None = None
    max_tokens: int | None = None
    refused_characters: tuple[CharacterClass, ...] = ()
    is_json: bool = False
    stop: tuple[str, ...] = ()
    """Texts at which every answer ends."""


@dataclass(frozen=True, slots=True)
class LanguageTerms:
    """A whole contract.json of a language model."""

    inputs: Mapping[str, InputTerms]
    name: str | None = None
    vocabulary: int | None = None
    context_tokens: int | None = None
    dims: Mapping[str, DimTerms] = field(default_factory=dict)
    parameters: Mapping[str, ParameterTerms] | None = None
    """None: every one that the house knows. Else these and no others."""
    output: OutputTerms = OutputTerms()
    text: TextTerms = TextTerms()


PROMPT: Final = "prompt"
PROMPT_IDS: Final = "prompt_ids"
MESSAGES: Final = "messages"
TOOLS: Final = "tools"
DOCUMENTS: Final = "documents"
TEMPLATE_OPTIONS: Final = "template_options"
TEXT: Final = "text"
"""Of which a vector is wanted."""
TEXT_IDS: Final = "text_ids"

_INPUTS: Final = (PROMPT, PROMPT_IDS, MESSAGES, TOOLS, DOCUMENTS, TEMPLATE_OPTIONS, TEXT, TEXT_IDS)
HOUSE_TERMS: Final = LanguageTerms({name: InputTerms(name) for name in _INPUTS})
"""Where a model has no contract.json: nothing but the house's own bounds."""
