"""What is computed when: rounds for all, and what newcomers wait for in between.

A round is a pass for all answers and a chunk of prompt. It goes on in pieces of some milliseconds, and between two
of them the channel is looked at. Whoever comes anew beside a crowd is then read, and told its first token, at once:
the round is interrupted for it and goes on later, with the numbers that it would have had.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, TypeAlias

from ostiary.worker.engines.language.turns import CROWD_STEPS

if TYPE_CHECKING:
    from ostiary.worker.engines.fast_cpu.speed import Pace
    from ostiary.worker.engines.language.answer import Answer
    from ostiary.worker.engines.language.batch import Batch, OpenPass, Pass, Token
    from ostiary.worker.engines.language.schedule import Chunk, Schedule, Work

PIECE_SECONDS: Final = 0.006
"""How long a piece is: so long who comes anew waits for what is under way. MLX is asked for more as long as there
is time, and on a processor it takes no more than it is about to compute.
"""

Say: TypeAlias = "Callable[[Sequence[Token]], None]"


class Rounds:
    """Of one model."""

    def __init__(
        self, batch: Batch, schedule: Schedule, pace: Pace, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._batch: Final = batch
        self._schedule: Final = schedule
        self._pace: Final = pace
        self._clock: Final = clock
        self._open: OpenPass | None = None
        self._begun: Pass | None = None
        """Nobody has looked at its tokens: the next pass is opened before."""
        self._few: Pass | None = None
        """Likewise, of those beside a crowd. They have a pass of their own, lest they rest when the crowd does."""
        self._chunk: Chunk | None = None
        self._reads = False
        self._hurried_seconds = 0.0
        """Since the crowd went on last."""

    def step(self, say: Say) -> bool:
        """A piece of the round, or what goes before it. Whether nothing is half done then.

        `say`: takes tokens, before more is begun for their answers.
        """
        self._schedule.begin_step()
        started = self._clock()
        if self._schedule.is_hurried:
            self._hurry(say)
            self._hurried_seconds += self._clock() - started
        else:
            share = self._hurried_seconds / (CROWD_STEPS - 1)
            self._hurried_seconds = 0.0
            self._go_on(say, started + max(PIECE_SECONDS, share))
        return self._open is None and self._chunk is None

    def give_up(self) -> None:
        """Forgets all that is under way."""
        self._open = self._begun = self._few = self._chunk = None

    def forget_unwanted(self) -> None:
        """What is under way for calls that are not there any more is left as it is, and holds no caches."""
        if self._open is not None and not self._holds_any(self._open.answers):
            self._open = None
        if self._chunk is not None and not self._holds_any(self._chunk.works):
            self._chunk = None
        if self._begun is not None and not self._holds_any(self._begun.answers):
            self._begun = None
        if self._few is not None and not self._holds_any(self._few.answers):
            self._few = None

    def _holds_any(self, parts: Sequence[Answer | Work]) -> bool:
        return any(self._schedule.holds(part.call_id) for part in parts)

    # --- for all ---

    def _go_on(self, say: Say, until: float) -> None:
        if self._open is None and self._chunk is None:
            self._begin_round(say)
        self._pace.use_threads(reads_prompts=self._reads)
        if self._open is not None:
            self._open.stages.compute(lambda: self._clock() < until)
            if self._open.stages.are_done:
                self._complete_pass(self._open, say)
        elif self._chunk is not None:
            self._chunk.stages.compute(lambda: self._clock() < until)
            if self._chunk.stages.are_done:
                self._schedule.close_chunk(self._chunk)
                self._chunk = None

    def _begin_round(self, say: Say) -> None:
        self._tell_few(say)  # where the pass that they were begun beside was given up
        self._reads = self._schedule.is_reading
        if _share(self._begun, self._schedule.few):
            self._tell_begun(say)
        few = self._schedule.few
        if few:
            self._few = self._batch.begin(few)
        answers = self._schedule.many
        if answers:
            self._open = self._batch.open(answers, self._begun)
        else:
            self._chunk = self._schedule.open_chunk()
            self._tell_few(say)
            self._tell_begun(say)

    def _complete_pass(self, opened: OpenPass, say: Say) -> None:
        completed = self._batch.complete(opened, self._begun)
        self._open = None
        self._chunk = self._schedule.open_chunk()
        if self._chunk is not None:
            self._chunk.stages.compute(lambda: False)
        self._tell_few(say)
        self._tell_begun(say)
        self._begun = completed

    def _tell_begun(self, say: Say) -> None:
        before, self._begun = self._begun, None
        if before is not None:
            say(self._batch.finish(before))

    def _tell_few(self, say: Say) -> None:
        before, self._few = self._few, None
        if before is not None:
            say(self._batch.finish(before))

    # --- for those who do not rest beside a crowd ---

    def _hurry(self, say: Say) -> None:
        """A chunk and a token, nothing of it in pieces, and the token is told at once."""
        self._tell_few(say)
        self._pace.use_threads(reads_prompts=self._schedule.is_reading)
        if self._chunk is not None and self._schedule.goes_on(self._chunk):
            self._close(self._chunk)
            self._chunk = None
        chunk = self._schedule.open_chunk()
        if chunk is not None:
            self._close(chunk)
        if _share(self._begun, self._schedule.answers):
            self._tell_begun(say)
        taken = set() if self._open is None else {id(answer) for answer in self._open.answers}
        answers = [answer for answer in self._schedule.answers if id(answer) not in taken]
        if answers:
            self._pace.use_threads(reads_prompts=self._schedule.is_reading)
            say(self._batch.finish(self._batch.begin(answers)))

    def _close(self, chunk: Chunk) -> None:
        chunk.stages.compute(lambda: True)
        self._schedule.close_chunk(chunk)


def _share(begun: Pass | None, answers: Sequence[object]) -> bool:
    """Whether one of these has a token in it."""
    if begun is None or not answers:
        return False
    inside = {id(answer) for answer in begun.answers}
    return any(id(answer) in inside for answer in answers)
