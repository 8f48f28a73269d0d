"""How many threads multiply: half of the cores for a prompt, one for an answer.

A chunk of a prompt is some long products, which cores share well. A token is a hundred short ones, each as fast as
memory is read. After each product threads wait for one another, so that where somebody else uses a core all of them
wait for that one: as measured that costs an answer up to tenfold and brings it nothing. Half of the cores leaves
room for others, and is all there is where a core counts as two. The numbers never change by themselves, so that
what is computed twice comes out the same.
"""

from __future__ import annotations

from typing import Final

import mlx.core as mx

from ostiary.worker.engines.fast_cpu.arithmetic import Arithmetic

_OTHERS: Final = 3
"""Threads that are not the library's: Python's and MLX's."""
_CORE_SHARE: Final = 2
_MEMORY_SHARE: Final = 8
"""One part in so many of the memory may go to what the library's threads reserve."""


def count_threads(cores: int, most_threads: int, memory_bytes: int, thread_bytes: int) -> int:
    """For prompts, where nobody said how many."""
    by_memory = cores if not thread_bytes else memory_bytes // _MEMORY_SHARE // thread_bytes
    return max(1, min(cores // _CORE_SHARE, most_threads - _OTHERS, by_memory))


class Threads:
    """Of one worker, behind its wall: threads begin when they are first wanted."""

    def __init__(self, arithmetic: Arithmetic, for_prompts: int, for_answers: int) -> None:
        self._library: Final = arithmetic.library
        self.for_prompts: Final = 1 if arithmetic.library is None else for_prompts
        self.for_answers: Final = 1 if arithmetic.library is None else for_answers
        self._count = 1

    def use(self, *, reads_prompts: bool) -> None:
        """Before work is begun. Waits for what is under way where the number changes."""
        count = self.for_prompts if reads_prompts else self.for_answers
        if self._library is not None and count != self._count:
            mx.synchronize()
            self._library.set_threads(count)
            self._count = count
