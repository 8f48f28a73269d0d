from __future__ import annotations

import pytest
from attack_cases.weight_files import corpus_files, npy_bytes

from ostiary.core.limits import MAX_NPY_HEADER_BYTES
from ostiary.errors import IntakeRefused
from ostiary.intake.rules import tensors as tensor_rules
from ostiary.intake.rules import weights as rules
from ostiary.intake.weights.read_npy import NpyHeader, parse_npy

CORPUS = corpus_files("npy")
OK = npy_bytes()
# Digit for digit what the two writers make.
NUMPY = "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }" + " " * 20 + "\n"
MLX = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, )}   \n"

REFUSED = {
    rules.NPY_MAGIC: [
        b"",
        b"\x93NUMPX" + OK[6:],
        npy_bytes(version=(0, 0)),
        npy_bytes(version=(3, 0)),
        npy_bytes(version=(1, 1)),
    ],
    rules.NPY_TRUNCATED: [
        OK[:8],
        OK[:11],
        npy_bytes(b"", header_bytes=60_000),
        npy_bytes(b"", version=(2, 0), header_bytes=2**32 - 1),
    ],
    rules.NPY_HEADER_TOO_LARGE: [npy_bytes(text=" " * (MAX_NPY_HEADER_BYTES + 1))],
    rules.NPY_HEADER: [
        npy_bytes(text=text)
        for text in (
            "",
            "{}",
            NUMPY.rstrip("\n"),
            NUMPY + "\n",
            " " + NUMPY,
            NUMPY.replace("'", '"'),
            NUMPY.replace("False", "0"),
            NUMPY.replace("'<f4'", "'f4'"),
            NUMPY.replace("'<f4'", "'=f4'"),
            NUMPY.replace("'<f4'", "[('a', '<f4')]"),
            NUMPY.replace("(2,)", "2"),
            NUMPY.replace("(2,)", "(2)"),
            NUMPY.replace("(2,)", "(-2,)"),
            NUMPY.replace("(2,)", "(+2,)"),
            NUMPY.replace("(2,)", "(02,)"),
            NUMPY.replace("(2,)", "(2,,)"),
            NUMPY.replace("(2,)", "(2L,)"),
            NUMPY.replace("(2,)", "(1e5,)"),
            NUMPY.replace("(2,)", "(0x2,)"),
            NUMPY.replace("(2,)", "(\u00b2,)"),
            "{'shape': (2,), 'fortran_order': False, 'descr': '<f4', }\n",
            "{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (2,), }\n",
        )
    ],
    rules.NPY_EXPRESSION: [
        npy_bytes(shape="(__import__('os').getpid(),)"),
        npy_bytes(shape="(lambda: 2,)"),
        npy_bytes(fortran="print('x')"),
    ],
    rules.NPY_PICKLE: [
        npy_bytes(descr="'|O'"),
        npy_bytes(descr="'O'"),
        npy_bytes(descr="'|O8'"),
        npy_bytes(descr="[('a', '<f4'), ('b', '|O')]"),
    ],
    rules.NPY_DTYPE: [
        npy_bytes(descr=f"'{d}'") for d in ("<f9", "<f16", "|S8", "<U2", "<M8", "<c16", "|V4", "<f", "|b2")
    ],
    rules.NPY_SIZE: [
        npy_bytes(bytes(7)),
        npy_bytes(bytes(9)),
        npy_bytes(b"", "()"),
        npy_bytes(bytes(8), "(2000000000,)"),
    ],
    tensor_rules.TENSOR_SHAPE: [npy_bytes(shape="(4294967297,)"), npy_bytes(shape=f"({'9' * 400},)")],
    tensor_rules.TENSOR_SIZE_OVERFLOW: [
        npy_bytes(b"", f"({'2147483647, ' * 3}4)"),
        npy_bytes(b"", f"({'2147483647, ' * 3}0)"),
    ],
    tensor_rules.TOO_MANY_DIMENSIONS: [npy_bytes(shape=f"({'1, ' * 9})")],
}


@pytest.mark.parametrize(
    ("rule", "data"),
    [(rule, data) for rule, files in REFUSED.items() for data in files],
    ids=lambda v: getattr(v, "id", ""),
)
def test_refuses_by_the_rule_that_fits(rule: rules.Rule, data: bytes) -> None:
    with pytest.raises(IntakeRefused) as caught:
        parse_npy(data, len(data))
    assert caught.value.findings[0].rule.id == rule.id
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", CORPUS)
def test_corpus(name: str) -> None:
    expected, data = CORPUS[name]
    if expected == "reject":
        with pytest.raises(IntakeRefused):
            parse_npy(data, len(data))
    else:
        assert parse_npy(data, len(data)).dtype == "F32"


def test_every_npy_rule_is_struck() -> None:
    assert {rule.id for rule in rules.RULES if rule.id.startswith("npy.")} <= {rule.id for rule in REFUSED}


@pytest.mark.parametrize("text", [NUMPY, MLX])
def test_reads_both_writers(text: str) -> None:
    data = npy_bytes(text=text)
    assert parse_npy(data, len(data)) == NpyHeader(1, "F32", False, False, (2,), len(data) - 8, 8)


@pytest.mark.parametrize(
    ("shape", "expected"), [("()", ()), ("(0,)", (0,)), ("(2, 0, 3)", (2, 0, 3)), ("(1, 1, 1, )", (1, 1, 1))]
)
def test_reads_shapes(shape: str, expected: tuple[int, ...]) -> None:
    data = npy_bytes(bytes(4) if 0 not in expected else b"", shape)
    assert parse_npy(data, len(data)).shape == expected


@pytest.mark.parametrize(
    ("descr", "dtype"),
    [("|b1", "BOOL"), ("|u1", "U8"), ("<V2", "BF16"), ("<i8", "I64"), (">c8", "C64"), ("<f8", "F64")],
)
def test_reads_types(descr: str, dtype: str) -> None:
    data = npy_bytes(bytes(int(descr[-1])), "(1,)", f"'{descr}'", version=(2, 0))
    header = parse_npy(data, len(data))
    assert (header.version, header.dtype, header.is_big_endian) == (2, dtype, descr[0] == ">")


def test_needs_the_header_alone() -> None:
    data = npy_bytes(bytes(80_000), "(20000,)", fortran="True")
    header = parse_npy(data[:200], len(data))
    assert (header.data_bytes, header.is_fortran_order) == (80_000, True)


def test_a_prefix_that_is_too_short_is_refused() -> None:
    with pytest.raises(IntakeRefused):
        parse_npy(OK[:40], len(OK))
