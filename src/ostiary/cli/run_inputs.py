"""What `ostiary run` is given for a function: each input a file of an array, or numbers on the command line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ostiary.core.limits import MAX_INPUT_ITEMS
from ostiary.core.text import explain_os_error, quote_untrusted
from ostiary.errors import USAGE, IntakeRefused, Misuse

if TYPE_CHECKING:
    from ostiary.core.json_text import JsonValue
    from ostiary.graph.function_contract import FunctionContract

_MAX_JSON_BYTES: Final = 64 << 20
_EXAMPLE: Final = "--input wants NAME=FILE.npy or NAME=[[1, 2], [3, 4]]"


def read_inputs(said: Sequence[str], contract: FunctionContract) -> dict[str, object]:
    """Names to tensors and lists. Raises Misuse, and IntakeRefused where a file is not what it says."""
    inputs: dict[str, object] = {}
    only = contract.inputs[0].name if len(contract.inputs) == 1 else None
    for text in said:
        name, value = _split(text, only, "--input", [item.name for item in contract.inputs])
        if name in inputs:
            raise Misuse(USAGE, f"the input {quote_untrusted(name)} is given twice")
        inputs[name] = _read_value(value)
    return inputs


def read_outputs(said: Sequence[str], contract: FunctionContract) -> dict[str, Path]:
    """Names of outputs to the files that they go to. Raises Misuse."""
    names = [item.name for item in contract.outputs]
    only = names[0] if len(names) == 1 else None
    files: dict[str, Path] = {}
    for text in said:
        name, value = _split(text, only, "--output", names)
        if name not in names:
            listed = quote_untrusted(", ".join(names))
            raise Misuse(USAGE, f"the function has no output {quote_untrusted(name)!r}; it has {listed}")
        if not value.endswith(".npy"):
            raise Misuse(USAGE, "outputs are written as .npy files: --output NAME=FILE.npy")
        if name in files or Path(value) in files.values():
            raise Misuse(USAGE, "two outputs cannot go to one file, nor one output to two")
        files[name] = Path(value)
    return files


def describe_need(contract: FunctionContract) -> str:
    """For somebody who has to be told what the function takes."""
    shown = [
        f"{item.name}: {item.datatype} [{', '.join(str(size) for size in item.shape)}]" for item in contract.inputs
    ]
    return quote_untrusted("; ".join(shown), 400)


def _split(text: str, only: str | None, option: str, known: Sequence[str]) -> tuple[str, str]:
    """A name and what belongs to it; the name may be left out where there is but one."""
    name, equals, value = text.partition("=")
    if equals and (only is None or name in known or _is_name(name)):
        return name, value
    if only is None:
        raise Misuse(USAGE, f"{option} wants NAME=VALUE; the names are {quote_untrusted(', '.join(known))}")
    return only, text


def _is_name(text: str) -> bool:
    return text.isidentifier()


def _read_value(text: str) -> object:
    if text.endswith(".npy"):
        from ostiary.library.npy import read_npy_file

        return read_npy_file(Path(text))
    if text.endswith(".json"):
        return _parse(_read_json(Path(text)), text)
    return _parse(text.encode("utf-8", "surrogateescape"), None)


def _read_json(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_JSON_BYTES + 1)
    except OSError as error:
        raise Misuse(USAGE, f"{quote_untrusted(path.name)} cannot be read: {explain_os_error(error)}") from error
    if len(data) > _MAX_JSON_BYTES:
        raise Misuse(USAGE, f"{quote_untrusted(path.name)} is too long: save it as .npy")
    return data


def _parse(data: bytes, name: str | None) -> JsonValue:
    from ostiary.core.json_text import parse_json

    try:
        value = parse_json(data, max_bytes=_MAX_JSON_BYTES, max_values=2 * MAX_INPUT_ITEMS)
    except IntakeRefused as refusal:
        where = "the value" if name is None else quote_untrusted(Path(name).name)
        reason = "; ".join(finding.detail for finding in refusal.findings[:1]) or "it cannot be read"
        raise Misuse(USAGE, f"{_EXAMPLE}; {where} is not JSON: {reason}") from refusal
    if isinstance(value, Mapping | str) or value is None:
        raise Misuse(USAGE, f"{_EXAMPLE}; this is neither a number nor a list of numbers")
    return value
