"""Reads graph.json: bytes from anybody become a Graph that is fit to run, or a refusal that says which node is not.

docs/formats/graph.md is the specification. A version that was once read is read for ever: each has its own reader.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Final

from ostiary.core.findings import refuse
from ostiary.core.function_limits import (
    MAX_GRAPH_BYTES,
    MAX_GRAPH_DIMS,
    MAX_GRAPH_FAN_IN,
    MAX_GRAPH_INPUTS,
    MAX_GRAPH_NODES,
    MAX_GRAPH_OUTPUTS,
    MAX_GRAPH_RANK,
    MAX_GRAPH_SPLITS,
    MAX_GRAPH_VALUES,
)
from ostiary.core.json_text import JsonValue, parse_json_object
from ostiary.core.limits import MAX_DIMENSION, MAX_TENSORS_PER_FILE
from ostiary.core.text import quote_untrusted
from ostiary.graph.dtypes import Dtype
from ostiary.graph.fields import TENSOR_NAME, Fields
from ostiary.graph.infer_graph import check_graph, make_scope
from ostiary.graph.parse_attributes import ReadAttributes
from ostiary.graph.parse_size import DIM_NAME
from ostiary.graph.primitives import PRIMITIVES
from ostiary.graph.render_graph import render_graph
from ostiary.graph.rules import (
    GRAPH_DUPLICATE_NAME,
    GRAPH_MALFORMED,
    GRAPH_NOT_CANONICAL,
    GRAPH_REFERENCE,
    GRAPH_TOO_LARGE,
    GRAPH_UNKNOWN_PRIMITIVE,
    GRAPH_VERSION_UNKNOWN,
)
from ostiary.graph.sizes import Expression
from ostiary.graph.values import GRAPH_FORMAT, Constant, Dim, Graph, Input, Node, Output, TensorType

_FIELDS: Final = Fields(GRAPH_MALFORMED)
_TOP: Final = frozenset({"format", "version", "name", "dims", "inputs", "constants", "nodes", "outputs"})
_DIM: Final = frozenset({"min", "max"})
_INPUT: Final = frozenset({"name", "dtype", "shape"})
_CONSTANT: Final = frozenset({"tensor", "dtype", "shape"})
_NODE: Final = frozenset({"op", "in", "out", "attrs"})
_TYPE: Final = frozenset({"dtype", "shape"})
_OUTPUT: Final = frozenset({"name", "value"})
_DTYPES: Final = {item.value: item for item in Dtype}
_PLAIN: Final = (int, str)  # neither True nor 1.0, which equal 1


def parse_graph(data: bytes) -> Graph:
    """The graph that `data` spells, every node of it checked. Older versions are read as what they are."""
    top = parse_json_object(data, max_bytes=MAX_GRAPH_BYTES, max_values=MAX_GRAPH_VALUES)
    if top.get("format") != GRAPH_FORMAT:
        raise refuse(GRAPH_MALFORMED, f"its field 'format' is not '{GRAPH_FORMAT}'")
    version = _FIELDS.take_integer(top.get("version"), "its version")
    reader = READERS.get(version)
    if reader is None:
        known = ", ".join(map(str, sorted(READERS)))
        raise refuse(GRAPH_VERSION_UNKNOWN, f"version {version}, known are: {known}")
    graph = reader(top)
    if render_graph(graph) != data:
        raise refuse(GRAPH_NOT_CANONICAL, "its bytes are not the canonical spelling of what they say")
    check_graph(graph)
    _check_dims(graph)
    return graph


def _parse_version_1(top: dict[str, JsonValue]) -> Graph:
    top = _FIELDS.take_object(top, "the graph", _TOP)
    dims = _parse_dims(top["dims"])
    reader = _Reader(dims)
    inputs = reader.parse_inputs(top["inputs"])
    constants = reader.parse_constants(top["constants"])
    nodes, values = reader.parse_nodes(top["nodes"], len(inputs) + len(constants))
    return Graph(
        name=_FIELDS.take_name(top["name"], "the name"),
        dims=dims,
        inputs=inputs,
        constants=constants,
        nodes=nodes,
        outputs=_parse_outputs(top["outputs"], values),
        version=1,
    )


READERS: Final[Mapping[int, Callable[[dict[str, JsonValue]], Graph]]] = MappingProxyType({1: _parse_version_1})
"""One for each version that there ever was."""


def _parse_dims(value: JsonValue) -> tuple[Dim, ...]:
    if not isinstance(value, dict):
        raise refuse(GRAPH_MALFORMED, "dims is not an object")
    _check_count(len(value), MAX_GRAPH_DIMS, "dims")
    dims = []
    for name, item in value.items():
        if DIM_NAME.fullmatch(name) is None:
            raise refuse(GRAPH_MALFORMED, f"a dim has no plain name: '{quote_untrusted(name, 40)}'")
        where = f"dim {name}"
        fields = _FIELDS.take_object(item, where, _DIM)
        low = _FIELDS.take_integer(fields["min"], f"min of {where}")
        high = None if fields["max"] is None else _FIELDS.take_integer(fields["max"], f"max of {where}")
        if not 1 <= low <= (MAX_DIMENSION if high is None else min(high, MAX_DIMENSION)) or (
            high is not None and high > MAX_DIMENSION
        ):
            raise refuse(GRAPH_MALFORMED, f"{where} has bounds that no size lies within")
        dims.append(Dim(name, low, high))
    return tuple(sorted(dims, key=lambda item: item.name))


def _check_dims(graph: Graph) -> None:
    """A dim that is no axis of an input by itself could not be told from the arrays of a call."""
    told = {size.text for item in graph.inputs for size in item.type.shape if isinstance(size, Expression)}
    for item in graph.dims:
        if item.name not in told:
            raise refuse(GRAPH_MALFORMED, f"no axis of an input is the dim {item.name} by itself")


def _parse_outputs(value: JsonValue, values: int) -> tuple[Output, ...]:
    items = _FIELDS.take_list(value, "outputs")
    _check_count(len(items), MAX_GRAPH_OUTPUTS, "outputs")
    if not items:
        raise refuse(GRAPH_MALFORMED, "there is no output")
    outputs = []
    for number, item in enumerate(items):
        where = f"output {number}"
        fields = _FIELDS.take_object(item, where, _OUTPUT)
        name = _FIELDS.take_name(fields["name"], f"the name of {where}")
        source = _FIELDS.take_integer(fields["value"], f"the value of {where}")
        if not 0 <= source < values:
            raise refuse(GRAPH_REFERENCE, f"{where} is value {source}, and there are {values}")
        outputs.append(Output(name, source))
    _check_names((item.name for item in outputs), "outputs")
    return tuple(outputs)


class _Reader:
    """What reading the parts of one graph shares."""

    def __init__(self, dims: tuple[Dim, ...]) -> None:
        self._attributes = ReadAttributes(frozenset(item.name for item in dims), make_scope(dims))
        self._types: dict[tuple[JsonValue, ...], TensorType] = {}

    def parse_inputs(self, value: JsonValue) -> tuple[Input, ...]:
        items = _FIELDS.take_list(value, "inputs")
        _check_count(len(items), MAX_GRAPH_INPUTS, "inputs")
        inputs = []
        for number, item in enumerate(items):
            where = f"input {number}"
            fields = _FIELDS.take_object(item, where, _INPUT)
            name = _FIELDS.take_name(fields["name"], f"the name of {where}")
            inputs.append(Input(name, self._parse_type(fields, where)))
        _check_names((item.name for item in inputs), "inputs")
        return tuple(inputs)

    def parse_constants(self, value: JsonValue) -> tuple[Constant, ...]:
        items = _FIELDS.take_list(value, "constants")
        _check_count(len(items), MAX_TENSORS_PER_FILE, "constants")
        constants = []
        for number, item in enumerate(items):
            where = f"constant {number}"
            fields = _FIELDS.take_object(item, where, _CONSTANT)
            name = _FIELDS.take_name(fields["tensor"], f"the tensor of {where}", TENSOR_NAME)
            kind = self._parse_type(fields, where)
            if not all(isinstance(size, int) for size in kind.shape):
                raise refuse(GRAPH_MALFORMED, f"the shape of {where} follows a dim")
            constants.append(Constant(name, kind))
        _check_names((item.tensor for item in constants), "constants")
        return tuple(constants)

    def parse_nodes(self, value: JsonValue, values: int) -> tuple[tuple[Node, ...], int]:
        """The nodes, and how many values there are then."""
        items = _FIELDS.take_list(value, "nodes")
        _check_count(len(items), MAX_GRAPH_NODES, "nodes")
        nodes = []
        for number, item in enumerate(items):
            node = self._parse_node(item, f"node {number}", values)
            values += len(node.outputs)
            nodes.append(node)
        return tuple(nodes), values

    def _parse_node(self, value: JsonValue, where: str, values: int) -> Node:
        fields = _FIELDS.take_object(value, where, _NODE)
        op = _FIELDS.take_text(fields["op"], f"op of {where}")
        row = PRIMITIVES.get(op)
        if row is None:
            raise refuse(GRAPH_UNKNOWN_PRIMITIVE, f"{where}: no primitive is called '{quote_untrusted(op, 40)}'")
        where = f"{where} ({op})"
        sources = _FIELDS.take_list(fields["in"], f"{where}: in")
        most = MAX_GRAPH_FAN_IN if row.most_inputs is None else row.most_inputs
        if not row.fewest_inputs <= len(sources) <= most:
            raise refuse(GRAPH_MALFORMED, f"{where}: it cannot take {len(sources)} inputs")
        for source in sources:
            if isinstance(source, bool) or not isinstance(source, int) or not 0 <= source < values:
                raise refuse(GRAPH_REFERENCE, f"{where}: an input is no number below {values}, its own first value")
        results = _FIELDS.take_list(fields["out"], f"{where}: out")
        if not 1 <= len(results) <= MAX_GRAPH_SPLITS:
            raise refuse(GRAPH_MALFORMED, f"{where}: it cannot give {len(results)} results")
        outputs = tuple(
            self._parse_type(_FIELDS.take_object(item, f"{where}: a result", _TYPE), where) for item in results
        )
        attributes = self._attributes.parse(fields["attrs"], row, where)
        return Node(op, tuple(sources), outputs, attributes)  # type: ignore[arg-type]  # each was looked at

    def _parse_type(self, fields: Mapping[str, JsonValue], where: str) -> TensorType:
        name, sizes = fields["dtype"], fields["shape"]
        key = (name, *sizes) if isinstance(sizes, list) and all(type(size) in _PLAIN for size in sizes) else None
        if key is not None and isinstance(name, str) and (known := self._types.get(key)) is not None:
            return known
        dtype = _DTYPES.get(name) if isinstance(name, str) else None
        if dtype is None:
            raise refuse(GRAPH_MALFORMED, f"{where}: a dtype is none of the format")
        shape = _FIELDS.take_list(sizes, f"{where}: a shape")
        if len(shape) > MAX_GRAPH_RANK:
            raise refuse(
                GRAPH_TOO_LARGE, f"{where}: a shape has {len(shape)} axes, more than {int(MAX_GRAPH_RANK)}"
            )
        made = TensorType(dtype, tuple(self._attributes.parse_size(size, where) for size in shape))
        if key is not None:
            self._types[key] = made
        return made


def _check_count(count: int, most: int, what: str) -> None:
    if count > most:
        raise refuse(GRAPH_TOO_LARGE, f"{count} {what}, more than {int(most)}")


def _check_names(names: Iterable[str], what: str) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise refuse(GRAPH_DUPLICATE_NAME, f"two {what} are called '{quote_untrusted(name, 40)}'")
        seen.add(name)
