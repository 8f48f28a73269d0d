"""What the files of one model must not say of one another."""

from __future__ import annotations

from typing import Final

from ostiary.core.findings import Rule, Severity
from ostiary.errors import INTAKE_DUPLICATE_NAME, INTAKE_INCOMPLETE, INTAKE_INCONSISTENT, INTAKE_UNLISTED_FILE

NO_WEIGHTS: Final = Rule(
    "model.no-weights",
    Severity.MEDIUM,
    INTAKE_INCOMPLETE,
    "Model without weights",
    "There is nothing to run; a loader would look for the weights elsewhere or fail late.",
)
NO_CONFIG: Final = Rule(
    "model.no-config",
    Severity.MEDIUM,
    INTAKE_INCOMPLETE,
    "Model without config.json",
    "Nothing says what the weights are, so nothing can be checked against them.",
)
NOTHING: Final = Rule(
    "model.nothing",
    Severity.MEDIUM,
    INTAKE_INCOMPLETE,
    "Nothing that is a model",
    "There is neither a configuration nor a file of weights to judge.",
)
DUPLICATE_TENSOR: Final = Rule(
    "model.duplicate-tensor",
    Severity.HIGH,
    INTAKE_DUPLICATE_NAME,
    "Tensor in two files",
    "The file that is read last wins, so different loaders run different weights.",
)
UNLISTED_SHARD: Final = Rule(
    "model.unlisted-shard",
    Severity.HIGH,
    INTAKE_UNLISTED_FILE,
    "Weights beside the model's own",
    "MLX-LM loads every file that is named model*.safetensors, whether anything lists it or not.",
)
UNUSED_WEIGHTS: Final = Rule(
    "model.unused-weights",
    Severity.LOW,
    None,
    "Weights that MLX-LM does not load",
    "They are judged by themselves only; another program may load them instead of the model's own.",
)
TOKEN_PAST_EMBEDDING: Final = Rule(
    "model.token-past-embedding",
    Severity.CRITICAL,
    INTAKE_INCONSISTENT,
    "Token without a row in the embedding",
    "MLX does not check indices: the token makes it read outside the embedding, into other memory.",
    hint="Remove the token from the tokenizer's files, or give the embedding a row for it.",
)
VOCABULARY_MISMATCH: Final = Rule(
    "model.vocabulary-mismatch",
    Severity.LOW,
    None,
    "Vocabulary files that differ in size",
    "Which of them is used depends on the loader; the token ids may differ.",
)

RULES: Final = (
    NO_WEIGHTS,
    NO_CONFIG,
    NOTHING,
    DUPLICATE_TENSOR,
    UNLISTED_SHARD,
    UNUSED_WEIGHTS,
    TOKEN_PAST_EMBEDDING,
    VOCABULARY_MISMATCH,
)
