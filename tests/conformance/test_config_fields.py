"""Every integer that an architecture of the installed MLX-LM takes has a range here."""

from __future__ import annotations

import ast
import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("mlx_lm")

from ostiary.intake.network.config_fields import FIELDS, Kind

pytestmark = pytest.mark.mlx

# Token ids are read on their own, and attn_temperature_tuning is a switch that some write as 4.
ELSEWHERE = {"pad_token_id", "image_token_id", "attn_temperature_tuning"}
# MLX-LM annotates these as int or float, and published configurations have fractions.
FRACTIONS = {"partial_rotary_factor", "rope_theta", "rotary_emb_base"}


def integer_fields() -> Iterator[tuple[str, str]]:
    spec = importlib.util.find_spec("mlx_lm")
    assert spec is not None
    assert spec.submodule_search_locations
    for path in sorted((Path(spec.submodule_search_locations[0]) / "models").glob("*.py")):
        if path.stem == "cache":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.ClassDef) or "dataclass" not in ast.unparse(node).split("class ")[0]:
                continue
            for part in node.body:
                annotation = ast.unparse(part.annotation) if isinstance(part, ast.AnnAssign) else ""
                if re.search(r"\bint\b", annotation) and not annotation.startswith(("Dict", "Optional[Dict")):
                    assert isinstance(part, ast.AnnAssign)
                    yield path.stem, ast.unparse(part.target)


def test_every_integer_of_mlx_lm_has_a_range() -> None:
    fields = set(integer_fields())
    assert len(fields) > 1_000
    missing = {(where, name) for where, name in fields if name not in FIELDS and name not in ELSEWHERE}
    assert not missing
    wrong = {name for _, name in fields if name in FIELDS and FIELDS[name].kind is not Kind.INTEGER}
    assert wrong <= FRACTIONS
