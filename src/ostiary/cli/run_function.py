"""`ostiary run MODEL --input x=FILE.npy`: tensors in, tensors out, on files or on the terminal."""

from __future__ import annotations

import argparse
import json
import math
import struct
from typing import TYPE_CHECKING, Final

from ostiary.cli import ui
from ostiary.cli.run_inputs import describe_need, read_inputs, read_outputs
from ostiary.core.tensors import ParsedTensors, Tensor
from ostiary.core.text import quote_untrusted
from ostiary.core.values import dataclass
from ostiary.errors import USAGE, Misuse

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from ostiary.core.tickets import AnsweredTensors
    from ostiary.graph.function_contract import FunctionContract
    from ostiary.library.opening import Opened

_FORMS: Final = {
    "BOOL": "?",
    "UINT8": "B",
    "UINT16": "H",
    "UINT32": "I",
    "UINT64": "Q",
    "INT8": "b",
    "INT16": "h",
    "INT32": "i",
    "INT64": "q",
    "FP16": "e",
    "FP32": "f",
}
_MOST_SHOWN: Final = 1_000
"""Numbers of one output on a terminal; beyond, nobody reads them."""
_MOST_JSON: Final = 1 << 20
"""Numbers of one output in a line of JSON."""


@dataclass(frozen=True, slots=True)
class Computed:
    """A call that is over, and where its outputs went."""

    answer: AnsweredTensors
    input_bytes: int
    files: Mapping[str, Path]
    correlation_id: str


def check_kind(contract: FunctionContract | None, options: argparse.Namespace) -> None:
    """A function takes inputs, a language model a prompt. Raises Misuse, which says what this one takes."""
    if contract is None and options.input:
        raise Misuse(USAGE, "this is a language model: it takes --prompt TEXT, not --input")
    if contract is not None and not options.input:
        need = describe_need(contract)
        raise Misuse(USAGE, f"this is a function: it takes --input NAME=VALUE for {need}")


def compute(opened: Opened, contract: FunctionContract, options: argparse.Namespace) -> Computed:
    """Ask once; the outputs are in their files when this returns."""
    files = read_outputs(options.output, contract)
    inputs = read_inputs(options.input, contract)
    asked = opened.ask_function(ParsedTensors(inputs, options.timeout))
    try:
        answer = asked.conclude()
    except BaseException:
        asked.cancel()
        raise
    from ostiary.library.npy import render_npy

    for name, path in files.items():
        ui.write_bytes(path, render_npy(answer.outputs[name]))
    return Computed(answer, asked.input_bytes, files, asked.correlation_id)


# --- for people ---


def render_outputs(computed: Computed) -> list[str]:
    """What goes to standard output: each output that went to no file, and its numbers where they are few."""
    lines = []
    for name, tensor in computed.answer.outputs.items():
        if name in computed.files:
            continue
        shape = f"[{', '.join(map(str, tensor.shape))}]"
        head = f"{quote_untrusted(name)}: {tensor.datatype} {shape}"
        if tensor.elements > _MOST_SHOWN:
            lines.append(f"{head}, {tensor.elements:,} numbers: keep them with --output FILE.npy")
        else:
            lines.append(f"{head}\n{_render_numbers(tensor)}")
    return lines


def render_computed(computed: Computed) -> str:
    answer = computed.answer
    seconds = answer.total_seconds
    took = f"{seconds * 1000:.1f} ms" if seconds < 1 else f"{seconds:.2f} s"
    return f"ostiary: {ui.render_bytes(computed.input_bytes)} in, {ui.render_bytes(answer.bytes)} out, in {took}"


def render_written(computed: Computed) -> list[str]:
    return [
        f"ostiary: {quote_untrusted(name)} is in {quote_untrusted(str(path), 400)}"
        for name, path in computed.files.items()
    ]


def _render_numbers(tensor: Tensor) -> str:
    """Rows below one another, as arrays are shown."""
    if not tensor.elements:
        return "[]"  # a contract can have any number of rows of nothing
    shown = [_render_number(number) for number in list_numbers(tensor)]
    width = max(map(len, shown), default=0)
    return _nest([text.rjust(width) for text in shown], tensor.shape, " ")


def _nest(shown: Sequence[str], shape: tuple[int, ...], indent: str) -> str:
    if not shape:
        return shown[0]
    if len(shape) == 1:
        return f"[{' '.join(shown)}]"
    step = math.prod(shape[1:])
    rows = [_nest(shown[place * step : (place + 1) * step], shape[1:], f"{indent} ") for place in range(shape[0])]
    between = f"\n{indent}"
    return f"[{between.join(rows)}]"


def _render_number(number: float) -> str:
    return f"{number:.6g}" if type(number) is float else str(number)


# --- for machines ---


def describe_computed(computed: Computed, peak_bytes: int | None) -> dict[str, object]:
    return {
        "type": "computed",
        "outputs": [
            _describe_output(name, tensor, computed.files.get(name))
            for name, tensor in computed.answer.outputs.items()
        ],
        "seconds": round(computed.answer.total_seconds, 6),
        "peak_bytes": peak_bytes,
        "correlation_id": computed.correlation_id,
    }


def _describe_output(name: str, tensor: Tensor, path: Path | None) -> dict[str, object]:
    described: dict[str, object] = {"name": name, "datatype": tensor.datatype, "shape": list(tensor.shape)}
    if path is not None:
        return {**described, "file": str(path)}
    if tensor.elements > _MOST_JSON:
        return described
    return {**described, "data": [_describe_number(number) for number in list_numbers(tensor)]}


def _describe_number(number: float) -> object:
    """JSON has no word for what is not finite."""
    if math.isfinite(number):
        return number
    return "NaN" if math.isnan(number) else "Infinity" if number > 0 else "-Infinity"


def list_numbers(tensor: Tensor) -> list[float]:
    """In order, the last dimension first."""
    data, datatype = tensor.data, tensor.datatype
    if datatype == "BF16":
        from ostiary.library.npy import widen_bf16

        data, datatype = widen_bf16(data), "FP32"
    return list(struct.unpack(f"<{tensor.elements}{_FORMS[datatype]}", data))


def to_line(value: object) -> str:
    """ASCII alone, whatever names a model has."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False)
