"""From a checked call to what holds its answers: a grammar, shown control tokens, and thoughts."""

from __future__ import annotations

from typing import Final

from ostiary.core.answer_forms import ToolPlan, ToolUse
from ostiary.core.thought_styles import THOUGHT_MARKS, Thinking, ThoughtStyle, find_thought_style
from ostiary.core.tool_styles import MARKERS, ToolStyle
from ostiary.core.values import dataclass
from ostiary.worker.engines.language.check_calls import ChatCall, GenerateCall
from ostiary.worker.engines.language.constraint import Constraint, Vocabulary
from ostiary.worker.engines.language.grammar import lets_think, write_grammar
from ostiary.worker.engines.language.text_tokenizer import TextTokenizer


@dataclass(frozen=True, slots=True)
class Hold:
    """On all answers to one call."""

    shown: frozenset[int]
    """Special tokens that appear in the text: the marks of calls of tools, and of thoughts."""
    first: Constraint | None
    thinking: Thinking | None = None
    """Where the answers may have thoughts."""

    def constrain(self, choice: int) -> Constraint | None:
        """For the n-th answer."""
        return self.first.copy() if choice and self.first is not None else self.first


class Holder:
    """For one model. What the library needs to know of a vocabulary is made when it is first asked for."""

    def __init__(self, tokenizer: TextTokenizer, rows: int, ends: frozenset[int], style: ToolStyle) -> None:
        markers = MARKERS[style]
        words = (markers.begin, markers.end, *markers.others)
        controls = tokenizer.controls.by_content
        self.style: Final = style
        self._tokenizer: Final = tokenizer
        self._rows: Final = rows
        self._ends: Final = ends
        self._marks: Final = frozenset(controls[word].id for word in words if word in controls)
        self._thoughts: Final = find_thought_style(lambda word: tokenizer.token_id(word) is not None)
        marks = None if self._thoughts is None else THOUGHT_MARKS[self._thoughts]
        around = () if marks is None else (*marks.controls, *marks.others)
        self._thought_marks: Final = frozenset(controls[word].id for word in around if word in controls)
        self._vocabularies: Final[dict[frozenset[int], Vocabulary]] = {}

    @property
    def thoughts(self) -> ThoughtStyle | None:
        """In which manner the model writes thoughts, if in any."""
        return self._thoughts

    def hold(self, call: GenerateCall | ChatCall, *, is_within_thought: bool = False) -> Hold:
        """`is_within_thought`: where the prompt ends. Raises CallUnfit."""
        is_chat = isinstance(call, ChatCall)
        plan = call.plan if isinstance(call, ChatCall) else ToolPlan(ToolUse.NONE)
        shown = self._marks if isinstance(call, ChatCall) and call.tools else frozenset[int]()
        schema = None if call.generation is None else call.generation.schema
        grammar = write_grammar(schema, plan, self.style)
        thinking = None
        if is_chat and self._thoughts is not None and (grammar is None or lets_think(schema, plan, self.style)):
            thinking = Thinking(self._thoughts, is_within_thought)
            shown |= self._thought_marks
        return Hold(shown, None if grammar is None else self._find_vocabulary(shown).compile(grammar), thinking)

    def _find_vocabulary(self, shown: frozenset[int]) -> Vocabulary:
        if shown not in self._vocabularies:
            unwritten = self._ends | (self._tokenizer.controls.silent_ids - shown)
            self._vocabularies[shown] = Vocabulary(self._tokenizer, self._rows, unwritten)
        return self._vocabularies[shown]
