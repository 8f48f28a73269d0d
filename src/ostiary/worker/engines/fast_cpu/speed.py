"""All of it for an engine: once in the fork server, then once for a model, then before each step."""

from __future__ import annotations

from typing import Any, Final

import mlx.core as mx

from ostiary._hazmat.heap import keep_freed_memory
from ostiary.cell.machine import read_machine
from ostiary.core.frames import JsonObject
from ostiary.worker.engines.contract import EngineLimits
from ostiary.worker.engines.fast_cpu.activations import use_fast_activations
from ostiary.worker.engines.fast_cpu.arithmetic import Arithmetic, is_on_processor, take_arithmetic
from ostiary.worker.engines.fast_cpu.settings import SpeedSettings
from ostiary.worker.engines.fast_cpu.threads import Threads, count_threads
from ostiary.worker.engines.fast_cpu.widen import Widening, count_bytes, widen_network

_BASE_BYTES: Final = 256 << 20
"""Interpreter, libraries and tokenizer."""
_WIDEN_SHARE: Final = 2
"""Of the memory that is free beside the stored weights, one part in so many may go to wider ones."""


class Speed:
    """What was found on this machine, before any model and any wall."""

    def __init__(self, settings: SpeedSettings) -> None:
        """Opens a library: one thread only."""
        self._settings: Final = settings
        self._is_fast: Final = not settings.is_plain and is_on_processor()
        takes = self._is_fast and settings.uses_library
        self._arithmetic: Final = take_arithmetic(settings.blas) if takes else Arithmetic()
        self._cores: Final = read_machine().cores if self._is_fast else 1
        if self._is_fast:
            use_fast_activations()

    def speed_up(self, model: Any, limits: EngineLimits) -> Pace:
        """Changes the network in place. Behind the wall."""
        own, library = self._settings, self._arithmetic
        for_prompts = own.prompt_threads or count_threads(
            self._cores, limits.threads, limits.memory_bytes, library.thread_bytes
        )
        threads = Threads(library, for_prompts, own.answer_threads or 1)
        reserved = library.thread_bytes * max(threads.for_prompts, threads.for_answers)
        if not self._is_fast:
            return Pace(threads, 0, library, None)
        free = max(0, limits.memory_bytes - count_bytes(model) - _BASE_BYTES - reserved)
        budget = free // _WIDEN_SHARE if own.widen_bytes is None else min(own.widen_bytes, free)
        widening = widen_network(model, budget, library)
        if widening.stored_layers:
            keep_freed_memory()
        mx.clear_cache()
        return Pace(threads, reserved, library, widening)


class Pace:
    """One model's."""

    def __init__(
        self, threads: Threads, reserved_bytes: int, arithmetic: Arithmetic, widening: Widening | None
    ) -> None:
        self.reserved_bytes: Final = reserved_bytes
        """What the library takes beside the weights."""
        self._threads: Final = threads
        self._arithmetic: Final = arithmetic
        self._widening: Final = widening

    def use_threads(self, *, reads_prompts: bool) -> None:
        """Before a step's work is begun."""
        self._threads.use(reads_prompts=reads_prompts)

    def describe(self) -> JsonObject:
        """For people who wonder what happened to their model."""
        widening = self._widening
        told: dict[str, Any] = {
            "library": self._arithmetic.name,
            "numbers": "as stored" if widening is None else "float32",
            "prompt_threads": self._threads.for_prompts,
            "answer_threads": self._threads.for_answers,
        }
        if widening is not None:
            told |= {
                "wide_layers": widening.wide_layers,
                "stored_layers": widening.stored_layers,
                "grown_bytes": widening.grown_bytes,
            }
        return told
