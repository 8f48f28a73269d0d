"""Chat templates as trees: parsed as Transformers parses them, never compiled, never rendered.

Imports jinja2, which takes longer than most commands do: only read_template.py imports this, when it must.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Final

from jinja2 import Environment, TemplateSyntaxError, nodes
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser

from ostiary.core.findings import refuse
from ostiary.core.limits import MAX_TEMPLATE_CHARACTERS, MAX_TEMPLATE_DEPTH
from ostiary.core.text import quote_untrusted
from ostiary.intake.rules.template import TEMPLATE_MALFORMED, TEMPLATE_TOO_LARGE

GLOBAL_FUNCTIONS: Final = frozenset(
    {"range", "dict", "lipsum", "cycler", "joiner", "namespace", "raise_exception", "strftime_now"}
)
"""What jinja2 and Transformers give every template to call."""


class _GenerationBlock(Extension):
    """`{% generation %}...{% endgeneration %}` marks the assistant's tokens; its body is all that matters."""

    tags = {"generation"}  # noqa: RUF012 - as jinja2 declares it

    def parse(self, parser: Parser) -> nodes.Node:
        line = next(parser.stream).lineno
        scope = nodes.Scope(lineno=line)
        scope.body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return scope


@cache
def chat_environment() -> Environment:
    """The syntax that Transformers allows: loop controls and its own `generation` block. Nothing to render with."""
    return Environment(  # noqa: S701 - nothing is rendered
        trim_blocks=True, lstrip_blocks=True, extensions=[_GenerationBlock, loopcontrols]
    )


def parse_template(text: str) -> nodes.Template:
    """The tree of a template, no deeper than the ceiling."""
    if len(text) > MAX_TEMPLATE_CHARACTERS:
        raise refuse(TEMPLATE_TOO_LARGE, f"a chat template of {len(text)} characters")
    try:
        tree = chat_environment().parse(text)
    except TemplateSyntaxError as error:
        detail = f"line {error.lineno}: {quote_untrusted(error.message or '')}"
        raise refuse(TEMPLATE_MALFORMED, detail) from error
    except RecursionError as error:
        raise refuse(TEMPLATE_TOO_LARGE, "a chat template nested too deep to parse") from error
    except (ValueError, OverflowError, SyntaxError, MemoryError) as error:
        # Literals that Python itself does not take: integers of thousands of digits, broken escapes.
        raise refuse(TEMPLATE_MALFORMED, "a literal that is no value") from error
    _check_depth(tree)
    return tree


def walk_tree(tree: nodes.Node) -> Iterator[nodes.Node]:
    """Every node, without recursing: jinja2's own walk does."""
    pending = [tree]
    while pending:
        node = pending.pop()
        yield node
        pending.extend(node.iter_child_nodes())


def _check_depth(tree: nodes.Node) -> None:
    level = [tree]
    depth = 0
    while level:
        depth += 1
        if depth > MAX_TEMPLATE_DEPTH:
            raise refuse(TEMPLATE_TOO_LARGE, f"a chat template nested deeper than {int(MAX_TEMPLATE_DEPTH)} levels")
        level = [child for node in level for child in node.iter_child_nodes()]
