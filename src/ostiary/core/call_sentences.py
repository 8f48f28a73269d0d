"""What an engine may say of a call that does not fit, as a stranger may read it. Pure.

An engine is behind the wall and not believed: what it says goes to the record and to whoever opened the model. A
sentence of this list, word for word, says nothing but what stands here, so whoever asked may read it, too. Numbers
are the engine's own, of ten digits at most.
"""

from __future__ import annotations

import re
from typing import Final

TOO_MUCH: Final = "what the answer is held to would take too much work"
NOT_WRITABLE: Final = "the vocabulary of this model cannot write what the answer is held to"
JOINS_WORDS: Final = "the tokenizer of this model joins words in a way that answers cannot be held to"
NO_VALUE: Final = "no value fits the schema"
NO_PATTERN: Final = "a pattern cannot be read: there is no looking around, and no reference back"
NOT_APART: Final = "alternatives of oneOf are not plainly apart: use anyOf"
NOT_TOGETHER: Final = "a keyword of the schema does not go with its others"
IN_A_CIRCLE: Final = "a reference in a circle has other keywords beside it"

FORM: Final = "form"
PROMPT: Final = "prompt"
"""What a sentence is about, where no field alone is it: what an answer is held to, and what the model reads."""
_OF_FORMS: Final = frozenset(
    {TOO_MUCH, NOT_WRITABLE, JOINS_WORDS, NO_VALUE, NO_PATTERN, NOT_APART, NOT_TOGETHER, IN_A_CIRCLE}
)
_WORDS: Final = _OF_FORMS | frozenset(
    {
        "the arguments of a tool call are not JSON",
        "the chat template calls itself without end",
        "the chat template cannot be used",
        "the chat template does not show the final message, so it cannot be continued",
        "the chat template has no place for tools",
        "the chat template makes reserved characters of these messages",
        "the final message has no text that could be continued",
        "the model has no chat template",
        "this network gives no vectors",
    }
)
_BEGINNINGS: Final = {
    "the chat template does not take these messages": "the chat template does not take these messages",
    "the chat template fails on these messages": "the chat template fails on these messages",
    "the chat template has no option '": "the chat template does not have all options that were given",
}
"""Sentences that go on with words of a template or of a request, and what is said in their place."""
_FIELDS: Final = {
    "the chat template has no place for tools": "tools",
    "the chat template does not have all options that were given": "template_options",
    "the model has no chat template": "messages",
    "this network gives no vectors": "model",
}
"""What those are about that are not about the prompt."""
_NUMBER: Final = r"\d{1,10}"
_COUNTED: Final = re.compile(
    rf"the (?:prompt|text) has {_NUMBER} tokens; the context has {_NUMBER}"
    rf"|{_NUMBER} tokens of prompt and {_NUMBER} of answer do not fit; the context has {_NUMBER}"
    r"|the (?:prompt|text) has no tokens",
    re.ASCII,
)


def tell_strangers(sentence: str) -> str:
    """What of it they may read; empty where it is nothing."""
    if sentence in _WORDS or _COUNTED.fullmatch(sentence) is not None:
        return sentence
    return next((told for begun, told in _BEGINNINGS.items() if sentence.startswith(begun)), "")


def find_field(told: str) -> str:
    """What a sentence that strangers are told is about: a field of the request, FORM or PROMPT; else ""."""
    if told in _OF_FORMS:
        return FORM
    if told in _FIELDS:
        return _FIELDS[told]
    if _COUNTED.fullmatch(told) is not None:
        return "max_tokens" if " of answer " in told else PROMPT
    return PROMPT if told else ""


def list_sentences() -> list[str]:
    """Those without numbers, and how others begin."""
    return sorted((*_WORDS, *_BEGINNINGS))
