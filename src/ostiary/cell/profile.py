"""The wall as a value: which layers it has here, and what each leaves open. Pure.

What each layer does, and which attempts it stops alone: docs/cell.md and tests/escape. `probe.read_facts` says what
the system can do; `compile_linux` and `compile_darwin` turn a profile into what the kernel is given.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from ostiary.cell.limits import CellLimits
from ostiary.core.values import dataclass
from ostiary.errors import CELL_WALL_UNAVAILABLE, CellRefused


class Layer(StrEnum):
    """One part of the wall, in the order in which they are named, outermost first."""

    ENVIRONMENT = "environment"
    """No environment variables."""
    DESCRIPTORS = "descriptors"
    """No descriptor but the channel; standard input, output and error are the null device."""
    NAMESPACES = "namespaces"
    """A network without interfaces, an empty file system, and nobody else's IPC and host name."""
    RESOURCES = "resources"
    """Limits of the kernel's on memory, processor time, threads, descriptors and files."""
    LANDLOCK = "landlock"
    """No file, no TCP port, no signal to and no abstract socket of anybody outside."""
    USER = "user"
    """A user id of the cell's own, where the caller is root."""
    PRIVILEGES = "privileges"
    """No capability, and no program that could give one."""
    NO_NEW_CODE = "no-new-code"
    """No memory becomes executable."""
    NOT_DUMPABLE = "not-dumpable"
    """No core file, and nobody of the same user may read its memory."""
    SECCOMP = "seccomp"
    """Only the system calls that computing needs, with the arguments that it needs."""
    SEATBELT = "seatbelt"
    """macOS: the compute part of Metal and nothing else."""


@dataclass(frozen=True, slots=True)
class SystemFacts:
    """What this system can do for a wall. `probe.read_facts` makes one; tests make others."""

    system: str
    """`linux` or `darwin`; anything else has no wall."""
    machine: str
    """`x86_64`, `aarch64`, `arm64` ..."""
    kernel: str
    """The kernel's release, for people."""
    user_id: int
    group_id: int
    can_change_user: bool
    """Root, and its user namespace has ids to change to."""
    cell_users: tuple[int, int]
    """First and last of the ids that no account has and that a cell may take."""
    landlock_version: int
    """Its ABI; 0 where the kernel has none or it is switched off."""
    has_seccomp: bool
    """Filters that can end a process."""
    has_listener: bool
    """Filters that can ask the cell: then a denied call has a name in the record."""
    has_no_new_code: bool
    namespaces: frozenset[str]
    """Those that could be made here: `user`, `network`, `ipc`, `uts`, `mount`, `cgroup`."""
    has_seatbelt: bool = False
    can_grant_time: bool = True
    """Whether this user may raise the limit on processor time of a process that has another user's id."""


@dataclass(frozen=True, slots=True)
class WallProfile:
    """Everything that decides how one cell's wall is built."""

    facts: SystemFacts
    limits: CellLimits
    layers: frozenset[Layer]
    without: frozenset[Layer]
    """Layers that this system has and somebody chose to leave out."""

    @property
    def names(self) -> tuple[str, ...]:
        """The layers, outermost first, as the record has them."""
        return tuple(layer.value for layer in Layer if layer in self.layers)


_EVERYWHERE: Final = (Layer.ENVIRONMENT, Layer.DESCRIPTORS, Layer.RESOURCES)
_LINUX: Final = (Layer.LANDLOCK, Layer.PRIVILEGES, Layer.NOT_DUMPABLE, Layer.SECCOMP)
_DARWIN: Final = (Layer.NOT_DUMPABLE, Layer.SEATBELT)

# Without it the kernel takes these two from a privileged process only.
_NEEDS: Final[Mapping[Layer, Layer]] = MappingProxyType(
    {Layer.LANDLOCK: Layer.PRIVILEGES, Layer.SECCOMP: Layer.PRIVILEGES}
)

MACHINES: Final = ("x86_64", "aarch64")
"""Those whose system calls are written down here."""

_NAMESPACES_OF_ROOT: Final = frozenset({"network", "ipc", "uts", "mount"})


def required_layers(facts: SystemFacts) -> tuple[Layer, ...]:
    """The layers that a cell must have on this system, outermost first.

    USER is required of root, who alone can change its id. NAMESPACES and NO_NEW_CODE are required where the kernel
    lets this user have them: distributions switch the first off for ordinary users, and the second is young.
    """
    wanted = {*_EVERYWHERE}
    if facts.system == "darwin":
        wanted |= {*_DARWIN}
    else:
        wanted |= {*_LINUX}
        if facts.user_id == 0:
            wanted.add(Layer.USER)
        if _has_namespaces(facts):
            wanted.add(Layer.NAMESPACES)
        if facts.has_no_new_code:
            wanted.add(Layer.NO_NEW_CODE)
    return tuple(layer for layer in Layer if layer in wanted)


def explain_missing(facts: SystemFacts, layer: Layer) -> str:
    """Why this system cannot have a layer; "" where it can."""
    reason = ""
    if layer is Layer.LANDLOCK and facts.landlock_version < 1:
        reason = "the kernel has no Landlock (Linux 5.13 and later), or it is not in the list `lsm=`"
    elif layer is Layer.SECCOMP and facts.machine not in MACHINES:
        reason = f"the system calls of {facts.machine} are not written down here"
    elif layer is Layer.SECCOMP and not facts.has_seccomp:
        reason = "the kernel takes no seccomp filter that ends a process (Linux 4.14 and later)"
    elif layer is Layer.USER and not facts.can_change_user:
        reason = "this root may not change its user id, or its container has no other ids"
    elif layer is Layer.NAMESPACES and not _has_namespaces(facts):
        reason = "the kernel does not let this user have namespaces of its own"
    elif layer is Layer.NO_NEW_CODE and not facts.has_no_new_code:
        reason = "the kernel cannot forbid new executable memory (Linux 6.3 and later)"
    elif layer is Layer.SEATBELT and not facts.has_seatbelt:
        reason = "the system has no sandbox_init"
    return reason


def choose_profile(facts: SystemFacts, limits: CellLimits, without: Collection[Layer] = ()) -> WallProfile:
    """The strongest wall of this system. `without` is what `--unsafe-without-<layer>` names.

    Raises CellRefused(CELL_WALL_UNAVAILABLE) where a required layer is missing.
    """
    if facts.system not in {"linux", "darwin"}:
        raise _unavailable(f"there is no wall for {facts.system}")
    layers = set()
    for layer in required_layers(facts):
        if layer in without:
            continue
        needed = _NEEDS.get(layer)
        if needed in without:
            raise _unavailable(f"the layer {layer.value} cannot stand without {needed}: leave out both or none")
        reason = explain_missing(facts, layer)
        if reason:
            raise _unavailable(f"the layer {layer.value} is missing: {reason}")
        layers.add(layer)
    return WallProfile(facts, limits, frozenset(layers), frozenset(without) & frozenset(required_layers(facts)))


def _has_namespaces(facts: SystemFacts) -> bool:
    if facts.system != "linux":
        return False
    return facts.namespaces >= _NAMESPACES_OF_ROOT and (facts.user_id == 0 or "user" in facts.namespaces)


def _unavailable(detail: str) -> CellRefused:
    return CellRefused(CELL_WALL_UNAVAILABLE, detail)
