"""Messages of the Open Inference Protocol: what is written is read again, and any bytes are a request or a refusal."""

from __future__ import annotations

from contextlib import suppress

from function_models import CONTRACT, ECHO
from hypothesis import given
from hypothesis import strategies as st

from ostiary.core.tensors import Tensor
from ostiary.errors import ContractRefused, GatewayRefused
from ostiary.gateway.oip.messages import parse_infer_message, read_infer_message, write_infer_message
from ostiary.gateway.oip.read_infer import InferRequest, WantedTensor
from ostiary.gateway.oip.wire import (
    Wire,
    read_fields,
    read_numbers,
    read_text,
    sign,
    write_bytes,
    write_packed,
    write_text,
    write_varint,
)

FIELDS = st.lists(
    st.one_of(
        st.tuples(st.integers(1, (1 << 29) - 1), st.integers(0, (1 << 64) - 1)),
        st.tuples(st.integers(1, (1 << 29) - 1), st.binary(max_size=300)),
    ),
    max_size=8,
)


@given(FIELDS)
def test_fields_are_read_as_they_were_written(fields: list[tuple[int, int | bytes]]) -> None:
    data = b"".join(
        write_varint(number, value) if isinstance(value, int) else b"".join(write_bytes(number, value))
        for number, value in fields
    )
    found = [
        (field.number, field.value if field.wire is Wire.VARINT else bytes(field.data))
        for field in read_fields(memoryview(data))
    ]
    assert found == fields


@given(st.lists(st.integers(-(1 << 63), (1 << 63) - 1), min_size=1, max_size=50), st.text(min_size=1, max_size=50))
def test_numbers_and_texts(values: list[int], text: str) -> None:
    try:
        told = write_text(2, text)
    except UnicodeEncodeError:  # half of a surrogate pair is no text
        return
    numbers, said = read_fields(memoryview(write_packed(1, values) + told))
    assert [sign(value) for value in read_numbers(numbers, "x", 50)] == values
    assert read_text(said, "x") == text


@given(st.binary(max_size=400))
def test_any_bytes_are_a_request_or_a_refusal(data: bytes) -> None:
    for prefix in (b"", b"\x2a" + bytes([min(len(data), 127)])):
        with suppress(ContractRefused, GatewayRefused):
            request = read_infer_message(parse_infer_message(prefix + data), CONTRACT)
            assert all(item.name == "y" for item in request.wanted)


@given(st.binary(min_size=4, max_size=40).filter(lambda data: len(data) % 4 == 0))
def test_an_answer_has_its_tensors_whole(data: bytes) -> None:
    tensor = Tensor("FP32", (len(data) // 4, 1), memoryview(data))
    request = InferRequest("id", {}, (WantedTensor("out_FP32", is_binary=True),))
    told = write_infer_message("echo", "1", request, {ECHO.outputs[0].name: tensor, "out_FP32": tensor})
    assert [bytes(field.data) for field in read_fields(memoryview(told)) if field.number == 6] == [data]
