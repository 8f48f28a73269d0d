"""From a checked call to what holds its answers: a grammar, compiled, and which control tokens are shown."""

from __future__ import annotations

from typing import Final

from ostiary.core.answer_forms import ToolPlan, ToolUse
from ostiary.core.tool_styles import MARKERS, ToolStyle
from ostiary.core.values import dataclass
from ostiary.worker.engines.language.check_calls import ChatCall, GenerateCall
from ostiary.worker.engines.language.constraint import Constraint, Vocabulary
from ostiary.worker.engines.language.grammar import write_grammar
from ostiary.worker.engines.language.text_tokenizer import TextTokenizer


@dataclass(frozen=True, slots=True)
class Hold:
    """On all answers to one call."""

    shown: frozenset[int]
    """Special tokens that appear in the text: the marks of calls of tools."""
    first: Constraint | None

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
        self._vocabularies: Final[dict[frozenset[int], Vocabulary]] = {}

    def hold(self, call: GenerateCall | ChatCall) -> Hold:
        """Raises CallUnfit."""
        plan = call.plan if isinstance(call, ChatCall) else ToolPlan(ToolUse.NONE)
        has_tools = isinstance(call, ChatCall) and bool(call.tools)
        shown = self._marks if has_tools else frozenset[int]()
        schema = None if call.generation is None else call.generation.schema
        grammar = write_grammar(schema, plan, self.style)
        return Hold(shown, None if grammar is None else self._find_vocabulary(shown).compile(grammar))

    def _find_vocabulary(self, shown: frozenset[int]) -> Vocabulary:
        if shown not in self._vocabularies:
            unwritten = self._ends | (self._tokenizer.controls.silent_ids - shown)
            self._vocabularies[shown] = Vocabulary(self._tokenizer, self._rows, unwritten)
        return self._vocabularies[shown]
