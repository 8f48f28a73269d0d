"""docs/formats/graph.md says what the code does."""

from __future__ import annotations

import json
import re
from pathlib import Path

from graph_forge import spell

from ostiary.core import function_limits as limits
from ostiary.graph.agreement import find_disagreement
from ostiary.graph.dtypes import Dtype
from ostiary.graph.fields import NAME, TENSOR_NAME
from ostiary.graph.function_contract import DTYPES
from ostiary.graph.infer_graph import MAX_ELEMENTS
from ostiary.graph.parse_contract import parse_contract
from ostiary.graph.parse_graph import parse_graph
from ostiary.graph.parse_size import DIM_NAME
from ostiary.graph.primitive import Hazard

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "formats" / "graph.md").read_text(encoding="utf-8")
TEXT = re.sub(r"\s+", " ", PAGE)


def test_its_examples_are_read_and_agree() -> None:
    graph, contract = (json.loads(block) for block in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL))
    assert find_disagreement(parse_graph(spell(graph)), parse_contract(spell(contract))) is None


def test_its_numbers_are_those_of_the_code() -> None:
    for words in (
        f"up to {int(limits.MAX_SIZE_CHARACTERS)} characters, {int(limits.MAX_SIZE_TERMS)} terms, "
        f"{int(limits.MAX_SIZE_DEGREE)} factors in a term and {int(limits.MAX_SIZE_DEPTH)} quotients",
        f"There are up to {int(limits.MAX_GRAPH_DIMS)}.",
        f"up to {int(limits.MAX_GRAPH_INPUTS)} inputs, {int(limits.MAX_GRAPH_OUTPUTS)} outputs, "
        f"{int(limits.MAX_GRAPH_NODES):,} nodes, and {int(limits.MAX_GRAPH_BYTES) >> 20} MiB in all",
        f"Arrays have up to {int(limits.MAX_GRAPH_RANK)} axes",
        f"more than 2^{MAX_ELEMENTS.bit_length() - 1} elements",
        f"one of up to {int(limits.MAX_CONTRACT_NUMBERS):,} numbers",
        f"a JSON object of up to {int(limits.MAX_CARD_BYTES) >> 20} MiB",
    ):
        assert words in TEXT, words


def test_its_words_are_those_of_the_code() -> None:
    for word in (*Dtype, *DTYPES, *Hazard):
        assert f"`{word}`" in TEXT, word
    for pattern in (NAME, TENSOR_NAME, DIM_NAME):
        assert f"`{pattern.pattern}`" in TEXT
    for name in re.findall(r"`(\w+\.json)`", TEXT):
        if name not in {"graph.json", "contract.json", "card.json"}:
            assert (ROOT / "tests" / "vectors" / "graph" / name).exists()
