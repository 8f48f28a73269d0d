"""Every rule that intake looks for, by family. docs/reference/rules.md is generated from `ALL_RULES`."""

from __future__ import annotations

from typing import Final

from ostiary.core.findings import Rule
from ostiary.intake.rules import (
    adapter,
    code,
    config,
    consistency,
    contract,
    formats,
    functions,
    index,
    json,
    names,
    template,
    tensors,
    tokenizer,
    tree,
    weights,
)

ALL_RULES: Final[tuple[Rule, ...]] = (
    *tree.RULES,
    *names.RULES,
    *formats.RULES,
    *weights.RULES,
    *tensors.RULES,
    *json.RULES,
    *config.RULES,
    *index.RULES,
    *adapter.RULES,
    *consistency.RULES,
    *tokenizer.RULES,
    *template.RULES,
    *contract.RULES,
    *code.RULES,
    *functions.RULES,
)
