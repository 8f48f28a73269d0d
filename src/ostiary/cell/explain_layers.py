"""The layers in words for people: what each keeps away, and what its absence means. `doctor` and docs/cell.md."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from ostiary.cell.profile import Layer, SystemFacts, explain_missing, required_layers
from ostiary.core.values import dataclass

DOES: Final[Mapping[Layer, str]] = MappingProxyType(
    {
        Layer.ENVIRONMENT: "the model's process gets no environment variables",
        Layer.DESCRIPTORS: "it gets no open file or socket but its own channel to us",
        Layer.NAMESPACES: "a network without interfaces and an empty file system of its own",
        Layer.RESOURCES: "the kernel's limits on memory, processor time, threads, descriptors, files",
        Layer.LANDLOCK: "no file, no TCP port, no signal to anybody outside",
        Layer.USER: "a user id of its own instead of root",
        Layer.PRIVILEGES: "no capability, and no program that could give one",
        Layer.NO_NEW_CODE: "no memory of it becomes executable",
        Layer.NOT_DUMPABLE: "no core file, and no other process of the same user reads its memory",
        Layer.SECCOMP: "only the system calls that computing needs; others end it and are recorded",
        Layer.SEATBELT: "macOS: the compute part of Metal and nothing else",
    }
)

WITHOUT: Final[Mapping[Layer, str]] = MappingProxyType(
    {
        Layer.ENVIRONMENT: "keys and tokens in your environment could be read by the model's process",
        Layer.DESCRIPTORS: "files and connections that your program has open could be used by it",
        Layer.NAMESPACES: "only Landlock and seccomp stand between it and the real network and files",
        Layer.RESOURCES: "only the watchdog stops its growth, some hundredths of a second late",
        Layer.LANDLOCK: "only seccomp stands between it and your files",
        Layer.USER: "it is root: whatever another layer lets slip is done with all rights",
        Layer.PRIVILEGES: "it could gain rights by starting a program that has them",
        Layer.NO_NEW_CODE: "only seccomp keeps an attacker from bringing machine code of his own",
        Layer.NOT_DUMPABLE: "other processes of this user could read the model and its requests",
        Layer.SECCOMP: "the whole kernel is in its reach: many kinds of sockets, io_uring, other programs",
        Layer.SEATBELT: "files and network are open to it: there is no other layer of that kind on macOS",
    }
)


class LayerState(StrEnum):
    """Whether a layer stands here."""

    THERE = "there"
    MISSING = "missing"
    """This system should have it and has not: no cell starts unless somebody opts out by name."""
    SPARED = "spared"
    """This system cannot have it, or this user needs none: cells start without."""


@dataclass(frozen=True, slots=True)
class LayerReport:
    """One layer on this system."""

    layer: Layer
    state: LayerState
    reason: str
    """Why it does not stand; "" where it does."""
    is_not_needed: bool = False
    """Whether nothing is lost without it."""


def report_layers(facts: SystemFacts) -> tuple[LayerReport, ...]:
    """Every layer that this kind of system knows, outermost first."""
    known = [layer for layer in Layer if _is_known(facts, layer)]
    return tuple(_report(facts, layer) for layer in known)


def _report(facts: SystemFacts, layer: Layer) -> LayerReport:
    reason = explain_missing(facts, layer)
    if layer in required_layers(facts):
        return LayerReport(layer, LayerState.MISSING if reason else LayerState.THERE, reason)
    if layer is Layer.USER:
        return LayerReport(layer, LayerState.SPARED, "you are not root, and it runs as you", is_not_needed=True)
    return LayerReport(layer, LayerState.SPARED, reason)


def _is_known(facts: SystemFacts, layer: Layer) -> bool:
    return layer in required_layers(facts) or (facts.system == "linux" and layer is not Layer.SEATBELT)
