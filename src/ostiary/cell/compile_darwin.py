"""From a profile to what macOS is told. Pure: a golden file holds the result on any system.

Never run on macOS. The two doors to Metal, and that nothing else is needed to compute, are from public reports of
people who took a denied profile apart rule by rule; docs/adr/0031-the-wall.md names them.
"""

from __future__ import annotations

from typing import Final

from ostiary._hazmat.wall_darwin import DarwinWall
from ostiary.cell.limits import CellLimits
from ostiary.cell.profile import Layer, WallProfile

# sys/resource.h of macOS
_CPU, _FSIZE, _STACK, _CORE, _MEMLOCK, _NPROC, _NOFILE = 0, 1, 3, 4, 6, 7, 8
_STACK_BYTES: Final = 8 << 20
_NO_LIMIT: Final = (1 << 63) - 1

_OPENING: Final = """\
(version 1)
(deny default)
"""

_METAL: Final = """\
; Metal: the device, and the service that compiles kernels for it. Without either MLX aborts.
(allow iokit-open (iokit-user-client-class "AGXDeviceUserClient"))
(allow mach-lookup (global-name "com.apple.MTLCompilerService"))
; MLX's own kernels, read when the first of them is wanted.
(allow file-read-data file-read-metadata (literal (param "METAL_KERNELS")))
"""

_ITSELF: Final = """\
; What a process may know of itself and of the processor.
(allow process-info-pidinfo process-info-setcontrol (target self))
(allow signal (target self))
(allow sysctl-read
  (sysctl-name "hw.activecpu")
  (sysctl-name "hw.logicalcpu")
  (sysctl-name "hw.memsize")
  (sysctl-name "hw.ncpu")
  (sysctl-name "hw.pagesize")
  (sysctl-name "hw.physicalcpu"))
"""


def compile_darwin(profile: WallProfile, *, metal_kernels: str) -> DarwinWall:
    """`metal_kernels`: where MLX has its compiled kernels, `mlx.metallib`."""
    layers = profile.layers
    has_sandbox = Layer.SEATBELT in layers
    return DarwinWall(
        clears_environment=Layer.ENVIRONMENT in layers,
        closes_descriptors=Layer.DESCRIPTORS in layers,
        resources=_compile_resources(profile.limits) if Layer.RESOURCES in layers else (),
        is_not_dumpable=Layer.NOT_DUMPABLE in layers,
        seatbelt="\n".join((_OPENING, _METAL, _ITSELF)) if has_sandbox else None,
        parameters=(("METAL_KERNELS", metal_kernels),) if has_sandbox else (),
    )


def _compile_resources(limits: CellLimits) -> tuple[tuple[int, int, int], ...]:
    """Soft and hard limit of each. Memory is not among them: the system takes such a limit and does not keep it,
    so that the cell's watchdog alone meters it.
    """
    return (
        (_CPU, limits.cpu_seconds, _NO_LIMIT),
        (_FSIZE, 0, 0),
        (_STACK, _STACK_BYTES, _STACK_BYTES),
        (_CORE, 0, 0),
        (_MEMLOCK, 0, 0),
        (_NPROC, 0, 0),  # processes; threads do not count here
        (_NOFILE, limits.descriptors, limits.descriptors),
    )
