"""How much memory and work a call of a graph takes, before anything of it runs."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from functools import reduce
from typing import Final, TypeAlias

from ostiary.core.function_limits import USUAL_DIM
from ostiary.core.values import dataclass
from ostiary.errors import IntakeRefused
from ostiary.graph.bind_graph import bind_graph
from ostiary.graph.call import Call
from ostiary.graph.dtypes import INTEGERS, at_least_float, promote
from ostiary.graph.primitives import PRIMITIVES
from ostiary.graph.scope import Scope
from ostiary.graph.shapes import count_elements
from ostiary.graph.sizes import Size, multiply_sizes
from ostiary.graph.values import Graph, Node, TensorType

_COPIES_AROUND: Final = 2
"""Of inputs and outputs: as they travel, and as arrays of several callers put together."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """Of one call."""

    constant_bytes: int
    """Weights: they are there once, for all calls."""
    input_bytes: int
    output_bytes: int
    peak_bytes: int
    """The most that inputs, results and what operations need for themselves take together at one time."""
    work: int
    """Multiply-adds, or what takes as long as one."""


def estimate_graph(graph: Graph) -> Estimate:
    """Of a graph that was bound: its sizes are numbers."""
    types = graph.list_types()
    inputs = len(graph.inputs)
    first = inputs + len(graph.constants)
    sizes = measure_values(graph, types, first)
    roots = find_roots(graph, len(types), first)
    last_use = find_last_uses(graph, roots)
    live = sum(sizes[:inputs])
    peak = live
    work = 0
    going: deque[int] = deque()
    value = first
    scope = Scope({})
    for number, node in enumerate(graph.nodes):
        call = Call(tuple(types[item] for item in node.inputs), node.attributes, scope)
        work += _number(PRIMITIVES[node.op].work(call, node.outputs))
        results = range(value, value + len(node.outputs))
        live += sum(sizes[result] for result in results if roots[result] == result)
        peak = max(peak, live + count_scratch(node, call))
        ended = {roots[item] for item in (*node.inputs, *results) if roots[item] >= first}
        going.append(sum(sizes[root] for root in ended if last_use[root] <= number))
        if len(going) > _IN_FLIGHT:
            live -= going.popleft()
        value += len(node.outputs)
    return Estimate(
        constant_bytes=sum(sizes[inputs:first]),
        input_bytes=sum(sizes[:inputs]),
        output_bytes=sum(sizes[item.value] for item in graph.outputs),
        peak_bytes=peak,
        work=work,
    )


def estimate_call_bytes(graph: Graph) -> int:
    """Memory of the largest call, beside the constants. 0 where no such sizes go together."""
    dims = {item.name: max(item.min, USUAL_DIM) if item.max is None else item.max for item in graph.dims}
    for sizes in (dims, {item.name: item.min for item in graph.dims}):
        try:
            estimate = estimate_graph(bind_graph(graph, sizes))
        except IntakeRefused:
            continue
        return estimate.peak_bytes + _COPIES_AROUND * (estimate.input_bytes + estimate.output_bytes)
    return 0


def measure_values(graph: Graph, types: list[TensorType], first: int) -> list[int]:
    """For each value the memory that it takes, were it no view of another."""
    sizes = [count_bytes(item) for item in types]
    value = first
    for node in graph.nodes:
        if node.op == "as_strided":  # strides are those of an array that lies row by row, so it may be copied first
            sizes[value] = count_bytes(types[node.inputs[0]])
        value += len(node.outputs)
    return sizes


_IN_FLIGHT: Final = 10
"""MLX makes room for so many operations before the first of them is done, and frees what they needed after it."""


def count_bytes(item: TensorType) -> int:
    """Of an array whose sizes are numbers."""
    return _number(count_elements(item.shape)) * item.dtype.bytes


def _number(size: Size) -> int:
    if not isinstance(size, int):
        raise TypeError("the graph was not bound")
    return size


_VIEWS: Final = frozenset({"broadcast_to", "expand_dims", "slice", "split", "squeeze", "transpose"})
"""What looks at the array that it is given. A reshape may have to copy, and counts as if it did."""


def find_roots(graph: Graph, values: int, first: int) -> list[int]:
    """For each value, the one whose memory it lies in."""
    roots = list(range(values))
    value = first
    for node in graph.nodes:
        for result in range(value, value + len(node.outputs)):
            if node.op in _VIEWS:
                roots[result] = roots[node.inputs[0]]
        value += len(node.outputs)
    return roots


def find_last_uses(graph: Graph, roots: list[int]) -> list[int]:
    """For each value that has memory, the number of the last node that needs it; past the end for outputs."""
    last = [-1] * len(roots)
    for number, node in enumerate(graph.nodes):
        for item in node.inputs:
            last[roots[item]] = number
    for output in graph.outputs:
        last[roots[output.value]] = len(graph.nodes)
    return last


def count_scratch(node: Node, call: Call) -> int:
    """Memory that an operation needs for itself while it works."""
    rule = _SCRATCH.get(node.op)
    own = 0 if rule is None else _number(rule(call, node.outputs))
    return own + _count_casts(node, call)


def _count_casts(node: Node, call: Call) -> int:
    """Where element types meet, MLX first makes copies of one type."""
    if PRIMITIVES[node.op].family != "elementwise" or len(call.inputs) == 1:
        return 0
    items = call.inputs[1:] if node.op == "select" else call.inputs
    dtype = reduce(promote, (item.dtype for item in items))
    if node.op in _IN_FLOATS:
        dtype = at_least_float(dtype)
    return sum(_number(count_elements(item.shape)) * dtype.bytes for item in items if item.dtype is not dtype)


_IN_FLOATS: Final = frozenset({"arctan2", "divide", "logaddexp"})


def _unfold(call: Call, outputs: tuple[TensorType, ...]) -> Size:
    """A convolution lays its windows side by side, pads a copy of its input, and widens a narrower result."""
    places = count_elements(outputs[0].shape[:-1])
    windows = places * multiply_sizes(call.shape(1)[1:]) * call.integer("groups")
    batch, *sizes, channels = call.shape(0)
    padded = batch * channels
    for axis, size in enumerate(sizes):
        spread = (size - 1) * call.integers("input_dilation")[axis] + 1
        padded = padded * (spread + call.integers("padding_low")[axis] + call.integers("padding_high")[axis])
    around = count_elements(call.shape(0)) + count_elements(call.shape(1)) + count_elements(outputs[0].shape)
    return (windows + padded + around) * _WORD


def _score(call: Call, _outputs: tuple[TensorType, ...]) -> Size:
    """Attention has the scores up to three times, and keys and values for every head of the queries."""
    batch, heads, rows, width = call.shape(0)
    columns, breadth = call.shape(1)[2], call.shape(2)[3]
    scores = rows * columns * 3
    return batch * heads * (scores + 2 * rows * width + columns * (width + breadth)) * _WORD


def _pack(call: Call, _outputs: tuple[TensorType, ...]) -> Size:
    """Numbers of four bits are found by their distance to each of the sixteen."""
    each = {"affine": 2, "mxfp8": 3}.get(call.word("mode"), 22)
    return count_elements(call.shape(0)) * each * _WORD


def _unpack(call: Call, outputs: tuple[TensorType, ...]) -> Size:
    """Bits that do not divide a byte are put together from its neighbours."""
    return count_elements(outputs[0].shape) * (18 if call.integer("bits") in _WHOLE_PARTS else 28)


def _choose(call: Call, outputs: tuple[TensorType, ...]) -> Size:
    """Matrices of half precision are widened, and so is what comes of them."""
    chosen = count_elements(outputs[0].shape) * _WORD
    return _copy(1)(call, outputs) + (0 if outputs[0].dtype.bytes == _WORD else chosen)


def _copy(times: int) -> _Scratch:
    """Copies of the inputs, whose elements have up to eight bytes and at least four."""

    def count(call: Call, _outputs: tuple[TensorType, ...]) -> Size:
        total: Size = 0
        for item in call.inputs:
            total = total + count_elements(item.shape) * max(item.dtype.bytes, _WORD)
        return total * times

    return count


def _per_result(each: int) -> _Scratch:
    """So many bytes for each element that comes out."""

    def count(_call: Call, outputs: tuple[TensorType, ...]) -> Size:
        return count_elements(outputs[0].shape) * each

    return count


def _widen(call: Call, outputs: tuple[TensorType, ...]) -> Size:
    """Sums of numbers of half precision are floats of 32 bits first."""
    return (
        0 if call.dtype(0).bytes != _HALF or call.dtype(0) in INTEGERS else count_elements(outputs[0].shape) * _WORD
    )


_Scratch: TypeAlias = Callable[[Call, tuple[TensorType, ...]], Size]
_WORD: Final = 4  # bytes of float32, in which most is computed
_HALF: Final = 2
_WHOLE_PARTS: Final = frozenset({2, 4, 8})

# Measured with arrays that lie row by row, turned ones and stretched ones.
_SCRATCH: Final[Mapping[str, _Scratch]] = {
    "addmm": _copy(1),
    "argpartition": _copy(1),
    "argsort": _copy(1),
    "attention": _score,
    "cholesky": _copy(2),
    "convolution": _unfold,
    "cummax": _copy(1),
    "cummin": _copy(1),
    "cumprod": _copy(1),
    "cumsum": _copy(1),
    "dequantize": _unpack,
    "eig": _copy(4),
    "eigh": _copy(4),
    "fft": _copy(2),
    "gather_mm": _choose,
    "gather_qmm": _copy(1),
    "hadamard_transform": _copy(1),
    "inverse": _copy(2),
    "layer_norm": _copy(4),
    "logcumsumexp": _copy(1),
    "logical_and": _per_result(2),
    "logical_or": _per_result(2),
    "logsumexp": _copy(1),
    "masked_scatter": _per_result(12),
    "matmul": _copy(1),
    "nan_equal": _per_result(3),
    "partition": _copy(1),
    "prod": _widen,
    "qr": _copy(3),
    "quantize": _pack,
    "quantized_matmul": _copy(1),
    "random_bits": _per_result(4),
    "rms_norm": _copy(4),
    "rope": _copy(4),
    "softmax": _copy(1),
    "sort": _copy(1),
    "sum": _widen,
    "svd": _copy(6),
}
