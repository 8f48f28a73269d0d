"""Every ceiling of the house, with unit and reason. docs/reference/limits.md is generated from this file."""

from __future__ import annotations

from typing import Final

from ostiary.core.ceiling import Ceiling

# What is printed
MAX_QUOTED_CHARACTERS: Final = Ceiling(
    120, "characters", "text from a model in a message: enough to recognise it, too little to flood a log"
)

# The tree
MAX_TREE_FILES: Final = Ceiling(
    4_096, "files", "the largest published models have a few hundred; each one costs a descriptor and a digest"
)
MAX_TREE_DEPTH: Final = Ceiling(8, "directories", "published models use two; deeper trees only cost")
MAX_NAME_BYTES: Final = Ceiling(255, "bytes", "what every common file system can hold, so a model can be copied")
MAX_PATH_BYTES: Final = Ceiling(1_024, "bytes", "macOS's own limit, so a model can be copied")
MAX_TREE_BYTES: Final = Ceiling(4 << 40, "bytes", "the largest published models are below 2 TiB")
MAX_HEAD_BYTES: Final = Ceiling(4_096, "bytes", "how much of a file is looked at to recognise its format")
MAX_FINDINGS: Final = Ceiling(1_000, "findings", "a person reads no more; past it the list is cut and says so")

# JSON
MAX_JSON_BYTES: Final = Ceiling(
    64 << 20,
    "bytes",
    "the largest published tokenizer.json is half of it; a parsed text takes many times its size in memory",
)
MAX_CONFIG_BYTES: Final = Ceiling(
    1 << 20, "bytes", "published configurations stay below 200 KiB, also with one quantization entry per layer"
)
MAX_JSON_DEPTH: Final = Ceiling(
    64, "levels", "published files use eight; a parser that recurses must not choose when to stop"
)
MAX_JSON_VALUES: Final = Ceiling(
    4 << 20,
    "values",
    "the largest published tokenizer.json has two million; each one costs memory many times its text",
)
MAX_JSON_NUMBER_CHARACTERS: Final = Ceiling(
    64, "characters", "a double needs 25 at most; converting longer ones costs more than linear time"
)
