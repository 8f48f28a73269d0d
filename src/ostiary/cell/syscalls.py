"""The system calls of each machine by name and number. Pure.

Names are what the allow-list is written in, and what the record calls a denied call by.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Final

from ostiary.cell import syscalls_aarch64, syscalls_x86_64
from ostiary.core.values import dataclass


@dataclass(frozen=True, slots=True)
class Machine:
    """What a filter has to know of a processor."""

    name: str
    audit: int
    """AUDIT_ARCH_*: what the kernel calls it when it asks a filter."""
    numbers: Mapping[str, int]
    """System call to number."""

    @property
    def has_x32(self) -> bool:
        """Whether a second kind of calls, with numbers of its own, comes under the same mark."""
        return self.name == "x86_64"

    def find_name(self, number: int) -> str:
        """The name of a call, or its number where it has none here."""
        return _names(self.name).get(number, str(number))


_TABLES: Final = {"x86_64": syscalls_x86_64.RANGES, "aarch64": syscalls_aarch64.RANGES}
_AUDIT: Final = {"x86_64": 0xC000_003E, "aarch64": 0xC000_00B7}
_AUDIT_NAMES: Final = {0xC000_003E: "x86_64", 0xC000_00B7: "aarch64", 0x4000_0003: "i386", 0x4000_0028: "arm"}


@cache
def find_machine(name: str) -> Machine:
    """`name` as uname(2) has it. Raises KeyError for one that is not written down here."""
    numbers = {call: number for number, call in _names(name).items()}
    return Machine(name, _AUDIT[name], MappingProxyType(numbers))


def describe_call(audit: int, number: int) -> tuple[str, str]:
    """The machine and the name of a call, for the record; numbers where they have no name here."""
    machine = _AUDIT_NAMES.get(audit, f"{audit:#x}")
    return machine, find_machine(machine).find_name(number) if machine in _TABLES else str(number)


@cache
def _names(machine: str) -> Mapping[int, str]:
    return MappingProxyType(
        {start + place: call for start, calls in _TABLES[machine] for place, call in enumerate(calls.split())}
    )
