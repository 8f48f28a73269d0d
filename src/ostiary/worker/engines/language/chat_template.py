"""A model's chat templates: chosen and rendered as Transformers does it, within bounds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from jinja2 import Template, TemplateError, TemplateSyntaxError, meta, nodes

from ostiary.core.frames import ErrorName
from ostiary.core.json_text import JsonValue
from ostiary.core.text import quote_untrusted
from ostiary.core.tool_styles import ToolStyle, find_tool_style
from ostiary.core.values import dataclass
from ostiary.worker.engines.contract import CallUnfit, ModelUnfit
from ostiary.worker.engines.language.template_sandbox import ChatEnvironment, TemplateSaidNo, TemplateTooMuch

_CONTINUE: Final = "CONTINUE_FINAL_MESSAGE_TAG "
GIVEN: Final = frozenset({"messages", "tools", "documents", "add_generation_prompt"})
"""What a template is always given; options may not stand in for these."""


@dataclass(frozen=True, slots=True)
class Chat:
    """A conversation that was checked, its texts covered (see `shield`)."""

    messages: Sequence[Mapping[str, JsonValue]]
    tools: Sequence[JsonValue] | None = None
    documents: Sequence[JsonValue] | None = None
    options: Mapping[str, JsonValue] | None = None
    add_generation_prompt: bool = True
    continue_final_message: bool = False


class ChatTemplates:
    """All templates of one model. Parsed while loading, compiled when first used."""

    def __init__(self, sources: Mapping[str, str], named: Mapping[str, str]) -> None:
        """`sources`: name to template; `named`: words of special tokens, for templates to write.

        Raises ModelUnfit.
        """
        self._environment: Final = ChatEnvironment()
        self._sources: Final = sources
        self._named: Final = named
        self._compiled: Final[dict[str, Template]] = {}
        literals: set[str] = set()
        self._variables: Final[dict[str, frozenset[str]]] = {}
        for name, source in sources.items():
            try:
                tree = self._environment.parse(source)
            except (TemplateSyntaxError, RecursionError) as error:
                raise ModelUnfit(ErrorName.LOAD_FAILED, "a chat template is not Jinja") from error
            literals |= {node.data for node in tree.find_all(nodes.TemplateData)}
            literals |= {node.value for node in tree.find_all(nodes.Const) if isinstance(node.value, str)}
            self._variables[name] = frozenset(meta.find_undeclared_variables(tree))
        self.literals: Final = frozenset(literals)
        """Every text that a template writes or compares by itself."""

    @property
    def has_any(self) -> bool:
        return bool(self._sources)

    @property
    def tool_style(self) -> ToolStyle:
        """How this model writes that a tool is to be called."""
        return find_tool_style("\0".join(self._sources.values()))

    def takes_tools(self) -> bool:
        """Whether the template for a chat with tools shows them to the model."""
        return "tools" in self._variables[self._choose(with_tools=True)]

    def find_options(self, *, with_tools: bool) -> frozenset[str]:
        """The names that the template for such a chat reads and nobody gives it."""
        return self._variables[self._choose(with_tools=with_tools)] - GIVEN - self._named.keys()

    def render(self, chat: Chat) -> str:
        """Raises CallUnfit where the template does not take this chat, or would do too much with it."""
        template = self._compile(self._choose(with_tools=chat.tools is not None))
        messages = [dict(message) for message in chat.messages]
        final = messages[-1].get("content") if chat.continue_final_message else None
        if chat.continue_final_message:
            if not isinstance(final, str):
                raise CallUnfit("the final message has no text that could be continued")
            messages[-1]["content"] = final + _CONTINUE
        given = {
            **self._named,
            **(chat.options or {}),
            "messages": messages,
            "tools": chat.tools,
            "documents": chat.documents,
            "add_generation_prompt": chat.add_generation_prompt,
        }
        rendered = self._write(template, given)
        return rendered if not isinstance(final, str) else _cut_behind(rendered, final)

    def _choose(self, *, with_tools: bool) -> str:
        if with_tools and "tool_use" in self._sources:
            return "tool_use"
        if "default" in self._sources:
            return "default"
        raise CallUnfit("the model has no chat template")

    def _compile(self, name: str) -> Template:
        if name not in self._compiled:
            try:
                self._compiled[name] = self._environment.from_string(self._sources[name])
            except (TemplateError, TemplateTooMuch, SyntaxError, RecursionError) as error:
                raise CallUnfit("the chat template cannot be used") from error
        return self._compiled[name]

    def _write(self, template: Template, given: Mapping[str, Any]) -> str:
        """Piece by piece, so that a text without end is not first made and then measured."""
        self._environment.begin()
        pieces: list[str] = []
        size = 0
        try:
            for piece in template.root_render_func(template.new_context(dict(given))):
                size += len(piece)
                self._environment.count_written(size)
                pieces.append(piece)
        except TemplateTooMuch as error:
            raise CallUnfit(str(error)) from error
        except TemplateSaidNo as error:
            raise CallUnfit(self._explain(error)) from error
        except RecursionError as error:
            raise CallUnfit("the chat template calls itself without end") from error
        except (TemplateError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            raise CallUnfit(f"the chat template fails on these messages ({type(error).__name__})") from error
        return "".join(pieces)

    def _explain(self, error: TemplateSaidNo) -> str:
        """The template's own words, where they are words that it has and not something from a message."""
        said = str(error)
        known = f": {quote_untrusted(said)}" if said in self.literals else ""
        return f"the chat template does not take these messages{known}"


def _cut_behind(rendered: str, final: str) -> str:
    """Everything up to the end of the final message, which is to be continued."""
    place = rendered.rfind(_CONTINUE.strip())
    if place < 0 or final.strip() not in rendered:
        raise CallUnfit("the chat template does not show the final message, so it cannot be continued")
    cut = rendered[:place]
    return cut if rendered.startswith(_CONTINUE, place) else cut.rstrip()
