"""What an index over several weights files must not say."""

from __future__ import annotations

from typing import Final

from ostiary.core.findings import Rule, Severity
from ostiary.errors import (
    INTAKE_DUPLICATE_NAME,
    INTAKE_INCOMPLETE,
    INTAKE_INCONSISTENT,
    INTAKE_MALFORMED,
    INTAKE_PATH_ESCAPE,
    INTAKE_UNLISTED_FILE,
)

INDEX_MALFORMED: Final = Rule(
    "index.malformed",
    Severity.MEDIUM,
    INTAKE_MALFORMED,
    "Index that does not map tensors to files",
    "Loaders that need it could fail, and those that ignore it would load files that nobody listed.",
)
INDEX_PATH_ESCAPE: Final = Rule(
    "index.path-escape",
    Severity.CRITICAL,
    INTAKE_PATH_ESCAPE,
    "Index that names a file outside the model",
    "A loader that follows it could read any file of the machine as weights.",
)
INDEX_SHARD_MISSING: Final = Rule(
    "index.shard-missing",
    Severity.MEDIUM,
    INTAKE_INCOMPLETE,
    "Weights file that is listed but not there",
    "A part of the network would be missing, or be fetched from elsewhere.",
)
INDEX_TENSOR_MISSING: Final = Rule(
    "index.tensor-missing",
    Severity.MEDIUM,
    INTAKE_INCOMPLETE,
    "Tensor that is listed but in no file",
    "A part of the network would be missing.",
)
INDEX_TENSOR_ELSEWHERE: Final = Rule(
    "index.tensor-elsewhere",
    Severity.MEDIUM,
    INTAKE_INCONSISTENT,
    "Tensor in another file than the index says",
    "Loaders that follow the index and loaders that read every file get different weights.",
)
INDEX_TENSOR_UNLISTED: Final = Rule(
    "index.tensor-unlisted",
    Severity.MEDIUM,
    INTAKE_INCONSISTENT,
    "Tensor that the index does not list",
    "MLX-LM loads it all the same, programs that follow the index do not.",
)
INDEX_SHARD_UNLISTED: Final = Rule(
    "index.shard-unlisted",
    Severity.HIGH,
    INTAKE_UNLISTED_FILE,
    "Weights file that the index does not list",
    "MLX-LM loads every file of that name, so it could silently replace weights of the listed ones.",
)
INDEX_TENSOR_TWICE: Final = Rule(
    "index.tensor-twice",
    Severity.HIGH,
    INTAKE_DUPLICATE_NAME,
    "Tensor in two weights files",
    "Which one wins depends on the order in which a loader reads the files.",
)
INDEX_WRONG_SIZE: Final = Rule(
    "index.wrong-size",
    Severity.INFO,
    None,
    "Index with a wrong total size",
    "Programs that plan memory by it plan for another model.",
)

RULES: Final = (
    INDEX_MALFORMED,
    INDEX_PATH_ESCAPE,
    INDEX_SHARD_MISSING,
    INDEX_TENSOR_MISSING,
    INDEX_TENSOR_ELSEWHERE,
    INDEX_TENSOR_UNLISTED,
    INDEX_SHARD_UNLISTED,
    INDEX_TENSOR_TWICE,
    INDEX_WRONG_SIZE,
)
