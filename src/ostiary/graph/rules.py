"""What graphs and contracts of functions must not be; intake lists these rules among its own.

What any platform's contract must not be is in core/terms/rules.py: a format, version or platform that is not known.
"""

from __future__ import annotations

from typing import Final

from ostiary.core.findings import Rule, Severity
from ostiary.errors import (
    INTAKE_DUPLICATE_NAME,
    INTAKE_INCONSISTENT,
    INTAKE_MALFORMED,
    INTAKE_OUT_OF_RANGE,
    INTAKE_TOO_LARGE,
    INTAKE_UNSAFE_FORMAT,
)

GRAPH_MALFORMED: Final = Rule(
    "graph.malformed",
    Severity.MEDIUM,
    INTAKE_MALFORMED,
    "Graph that does not follow its format",
    "Programs that repair it could each run another function.",
)
GRAPH_NOT_CANONICAL: Final = Rule(
    "graph.not-canonical",
    Severity.LOW,
    INTAKE_MALFORMED,
    "Graph in another than its canonical spelling",
    "Two files of different digests could hold one function, so that what was reviewed is not what is found.",
)
GRAPH_VERSION_UNKNOWN: Final = Rule(
    "graph.unknown-version",
    Severity.MEDIUM,
    INTAKE_MALFORMED,
    "Graph of a version that is not known",
    "What this version means is not known here, so nothing of it could be checked.",
    "Use a release of Ostiary that knows the version, or export the function again.",
)
GRAPH_TOO_LARGE: Final = Rule(
    "graph.too-large",
    Severity.MEDIUM,
    INTAKE_TOO_LARGE,
    "Graph larger than a ceiling",
    "Reading or running it could take all memory or time of the machine.",
)
GRAPH_DUPLICATE_NAME: Final = Rule(
    "graph.duplicate-name",
    Severity.MEDIUM,
    INTAKE_DUPLICATE_NAME,
    "Graph in which two things have one name",
    "A caller could be answered with another value than the one that was reviewed under the name.",
)
GRAPH_UNKNOWN_PRIMITIVE: Final = Rule(
    "graph.unknown-primitive",
    Severity.HIGH,
    INTAKE_UNSAFE_FORMAT,
    "Graph with an operation that is not in the table",
    "An operation that nobody examined could read or write memory that it was not given, or run code.",
    "See docs/reference/primitives.md for what a graph may hold.",
)
GRAPH_ATTRIBUTE: Final = Rule(
    "graph.attribute",
    Severity.MEDIUM,
    INTAKE_OUT_OF_RANGE,
    "Operation with an attribute that it does not have, or out of its range",
    "The engine does not check what it is told: some such numbers end the process, others read past an array.",
)
GRAPH_REFERENCE: Final = Rule(
    "graph.reference",
    Severity.MEDIUM,
    INTAKE_INCONSISTENT,
    "Graph that refers to a value that is not there yet",
    "It could run in circles, or an interpreter could take whatever lies in that place.",
)
GRAPH_UNFIT: Final = Rule(
    "graph.unfit",
    Severity.HIGH,
    INTAKE_INCONSISTENT,
    "Operation that cannot take its inputs",
    "The engine does not check all of its inputs: such an operation can read or write past their ends.",
)
GRAPH_LYING: Final = Rule(
    "graph.lying-output",
    Severity.HIGH,
    INTAKE_INCONSISTENT,
    "Operation that gives another type or shape than the graph says",
    "Whoever believes the graph would read past the end of the result.",
)

CONTRACT_MALFORMED: Final = Rule(
    "contract.malformed",
    Severity.MEDIUM,
    INTAKE_MALFORMED,
    "Contract that does not follow its format",
    "Programs that repair it would let different inputs through.",
)
CONTRACT_DUPLICATE_NAME: Final = Rule(
    "contract.duplicate-name",
    Severity.MEDIUM,
    INTAKE_DUPLICATE_NAME,
    "Contract in which two things have one name",
    "An input could be checked by one rule and used under another.",
)
CONTRACT_OUT_OF_RANGE: Final = Rule(
    "contract.out-of-range",
    Severity.MEDIUM,
    INTAKE_OUT_OF_RANGE,
    "Contract with a number out of its range",
    "No input could keep it, or it could overflow where inputs are held against it.",
)

RULES: Final = (
    GRAPH_MALFORMED,
    GRAPH_NOT_CANONICAL,
    GRAPH_VERSION_UNKNOWN,
    GRAPH_TOO_LARGE,
    GRAPH_DUPLICATE_NAME,
    GRAPH_UNKNOWN_PRIMITIVE,
    GRAPH_ATTRIBUTE,
    GRAPH_REFERENCE,
    GRAPH_UNFIT,
    GRAPH_LYING,
    CONTRACT_MALFORMED,
    CONTRACT_DUPLICATE_NAME,
    CONTRACT_OUT_OF_RANGE,
)
