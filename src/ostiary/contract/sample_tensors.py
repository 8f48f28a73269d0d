"""Calls that a function's contract must let through, and others that it must not, made from the contract. Pure.

Each bound gives one just within and one just past it. They say what a contract does, not whether it is wise.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from ostiary.contract.unfit import unfit
from ostiary.core.lanes import (
    LANES,
    Lane,
    decode,
    write_ends,
    write_infinity,
    write_nan,
    write_next,
    write_numbers,
)
from ostiary.core.limits import MAX_DIMENSION, MAX_FRAME_TAIL_BYTES
from ostiary.core.tensors import ITEM_BYTES, ParsedTensors, Tensor
from ostiary.core.values import dataclass
from ostiary.errors import CONTRACT_TOO_LONG
from ostiary.graph.function_contract import FunctionContract, TensorInput
from ostiary.graph.sizes import evaluate_size

_MOST_BYTES: Final = 16 << 20
"""Of all inputs of a call whose numbers are looked at; larger ones only cost."""
_MOST_VIRTUAL_BYTES: Final = 1 << 30
"""Of a call that is refused by its size alone: its zeros are never touched."""
_MOST_LISTED: Final = 1_000
"""Numbers of a tensor that is given in lists."""
Dims = Mapping[str, int]


@dataclass(frozen=True, slots=True)
class TensorSample:
    """One call, and which rule must refuse it."""

    name: str
    request: ParsedTensors
    rule: str | None = None
    """None: none may."""


def make_tensor_samples(contract: FunctionContract) -> Iterator[TensorSample]:
    """Names first, then datatypes, shapes, dims, numbers. One at a time: some are large.

    Raises ContractRefused where even the least call would be larger than any may be.
    """
    maker = _Maker(contract)
    yield from maker.sample_names()
    for rule in contract.inputs:
        yield from maker.sample_form(rule)
    yield from maker.sample_dims()
    yield from maker.sample_bytes()
    for rule in contract.inputs:
        yield from maker.sample_numbers(rule)


class _Maker:
    def __init__(self, contract: FunctionContract) -> None:
        self._contract: Final = contract
        self._dims: Final[Dims] = {dim.name: dim.min for dim in contract.dims}
        self._check_least()
        self._usual: Final = {rule.name: _find_usual(rule) for rule in contract.inputs}
        self._base: Final = {rule.name: self._fill(rule, self._dims) for rule in contract.inputs}

    def _check_least(self) -> None:
        size = self._measure(self._dims)
        if size > MAX_FRAME_TAIL_BYTES:
            limit = f"{int(MAX_FRAME_TAIL_BYTES):,} bytes"
            name = self._contract.inputs[-1].name
            raise unfit(
                CONTRACT_TOO_LONG, name, f"brings the least call to {size:,}; one may have {limit}", "bytes", limit
            )

    def sample_names(self) -> Iterator[TensorSample]:
        yield self._ask("the least that fits")
        if self._base and all(0 < tensor.elements <= _MOST_LISTED for tensor in self._base.values()):
            listed = {name: _unpack(tensor) for name, tensor in self._base.items()}
            yield TensorSample("the same as numbers in lists", ParsedTensors(listed))
        other = "other"
        while other in self._base:
            other += "_"
        item = Tensor("UINT8", (1,), memoryview(bytes(1)))
        yield TensorSample("an input of another name", ParsedTensors({**self._base, other: item}), "inputs")
        for name in self._base:
            left = {known: tensor for known, tensor in self._base.items() if known != name}
            yield TensorSample(f"{name} is missing", ParsedTensors(left), "inputs")

    def sample_form(self, rule: TensorInput) -> Iterator[TensorSample]:
        base = self._base[rule.name]
        alike = next(
            word for word, size in ITEM_BYTES.items() if word != rule.datatype and size == ITEM_BYTES[rule.datatype]
        )
        yield self._ask(f"{rule.name} is {alike}", "datatype", {rule.name: _replace(base, datatype=alike)})
        yield self._ask(f"{rule.name} is a text", "datatype", {rule.name: "1"})
        deeper = _replace(base, shape=(*base.shape, 1))
        yield self._ask(f"{rule.name} has an axis more", "shape", {rule.name: deeper})
        short = _replace(base, data=memoryview(bytes(len(base.data) + 1)))
        yield self._ask(f"{rule.name} has a byte more than its shape", "shape", {rule.name: short})
        for axis, size in enumerate(rule.shape):
            grown = (*base.shape[:axis], base.shape[axis] + 1, *base.shape[axis + 1 :])
            if isinstance(size, int) and ITEM_BYTES[rule.datatype] * _count(grown) <= _MOST_BYTES:
                tensor = self._fill_shape(rule, grown)
                yield self._ask(f"{rule.name} has {size + 1} along axis {axis}", "shape", {rule.name: tensor})

    def sample_dims(self) -> Iterator[TensorSample]:
        for dim in self._contract.dims:
            name = dim.name
            yield from self._bind(f"{name} is {dim.min}, its least", {**self._dims, name: dim.min})
            yield from self._bind(f"{name} is {dim.min - 1}", {**self._dims, name: dim.min - 1}, "shape")
            if dim.max is not None:
                yield from self._bind(f"{name} is {dim.max}, its most", {**self._dims, name: dim.max})
                yield from self._bind(f"{name} is {dim.max + 1}", {**self._dims, name: dim.max + 1}, "shape")
            yield from self._disagree(name)

    def sample_bytes(self) -> Iterator[TensorSample]:
        """The first call past what one may have, where the dims let one be so large."""
        for dim in self._contract.dims:
            low, high = dim.min, int(MAX_DIMENSION) if dim.max is None else dim.max
            if self._measure({**self._dims, dim.name: high}) <= MAX_FRAME_TAIL_BYTES:
                continue
            while low < high:
                middle = (low + high) // 2
                is_reached = self._measure({**self._dims, dim.name: middle}) > MAX_FRAME_TAIL_BYTES
                low, high = (low, middle) if is_reached else (middle + 1, high)
            dims = {**self._dims, dim.name: low}
            if self._measure(dims) <= _MOST_VIRTUAL_BYTES:
                zeros = memoryview(bytes(max(self._measure_input(rule, dims) for rule in self._contract.inputs)))
                inputs = {}
                for rule in self._contract.inputs:
                    data = zeros[: self._measure_input(rule, dims)]
                    inputs[rule.name] = Tensor(rule.datatype, _shape(rule, dims), data)
                yield TensorSample(f"{dim.name} is {low:,}: too many bytes", ParsedTensors(inputs), "bytes")
                return

    def sample_numbers(self, rule: TensorInput) -> Iterator[TensorSample]:
        """In the last place, where whoever stops early does not look."""
        if self._base[rule.name].elements == 0 or self._usual[rule.name] is None:
            return
        lane = LANES[rule.datatype]
        if rule.datatype == "BOOL":
            yield self._put(rule, "true", b"\1")
            yield self._put(rule, "neither true nor false", b"\2", "range")
            return
        if rule.range is not None:
            yield from self._sample_range(rule, lane, rule.range)
        if rule.allowed:
            yield from self._sample_allowed(rule, lane)
        if lane.kind != "float" and rule.range is None and not rule.allowed:
            ends = write_ends(lane, None, None)  # what is pointed with has to say how far
            if ends is not None:
                yield self._put(rule, f"the least {rule.datatype}", ends.least)
                yield self._put(rule, f"the greatest {rule.datatype}", ends.most)
        if lane.kind == "float":
            if rule.is_finite:
                refusing: str | None = "finite"
            elif rule.range is not None:
                refusing = "range"
            else:
                refusing = "allowed" if rule.allowed else None
            yield self._put(rule, "an infinity", write_infinity(lane), refusing)
            yield self._put(rule, "what is no number", write_nan(lane), refusing)

    def _sample_range(self, rule: TensorInput, lane: Lane, ends: tuple[float, float]) -> Iterator[TensorSample]:
        found = write_ends(lane, *ends)
        if found is None:
            return
        if not rule.allowed:
            yield self._put(rule, "the least of its range", found.least)
            yield self._put(rule, "the greatest of its range", found.most)
        if found.below is not None:
            yield self._put(rule, "just below its range", found.below, "range")
        if found.above is not None:
            yield self._put(rule, "just above its range", found.above, "range")

    def _sample_allowed(self, rule: TensorInput, lane: Lane) -> Iterator[TensorSample]:
        known = _list_allowed(rule, lane)
        if known:
            yield self._put(rule, "the first that is allowed", known[0])
            yield self._put(rule, "the last that is allowed", known[-1])
        among = {one for number in rule.allowed for one in write_numbers(lane, number)}
        for word in known:
            after = write_next(lane, word)
            if after is not None and after not in among and _is_within(rule, lane, after):
                yield self._put(rule, "a number that is not allowed", after, "allowed")
                return

    def _bind(self, name: str, dims: Dims, rule: str | None = None) -> Iterator[TensorSample]:
        """Nothing where no tensors have such sizes, or where they are too large to be looked at."""
        if any(size < 0 for item in self._contract.inputs for size in _shape(item, dims)):
            return
        if self._measure(dims) > _MOST_BYTES:
            return
        made = {item.name: self._fill(item, dims) for item in self._contract.inputs}
        yield TensorSample(name, ParsedTensors(made), rule)

    def _disagree(self, name: str) -> Iterator[TensorSample]:
        """One input has another size than the others, which share the dim with it."""
        bounds = next(dim for dim in self._contract.dims if dim.name == name)
        if bounds.max == bounds.min:
            return
        dims = {**self._dims, name: self._dims[name] + 1}
        changed = [rule for rule in self._contract.inputs if _shape(rule, dims) != _shape(rule, self._dims)]
        if len(changed) > 1 and self._measure(dims) <= _MOST_BYTES:
            made = {changed[-1].name: self._fill(changed[-1], dims)}
            yield self._ask(f"{name} is one more in {changed[-1].name} alone", "shape", made)

    def _put(self, rule: TensorInput, what: str, number: bytes, refused_by: str | None = None) -> TensorSample:
        base = self._base[rule.name]
        data = memoryview(bytes(base.data[: -len(number)]) + number)
        return self._ask(f"{rule.name} holds {what}", refused_by, {rule.name: _replace(base, data=data)})

    def _ask(self, name: str, rule: str | None = None, others: Mapping[str, object] | None = None) -> TensorSample:
        return TensorSample(name, ParsedTensors({**self._base, **(others or {})}), rule)

    def _fill(self, rule: TensorInput, dims: Dims) -> Tensor:
        return self._fill_shape(rule, _shape(rule, dims))

    def _fill_shape(self, rule: TensorInput, shape: tuple[int, ...]) -> Tensor:
        number = self._usual[rule.name] or bytes(ITEM_BYTES[rule.datatype])
        return Tensor(rule.datatype, shape, memoryview(number * _count(shape)))

    def _measure(self, dims: Dims) -> int:
        return sum(self._measure_input(rule, dims) for rule in self._contract.inputs)

    def _measure_input(self, rule: TensorInput, dims: Dims) -> int:
        return ITEM_BYTES[rule.datatype] * _count(_shape(rule, dims))


def _find_usual(rule: TensorInput) -> bytes | None:
    """A number that its input may be: zero where it may. None where none may."""
    lane = LANES[rule.datatype]
    if rule.allowed:
        return next(iter(_list_allowed(rule, lane)), None)
    zero = bytes(lane.bytes)
    if _is_within(rule, lane, zero):
        return zero
    ends = write_ends(lane, *(rule.range or (None, None)))
    return None if ends is None else ends.least


def _list_allowed(rule: TensorInput, lane: Lane) -> list[bytes]:
    """Of the numbers that are listed, those that the datatype has and the range holds."""
    written = [word for number in rule.allowed for word in write_numbers(lane, number)[:1]]
    return [word for word in written if _is_within(rule, lane, word)]


def _is_within(rule: TensorInput, lane: Lane, number: bytes) -> bool:
    return rule.range is None or rule.range[0] <= decode(lane, number) <= rule.range[1]


def _replace(
    tensor: Tensor,
    datatype: str | None = None,
    shape: tuple[int, ...] | None = None,
    data: memoryview | None = None,
) -> Tensor:
    return Tensor(
        tensor.datatype if datatype is None else datatype,
        tensor.shape if shape is None else shape,
        tensor.data if data is None else data,
    )


def _shape(rule: TensorInput, dims: Dims) -> tuple[int, ...]:
    return tuple(evaluate_size(size, dims) for size in rule.shape)


def _count(shape: tuple[int, ...]) -> int:
    count = 1
    for size in shape:
        count *= size
    return count


def _unpack(tensor: Tensor) -> object:
    """Numbers in lists, nested as its axes are."""
    lane = LANES[tensor.datatype]
    data = bytes(tensor.data)
    numbers: list[object] = []
    for start in range(0, len(data), lane.bytes):
        number = decode(lane, data[start : start + lane.bytes])
        numbers.append(bool(number) if tensor.datatype == "BOOL" else number)
    for size in reversed(tensor.shape[1:]):
        numbers = [numbers[start : start + size] for start in range(0, len(numbers), size)]
    return numbers if tensor.shape else numbers[0]
