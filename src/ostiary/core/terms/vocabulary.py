"""The words of a language model's contract: its inputs, its options, and how far the house goes in each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ostiary.core.limits import (
    MAX_CALL_CHOICES,
    MAX_CALL_LOGPROBS,
    MAX_CALL_MESSAGES,
    MAX_LOGIT_BIASES,
    MAX_PENALTY_CONTEXT,
    MAX_REQUEST_TOKENS,
    MAX_STOP_TEXTS,
    MAX_TOOLS,
    MAX_VOCABULARY,
)
from ostiary.core.terms.values import (
    DOCUMENTS,
    MESSAGES,
    PROMPT,
    PROMPT_IDS,
    TEMPLATE_OPTIONS,
    TEXT,
    TEXT_IDS,
    TOOLS,
    Span,
)
from ostiary.core.values import dataclass

FORMS: Final = ("NFC", "NFD", "NFKC", "NFKD")
ROLES: Final = ("assistant", "developer", "system", "tool", "user")
TEXT_OUTPUT: Final = "text"
CHOICES: Final = "choices"
MAX_COEFFICIENT: Final = 100.0
"""Of temperature, of a penalty either way, and of a bias either way: beyond, nothing changes any more."""
MAX_SEED: Final = (1 << 64) - 1


@dataclass(frozen=True, slots=True)
class InputWord:
    """One input: what OIP metadata says of it, and which bounds it may have."""

    datatype: str
    dim: str | None
    """None: it is one text."""
    bounds: frozenset[str]


_BYTES: Final = "BYTES"
INPUTS: Final[Mapping[str, InputWord]] = {
    PROMPT: InputWord(_BYTES, None, frozenset({"max_characters", "max_tokens"})),
    PROMPT_IDS: InputWord("INT64", "tokens", frozenset({"range"})),
    MESSAGES: InputWord(_BYTES, "messages", frozenset({"max_characters", "max_tokens", "roles"})),
    TOOLS: InputWord(_BYTES, "tools", frozenset({"max_characters"})),
    DOCUMENTS: InputWord(_BYTES, "documents", frozenset({"max_characters"})),
    TEMPLATE_OPTIONS: InputWord(_BYTES, None, frozenset({"max_characters", "allowed"})),
    TEXT: InputWord(_BYTES, None, frozenset({"max_characters", "max_tokens"})),
    TEXT_IDS: InputWord("INT64", "tokens", frozenset({"range"})),
}
ASKED: Final = (PROMPT, PROMPT_IDS, MESSAGES, TEXT, TEXT_IDS)
"""One of them a contract must take; the others only come along."""
DIMS: Final[Mapping[str, Span]] = {
    "tokens": Span(1, MAX_REQUEST_TOKENS),
    "messages": Span(1, MAX_CALL_MESSAGES),
    "tools": Span(0, MAX_TOOLS),
    "documents": Span(0, MAX_CALL_MESSAGES),
    CHOICES: Span(1, MAX_CALL_CHOICES),
}
"""How many the house takes."""


def find_owners(dim: str) -> frozenset[str]:
    """The inputs that have this dimension; answers have one, too."""
    return frozenset(name for name, word in INPUTS.items() if word.dim == dim)


def bound_least(dim: str) -> Span:
    """How many may be asked for at least. Answers: one, as nobody who wants one should have to ask for more."""
    house = DIMS[dim]
    return Span(house.least, house.least) if dim == CHOICES else house


@dataclass(frozen=True, slots=True)
class ParameterWord:
    """One option of a request, and the house's own bounds for it."""

    span: Span | None = None
    is_whole: bool = False
    is_flag: bool = False
    most_items: int | None = None


_COEFFICIENT: Final = ParameterWord(Span(-MAX_COEFFICIENT, MAX_COEFFICIENT))
_LOOKING_BACK: Final = ParameterWord(Span(1, MAX_PENALTY_CONTEXT), is_whole=True)
_FLAG: Final = ParameterWord(is_flag=True)
PARAMETERS: Final[Mapping[str, ParameterWord]] = {
    "temperature": ParameterWord(Span(0, MAX_COEFFICIENT)),
    "top_p": ParameterWord(Span(0, 1)),
    "top_k": ParameterWord(Span(0, MAX_VOCABULARY), is_whole=True),
    "min_p": ParameterWord(Span(0, 1)),
    "seed": ParameterWord(Span(0, MAX_SEED), is_whole=True),
    "repetition_penalty": ParameterWord(Span(0, MAX_COEFFICIENT)),
    "presence_penalty": _COEFFICIENT,
    "frequency_penalty": _COEFFICIENT,
    "repetition_context_size": _LOOKING_BACK,
    "presence_context_size": _LOOKING_BACK,
    "frequency_context_size": _LOOKING_BACK,
    "logit_bias": ParameterWord(Span(-MAX_COEFFICIENT, MAX_COEFFICIENT), most_items=MAX_LOGIT_BIASES),
    "stop": ParameterWord(most_items=MAX_STOP_TEXTS),
    "logprobs": ParameterWord(Span(0, MAX_CALL_LOGPROBS), is_whole=True),
    "response_format": ParameterWord(),
    "tool_choice": ParameterWord(),
    "parallel_tool_calls": _FLAG,
    "pooling": ParameterWord(),
    "show_special": _FLAG,
    "ignore_eos": _FLAG,
    "parse_special": _FLAG,
    "add_generation_prompt": _FLAG,
    "continue_final_message": _FLAG,
}
