"""A function in the application's own process: verified, checked as behind the wall, computed without one."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Unpack

from ostiary import errors
from ostiary.answer.read_tensors import refuse_unsound
from ostiary.contract import check_tensors
from ostiary.core.frames import ErrorName
from ostiary.core.function_files import GRAPH_FILE, TENSORS_FILE
from ostiary.core.tensors import Tensor
from ostiary.core.text import quote_untrusted
from ostiary.embed.arguments import BeliefArguments, PathName
from ostiary.embed.engine import import_mlx
from ostiary.embed.guard import Guard, guard
from ostiary.embed.opening import Opening, open_verified
from ostiary.errors import USAGE, AnswerRefused, ContractRefused, EmbedRefused, Misuse
from ostiary.library.arrays import read_array
from ostiary.library.function import TensorInfo, describe_inputs, describe_outputs, parse_call
from ostiary.library.function_files import read_contract
from ostiary.networks.unfit import ModelUnfit
from ostiary.record.begin import open_log
from ostiary.record.embed_events import WorkRefused

if TYPE_CHECKING:
    import mlx.core as mx

    from ostiary.core.tickets import CheckedTensors
    from ostiary.graph.function_contract import FunctionContract
    from ostiary.interpreter.function import Function

_MEMORY_SHARE: Final = 2
"""One call may have half of the machine's memory: nothing but this estimate stands between it and the process."""


def load_function(path: PathName, **arguments: Unpack[BeliefArguments]) -> EmbeddedFunction:
    """An exported function, to be called with arrays of MLX.

    Raises Refusal for a no, Fault where it could not be done, Misuse.
    """
    import_mlx()
    with open_verified(path, arguments) as opening:
        contract = read_contract(opening.model.contents)
        if contract is None:
            raise Misuse(
                USAGE, "this model is no function", hint="Use embed.load_model, or embed.load for its tensors."
            )
        function = _load(opening)
        opening.tell_embedded("function", len(function.graph.constants))
    state = arguments.get("state")
    return EmbeddedFunction(function, contract, None if state is None else Path(state))


class EmbeddedFunction:
    """Call it with arrays by the names of its inputs; it gives arrays by the names of its outputs.

    One thread at a time. What does not fit is refused before MLX is called, as behind the wall.
    """

    def __init__(self, function: Function, contract: FunctionContract, state: Path | None) -> None:
        """Use `load_function`."""
        self._function: Final = function
        self._contract: Final = contract
        self._state: Final = state
        self._guard: Final[Guard] = guard(contract.name, state=state)

    @property
    def inputs(self) -> tuple[TensorInfo, ...]:
        """What it takes."""
        return describe_inputs(self._contract)

    @property
    def outputs(self) -> tuple[TensorInfo, ...]:
        """What it gives."""
        return describe_outputs(self._contract)

    def __call__(self, inputs: object = None, /, **named: object) -> dict[str, mx.array]:
        """`function(x=array)`, or a mapping, or the array where there is one input. They are computed first."""
        known = tuple(item.name for item in self._contract.inputs)
        with self._guard:
            call = parse_call(inputs, named, None, known)
        try:
            checked = check_tensors(call.request, self._contract)
            given = _choose_given(inputs, named, known)
            with self._guard:
                outputs = self._compute(checked, given)
            refuse_unsound({name: _view(array) for name, array in outputs.items()}, checked.outputs)
        except (ContractRefused, AnswerRefused, EmbedRefused) as refusal:
            self._tell_refused(refusal)
            raise
        return outputs

    def _compute(self, checked: CheckedTensors, given: Mapping[str, object]) -> dict[str, mx.array]:
        from ostiary.interpreter.tensor_bytes import array_from_bytes  # noqa: PLC0415  it imports MLX
        from ostiary.interpreter.unfit import GraphUnfit, InputUnfit  # noqa: PLC0415

        arrays = []
        for item, data, told in zip(
            self._function.graph.inputs, checked.buffers, _list_inputs(checked), strict=True
        ):
            array = given.get(item.name)
            if not isinstance(array, import_mlx().array):
                array = array_from_bytes(data, item.type.dtype, told)
            arrays.append(array)
        try:
            outputs = self._function.call(arrays)
        except (InputUnfit, GraphUnfit) as unfit:
            raise EmbedRefused(errors.EMBED_INPUT, f"{unfit}") from unfit
        return {item.name: array for item, array in zip(self._contract.outputs, outputs, strict=True)}

    def _tell_refused(self, refusal: ContractRefused | AnswerRefused | EmbedRefused) -> None:
        refusal.correlation_id = secrets.token_hex(8)
        event = WorkRefused(
            correlation_id=refusal.correlation_id,
            name=quote_untrusted(self._contract.name),
            code=refusal.code,
            field=refusal.field,
        )
        with open_log(self._state) as log:
            log.emit(event)


def _load(opening: Opening) -> Function:
    from ostiary.graph.agreement import find_disagreement  # noqa: PLC0415
    from ostiary.graph.parse_graph import parse_graph  # noqa: PLC0415
    from ostiary.interpreter.function import Budget, Function, load_tensors  # noqa: PLC0415  it imports MLX
    from ostiary.interpreter.unfit import GraphUnfit  # noqa: PLC0415

    graph = parse_graph(opening.model.contents[GRAPH_FILE])
    contract = read_contract(opening.model.contents)
    difference = None if contract is None else find_disagreement(graph, contract)
    if difference is not None:
        raise ModelUnfit(ErrorName.LOAD_FAILED, difference)
    tensors: dict[str, Any] = {}
    try:
        for weights in opening.model.open_weights():
            if weights.entry.path != TENSORS_FILE:
                raise ModelUnfit(
                    ErrorName.LOAD_FAILED, f"a function has its tensors in {TENSORS_FILE}, and nowhere else"
                )
            with os.fdopen(weights.descriptor, "rb", closefd=False) as file:
                tensors = load_tensors(file)
            weights.finish()  # only now is it known that nobody changed what was read
        budget = Budget(_read_memory_bytes() // _MEMORY_SHARE, 1 << 62)
        return Function(graph, tensors, budget)
    except GraphUnfit as unfit:
        raise ModelUnfit(unfit.name, str(unfit)) from unfit


def _read_memory_bytes() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _choose_given(inputs: object, named: Mapping[str, object], known: tuple[str, ...]) -> Mapping[str, object]:
    """What was given, by name: arrays of MLX are used as they are."""
    if inputs is None:
        return named
    return inputs if isinstance(inputs, Mapping) else {known[0]: inputs}


def _list_inputs(checked: CheckedTensors) -> list[tuple[int, ...]]:
    """The shapes, in the order of the contract."""
    told = checked.body["inputs"]
    shapes: list[tuple[int, ...]] = []
    for item in told if isinstance(told, list) else []:
        shape = item["shape"] if isinstance(item, dict) else None
        shapes.append(tuple(size for size in shape if isinstance(size, int)) if isinstance(shape, list) else ())
    return shapes


def _view(array: mx.array) -> Tensor:
    tensor = read_array(array)
    if not isinstance(tensor, Tensor):
        raise Misuse(USAGE, "an output is no array")
    return tensor
