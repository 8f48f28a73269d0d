"""What happens once, before any wall and any model: imports, and what then opens files."""

from __future__ import annotations

from ostiary.cell.machine import read_machine
from ostiary.worker.engines.contract import Engine, EngineLimits, JsonObject, MakeEngine
from ostiary.worker.engines.function.settings import parse_settings


def prepare(values: JsonObject) -> MakeEngine:
    """Raises ImportError and ValueError."""
    settings = parse_settings(values)
    import mlx.core as mx  # noqa: PLC0415  late, so that settings are judged first

    mx.disable_compile()  # it would run a compiler and load what that wrote
    from ostiary.worker.engines.fast_cpu.arithmetic import (  # noqa: PLC0415
        Arithmetic,
        is_on_processor,
        take_arithmetic,
    )
    from ostiary.worker.engines.function.engine import FunctionEngine  # noqa: PLC0415

    speed = settings.speed
    is_fast = not speed.is_plain and speed.uses_library and is_on_processor()
    arithmetic = take_arithmetic(speed.blas) if is_fast else Arithmetic()
    cores = read_machine().cores

    def make(limits: EngineLimits) -> Engine:
        return FunctionEngine(settings, limits, arithmetic, cores)

    return make
