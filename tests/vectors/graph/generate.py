"""Writes the vectors of docs/formats/graph.md beside this file, always the same bytes.

python tests/vectors/graph/generate.py            write them
python tests/vectors/graph/generate.py --check    fail where one differs
"""

from __future__ import annotations

import json
import struct
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parents[1])]

from attack_cases.function import CASES, HONEST_CONTRACT, HONEST_GRAPH, spell  # noqa: E402
from graph_cases import Sample, all_samples  # noqa: E402
from graph_forge import make_graph, small_graph  # noqa: E402

from ostiary.core.findings import Finding  # noqa: E402
from ostiary.errors import IntakeRefused  # noqa: E402
from ostiary.graph.attributes import Attribute  # noqa: E402
from ostiary.graph.call import UnfitError  # noqa: E402
from ostiary.graph.dtypes import Dtype, promote  # noqa: E402
from ostiary.graph.hex_float import parse_hex_float, render_hex_float  # noqa: E402
from ostiary.graph.infer_graph import infer_node  # noqa: E402
from ostiary.graph.parse_contract import parse_contract  # noqa: E402
from ostiary.graph.parse_graph import parse_graph  # noqa: E402
from ostiary.graph.parse_size import parse_size_text  # noqa: E402
from ostiary.graph.primitives import PRIMITIVES  # noqa: E402
from ostiary.graph.render_graph import render_graph  # noqa: E402
from ostiary.graph.scope import Scope  # noqa: E402
from ostiary.graph.sizes import SizeError, evaluate_size  # noqa: E402
from ostiary.graph.values import Node, TensorType  # noqa: E402

DIMS = {"batch": 3, "h": 11, "w": 6}
GOOD_SIZES = (
    "batch", "4*batch", "batch*h*w", "h*h", "h+1", "h-1", "-h+7", "-2*h-1", "batch*h+batch+h+1", "((h)//2)",
    "((h+1)//2)", "((h+3)//4)", "2*((h+1)//2)", "((h+1)//2)*((w+1)//2)", "((h+1)//2)-1", "-((h+1)//2)+9",
    "((h+w)//2)+3", "((h+2*w+1)//3)", "((((h)//2)+((w)//3))//5)", "((h+1)//2)*batch", "9223372036854775807*h",
)  # fmt: skip
BAD_SIZES = {
    "": "nothing", "4": "a plain number is no text", "h*4": "the number comes first", "1*h": "the number 1 is left out",
    "0*h": "the term is left out", "h+h": "it is 2*h", "1+h": "the plain number comes last", "w+batch": "order",
    "w*batch": "order", "h+batch*w": "terms with more factors come first", "+h": "a sign that says nothing",
    "h + 1": "spaces", "h//2": "brackets are missing", "(h)//2": "brackets are missing", "(h//2)": "brackets are missing",
    "(h)": "brackets that are no quotient", "((h)//1)": "it is h", "((h)//0)": "division by zero",
    "((2*h+2)//2)": "it is h+1", "((h+2)//2)": "it is ((h)//2)+1", "((2*h+1)//4)": "it is ((h)//2)",
    "((((h)//2))//2)": "it is ((h)//4)", "((((h)//2)+1)//2)": "it is ((h+2)//4)", "((h)//w)": "division by a dim",
    "rows": "no dim of the graph", "Batch": "no name", "01*h": "a leading zero", "9223372036854775808*h": "64 bits",
    "h-": "it breaks off", "((h": "it breaks off", "batch*((h+1)//2)": "order", "h*h*h*h*h*h*h*h*h": "nine factors",
}  # fmt: skip
GOOD_FLOATS = (
    0.0, -0.0, 1.0, -1.0, 3.0, 0.1, 1e-5, 0.125, 10000.0, 5e-324, 2.2250738585072014e-308, 1.7976931348623157e308,
    float("inf"), float("-inf"),
)  # fmt: skip
BAD_FLOATS = (
    "", "1", "1.5", "0x1", "0x1p0", "0x1p+00", "0x1.0p+0", "0x1.80p+1", "0x2p+0", "0X1p+0", "0x1P+0", "0x1.p+0",
    "+0x1p+0", "0x0p+1", "0x0.8p+0", "0x1p+1024", "0x1p-1075", "0x1.00000000000001p+0", "Infinity", "NaN", "+inf",
    "-nan", " 0x1p+0", "0x1p+0 ",
)  # fmt: skip


def make_sizes() -> object:
    good = [{"text": text, "value": evaluate_size(parse_size_text(text, DIMS), DIMS)} for text in GOOD_SIZES]
    for text in BAD_SIZES:
        _must_fail(lambda text=text: parse_size_text(text, DIMS), SizeError)
    return {
        "dims": DIMS,
        "good": good,
        "bad": [{"text": text, "why": why} for text, why in BAD_SIZES.items()],
    }


def make_floats() -> object:
    good = [{"text": render_hex_float(number), "bits": struct.pack(">d", number).hex()} for number in GOOD_FLOATS]
    if any(parse_hex_float(text) is not None for text in BAD_FLOATS):
        raise AssertionError("a float that should be refused was not")
    return {"good": [*good, {"text": "nan", "bits": None}], "bad": list(BAD_FLOATS)}


def make_elementwise() -> object:
    """Types alone: shapes stretch as those of `add` do."""
    rules: dict[str, Any] = {}
    for row in PRIMITIVES.values():
        if row.family == "elementwise" and not row.attributes and len(row.inputs) == 1:
            rules[row.name] = {str(dtype): _type_of(row.name, dtype) for dtype in Dtype}
        elif row.family == "elementwise" and not row.attributes and len(row.inputs) == 2:
            rules[row.name] = {str(dtype): _type_of(row.name, dtype, dtype) for dtype in Dtype}
    promoted = {str(a): {str(b): str(promote(a, b)) for b in Dtype} for a in Dtype}
    return {"promotion": promoted, "result_of_equal_types": rules}


def _type_of(op: str, *dtypes: Dtype) -> str | None:
    outcome = _infer(Sample(op, tuple((dtype, (2,)) for dtype in dtypes)))
    return None if isinstance(outcome, str) else str(outcome[0].dtype)


def make_inference() -> object:
    entries = []
    for sample in all_samples():
        if PRIMITIVES[sample.op].family == "elementwise" and sample.op not in {"add", "select", "view"}:
            continue
        if sample.op in {"add", "select"} and len({dtype for dtype, _ in sample.inputs}) > 1:
            continue
        outcome = _infer(sample)
        entries.append(
            {
                "op": sample.op,
                "in": [_describe(TensorType(*item)) for item in sample.inputs],
                "attrs": {name: _spell_value(value) for name, value in sample.attributes.items()},
                "out": None if isinstance(outcome, str) else [_describe(item) for item in outcome],
                "why": outcome if isinstance(outcome, str) else None,
            }
        )
    return entries


def _infer(sample: Sample) -> tuple[TensorType, ...] | str:
    types = tuple(TensorType(dtype, shape) for dtype, shape in sample.inputs)
    try:
        return infer_node(Node(sample.op, (), (), sample.attributes), types, Scope({}))
    except UnfitError as error:
        return str(error)


def _describe(item: TensorType) -> dict[str, Any]:
    return {"dtype": str(item.dtype), "shape": list(item.shape)}


def _spell_value(value: object) -> object:
    if isinstance(value, float):
        return {"f": render_hex_float(value)}
    return list(value) if isinstance(value, tuple) else value


def make_graphs() -> object:
    good = {"small": render_graph(small_graph()), "honest": spell(HONEST_GRAPH)}
    good |= {f"made-{seed}": render_graph(make_graph(seed, 12)) for seed in range(12)}
    return _judge(good, _changed("graph.json", spell(HONEST_GRAPH)), parse_graph)


def make_contracts() -> object:
    changed = _changed("contract.json", spell(HONEST_CONTRACT))
    return _judge({"honest": spell(HONEST_CONTRACT)}, changed, parse_contract)


def _changed(name: str, honest: bytes) -> Mapping[str, bytes]:
    """Files that attack cases change, and that can stand in a text."""
    files = {case.what: case.files[name] for case in CASES if name in case.files and case.files[name] != honest}
    return {what: data for what, data in files.items() if len(data) < _LONGEST and data.isascii()}


_LONGEST = 8_000


def _judge(good: Mapping[str, bytes], other: Mapping[str, bytes], parse: Callable[[bytes], object]) -> object:
    entries: list[dict[str, Any]] = []
    for what, data in {**good, **other}.items():
        finding: Finding | None = None
        try:
            parse(data)
        except IntakeRefused as refusal:
            finding = refusal.findings[0]
        verdict = {"accepted": True} if finding is None else {"accepted": False, "rule": finding.rule.id}
        why = {} if finding is None else {"why": finding.detail}
        entries.append({"what": what, "file": data.decode("ascii"), **verdict, **why})
        if what in good and finding is not None:
            raise AssertionError(what)
    return entries


def _must_fail(call: Callable[[], object], error: type[Exception]) -> None:
    try:
        value = call()
    except error:
        return
    raise AssertionError(f"{value} should be refused")


def make_primitives() -> object:
    """The table of version 1: it never changes, as files of that version stay readable."""
    return [
        {
            "name": row.name,
            "inputs": list(row.inputs),
            "attributes": [_describe_attribute(item) for item in row.attributes],
            "hazards": [str(hazard) for hazard in row.hazards],
        }
        for row in PRIMITIVES.values()
    ]


def _describe_attribute(item: Attribute) -> dict[str, Any]:
    bounds = {} if item.lowest is None and item.highest is None else {"min": item.lowest, "max": item.highest}
    choices = {"choices": list(item.choices)} if item.choices else {}
    return {"name": item.name, "kind": str(item.kind), **bounds, **choices}


FILES: Mapping[str, Callable[[], object]] = {
    "primitives.json": make_primitives,
    "sizes.json": make_sizes,
    "floats.json": make_floats,
    "elementwise.json": make_elementwise,
    "inference.json": make_inference,
    "graphs.json": make_graphs,
    "contracts.json": make_contracts,
}


def render(value: object) -> bytes:
    """One entry a line, so that a change can be seen."""
    if isinstance(value, list):
        return b"[\n" + b",\n".join(map(_line, value)) + b"\n]\n"
    return json.dumps(value, indent=1, ensure_ascii=True).encode() + b"\n"


def _line(entry: object) -> bytes:
    return json.dumps(entry, ensure_ascii=True, separators=(",", ":")).encode()


def main(arguments: Iterable[str]) -> int:
    differs = 0
    for name, make in FILES.items():
        path, data = HERE / name, render(make())
        if "--check" in arguments:
            differs += not path.exists() or path.read_bytes() != data
        else:
            path.write_bytes(data)
    return 1 if differs else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
