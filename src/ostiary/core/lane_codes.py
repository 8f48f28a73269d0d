"""How datatypes write numbers, and codes to compare them by: unsigned integers in the same order. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, NamedTuple


class Lane(NamedTuple):
    """How a datatype writes one number."""

    bits: int
    kind: Literal["unsigned", "signed", "float"]
    mantissa_bits: int = 0

    @property
    def bytes(self) -> int:
        return self.bits // 8


LANES: Final[Mapping[str, Lane]] = {
    "BOOL": Lane(8, "unsigned"),
    "UINT8": Lane(8, "unsigned"),
    "UINT16": Lane(16, "unsigned"),
    "UINT32": Lane(32, "unsigned"),
    "UINT64": Lane(64, "unsigned"),
    "INT8": Lane(8, "signed"),
    "INT16": Lane(16, "signed"),
    "INT32": Lane(32, "signed"),
    "INT64": Lane(64, "signed"),
    "FP16": Lane(16, "float", 10),
    "BF16": Lane(16, "float", 7),
    "FP32": Lane(32, "float", 23),
}
"""By the names of the Open Inference Protocol."""


def finite_codes(lane: Lane) -> tuple[int, int]:
    """The least and the greatest finite number."""
    outside = (1 << lane.mantissa_bits) if lane.kind == "float" else 0
    return outside, (1 << lane.bits) - 1 - outside


def turn(lane: Lane, word: int, *, is_code: bool) -> int:
    """Bits to code, or code to bits."""
    sign = 1 << (lane.bits - 1)
    if lane.kind == "unsigned":
        return word
    if lane.kind == "signed":
        return word ^ sign
    is_negative = (word & sign == 0) if is_code else (word & sign != 0)
    return word ^ ((sign << 1) - 1 if is_negative else sign)
