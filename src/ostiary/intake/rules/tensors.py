"""What is looked for in any tensor, whatever the format of its file: shape, size and name."""

from __future__ import annotations

from typing import Final

from ostiary.core.findings import Rule, Severity
from ostiary.errors import INTAKE_DUPLICATE_NAME, INTAKE_MALFORMED, INTAKE_TOO_LARGE, INTAKE_UNSAFE_NAME


def _unsafe_name(rule_id: str, title: str, harm: str) -> Rule:
    return Rule(rule_id, Severity.HIGH, INTAKE_UNSAFE_NAME, title, harm)


TENSOR_SHAPE: Final = Rule(
    "weights.shape",
    Severity.HIGH,
    INTAKE_MALFORMED,
    "Shape that is not a list of sizes",
    "MLX multiplies sizes without a check: two negative ones make a positive one, a wide one is cut to 32 bits.",
)
TENSOR_SIZE_OVERFLOW: Final = Rule(
    "weights.size-overflow",
    Severity.CRITICAL,
    INTAKE_MALFORMED,
    "Tensor whose size overflows 64 bits",
    "MLX lets the byte count wrap to a small number; reading the tensor discloses other memory of the process.",
)
TOO_MANY_DIMENSIONS: Final = Rule(
    "weights.too-many-dimensions",
    Severity.MEDIUM,
    INTAKE_TOO_LARGE,
    "Tensor with too many dimensions",
    "Readers keep shapes in fixed arrays or walk them recursively, and overflow on a long one.",
)
TOO_MANY_TENSORS: Final = Rule(
    "weights.too-many-tensors",
    Severity.MEDIUM,
    INTAKE_TOO_LARGE,
    "Too many tensors in one file",
    "Each tensor costs every reader memory and time before any weight is used.",
)
NAME_EMPTY_PART: Final = _unsafe_name(
    "weights.name-empty-part",
    "Tensor name that is empty or has an empty part",
    "Programs that split names at dots disagree on where such a tensor belongs.",
)
NAME_TOO_LONG: Final = _unsafe_name(
    "weights.name-too-long",
    "Tensor name that is too long or too deep",
    "Names are split and walked recursively; a deep one ends the walk or fills a log.",
)
NAME_INVISIBLE: Final = _unsafe_name(
    "weights.name-invisible",
    "Tensor name with characters that cannot be seen",
    "It can pass for another tensor's name, or command the terminal it is printed on.",
)
NAME_PATH: Final = _unsafe_name(
    "weights.name-path",
    "Tensor name that is a path",
    "A tool that writes one file per tensor would write outside its own directory.",
)
NAME_DUNDER: Final = _unsafe_name(
    "weights.name-dunder",
    "Tensor name with a Python-internal part",
    "Code that sets attributes by tensor name would replace the internals of an object.",
)
NAME_INDEX: Final = _unsafe_name(
    "weights.name-index",
    "Tensor name with a number that is no plausible position",
    "MLX builds a Python list as long as the number in the name; one name can take all memory.",
)
NAME_LIST_SLOTS: Final = _unsafe_name(
    "weights.name-list-slots",
    "Tensor names that together ask for too many list positions",
    "MLX fills every gap in the numbering with an empty entry; many gaps together take all memory.",
)
NAME_INSIDE_TENSOR: Final = _unsafe_name(
    "weights.name-inside-tensor",
    "Tensor name that continues another tensor's name",
    "One name would have to be a weight and a group of weights at once; loaders keep one or the other.",
)
NAME_LOOKALIKE: Final = Rule(
    "weights.name-lookalike",
    Severity.HIGH,
    INTAKE_DUPLICATE_NAME,
    "Two tensor names that are the same text in Unicode",
    "A loader that normalises names keeps one of the two tensors, another keeps both.",
)


RULES: Final = tuple(value for value in tuple(globals().values()) if isinstance(value, Rule))
