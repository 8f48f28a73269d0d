"""What a tokenizer must not be: what ends or floods the process that encodes, or names ids without a row."""

from __future__ import annotations

from typing import Final

from ostiary.core.findings import Rule, Severity
from ostiary.errors import (
    INTAKE_CARRIES_CODE,
    INTAKE_DUPLICATE_NAME,
    INTAKE_INCONSISTENT,
    INTAKE_MALFORMED,
    INTAKE_OUT_OF_RANGE,
    INTAKE_TOO_LARGE,
    INTAKE_UNBOUNDED,
)

TOKENIZER_MALFORMED: Final = Rule(
    "tokenizer.malformed",
    Severity.MEDIUM,
    INTAKE_MALFORMED,
    "Tokenizer that does not follow its format",
    "Loaders disagree on what it means, and the native one can end the process on it.",
)
TOKENIZER_UNKNOWN_PART: Final = Rule(
    "tokenizer.unknown-part",
    Severity.MEDIUM,
    INTAKE_MALFORMED,
    "Tokenizer with a part or field that is not known",
    "Nobody can tell what it would do to the text on its way into the model.",
)
TOKENIZER_TOO_LARGE: Final = Rule(
    "tokenizer.too-large",
    Severity.MEDIUM,
    INTAKE_TOO_LARGE,
    "Tokenizer larger than a ceiling",
    "It could take all memory or time while it is built or used.",
)
TOKENIZER_OUT_OF_RANGE: Final = Rule(
    "tokenizer.out-of-range",
    Severity.HIGH,
    INTAKE_OUT_OF_RANGE,
    "Tokenizer number outside its sane range",
    "An id or a length that no model has is read out of bounds or ends the process.",
)
TOKENIZER_PADDING_BOMB: Final = Rule(
    "tokenizer.padding-bomb",
    Severity.HIGH,
    INTAKE_UNBOUNDED,
    "Tokenizer that pads every text to an enormous length",
    "Encoding one word would allocate gigabytes outside Python's reach and end the process.",
)
TOKENIZER_AMPLIFIER: Final = Rule(
    "tokenizer.text-amplifier",
    Severity.HIGH,
    INTAKE_UNBOUNDED,
    "Tokenizer that multiplies the text it is given",
    "A short request would grow into gigabytes before the model sees it.",
)
TOKENIZER_BROKEN_CHARSMAP: Final = Rule(
    "tokenizer.broken-charsmap",
    Severity.HIGH,
    INTAKE_MALFORMED,
    "Precompiled character map that leads outside itself",
    "The native normalizer would read out of bounds or end the process when it meets such a character.",
)
TOKENIZER_BROKEN_REGEX: Final = Rule(
    "tokenizer.broken-regex",
    Severity.MEDIUM,
    INTAKE_MALFORMED,
    "Regular expression that is not understood",
    "What cannot be read cannot be bounded, and the regular expression engine may refuse it only when it is used.",
)
TOKENIZER_BACKTRACKING_REGEX: Final = Rule(
    "tokenizer.backtracking-regex",
    Severity.HIGH,
    None,
    "Regular expression that can backtrack without end",
    "A chosen text would hold the tokenizer for minutes or end the process at the engine's retry limit.",
)
TOKENIZER_DUPLICATE_TOKEN: Final = Rule(
    "tokenizer.duplicate-token",
    Severity.MEDIUM,
    INTAKE_DUPLICATE_NAME,
    "Token that is listed twice",
    "Each loader picks a different one, so the same text becomes different ids.",
)
TOKENIZER_DUPLICATE_ID: Final = Rule(
    "tokenizer.duplicate-id",
    Severity.MEDIUM,
    INTAKE_INCONSISTENT,
    "Two tokens with the same id",
    "One could be shown to a reviewer while the model is given the other.",
)
TOKENIZER_BROKEN_MERGE: Final = Rule(
    "tokenizer.broken-merge",
    Severity.HIGH,
    INTAKE_INCONSISTENT,
    "Merge of tokens that the vocabulary does not have",
    "The native loader copies such a merge past the end of its buffer or ends the process.",
)
TOKENIZER_DANGLING_REFERENCE: Final = Rule(
    "tokenizer.dangling-reference",
    Severity.HIGH,
    INTAKE_INCONSISTENT,
    "Tokenizer that refers to a token it does not have",
    "The native library ends the process when it follows the reference.",
)
TOKENIZER_ID_GAPS: Final = Rule(
    "tokenizer.id-gaps",
    Severity.INFO,
    None,
    "Vocabulary with unused ids",
    "Tokens added later may be given ids that the model never learnt.",
)
TOKENIZER_ID_DISAGREES: Final = Rule(
    "tokenizer.id-disagrees",
    Severity.MEDIUM,
    None,
    "Added token whose id is not the one it will get",
    "The loader gives it another id than the file says, so special tokens may not do what they seem to.",
)
TOKENIZER_UNKNOWN_TOKEN_MISSING: Final = Rule(
    "tokenizer.unknown-token-missing",
    Severity.LOW,
    None,
    "Token for unknown text that the vocabulary does not have",
    "Encoding fails on the first character the vocabulary does not know.",
)
TOKENIZER_BYTE_FALLBACK_GAPS: Final = Rule(
    "tokenizer.byte-fallback-gaps",
    Severity.LOW,
    None,
    "Byte fallback without all 256 byte tokens",
    "Some texts would lose characters or fail to encode.",
)
TOKENIZER_HIDDEN_CHARACTERS: Final = Rule(
    "tokenizer.hidden-characters",
    Severity.LOW,
    None,
    "Added token with characters that cannot be seen",
    "It can be typed into a prompt without being noticed and then acts as a special token.",
)
TOKENIZER_STRIP_AT_END: Final = Rule(
    "tokenizer.strip-at-end",
    Severity.LOW,
    None,
    "Decoder that strips the end of each token",
    "The native decoder ends the process when a token is shorter than what it strips.",
)
TOKENIZER_SPECIAL_IS_ORDINARY: Final = Rule(
    "tokenizer.special-is-ordinary",
    Severity.MEDIUM,
    None,
    "Special token that is an ordinary vocabulary entry",
    "Ordinary text then ends the answer, or passes for a boundary between roles.",
)
TOKENIZER_SPECIAL_MISSING: Final = Rule(
    "tokenizer.special-missing",
    Severity.MEDIUM,
    None,
    "Special token that the tokenizer does not have",
    "The loader adds it with a new id, which may lie past the last row of the embedding.",
)
TOKENIZER_CONFIG_MALFORMED: Final = Rule(
    "tokenizer.config-malformed",
    Severity.MEDIUM,
    INTAKE_MALFORMED,
    "Tokenizer configuration with a field of the wrong type",
    "Loaders disagree on what it means, or fail late and unclearly.",
)
TOKENIZER_MODULE_NAME: Final = Rule(
    "tokenizer.module-name",
    Severity.CRITICAL,
    INTAKE_CARRIES_CODE,
    "Tokenizer that names a module that is not part of mlx-lm",
    "mlx-lm imports a module by this name, so the model would choose which Python code runs.",
)
TOKENIZER_DUPLICATE_TEMPLATE: Final = Rule(
    "tokenizer.duplicate-template",
    Severity.MEDIUM,
    INTAKE_DUPLICATE_NAME,
    "Two chat templates with the same name",
    "One could be shown to a reviewer while the other writes the prompts.",
)
TOKENIZER_UNKNOWN_CLASS: Final = Rule(
    "tokenizer.unknown-class",
    Severity.LOW,
    None,
    "Tokenizer class that is not known",
    "The loader may fall back to another class, or ask for code from elsewhere.",
)
TOKENIZER_OUTSIDE_FILE: Final = Rule(
    "tokenizer.outside-file",
    Severity.LOW,
    None,
    "Tokenizer configuration that names a file outside the model",
    "Some loaders would read that file when the model's own is missing.",
)
TOKENIZER_PIECES_MALFORMED: Final = Rule(
    "tokenizer.pieces-malformed",
    Severity.HIGH,
    INTAKE_MALFORMED,
    "SentencePiece model that does not follow its format",
    "The native reader trusts lengths in it and can be ended or misled by them.",
)
TOKENIZER_EXTENSION_FIELDS: Final = Rule(
    "tokenizer.extension-fields",
    Severity.LOW,
    None,
    "SentencePiece model with fields of an extension",
    "Other programs may act on them; the common readers skip them.",
)
TOKENIZER_VOCABULARY_MALFORMED: Final = Rule(
    "tokenizer.vocabulary-malformed",
    Severity.MEDIUM,
    INTAKE_MALFORMED,
    "Vocabulary file that does not follow its format",
    "Loaders disagree on which id a token has.",
)

RULES: Final = (
    TOKENIZER_MALFORMED,
    TOKENIZER_UNKNOWN_PART,
    TOKENIZER_TOO_LARGE,
    TOKENIZER_OUT_OF_RANGE,
    TOKENIZER_PADDING_BOMB,
    TOKENIZER_AMPLIFIER,
    TOKENIZER_BROKEN_CHARSMAP,
    TOKENIZER_BROKEN_REGEX,
    TOKENIZER_BACKTRACKING_REGEX,
    TOKENIZER_DUPLICATE_TOKEN,
    TOKENIZER_DUPLICATE_ID,
    TOKENIZER_BROKEN_MERGE,
    TOKENIZER_DANGLING_REFERENCE,
    TOKENIZER_ID_GAPS,
    TOKENIZER_ID_DISAGREES,
    TOKENIZER_UNKNOWN_TOKEN_MISSING,
    TOKENIZER_BYTE_FALLBACK_GAPS,
    TOKENIZER_HIDDEN_CHARACTERS,
    TOKENIZER_STRIP_AT_END,
    TOKENIZER_SPECIAL_IS_ORDINARY,
    TOKENIZER_SPECIAL_MISSING,
    TOKENIZER_CONFIG_MALFORMED,
    TOKENIZER_MODULE_NAME,
    TOKENIZER_DUPLICATE_TEMPLATE,
    TOKENIZER_UNKNOWN_CLASS,
    TOKENIZER_OUTSIDE_FILE,
    TOKENIZER_PIECES_MALFORMED,
    TOKENIZER_EXTENSION_FIELDS,
    TOKENIZER_VOCABULARY_MALFORMED,
)
