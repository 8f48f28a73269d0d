"""`ask_function` from tensors to tensors, behind the real wall: once in the record, whatever the worker gives back."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from cell_tools import LINUX_ONLY, Events, make_sealed, open_cell
from function_models import BATCH, CONTRACT, list_files

from ostiary.answer import RequestEndings
from ostiary.cell.running import RunningCell
from ostiary.core.tensors import ParsedTensors, Tensor
from ostiary.errors import AnswerRefused, CallRefused, ContractRefused, OstiaryError, SandboxViolation, WorkerSilent
from ostiary.graph.function_contract import FunctionContract, TensorOutput
from ostiary.record.events import CellEnded, Event
from ostiary.record.request_events import RequestCancelled, RequestComputed, RequestFailed, RequestRefused
from ostiary.walks import tensor_walk
from ostiary.walks.tensor_walk import TensorsInFlight, ask_function

pytestmark = LINUX_ONLY

ENDINGS = (RequestComputed, RequestRefused, RequestFailed, RequestCancelled)
ROWS = [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]


class Desk:
    """A function at work, and those who ask it."""

    def __init__(self, cell: RunningCell, events: Events, contract: FunctionContract, *, has_content: bool) -> None:
        self.cell = cell
        self.events = events
        self.contract = contract
        self.endings = RequestEndings(events.emit, "opening", cell.root, has_content=has_content)

    def ask(self, timeout: float | None = None, **inputs: object) -> TensorsInFlight:
        return ask_function(self.cell, self.contract, self.endings, ParsedTensors(inputs, timeout))

    @property
    def told(self) -> Event:
        (event,) = [event for event in self.events.all if isinstance(event, ENDINGS)]
        return event


@contextmanager
def desk(
    contract: FunctionContract = CONTRACT, engine: str = "fake", *, has_content: bool = False
) -> Iterator[Desk]:
    events = Events()
    files = dict(list_files(contract))
    sealed = make_sealed(files, {"graph.safetensors": files.pop("graph.safetensors")})
    with open_cell(events, engine, sealed=sealed) as cell:
        opened = Desk(cell, events, contract, has_content=has_content)
        yield opened
        opened.endings.close()


def test_from_tensors_to_tensors() -> None:
    with desk() as opened:
        answer = opened.ask(x=ROWS).conclude()
    (tensor,) = answer.outputs.values()
    assert (tensor.datatype, tensor.shape) == ("FP32", (2, 3))
    assert struct.unpack("<6f", tensor.data) == (1, 2, 3, 4, 5, 6)
    event = opened.told
    assert isinstance(event, RequestComputed)
    assert (event.operation, event.input_bytes, event.output_bytes) == ("infer", 24, 24)
    assert event.prompt is None
    assert event.answer is None


@pytest.mark.mlx
def test_a_real_graph() -> None:
    pytest.importorskip("mlx.core")
    with desk(engine="function") as opened:
        answer = opened.ask(x=ROWS).conclude()
    assert struct.unpack("<6f", answer.outputs["y"].data) == (1, 4, 9, 4, 10, 18)


def test_hashes_of_both_only_where_they_are_wanted() -> None:
    with desk(has_content=True) as opened:
        opened.ask(x=ROWS).conclude()
    event = opened.told
    assert isinstance(event, RequestComputed)
    assert event.prompt is not None
    assert event.answer is not None
    assert event.prompt.clear == event.answer.clear == struct.pack("<6f", 1, 2, 3, 4, 5, 6)


def test_what_does_not_fit_never_reaches_the_worker() -> None:
    with desk() as opened:
        with pytest.raises(ContractRefused) as caught:
            opened.ask(x=[[1, 2, 11]])
        assert opened.cell.read_usage().requests == 0
    event = opened.told
    assert isinstance(event, RequestRefused)
    assert (event.code, event.field, event.rule, event.limit) == ("CONTRACT_RANGE", "x", "range", "[-10, 10]")
    assert caught.value.correlation_id == event.correlation_id


def test_more_than_its_process_could_hold_never_reaches_it() -> None:
    """Else whoever sends much could end it again and again, until nobody is let in."""
    wide = replace(CONTRACT, dims=(replace(CONTRACT.dims[0], max=None),))
    with desk(wide) as opened:
        most = opened.cell.limits.memory_bytes // 4
        rows = most // 12 + 1
        with pytest.raises(ContractRefused) as caught:
            opened.ask(x=Tensor("FP32", (rows, 3), memoryview(bytes(12 * rows))))
        assert opened.cell.read_usage().requests == 0
    assert (caught.value.code, caught.value.rule) == ("CONTRACT_TOO_LONG", "bytes")
    assert f"brings the request to {12 * rows:,} bytes" in caught.value.message
    assert caught.value.limit == f"{most:,} bytes"


def test_what_the_engine_does_not_take() -> None:
    """The worker was given another contract than the application goes by."""
    with desk() as opened:
        opened.contract = replace(CONTRACT, inputs=(*CONTRACT.inputs, replace(CONTRACT.inputs[0], name="z")))
        with pytest.raises(CallRefused):
            opened.ask(x=ROWS, z=ROWS).conclude()
    assert isinstance(opened.told, RequestRefused)


@pytest.mark.parametrize(
    "output",
    [
        TensorOutput("other", "FP32", (BATCH, 3)),
        TensorOutput("y", "INT32", (BATCH, 3)),
        TensorOutput("y", "FP32", (BATCH, 1, 3)),
        TensorOutput("y", "FP32", (BATCH, 6)),
    ],
    ids=["name", "datatype", "dimensions", "size"],
)
def test_a_worker_that_gives_something_else_is_ended(output: TensorOutput) -> None:
    with desk() as opened:
        opened.contract = replace(CONTRACT, outputs=(output,))
        with pytest.raises(SandboxViolation):
            opened.ask(x=ROWS).conclude()
        assert opened.events.wait_for(CellEnded).cause == "malformed"
    event = opened.told
    assert isinstance(event, RequestFailed)
    assert event.code == "WORKER_MALFORMED_ANSWER"


def test_a_byte_too_many_ends_the_worker() -> None:
    contract = replace(CONTRACT, outputs=(TensorOutput("malformed", "FP32", (BATCH, 3)),))
    with desk(contract) as opened:
        with pytest.raises(SandboxViolation, match="more bytes"):
            opened.ask(x=ROWS).conclude()
        assert opened.events.wait_for(CellEnded).cause == "malformed"


def test_what_the_contract_rules_out_is_given_to_nobody() -> None:
    """The engine did its part: it goes on."""
    free = replace(CONTRACT, inputs=(replace(CONTRACT.inputs[0], is_finite=False, range=None),))
    with desk(free) as opened:
        asked = opened.ask(x=[[1, float("inf"), 3]])
        with pytest.raises(AnswerRefused) as caught:
            asked.conclude()
        with pytest.raises(AnswerRefused):
            asked.conclude()
        assert not opened.events.causes
    assert (caught.value.code, caught.value.field, caught.value.rule) == ("ANSWER_NOT_FINITE", "y", "finite")
    event = opened.told
    assert isinstance(event, RequestRefused)
    assert (event.code, event.field) == ("ANSWER_NOT_FINITE", "y")


@pytest.mark.parametrize("operation", ["count", "sleep"])
def test_pieces_and_late_answers(operation: str) -> None:
    """A function answers once, and in time."""
    with desk() as opened:
        call = opened.cell.call

        def ask_something_else(_operation: str, _body: Any = None, _tail: Any = b"", **options: Any) -> Any:
            return call(operation, {"to": 3, "milliseconds": 60_000}, **options)

        opened.cell.call = ask_something_else  # type: ignore[assignment, method-assign]
        error: type[OstiaryError] = SandboxViolation if operation == "count" else WorkerSilent
        with pytest.raises(error):
            opened.ask(x=ROWS, timeout=0.3).conclude()
    assert isinstance(opened.told, RequestFailed)


def test_what_nobody_wants_any_more() -> None:
    with desk() as opened:
        asked = opened.ask(x=ROWS)
        asked.cancel()
        asked.cancel()
        assert asked.take()
    assert isinstance(opened.told, RequestCancelled)


@pytest.mark.parametrize("rows", [2, 1 << 17])
def test_what_was_checked_is_what_is_computed(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Though whoever gave a large array writes to it as soon as it was looked at. Small ones are copied by the door."""
    wanted = struct.pack("<3f", 1, 2, 3) * rows
    array = bytearray(wanted)
    check = tensor_walk.check_tensors

    def check_and_change(*given: Any) -> Any:
        checked = check(*given)
        if rows > 2:
            array[:] = struct.pack("<f", float("nan")) * (3 * rows)
        return checked

    monkeypatch.setattr(tensor_walk, "check_tensors", check_and_change)
    with desk(replace(CONTRACT, dims=(replace(CONTRACT.dims[0], max=None),))) as opened:
        answer = opened.ask(x=Tensor("FP32", (rows, 3), memoryview(array))).conclude()
    (tensor,) = answer.outputs.values()
    assert tensor.data == wanted
