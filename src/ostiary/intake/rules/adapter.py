"""What an adapter must not do to the model that it changes."""

from __future__ import annotations

from typing import Final

from ostiary.core.findings import Rule, Severity
from ostiary.errors import INTAKE_INCOMPLETE, INTAKE_INCONSISTENT, INTAKE_MALFORMED, INTAKE_OUT_OF_RANGE

ADAPTER_MALFORMED: Final = Rule(
    "adapter.malformed",
    Severity.MEDIUM,
    INTAKE_MALFORMED,
    "Adapter setting of the wrong JSON type",
    "Programs disagree on what it means, so the adapted model is not one model.",
)
ADAPTER_OUT_OF_RANGE: Final = Rule(
    "adapter.out-of-range",
    Severity.MEDIUM,
    INTAKE_OUT_OF_RANGE,
    "Adapter setting outside its sane range",
    "It could take all memory, or divide by zero.",
)
ADAPTER_UNKNOWN_KIND: Final = Rule(
    "adapter.unknown-kind",
    Severity.MEDIUM,
    INTAKE_MALFORMED,
    "Adapter of an unknown kind",
    "MLX-LM takes any word it does not know for LoRA and changes the model in a way that nobody trained.",
)
ADAPTER_INCOMPLETE: Final = Rule(
    "adapter.incomplete",
    Severity.MEDIUM,
    INTAKE_INCOMPLETE,
    "Adapter of which a part is missing",
    "The loader fills the missing half of a pair with random numbers.",
)
ADAPTER_UNEXPECTED_TENSOR: Final = Rule(
    "adapter.unexpected-tensor",
    Severity.HIGH,
    INTAKE_INCONSISTENT,
    "Tensor that does not belong to an adapter",
    "It could replace a weight of the base model instead of adapting it.",
)
ADAPTER_DOES_NOT_FIT: Final = Rule(
    "adapter.does-not-fit",
    Severity.MEDIUM,
    INTAKE_INCONSISTENT,
    "Adapter that does not fit the model beside it",
    "It was made for another model, or its tensors would be read past their end.",
)
ADAPTER_REPLACES_WEIGHTS: Final = Rule(
    "adapter.replaces-weights",
    Severity.HIGH,
    None,
    "Adapter that replaces weights of the base model",
    "The model that runs is then this file and not the weights beside it, whoever vouched for those.",
)
ADAPTER_REACHES_OUT: Final = Rule(
    "adapter.names-a-base",
    Severity.LOW,
    None,
    "Adapter that names its base model",
    "PEFT fetches the named base model from elsewhere; no check of this directory covers it.",
)
ADAPTER_PATTERN: Final = Rule(
    "adapter.pattern",
    Severity.LOW,
    None,
    "Adapter that selects layers by a pattern",
    "PEFT runs it as a regular expression over every layer name; a hostile one can take very long.",
)
ADAPTER_UNUSUAL: Final = Rule(
    "adapter.unusual",
    Severity.LOW,
    None,
    "Adapter setting that no published adapter has",
    "It could drown the base model's weights, so that answers come from the adapter alone.",
)
ADAPTER_NOT_CHECKED: Final = Rule(
    "adapter.not-checked",
    Severity.INFO,
    None,
    "Adapter not held against its base",
    "Whether it fits is found by the loader only.",
)

RULES: Final = (
    ADAPTER_MALFORMED,
    ADAPTER_OUT_OF_RANGE,
    ADAPTER_UNKNOWN_KIND,
    ADAPTER_INCOMPLETE,
    ADAPTER_UNEXPECTED_TENSOR,
    ADAPTER_DOES_NOT_FIT,
    ADAPTER_REPLACES_WEIGHTS,
    ADAPTER_REACHES_OUT,
    ADAPTER_PATTERN,
    ADAPTER_UNUSUAL,
    ADAPTER_NOT_CHECKED,
)
