"""Codes of requests: what does not fit a model, before its engine sees it."""

from __future__ import annotations

from typing import Final

from ostiary.codes.declare import declare

CONTRACT_UNKNOWN_FIELD: Final = declare(
    "CONTRACT_UNKNOWN_FIELD",
    "The request has a field that this model does not take.",
    "Check how it is written. A server has all fields at /openapi.json; docs/language-engine.md has the library's.",
    400,
)
CONTRACT_TYPE: Final = declare(
    "CONTRACT_TYPE",
    "A field of the request is missing or of the wrong type.",
    "docs/language-engine.md tells the type of each field.",
    400,
)
CONTRACT_RANGE: Final = declare(
    "CONTRACT_RANGE",
    "A field of the request has a value that this model does not take.",
    "The message names the values that fit.",
    400,
)
CONTRACT_TEXT: Final = declare(
    "CONTRACT_TEXT",
    "A text of the request holds characters that this model does not take.",
    "The message names them; halves of surrogate pairs and characters from U+10C000 on are taken by no model.",
    400,
)
CONTRACT_TOO_LONG: Final = declare(
    "CONTRACT_TOO_LONG",
    "The request is longer than this model takes.",
    "Ask for less: a shorter prompt, fewer messages, or fewer tokens.",
    413,
)
CONTRACT_SHAPE: Final = declare(
    "CONTRACT_SHAPE",
    "A tensor of the request has a shape that this model does not take.",
    "The message names the shape that fits.",
    400,
)
CONTRACT_DTYPE: Final = declare(
    "CONTRACT_DTYPE",
    "A tensor of the request has a datatype that this model does not take.",
    "Convert it to the datatype that the message names.",
    400,
)
CONTRACT_NOT_FINITE: Final = declare(
    "CONTRACT_NOT_FINITE",
    "A tensor of the request holds an infinity, or what is not a number.",
    "Look for a division by zero or a missing value where the numbers come from.",
    400,
)
ANSWER_NOT_FINITE: Final = declare(
    "ANSWER_NOT_FINITE",
    "The model's answer holds an infinity, or what is not a number, which its contract rules out.",
    "Ask with other inputs; if honest ones bring it about, tell whoever signed the model.",
    502,
)
CONTRACT_NOT_OFFERED: Final = declare(
    "CONTRACT_NOT_OFFERED",
    "The model's contract does not offer this.",
    "`ostiary contract show` lists what the model takes; whoever signs the model can offer more.",
    400,
)
ANSWER_RULE: Final = declare(
    "ANSWER_RULE",
    "The model's answer broke a rule of its contract, and was not given out further.",
    "Ask again, or for something else; the message names the rule.",
    422,
)
