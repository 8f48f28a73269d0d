"""From a checked call to the token ids of its prompt."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ostiary.core.json_text import JsonValue, parse_json
from ostiary.core.text import quote_untrusted
from ostiary.core.thought_styles import ThoughtMarks
from ostiary.core.values import dataclass
from ostiary.errors import IntakeRefused
from ostiary.worker.engines.contract import CallUnfit
from ostiary.worker.engines.language.chat_template import Chat, ChatTemplates
from ostiary.worker.engines.language.check_calls import (
    ChatCall,
    EmbedCall,
    GenerateCall,
    TokenizeCall,
    refuse_reserved,
)
from ostiary.worker.engines.language.control_tokens import holds_mark
from ostiary.worker.engines.language.shield import Shield
from ostiary.worker.engines.language.text_tokenizer import TextTokenizer

_REASONING: Final = "reasoning_content"


@dataclass(frozen=True, slots=True)
class Written:
    """A prompt as the tokenizer takes it."""

    text: str
    tokens: tuple[int, ...] | None = None
    """Where it came as tokens."""
    is_framed: bool = False
    """Whether the tokenizer puts its own tokens around it."""
    rendered: str = ""
    """Of a chat, what its template wrote."""
    continued: str | None = None
    """The final message, where it is gone on with."""


class PromptMaker:
    """For one model."""

    def __init__(self, tokenizer: TextTokenizer, templates: ChatTemplates) -> None:
        self._tokenizer: Final = tokenizer
        self._templates: Final = templates
        self._shield: Final = Shield(tokenizer.controls, tuple(templates.literals))

    def make(self, call: GenerateCall | ChatCall | EmbedCall | TokenizeCall) -> list[int]:
        """Raises CallUnfit."""
        return self.read(self.write(call))

    def write(self, call: GenerateCall | ChatCall | EmbedCall | TokenizeCall) -> Written:
        """What has to be read for this call. Raises CallUnfit."""
        if isinstance(call, ChatCall):
            rendered = self._render(call)
            final = call.messages[-1].get("content") if call.continue_final_message else None
            continued = final if isinstance(final, str) else None
            return Written(self._shield.read(rendered), rendered=rendered, continued=continued)
        text = call.prompt if isinstance(call, GenerateCall) else call.text
        if not isinstance(text, str):
            return Written("", tokens=text)
        if call.parse_special:
            text = self._tokenizer.controls.write_marks(text)
        return Written(text, is_framed=not isinstance(call, TokenizeCall) or call.add_special)

    def read(self, written: Written) -> list[int]:
        """Changes nothing, so that it may go on beside everything else."""
        if written.tokens is not None:
            return list(written.tokens)
        ids = self._tokenizer.encode(written.text, is_framed=False)
        before, behind = self._tokenizer.frame
        spells_its_frame = bool(before) and tuple(ids[: len(before)]) == before  # it does not get it twice
        return [*before, *ids, *behind] if written.is_framed and not spells_its_frame else ids

    def ends_within(self, written: Written, marks: ThoughtMarks) -> bool:
        """Whether a chat ends within a thought: one that its template opened as the last thing it wrote, or one in
        the message that is gone on with. What anybody else wrote in a message spells no mark here.
        """
        final = written.continued
        if final is not None:
            return final.rfind(marks.begin) > final.rfind(marks.end)
        return written.rendered.rstrip().endswith(marks.begin) and self._shield.is_covered(marks.begin)

    def uncover(self, written: Written) -> str:
        """What the template wrote, for a person."""
        return self._shield.uncover(written.rendered)

    def _render(self, call: ChatCall) -> str:
        with_tools = call.tools is not None
        known = self._templates.find_options(with_tools=with_tools)
        if call.tools and not self._templates.takes_tools():
            raise CallUnfit("the chat template has no place for tools")
        for name in call.options:
            if name not in known:
                raise CallUnfit(f"the chat template has no option '{quote_untrusted(name)}'")
        cover = self._shield.cover
        rendered = self._templates.render(
            Chat(
                messages=[self._cover_message(message) for message in call.messages],
                tools=None if call.tools is None else [cover(tool) for tool in call.tools],
                documents=None
                if call.documents is None
                else [self._shield.cover_shown(item) for item in call.documents],
                options={name: cover(value) for name, value in call.options.items()},
                add_generation_prompt=call.add_generation_prompt,
                continue_final_message=call.continue_final_message,
            )
        )
        if holds_mark(rendered):  # made of numbers, say: no text that was let in has one
            raise CallUnfit("the chat template makes reserved characters of these messages")
        return rendered

    def _cover_message(self, message: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
        role = message["role"]
        covered: dict[str, JsonValue] = {"role": role}
        for name, value in message.items():
            if name == "tool_calls" and isinstance(value, list):
                covered[name] = [self._shield.cover(_read_arguments(call)) for call in value]
            elif name != "role":
                covered[name] = self._shield.cover_shown(value, is_assistant=role == "assistant")
        if _REASONING in covered:
            covered["thinking"] = covered[_REASONING]  # the other name that templates know it by
        return covered


def _read_arguments(call: JsonValue) -> JsonValue:
    """Templates write a tool call's arguments as an object; clients send them as JSON in a string."""
    function = call.get("function") if isinstance(call, dict) else None
    if not isinstance(call, dict) or not isinstance(function, dict):
        return call
    arguments = function.get("arguments")
    if not isinstance(arguments, str):
        return call
    try:
        read = parse_json(arguments.encode("utf-8"))
    except (IntakeRefused, UnicodeEncodeError) as error:
        raise CallUnfit("the arguments of a tool call are not JSON") from error
    refuse_reserved(read)  # escapes in them may have spelled what the text itself could not hold
    return {**call, "function": {**function, "arguments": read}}
