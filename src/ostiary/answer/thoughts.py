"""Thoughts told from text, piece by piece, by the marks that a model writes around them. Pure.

White space beside a mark means nothing and is not said. What ends without having begun is text; what begins and
does not end is a thought to the end.
"""

from __future__ import annotations

from typing import Final

from ostiary.answer.read_tagged_calls import count_begun
from ostiary.answer.said import Said, Thought
from ostiary.core.thought_styles import THOUGHT_MARKS, Thinking


class ThoughtSplitter:
    """Of one answer. Holds back what may be the beginning of a mark, and white space that may mean nothing."""

    def __init__(self, thinking: Thinking) -> None:
        self._marks: Final = THOUGHT_MARKS[thinking.style]
        self.is_inside = thinking.is_begun
        """Whether what comes is a thought."""
        self.has_thought = thinking.is_begun
        """Whether any began."""
        self._held = ""
        """The beginning of a mark, perhaps."""
        self._space: Final[list[str]] = []
        """White space that is said only if something follows."""
        self._has_said = False
        """Anything since the last mark."""

    def feed(self, text: str) -> list[Said]:
        """What is certain now."""
        said: list[Said] = []
        seen, start = self._held + text, 0
        while (place := seen.find(self._mark, start)) >= 0:
            self._say(seen[start:place], said)
            start = place + len(self._mark)
            self._turn()
        rest = seen[start:]
        keep = count_begun(rest, self._mark)
        self._held = rest[len(rest) - keep :]
        self._say(rest[: len(rest) - keep], said)
        return said

    def feed_first(self, text: str, said: list[Said]) -> str | None:
        """As `feed`, as far as text that is no thought: from there on, it is what this returns. None: not yet."""
        while True:
            if self.is_inside:
                place = (self._held + text).find(self._mark)
                end = len(text) if place < 0 else place + len(self._mark) - len(self._held)
                said += self.feed(text[:end])
                text = text[end:]
                if place < 0:
                    return None
            seen, self._held = self._held + text, ""
            bare = seen.lstrip()
            if len(bare) < len(seen):
                self._space.append(seen[: len(seen) - len(bare)])
            if not bare.startswith(self._mark):
                break
            text = bare[len(self._mark) :]
            self._turn()
        if self._mark.startswith(bare):
            self._held = bare
            return None
        space = "" if self.has_thought else "".join(self._space)
        self._space.clear()
        return space + bare

    def pause(self) -> list[Said]:
        """Something else follows: what was held back is no mark."""
        said: list[Said] = []
        held, self._held = self._held, ""
        self._say(held, said)
        return said

    def end_thought(self) -> None:
        """Who calls a tool has thought enough."""
        if self.is_inside:
            self._turn()

    def finish(self) -> list[Said]:
        """What was held back, now that no more text comes."""
        said = self.pause()
        if self._space and not self.has_thought:
            said.append("".join(self._space))
        self._space.clear()
        return said

    @property
    def _mark(self) -> str:
        """The next one."""
        return self._marks.end if self.is_inside else self._marks.begin

    def _turn(self) -> None:
        self.is_inside = not self.is_inside
        self.has_thought = True
        self._has_said = False
        self._space.clear()

    def _say(self, text: str, said: list[Said]) -> None:
        bare = text if self._has_said else text.lstrip()
        if self.is_inside:
            self._say_thought(bare, said)
        elif self._has_said:
            said += [bare] if bare else []
        elif bare:
            said.append(bare if self.has_thought else f"{''.join(self._space)}{text}")
            self._space.clear()
            self._has_said = True
        elif text:
            self._space.append(text)

    def _say_thought(self, text: str, said: list[Said]) -> None:
        bare = text.rstrip()
        if bare:
            said.append(Thought(f"{''.join(self._space)}{bare}"))
            self._space.clear()
            self._has_said = True
        if text != bare:
            self._space.append(text[len(bare) :])
