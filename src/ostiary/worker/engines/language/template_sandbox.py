"""Jinja for chat templates: as Transformers sets it up, immutable and sandboxed, and with its work counted.

Jinja's sandbox keeps a template from Python, not from work without end. Intake judged what can be judged by
looking; here rounds of loops, calls and the size of each text are counted while rendering. What gets past (a slow
filter, many large texts at once) meets the limits of the cell.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from functools import wraps
from typing import Any, Final

from jinja2 import TemplateError, nodes
from jinja2.compiler import CodeGenerator, Frame
from jinja2.exceptions import SecurityError
from jinja2.ext import Extension, LoopControlExtension
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace

from ostiary.core.limits import MAX_TEMPLATE_NUMBER_BITS, MAX_TEMPLATE_OUTPUT, MAX_TEMPLATE_ROUNDS

_LONG_NUMBER: Final = re.compile(r"\d{7}")


class TemplateTooMuch(Exception):
    """A template works or writes more than any honest one does. The text is ours."""


class TemplateSaidNo(TemplateError):
    """`raise_exception`: the template does not take these messages, and says why."""


class ChatEnvironment(ImmutableSandboxedEnvironment):
    """Renders one template at a time."""

    intercepted_binops = frozenset({"+", "*", "**", "%"})

    def __init__(self) -> None:
        self._rounds = 0
        super().__init__(trim_blocks=True, lstrip_blocks=True, extensions=[_GenerationTag, LoopControlExtension])
        self.code_generator_class = _Generator
        for name, made in self.filters.items():
            self.filters[name] = self._count_filter(name, made)
        self.filters["tojson"] = self._count_filter("tojson", _to_json)
        self.globals |= {
            "raise_exception": _raise_exception,
            "strftime_now": _format_now,
            "dict": _Dict(),
            "namespace": _Namespace,
        }

    def begin(self) -> None:
        """Counting starts anew."""
        self._rounds = 0

    def count_round(self) -> str:
        self._rounds += 1
        if self._rounds > MAX_TEMPLATE_ROUNDS:
            raise TemplateTooMuch(f"the template takes more than {int(MAX_TEMPLATE_ROUNDS):,} steps")
        return ""

    def count_written(self, size: int) -> None:
        """`size`: of all that was written so far."""
        self.count_round()
        _check_size(size)

    def concatenate(self, parts: Iterable[Any]) -> str:
        """`a ~ b`."""
        texts = [str(part) for part in parts]
        _check_size(sum(map(len, texts)))
        return "".join(texts)

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        self.count_round()
        _check_operation(operator, left, right)
        result = super().call_binop(context, operator, left, right)
        _check_result(result)
        return result

    def call(self, context: Any, obj: Any, /, *args: Any, **kwargs: Any) -> Any:
        self.count_round()
        method = getattr(obj, "__wrapped__", obj)  # `format` comes wrapped by the sandbox
        owner, name = getattr(method, "__self__", None), getattr(method, "__name__", "")
        _check_arguments((*args, *kwargs.values()))
        if isinstance(owner, str):
            _check_growth(name, (owner, *args))
        result = super().call(context, obj, *args, **kwargs)
        _check_result(result)
        return result

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        tree = super()._parse(source, name, filename)
        for loop in tree.find_all(nodes.For):
            counter = nodes.ExprStmt(nodes.EnvironmentAttribute("count_round"))
            loop.body.insert(0, counter.set_lineno(loop.lineno))
        tree.set_environment(self)
        return tree

    def _count_filter(self, name: str, made: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(made)
        def counted(*args: Any, **kwargs: Any) -> Any:
            self.count_round()
            values = (*args, *kwargs.values())
            _check_arguments(values)
            _check_growth(name, tuple(value for value in values if not hasattr(value, "eval_ctx")))
            result = made(*args, **kwargs)
            _check_result(result)
            return result

        return counted


class _Generator(CodeGenerator):
    def visit_ExprStmt(self, node: nodes.ExprStmt, frame: Frame) -> None:  # noqa: N802  Jinja's name
        """Only `_parse` puts one in: templates have no statement that is but an expression."""
        self.newline(node)
        self.visit(node.node, frame)
        self.write("()")

    def visit_Concat(self, node: nodes.Concat, frame: Frame) -> None:  # noqa: N802  Jinja's name
        self.write("environment.concatenate((")
        for part in node.nodes:
            self.visit(part, frame)
            self.write(", ")
        self.write("))")


class _GenerationTag(Extension):
    """`{% generation %}`: Transformers marks the model's own words with it; rendering takes no notice."""

    tags = {"generation"}  # noqa: RUF012  Jinja's way

    def parse(self, parser: Parser) -> nodes.Node:
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return nodes.CallBlock(self.call_method("_write"), [], [], body).set_lineno(line)

    def _write(self, caller: Callable[[], str]) -> str:
        return caller()


class _Dict:
    """`dict` without the class itself, whose attributes lead elsewhere."""

    def __call__(self, *args: Any, **kwargs: Any) -> dict[Any, Any]:
        return dict(*args, **kwargs)

    def fromkeys(self, *args: Any, **kwargs: Any) -> dict[Any, Any]:
        return dict.fromkeys(*args, **kwargs)


class _Namespace(Namespace):
    def __init__(*args: Any, **kwargs: Any) -> None:
        attributes = dict(*args[1:], **kwargs)
        for name in attributes:
            _check_name(name)
        Namespace.__init__(args[0], attributes)

    def __setitem__(self, name: str, value: Any) -> None:
        _check_name(name)
        super().__setitem__(name, value)


def _check_name(name: object) -> None:
    if isinstance(name, str) and name.startswith("_"):
        raise SecurityError("a template may not store names that begin with an underscore")


def _to_json(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | str | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def _raise_exception(message: object) -> None:
    raise TemplateSaidNo(str(message))


def _format_now(pattern: str) -> str:
    return datetime.now().strftime(pattern)  # noqa: DTZ005  local time, as Transformers has it


def _check_operation(operator: str, left: Any, right: Any) -> None:
    if operator == "+" and _is_sized(left) and _is_sized(right):
        _check_size(len(left) + len(right))
    elif operator == "*":
        for one, other in ((left, right), (right, left)):
            if _is_sized(one) and isinstance(other, int):
                _check_size(len(one) * max(0, other))
        if isinstance(left, int) and isinstance(right, int):
            _check_bits(left.bit_length() + right.bit_length())
    elif operator == "**" and isinstance(left, int) and isinstance(right, int):
        _check_bits(left.bit_length() * max(0, right))
    elif operator == "%" and isinstance(left, str):
        values = right if isinstance(right, tuple) else (right,)
        _check_arguments(values)
        _check_format(left, left.count("%"), values)


def _check_arguments(values: Iterable[Any]) -> None:
    """A number may become a width, a count or a length."""
    for value in values:
        if isinstance(value, int) and abs(value) > MAX_TEMPLATE_OUTPUT:
            raise TemplateTooMuch("the template uses a number that no text has room for")


def _check_format(pattern: str, places: int, values: Iterable[Any]) -> None:
    """`places`: how many values the pattern may take."""
    if _LONG_NUMBER.search(pattern):
        raise TemplateTooMuch("the template formats to a width that no text has")
    _check_size(len(pattern) + places * max((len(value) for value in values if isinstance(value, str)), default=0))


def _check_growth(name: str, values: tuple[Any, ...]) -> None:
    """Before a text is made that could be much larger than what it is made of."""
    if not values:
        return
    text = values[0]
    if name in ("format", "format_map") and isinstance(text, str):
        _check_format(text, text.count("%") + text.count("{"), values[1:])
    elif name == "replace" and len(values) > 2 and all(isinstance(value, str) for value in values[:3]):
        _check_size(len(text) + text.count(values[1]) * len(values[2]))
    elif name == "join" and len(values) > 1:
        glue, items = (values[1], text) if _is_list(text) else (text, values[1])
        if isinstance(glue, str) and _is_list(items):
            _check_size(len(glue) * len(items) + sum(len(item) for item in items if isinstance(item, str)))
    elif name == "indent" and isinstance(text, str):
        widest = max((value if isinstance(value, int) else 0 for value in values[1:]), default=0)
        _check_size(len(text) + (text.count("\n") + 1) * widest)


def _check_result(value: Any) -> None:
    if _is_sized(value):
        _check_size(len(value))


def _check_size(size: int) -> None:
    if size > MAX_TEMPLATE_OUTPUT:
        raise TemplateTooMuch(f"the template builds more than {int(MAX_TEMPLATE_OUTPUT):,} characters or items")


def _check_bits(bits: int) -> None:
    if bits > MAX_TEMPLATE_NUMBER_BITS:
        raise TemplateTooMuch(f"the template computes numbers of more than {int(MAX_TEMPLATE_NUMBER_BITS):,} bits")


def _is_sized(value: Any) -> bool:
    return isinstance(value, str | list | tuple | Mapping)


def _is_list(value: Any) -> bool:
    return isinstance(value, list | tuple)
