"""The function engine on MLX: what it loads, how it joins calls, and what it says of those that fail."""

from __future__ import annotations

import os
import random
import struct
import threading
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from cell_tools import LINUX_ONLY, PATIENCE, Events, last_reply, make_sealed, open_cell
from graph_builder import GraphBuilder, make_call, write_safetensors
from row_graphs import APART, MIXED, Build

from ostiary.core.frames import ErrorName, ReplyKind
from ostiary.errors import CallRefused
from ostiary.graph.dtypes import Dtype
from ostiary.graph.function_contract import DATATYPES
from ostiary.worker.engines.contract import Call, EngineLimits, ModelUnfit, Reply
from ostiary.worker.engines.function import prepare_engine

mx = pytest.importorskip("mlx.core")

from ostiary.interpreter.function import Budget, Function  # noqa: E402

pytestmark = pytest.mark.mlx

F, I = Dtype.FLOAT32, Dtype.INT32  # noqa: E741
LIMITS = EngineLimits(memory_bytes=1 << 29, threads=16, tokens=100, calls=64)


def load(
    contents: Mapping[str, bytes], weights: Mapping[str, bytes], limits: EngineLimits = LIMITS, **settings: Any
) -> Any:
    engine = prepare_engine({"arithmetic": "plain", **settings})(limits)
    engine.read_contents(contents)
    for path, data in weights.items():
        descriptor = os.memfd_create("weights")
        os.write(descriptor, data)
        try:
            engine.read_weights(path, descriptor, len(data))
        finally:
            os.close(descriptor)
    engine.finish_load()
    return engine


def build(make: Build) -> GraphBuilder:
    builder = GraphBuilder()
    make(builder, builder.dim("batch", 1, 8, is_batch=True))
    return builder


def draw_inputs(
    builder: GraphBuilder, rows: int, chance: random.Random
) -> list[tuple[tuple[int, ...], list[float]]]:
    inputs = []
    for item in builder.graph.inputs:
        shape = tuple(size if isinstance(size, int) else rows for size in item.type.shape)
        count = 1
        for size in shape:
            count *= size
        whole = item.type.dtype.is_integer
        inputs.append(
            (shape, [float(chance.randrange(3)) if whole else chance.uniform(-1, 1) for _ in range(count)])
        )
    return inputs


def answer(engine: Any, *calls: Call) -> tuple[dict[int, Reply], list[int]]:
    """The answers, and how many of them each step gave."""
    for call in calls:
        engine.submit(call)
    replies: dict[int, Reply] = {}
    steps = []
    while engine.has_work:
        given = engine.step()
        steps.append(len(given))
        replies |= {reply.call_id: reply for reply in given}
    return replies, steps


def read_floats(reply: Reply) -> Sequence[float]:
    assert reply.kind is ReplyKind.RESULT, reply.body
    return struct.unpack(f"<{len(reply.tail) // 4}f", reply.tail)


@pytest.mark.parametrize("make", APART, ids=lambda make: make.__name__)
def test_joined_calls_are_answered_as_single_ones(make: Build) -> None:
    builder, chance = build(make), random.Random(make.__name__)  # noqa: S311  the same each time
    joined, single = load(builder.contents, builder.weights), load(builder.contents, builder.weights, rows=1)
    drawn = [draw_inputs(builder, rows, chance) for rows in (2, 1, 4)]
    shared = [
        place for place, item in enumerate(builder.graph.inputs) if all(isinstance(n, int) for n in item.type.shape)
    ]
    for place in shared:
        drawn = [[*item[:place], drawn[0][place], *item[place + 1 :]] for item in drawn]
    calls = [Call(number, "infer", *make_call(builder, *inputs)) for number, inputs in enumerate(drawn, 1)]
    together, steps = answer(joined, *calls)
    apart, steps_apart = answer(single, *calls)
    assert steps == [3]
    assert steps_apart == [1, 1, 1]
    for number in together:
        assert together[number].body == apart[number].body
        assert read_floats(together[number]) == pytest.approx(read_floats(apart[number]), rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("make", MIXED, ids=lambda make: make.__name__)
def test_where_rows_could_meet_nobody_is_joined(make: Build) -> None:
    builder = build(make)
    engine = load(builder.contents, builder.weights)
    inputs = draw_inputs(builder, 2, random.Random(1))  # noqa: S311
    calls = [Call(number, "infer", *make_call(builder, *inputs)) for number in (1, 2)]
    _, steps = answer(engine, *calls)
    assert steps == [1, 1]


def _lookup() -> GraphBuilder:
    b = GraphBuilder()
    n = b.dim("batch", 1, 8, is_batch=True)
    index, table = b.input(I, n), b.constant(F, (4, 2), [float(number) for number in range(8)])
    b.output(b.add("take", table, index, axis=0))
    return b


def test_an_index_that_cannot_stray_has_no_guard() -> None:
    """Which it is can depend on the sizes of a call: a row of numbers as long as its table fits, whatever the length."""
    b = GraphBuilder()
    n, m = b.dim("n", 1, 9), b.dim("m", 1, 9)
    table, other = b.input(F, n, 2), b.input(F, m, 2)
    row = b.add("arange", start=0.0, step=1.0, size=n, dtype=I)
    b.output(b.add("take", table, row, axis=0), b.add("take", other, row, axis=0))
    function = Function(b.graph, {}, Budget(1 << 30, 1 << 40))
    assert len(function.find_plan_of([(4, 2), (4, 2)])._sentences) == 0
    assert len(function.find_plan_of([(4, 2), (3, 2)])._sentences) == 1


def test_one_bad_call_among_several_fails_alone() -> None:
    builder = _lookup()
    calls = [
        Call(number, "infer", *make_call(builder, ((2,), places)))
        for number, places in enumerate(([0, 1], [2, 400_000_000], [3, -1]), 1)
    ]
    replies, _ = answer(load(builder.contents, builder.weights), *calls)
    assert read_floats(replies[1]) == (0, 1, 2, 3)
    assert read_floats(replies[3]) == (6, 7, 6, 7)
    assert replies[2].body == {
        "code": ErrorName.CALL_REFUSED.value,
        "sentence": "an index is outside of what it points into",
    }


def test_what_is_too_large_together_is_joined_less() -> None:
    builder = GraphBuilder()
    n = builder.dim("batch", 1, 64, is_batch=True)
    wide = builder.add("broadcast_to", builder.input(F, n, 1), shape=(n, 1 << 20))
    builder.output(builder.add("sum", builder.add("exp", wide), axes=(1,), keepdims=False))
    limits = EngineLimits(memory_bytes=300 << 20, threads=16, tokens=100, calls=64)
    engine = load(builder.contents, {}, limits)
    calls = [Call(number, "infer", *make_call(builder, ((1, 1), [0.0]))) for number in range(1, 65)]
    replies, steps = answer(engine, *calls)
    assert all(read_floats(replies[number]) == (1 << 20,) for number in range(1, 65))
    assert steps == [0, 0, 16, 16, 16, 16]
    replies, steps = answer(engine, *calls)
    assert 0 not in steps, "it remembers"


def test_a_cancelled_call_is_not_computed_and_leaves_the_others() -> None:
    builder = _lookup()
    engine = load(builder.contents, builder.weights)
    for number in (1, 2, 3):
        engine.submit(Call(number, "infer", *make_call(builder, ((1,), [number]))))
    engine.cancel(2)
    replies, steps = answer(engine)
    assert set(replies) == {1, 3}
    assert steps == [2]


def test_what_waits_has_a_bound() -> None:
    builder = GraphBuilder()
    builder.output(builder.add("sum", builder.input(F, 1 << 22), axes=(0,), keepdims=False))
    engine = load(builder.contents, builder.weights)
    body, tail = make_call(builder, ((1 << 22,), [0.0]))[0], bytes(1 << 24)
    for number in range(1, 5):
        engine.submit(Call(number, "infer", body, tail))
    with pytest.raises(Exception, match="as much memory as calls may have"):
        engine.submit(Call(5, "infer", body, tail))
    assert len(answer(engine)[0]) == 4


def test_every_type_goes_in_and_comes_out_unchanged() -> None:
    """Byte for byte, but for truth values: what is not 0 is 1."""
    chance = random.Random(7)  # noqa: S311
    for dtype in Dtype:
        if dtype is Dtype.COMPLEX64:
            continue
        for shape in ((), (3,), (2, 5), (0, 4)):
            builder = GraphBuilder()
            builder.output(
                builder.add("transpose", builder.input(dtype, *shape), axes=tuple(range(len(shape)))[::-1])
            )
            count = 1
            for size in shape:
                count *= size
            data = chance.randbytes(count * dtype.bytes)
            body = {"inputs": [{"name": "x0", "datatype": DATATYPES[dtype], "shape": list(shape)}]}
            replies, _ = answer(load(builder.contents, {}), Call(1, "infer", body, data))
            wanted = _transpose(data, shape, dtype.bytes)
            if dtype is Dtype.BOOL:
                wanted = bytes(byte != 0 for byte in wanted)
            assert bytes(replies[1].tail) == wanted, (dtype, shape)
            assert replies[1].body["outputs"][0]["shape"] == list(shape[::-1])


def _transpose(data: bytes, shape: tuple[int, ...], width: int) -> bytes:
    if len(shape) < 2:
        return data
    rows, columns = shape
    return b"".join(
        data[(row * columns + column) * width :][:width] for column in range(columns) for row in range(rows)
    )


def test_an_input_that_does_not_lie_on_its_own_width() -> None:
    """Behind three bytes of another: MLX takes it from any address."""
    builder = GraphBuilder()
    flags, x = builder.input(Dtype.BOOL, 3), builder.input(F, 2)
    builder.output(flags, x)
    body, tail = make_call(builder, ((3,), [1, 0, 1]), ((2,), [1.5, -2.5]))
    replies, _ = answer(load(builder.contents, {}), Call(1, "infer", body, tail))
    assert bytes(replies[1].tail) == tail


def _broken(name: str) -> tuple[Mapping[str, bytes], Mapping[str, bytes]]:
    builder, other = _lookup(), _lookup()
    other.name = "another"
    table = builder.data["c0"]
    match name:
        case "no graph":
            return {"contract.json": builder.contents["contract.json"]}, builder.weights
        case "no contract":
            return {"graph.json": builder.contents["graph.json"]}, builder.weights
        case "another contract":
            return {**builder.contents, "contract.json": other.contents["contract.json"]}, builder.weights
        case "a graph that is none":
            return {**builder.contents, "graph.json": b"{}"}, builder.weights
        case "no tensors":
            return builder.contents, {}
        case "a tensor of another shape":
            return builder.contents, {"graph.safetensors": write_safetensors({"c0": (F, (2, 4), table[2])})}
        case "a tensor of another type":
            return builder.contents, {"graph.safetensors": write_safetensors({"c0": (I, (4, 2), table[2])})}
        case "one tensor more":
            return builder.contents, {"graph.safetensors": write_safetensors({"c0": table, "c1": table})}
        case "a shape that wraps around":
            wide = write_safetensors({"c0": (F, (1 << 30, 1 << 30, 4), b"")})
            return builder.contents, {"graph.safetensors": wide}
        case "another file":
            return builder.contents, {"model.safetensors": builder.weights["graph.safetensors"]}
    return builder.contents, {"graph.safetensors": b"\xff" * 64}


@pytest.mark.parametrize(
    "name",
    ["no graph", "no contract", "another contract", "a graph that is none", "no tensors", "a tensor of another shape",
     "a tensor of another type", "one tensor more", "another file", "a shape that wraps around", "no safetensors"],
)  # fmt: skip
def test_what_is_not_a_function_is_not_loaded(name: str) -> None:
    with pytest.raises(ModelUnfit) as refused:
        load(*_broken(name))
    assert refused.value.name is ErrorName.LOAD_FAILED
    assert "\n" not in str(refused.value)


def test_too_few_threads_are_refused_before_anything_hangs() -> None:
    builder = _lookup()
    with pytest.raises(ModelUnfit, match="6 threads"):
        load(builder.contents, builder.weights, EngineLimits(1 << 29, 5, 100, 64))


def test_a_call_that_is_too_large_for_the_limits_is_refused() -> None:
    builder = GraphBuilder()
    n = builder.dim("n")
    wide = builder.add("broadcast_to", builder.add("exp", builder.input(F, n, 1)), shape=(n, 1 << 20))
    builder.output(builder.add("sum", builder.add("exp", wide), axes=(0, 1), keepdims=False))
    engine = load(builder.contents, {})
    replies, _ = answer(engine, *(Call(n, "infer", *make_call(builder, ((n, 1), [0.0] * n))) for n in (1, 200)))
    assert read_floats(replies[1])
    assert "bytes at once" in replies[200].body["sentence"]
    limited = load(builder.contents, {}, work=1 << 20)
    replies, _ = answer(limited, Call(1, "infer", *make_call(builder, ((1, 1), [0.0]))))
    assert "multiply-adds" in replies[1].body["sentence"]


def test_several_threads_use_one_function_in_one_process() -> None:
    b = GraphBuilder()
    n = b.dim("n")
    b.output(b.add("exp", b.input(F, n, 4)))
    function = Function(b.graph, {}, Budget(1 << 28, 1 << 40))
    found: list[bool] = []

    def ask(start: int) -> None:
        for size in range(30):
            shape = (1 + (start + size) % 12, 4)
            (result,) = function.call([mx.zeros(shape)])
            found.append(mx.array_equal(result, mx.ones(shape)).item())

    threads = [threading.Thread(target=ask, args=(start,)) for start in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert found == [True] * 180


@LINUX_ONLY
def test_many_threads_ask_one_function_behind_the_wall() -> None:
    builder, events = _lookup(), Events()
    sums: list[float] = []
    refused: list[str] = []
    with open_cell(events, "function", sealed=make_sealed(builder.contents, builder.weights)) as cell:
        assert cell.facts["joins_calls"] is True

        def ask(place: int) -> None:
            try:
                reply = last_reply(cell.call("infer", *make_call(builder, ((1,), [place]))))
                sums.append(sum(struct.unpack("<2f", reply.tail)))
            except CallRefused as error:
                refused.append(error.message)

        threads = [threading.Thread(target=ask, args=(place % 6,)) for place in range(24)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE)
    assert sorted(sums) == sorted([1.0, 5.0, 9.0, 13.0] * 4)
    assert len(refused) == 8
    assert events.causes == ["closed"]
