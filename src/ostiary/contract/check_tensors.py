"""Tensors held against what a function takes: names, datatypes, shapes, then every number of them. Pure.

The engine binds the shapes once more behind the wall, and guards each index there. Here whoever asks hears in time
which input is wrong and where, and nothing that is wrong costs a worker's time.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ostiary.contract.check_timeout import check_timeout
from ostiary.contract.fields import name_type
from ostiary.contract.pack_numbers import pack_numbers
from ostiary.contract.unfit import unfit
from ostiary.core.json_text import JsonValue
from ostiary.core.lanes import LANES, find_not_allowed, find_not_finite, find_outside
from ostiary.core.limits import MAX_FRAME_TAIL_BYTES
from ostiary.core.tensors import ITEM_BYTES, ExpectedTensor, ParsedTensors, Tensor
from ostiary.core.text import quote_untrusted
from ostiary.core.tickets import CheckedTensors
from ostiary.errors import (
    CONTRACT_DTYPE,
    CONTRACT_NOT_FINITE,
    CONTRACT_RANGE,
    CONTRACT_SHAPE,
    CONTRACT_TOO_LONG,
    CONTRACT_TYPE,
    CONTRACT_UNKNOWN_FIELD,
)
from ostiary.graph.function_contract import ContractDim, FunctionContract, TensorInput, TensorOutput
from ostiary.graph.sizes import evaluate_size

_MAX_LISTED: Final = 8
_LOOK_UP: Final = "'ostiary inspect' shows what a function takes; docs/functions.md tells what inputs can be."


def check_tensors(
    request: ParsedTensors, contract: FunctionContract, most_bytes: int = MAX_FRAME_TAIL_BYTES
) -> CheckedTensors:
    """Raises ContractRefused, which names the input, the rule and what it allows.

    `most_bytes`: of all inputs together, and of all outputs; where the process could not hold what a frame can.
    """
    most_bytes = min(most_bytes, MAX_FRAME_TAIL_BYTES)
    _check_names(request.inputs, contract)
    tensors = [_read_tensor(request.inputs[rule.name], rule) for rule in contract.inputs]
    dims = _bind_dims(tensors, contract)
    size = sum(len(tensor.data) for tensor in tensors)
    limit = f"{int(most_bytes):,} bytes"
    if size > most_bytes:
        detail = f"brings the request to {size:,} bytes; it may have {limit}"
        raise unfit(CONTRACT_TOO_LONG, contract.inputs[-1].name, detail, "bytes", limit)
    for tensor, rule in zip(tensors, contract.inputs, strict=True):
        _check_numbers(tensor, rule)
    told: list[JsonValue] = [
        {"name": rule.name, "datatype": rule.datatype, "shape": list(tensor.shape)}
        for tensor, rule in zip(tensors, contract.inputs, strict=True)
    ]
    outputs = tuple(_expect(rule, dims) for rule in contract.outputs)
    given = sum(ITEM_BYTES[wanted.datatype] * _count(wanted.shape) for wanted in outputs)
    if given > most_bytes:
        detail = f"would have {given:,} bytes of outputs; they may have {limit}: ask with less at once"
        raise unfit(CONTRACT_TOO_LONG, contract.inputs[0].name, detail, "bytes", limit)
    return CheckedTensors(
        body={"inputs": told},
        buffers=tuple(tensor.data for tensor in tensors),
        outputs=outputs,
        timeout_seconds=check_timeout(request.timeout_seconds),
    )


def _check_names(inputs: Mapping[str, object], contract: FunctionContract) -> None:
    known = [rule.name for rule in contract.inputs]
    for name in inputs:
        if name not in known:
            raise unknown_input(str(name), contract)
    for name in known:
        if inputs.get(name) is None:
            listed = list_inputs(contract)
            raise unfit(
                CONTRACT_TYPE, name, f"is missing; this function takes {listed}", "inputs", listed, hint=_LOOK_UP
            )


def unknown_input(field: str, contract: FunctionContract) -> Exception:
    """`field`: how whoever asks finds it."""
    listed = list_inputs(contract)
    detail = f"is no input of this function; it takes {listed}"
    return unfit(CONTRACT_UNKNOWN_FIELD, field, detail, "inputs", listed, hint=_LOOK_UP)


def list_inputs(contract: FunctionContract) -> str:
    known = [rule.name for rule in contract.inputs]
    return quote_untrusted(", ".join(known[:_MAX_LISTED]) + (", ..." if len(known) > _MAX_LISTED else ""))


def _expect(rule: TensorOutput, dims: Mapping[str, int]) -> ExpectedTensor:
    shape = tuple(evaluate_size(size, dims) for size in rule.shape)
    return ExpectedTensor(rule.name, rule.datatype, shape, rule.is_finite)


def _read_tensor(value: object, rule: TensorInput) -> Tensor:
    """As it is, or made of lists; of the rule's datatype, and as many bytes as its shape says."""
    if not isinstance(value, Tensor):
        if isinstance(value, str | bytes | Mapping):
            raise unfit(
                CONTRACT_TYPE,
                rule.name,
                f"is {name_type(value)}, not a tensor",
                "datatype",
                rule.datatype,
                hint=_LOOK_UP,
            )
        return pack_numbers(value, rule.datatype, rule.name)
    if value.datatype != rule.datatype:
        detail = f"is {quote_untrusted(value.datatype)}; this function takes {rule.datatype}"
        raise unfit(CONTRACT_DTYPE, rule.name, detail, "datatype", rule.datatype)
    needed = value.elements * ITEM_BYTES[rule.datatype]
    if any(size < 0 for size in value.shape) or needed != len(value.data):
        detail = f"has {len(value.data):,} bytes; its shape makes {needed:,}"
        raise unfit(CONTRACT_SHAPE, rule.name, detail, "shape", _show_shape(rule))
    return value


def _bind_dims(tensors: list[Tensor], contract: FunctionContract) -> dict[str, int]:
    """What each dim is in this request. First where a dim stands alone, then where it is a part of a size."""
    rules = {dim.name: dim for dim in contract.dims}
    dims: dict[str, int] = {}
    first: dict[str, str] = {}
    for tensor, rule in zip(tensors, contract.inputs, strict=True):
        if len(tensor.shape) != len(rule.shape):
            raise _misshapen(tensor, rule)
        for size, wanted in zip(tensor.shape, rule.shape, strict=True):
            if isinstance(wanted, int) or not wanted.is_dim:
                continue
            name = wanted.text
            if name not in dims:
                _check_dim(tensor, rule, name, size, rules[name])
                dims[name], first[name] = size, rule.name
            elif dims[name] != size:
                detail = (
                    f"has {size:,} where {quote_untrusted(first[name])} has {dims[name]:,}: "
                    f"both are {quote_untrusted(name)}"
                )
                raise unfit(CONTRACT_SHAPE, rule.name, detail, "shape", _show_shape(rule))
    for tensor, rule in zip(tensors, contract.inputs, strict=True):
        for size, wanted in zip(tensor.shape, rule.shape, strict=True):
            if isinstance(wanted, int):
                is_fit = size == wanted
            elif wanted.is_dim:
                is_fit = True  # bound above, by this size or by one that is the same
            else:
                is_fit = wanted.dims <= dims.keys() and evaluate_size(wanted, dims) == size
            if not is_fit:
                raise _misshapen(tensor, rule)
    return dims


def _check_dim(tensor: Tensor, rule: TensorInput, name: str, size: int, dim: ContractDim) -> None:
    if size < dim.min or (dim.max is not None and size > dim.max):
        limit = f"from {dim.min:,}" if dim.max is None else f"from {dim.min:,} to {dim.max:,}"
        detail = f"has the shape {_show_sizes(tensor.shape)}; {quote_untrusted(name)} goes {limit}"
        raise unfit(CONTRACT_SHAPE, rule.name, detail, "shape", f"{quote_untrusted(name)} {limit}")


def _check_numbers(tensor: Tensor, rule: TensorInput) -> None:
    lane = LANES[rule.datatype]
    if rule.datatype == "BOOL":
        place = find_outside(tensor.data, lane, 0, 1)
        if place is not None:
            at = _show_place(place, tensor.shape)
            raise unfit(CONTRACT_RANGE, rule.name, f"is neither true nor false {at}", "range", "[0, 1]")
    if rule.is_finite and rule.range is None:
        _check_finite(tensor, rule, find_not_finite(tensor.data, lane))
    if rule.range is not None:
        place = find_outside(tensor.data, lane, *rule.range)
        if place is not None:
            if rule.is_finite:  # what is not finite is within no bounds either
                _check_finite(tensor, rule, find_not_finite(tensor.data, lane))
            limit = f"[{rule.range[0]:g}, {rule.range[1]:g}]"
            at = _show_place(place, tensor.shape)
            raise unfit(CONTRACT_RANGE, rule.name, f"is outside of {limit} {at}", "range", limit)
    if rule.allowed:
        place = find_not_allowed(tensor.data, lane, rule.allowed)
        if place is not None:
            listed = ", ".join(f"{value:g}" for value in rule.allowed[:_MAX_LISTED])
            limit = listed + (", ..." if len(rule.allowed) > _MAX_LISTED else "")
            at = _show_place(place, tensor.shape)
            raise unfit(CONTRACT_RANGE, rule.name, f"is none of {limit} {at}", "allowed", limit)


def _check_finite(tensor: Tensor, rule: TensorInput, place: int | None) -> None:
    if place is not None:
        at = _show_place(place, tensor.shape)
        raise unfit(CONTRACT_NOT_FINITE, rule.name, f"holds no finite number {at}", "finite", "true")


def _misshapen(tensor: Tensor, rule: TensorInput) -> Exception:
    wanted = _show_shape(rule)
    detail = f"has the shape {_show_sizes(tensor.shape)}; this function takes {wanted}"
    return unfit(CONTRACT_SHAPE, rule.name, detail, "shape", wanted)


def _count(shape: tuple[int, ...]) -> int:
    count = 1
    for size in shape:
        count *= size
    return count


def _show_shape(rule: TensorInput) -> str:
    return _show_sizes(tuple(size if isinstance(size, int) else size.text for size in rule.shape))


def _show_sizes(sizes: tuple[int | str, ...]) -> str:
    return quote_untrusted(f"[{', '.join(map(str, sizes))}]")


def _show_place(place: int, shape: tuple[int, ...]) -> str:
    """Where in the tensor, for whoever looks for it there."""
    found: list[int] = []
    for size in reversed(shape):
        place, rest = divmod(place, size)
        found.append(rest)
    return f"at {list(reversed(found))}" if found else "as it is"
