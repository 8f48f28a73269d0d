"""What the files of a function must not say of one another; its graph and its contract have rules of their own."""

from __future__ import annotations

from typing import Final

from ostiary.core.findings import Rule, Severity
from ostiary.errors import INTAKE_INCOMPLETE, INTAKE_INCONSISTENT, INTAKE_MALFORMED, INTAKE_UNLISTED_FILE
from ostiary.graph.rules import RULES as GRAPH_RULES

FUNCTION_NO_GRAPH: Final = Rule(
    "function.no-graph",
    Severity.MEDIUM,
    INTAKE_INCOMPLETE,
    "Parts of a function without its graph",
    "Nothing says what is computed, so neither the contract nor the constants could be checked.",
)
FUNCTION_NO_CONTRACT: Final = Rule(
    "function.no-contract",
    Severity.MEDIUM,
    INTAKE_INCOMPLETE,
    "Function without contract.json",
    "Nothing says which inputs may be let in, so any that fits in shape would be.",
    "`ostiary contract init` writes one from the graph, for whoever signs the model.",
)
FUNCTION_NO_CONSTANTS: Final = Rule(
    "function.no-constants",
    Severity.MEDIUM,
    INTAKE_INCOMPLETE,
    "Function without graph.safetensors",
    "The graph computes with numbers that are not there; a loader would look for them elsewhere or fail late.",
)
FUNCTION_CONSTANT_DIFFERS: Final = Rule(
    "function.constant-differs",
    Severity.CRITICAL,
    INTAKE_INCONSISTENT,
    "Constant that is not as the graph says",
    "Every check of the graph relies on the stated shapes: with another one it reads past the end of the tensor.",
)
FUNCTION_UNUSED_TENSOR: Final = Rule(
    "function.unused-tensor",
    Severity.MEDIUM,
    INTAKE_INCONSISTENT,
    "Tensor that the graph does not use",
    "Bytes that nobody runs can carry anything past a review, and a later graph could use them.",
)
FUNCTION_CONTRACT_DIFFERS: Final = Rule(
    "function.contract-differs",
    Severity.HIGH,
    INTAKE_INCONSISTENT,
    "Contract that does not fit the graph",
    "Inputs would be checked by other sizes and types than those that the graph computes with.",
)
FUNCTION_MIXED: Final = Rule(
    "function.mixed",
    Severity.HIGH,
    INTAKE_UNLISTED_FILE,
    "Another model beside a function",
    "Which of the two runs depends on the loader, so one could be reviewed and the other run.",
    "Put the function and the other model into directories of their own.",
)
FUNCTION_CARD: Final = Rule(
    "function.card",
    Severity.LOW,
    INTAKE_MALFORMED,
    "Card that is not a JSON object of plain values",
    "Who made the function, and from what, could be read differently by different programs.",
)

RULES: Final[tuple[Rule, ...]] = (
    *GRAPH_RULES,
    FUNCTION_NO_GRAPH,
    FUNCTION_NO_CONTRACT,
    FUNCTION_NO_CONSTANTS,
    FUNCTION_CONSTANT_DIFFERS,
    FUNCTION_UNUSED_TENSOR,
    FUNCTION_CONTRACT_DIFFERS,
    FUNCTION_MIXED,
    FUNCTION_CARD,
)
