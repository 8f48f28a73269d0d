"""Which calls are worked on, in which order: prompts in chunks that take turns, answers all at once."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Sequence
from typing import Any, Final

import mlx.core as mx

from ostiary.core.values import dataclass
from ostiary.worker.engines.language.answer import Answer
from ostiary.worker.engines.language.caches import arrays_of, copy_caches, make_caches
from ostiary.worker.engines.language.library import begin_computing
from ostiary.worker.engines.language.prompt_cache import PromptCache
from ostiary.worker.engines.language.rows import forward_rows
from ostiary.worker.engines.language.stages import Stages, collect_stages
from ostiary.worker.engines.language.turns import Turns


@dataclass(slots=True)
class Work:
    """A call that generates."""

    call_id: int
    prompt: Sequence[int]
    tenant: str | None
    answers: list[Answer]
    seed: int
    reserved_bytes: int
    caches: list[Any]
    """Of the prompt, while it is computed."""
    done_tokens: int = 0
    """How much of the prompt was computed, its last token left out: that one begins the answer."""
    cached_tokens: int = 0
    """How much of that came from the prompt cache."""

    @property
    def has_begun(self) -> bool:
        """Whether its first token came."""
        return self.answers[0].count > 0

    @property
    def missing_tokens(self) -> int:
        return len(self.prompt) - 1 - self.done_tokens


@dataclass(frozen=True, slots=True)
class Chunk:
    """A chunk of some prompts, on its way."""

    works: Sequence[Work]
    caches: Sequence[list[Any]]
    """Of each."""
    stages: Stages
    kept: Sequence[int]
    """The places of those whose prompts are kept for later as far as they are computed behind this chunk."""


class Schedule:
    """For one network. Calls wait until there is room for all that they may come to need."""

    def __init__(
        self, model: Any, cache: PromptCache, chunk_tokens: int, most_rows: int, budget: int, *, together: bool
    ) -> None:
        self._model: Final = model
        self._cache: Final = cache
        self._chunk: Final = chunk_tokens
        self._most_rows: Final = most_rows
        self._budget: Final = budget
        self._together: Final = together
        self._turns: Final = Turns()
        self._waiting: Final[deque[Work]] = deque()
        self._reading: Final[deque[Work]] = deque()
        self._answering: Final[list[Work]] = []
        self._begun: list[mx.array] = []
        """What the chunk that was closed last fills."""

    @property
    def has_work(self) -> bool:
        return bool(self._waiting or self._reading or self._answering)

    @property
    def is_reading(self) -> bool:
        """Whether the next step computes a piece of a prompt."""
        return bool(self._turns.order(self._reading))

    @property
    def is_hurried(self) -> bool:
        """Whether a crowd rests in this step, so that others come to their first token."""
        return self._turns.is_hurried

    @property
    def answers(self) -> list[Answer]:
        """Those that want another token now, and whose turn it is."""
        return self._find_answers(self._turns.may_go_on)

    @property
    def few(self) -> list[Answer]:
        """Of these, those of tenants with little at work beside a crowd."""
        return self._find_answers(lambda work: self._turns.may_go_on(work) and self._turns.is_few(work))

    @property
    def many(self) -> list[Answer]:
        """The others; without a crowd all."""
        return self._find_answers(lambda work: self._turns.may_go_on(work) and not self._turns.is_few(work))

    def _find_answers(self, is_wanted: Callable[[Work], bool]) -> list[Answer]:
        return [
            answer for work in self._answering if is_wanted(work) for answer in work.answers if answer.wants_more
        ]

    def goes_on(self, chunk: Chunk) -> bool:
        """Whether somebody in it does not rest."""
        return any(self._turns.may_go_on(work) for work in chunk.works)

    def holds(self, call_id: int) -> bool:
        """Whether it is worked on."""
        return any(work.call_id == call_id for work in (*self._reading, *self._answering))

    def add(self, work: Work) -> None:
        self._waiting.append(work)

    def find(self, call_id: int) -> Work | None:
        return next((work for work in self._answering if work.call_id == call_id), None)

    def remove(self, call_id: int) -> None:
        """It ended, or is not wanted any more."""
        for queue in (self._waiting, self._reading, self._answering):
            for work in list(queue):
                if work.call_id == call_id:
                    queue.remove(work)

    def give_up(self) -> list[int]:
        """Forgets all that was begun; the calls that are lost with it."""
        lost = [work.call_id for work in (*self._reading, *self._answering)]
        self._reading.clear()
        self._answering.clear()
        self._begun = []
        return lost

    def admit(self, taken: int = 0) -> None:
        """Lets calls in, as far as there is room for all that they may come to need: those of the tenant with the
        fewest inside first, and of these the first.

        `taken`: what others hold of the memory.
        """
        while self._waiting:
            inside = [*self._reading, *self._answering]
            counts = Counter(work.tenant for work in inside)
            work = min(self._waiting, key=lambda waiting: counts[waiting.tenant])
            reserved = taken + sum(other.reserved_bytes for other in inside) + work.reserved_bytes
            rows = sum(len(other.answers) for other in inside) + len(work.answers)
            is_alone = not inside and not taken
            if not is_alone and (reserved > self._budget or rows > self._most_rows):
                return
            self._cache.shrink(max(0, self._budget - reserved))
            self._waiting.remove(work)
            self._reading.append(work)  # at once: what fails from here on fails it too
            self._start(work)

    def begin_step(self) -> None:
        """Whose turn it is in this one."""
        self._turns.begin_step([*self._reading, *self._answering])

    def _start(self, work: Work) -> None:
        found = self._cache.find(work.tenant, work.prompt[:-1])
        if found is None:
            work.caches = make_caches(self._model)
        else:
            work.caches, work.done_tokens = found
            work.cached_tokens = work.done_tokens
        self._place(work)

    def _place(self, work: Work) -> None:
        """To the end of the line, or on to its answers where its prompt is done."""
        self._reading.remove(work)
        if work.missing_tokens:
            self._reading.append(work)
            return
        for answer in work.answers[1:]:
            answer.caches = copy_caches(work.caches)
        work.answers[0].caches = work.caches
        work.caches = []
        self._answering.append(work)

    def open_chunk(self) -> Chunk | None:
        """A chunk of the prompts whose turn it is, nothing of it computed."""
        line = self._turns.order(self._reading)
        if not line:
            return None
        mx.eval(self._begun)
        mx.clear_cache()
        works = self._choose_turn(line)
        self._turns.note_read(works)
        sizes = [min(work.missing_tokens, self._chunk) for work in works]
        longest = max(sizes)
        tokens = [
            [*work.prompt[work.done_tokens : work.done_tokens + size], *([0] * (longest - size))]
            for work, size in zip(works, sizes, strict=True)
        ]
        caches, stages, kept = [work.caches for work in works], collect_stages(), list[int]()
        forward_rows(self._model, mx.array(tokens), caches, sizes, together=self._together, stages=stages)
        for place, (work, size) in enumerate(zip(works, sizes, strict=True)):
            work.done_tokens += size
            if size == self._chunk and work.missing_tokens < self._chunk:
                kept.append(place)
            self._place(work)
        return Chunk(works, caches, Stages(stages), kept)

    def close_chunk(self, chunk: Chunk) -> None:
        """Begins what is left of it.

        One chunk is waited for before the next is opened: who cancels waits no longer than that.
        """
        self._begun = arrays_of([cache for caches in chunk.caches for cache in caches])
        begin_computing(self._begun)
        for place in chunk.kept:
            work = chunk.works[place]
            self._cache.keep(work.tenant, work.prompt[: work.done_tokens], chunk.caches[place])

    def _choose_turn(self, line: Sequence[Work]) -> list[Work]:
        """The first in line, and such others as fit beside it without making the chunk larger."""
        first, *others = line
        works, longest = [first], min(first.missing_tokens, self._chunk)
        for work in others if self._together else ():
            widest = max(longest, min(work.missing_tokens, self._chunk))
            if widest * (len(works) + 1) <= self._chunk:
                works.append(work)
                longest = widest
        return works
