"""docs/limits.md: settings that are read, errors that come, and a formula that is the one in the code."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import CodeType

import pytest

from ostiary.cell.ending import Cause
from ostiary.cell.limits import GIB, MIB, CellLimits, derive_limits
from ostiary.cell.limits_file import SETTINGS, parse_amount, parse_config
from ostiary.core.tickets import ModelFacts
from ostiary.errors import CODES, Misuse

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "limits.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\S+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
DEFAULTS = CellLimits(1, 2, 3, 4, 5, 6, 7, 8)
FACTS = ModelFacts(
    format="safetensors",
    architecture="llama",
    layers=16,
    hidden_size=2048,
    vocabulary=128_256,
    context_tokens=8_192,
    quantization=None,
    parameters=None,
    tensors=(),
    weight_bytes=0,
    cache_bytes_per_token=32_768,
    cache_bytes_at_context=None,
    layout_checked=True,
)


def _block(language: str) -> str:
    (text,) = (str(text) for found, text in BLOCKS if found == language)
    return text


def test_every_block_is_of_a_kind_that_is_executed() -> None:
    assert sorted(language for language, _ in BLOCKS) == ["formula", "limits", "toml", "wrong"]


def test_the_table_has_every_setting_with_causes_and_codes_that_there_are() -> None:
    rows = re.findall(r"^\| `([a-z]+)` \|.*\| (.*) \|$", PAGE, re.MULTILINE)
    assert [name for name, _ in rows] == [setting.name for setting in SETTINGS]
    for word in re.findall(r"`(\w+)`", " ".join(what for _, what in rows)):
        assert word in CODES or word in set(Cause)


def test_who_has_which_limits() -> None:
    rules = parse_config(_block("toml").encode(), "ostiary.toml")
    fields = {setting.name: setting for setting in SETTINGS}
    for line in _block("limits").splitlines():
        model_id, *words = re.split(r"\s{2,}", line)
        limits = rules.change(DEFAULTS, model_id).by_name()
        for word in words:
            name, value = word.split(" = ")
            setting = fields[name]
            if value == "default":
                expected = DEFAULTS.by_name()[setting.field]
            else:
                expected = int(value) if setting.units is None else parse_amount(value, setting.units)
            assert limits[setting.field] == expected, line


@pytest.mark.parametrize("line", _block("wrong").splitlines())
def test_what_is_wrong_is_told_so(line: str) -> None:
    setting, message = re.split(r"\s{2,}", line)
    with pytest.raises(Misuse) as caught:
        parse_config(f"[limits]\n{setting}\n".encode(), "ostiary.toml")
    assert caught.value.message == message


def _evaluate(formulas: Mapping[str, CodeType], known: Mapping[str, object], name: str) -> float:
    code = formulas[name]
    needed = {other: _evaluate(formulas, known, other) for other in code.co_names if other in formulas}
    return float(eval(code, {"__builtins__": {}}, {**known, **needed}))  # noqa: S307  our own page


@pytest.mark.parametrize("weights", [0, 2_471_628_800, 400 * GIB])
@pytest.mark.parametrize("context", [512, 8_192, 1 << 20])
def test_the_formula_is_the_one_in_the_code(weights: int, context: int) -> None:
    lines = (line.split(" = ", 1) for line in _block("formula").splitlines())
    formulas = {name.strip(): compile(text.strip(), name, "eval") for name, text in lines}
    machine, cores = 64 * GIB, 8
    known = {
        "MiB": MIB,
        "min": min,
        "weights": weights,
        "machine": machine,
        "cores": cores,
        "context": context,
        "hidden": FACTS.hidden_size,
        "vocabulary": FACTS.vocabulary,
        "bytes_per_token": FACTS.cache_bytes_per_token,
    }
    limits = derive_limits(replace(FACTS, context_tokens=context), weights, machine, cores)
    assert limits.memory_bytes == math.ceil(_evaluate(formulas, known, "memory") / MIB) * MIB
    assert limits.load_seconds == int(_evaluate(formulas, known, "load"))
    for setting in SETTINGS:
        if setting.name not in {"memory", "load"}:
            assert limits.by_name()[setting.field] == _evaluate(formulas, known, setting.name), setting.name
