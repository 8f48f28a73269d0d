"""Walks the expressions of a template once: what they reach for, and what is known of their values."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from jinja2 import nodes

from ostiary.core.findings import Finding
from ostiary.core.text import quote_untrusted
from ostiary.intake.rules.template import (
    TEMPLATE_COMPUTED_ATTRIBUTE,
    TEMPLATE_GUARDED_NAME,
    TEMPLATE_PYTHON_INTERNALS,
    TEMPLATE_UNKNOWN_NAME,
)
from ostiary.intake.templates.template_estimate import (
    UNKNOWN,
    Estimate,
    Kind,
    add,
    calculate,
    estimate_of,
    estimate_range,
    join_texts,
    multiply,
    number_of,
    power,
    text_of,
)
from ostiary.intake.templates.template_functions import estimate_format, estimate_method
from ostiary.intake.templates.template_reach import judge_attribute, judge_keyword, judge_text
from ostiary.intake.templates.template_syntax import GLOBAL_FUNCTIONS, chat_environment, walk_tree

_BY_ATTRIBUTE: Final = frozenset(
    {"map", "selectattr", "rejectattr", "groupby", "sort", "sum", "unique", "min", "max"}
)
"""Filters that take the name of an attribute, the first three and `sum` also as their first argument."""
_ATTRIBUTE_FIRST: Final = frozenset({"selectattr", "rejectattr", "groupby", "sum"})
_GENERATORS: Final = frozenset({"map", "select", "selectattr", "reject", "rejectattr", "batch", "slice", "items"})
_PRINTED: Final = frozenset({"string", "escape", "e", "safe", "forceescape", "urlencode", "pprint"})
_ALWAYS_THERE: Final = frozenset({"loop", "caller", "super", "self", "varargs", "kwargs"})


class Expressions:
    """`names`: what is known of what the template has set, by name, and by "name.attribute" for namespaces."""

    __slots__ = ("calls", "findings", "is_guarded", "may_not_run", "names", "own_names")

    def __init__(self, own_names: frozenset[str]) -> None:
        self.findings: list[Finding] = []
        self.names: dict[str, Estimate] = {}
        self.own_names = own_names
        self.is_guarded = False
        """Directly within a condition: there jinja2 compiles filters and tests that it does not know."""
        self.may_not_run = False
        """Within anything that depends on the request: a condition, a loop, a macro."""
        self.calls: list[tuple[str, bool]] = []
        """Functions called by their name, and whether that depends on a condition."""

    def evaluate(self, node: nodes.Node | None) -> Estimate:
        """What is known of an expression's value. Recurses as deep as the tree."""
        if node is None:
            return UNKNOWN
        return _EVALUATORS.get(type(node), Expressions._evaluate_children)(self, node)

    def evaluate_truth(self, node: nodes.Node | None) -> Estimate:
        """As `evaluate`, where only asked whether it is there: `{% if strftime_now %}` takes nothing apart."""
        return self.names.get(node.name, UNKNOWN) if isinstance(node, nodes.Name) else self.evaluate(node)

    def evaluate_all(self, inner: Iterable[nodes.Node]) -> list[Estimate]:
        return [self.evaluate(node) for node in inner]

    def _evaluate_children(self, node: nodes.Node) -> Estimate:
        self.evaluate_all(node.iter_child_nodes())
        return UNKNOWN

    def _evaluate_constant(self, node: nodes.Const) -> Estimate:
        value = node.value
        if isinstance(value, str):
            self.findings += judge_text(value)
        return estimate_of(value) if isinstance(value, str | int | float | bool | None) else UNKNOWN

    def _evaluate_data(self, node: nodes.TemplateData) -> Estimate:
        return estimate_of(node.data)

    def _evaluate_name(self, node: nodes.Name) -> Estimate:
        self.findings += [f for f in judge_attribute(node.name) if f.is_refusing]
        if node.name in GLOBAL_FUNCTIONS and node.name not in self.own_names:
            self.findings.append(Finding(TEMPLATE_PYTHON_INTERNALS, f"it takes the function '{node.name}' apart"))
        return self.names.get(node.name, UNKNOWN)

    def _evaluate_sequence(self, node: nodes.List | nodes.Tuple) -> Estimate:
        items = self.evaluate_all(node.items)
        if all(item.is_known for item in items):
            return estimate_of([item.value for item in items])
        return Estimate(Kind.LIST, False, None, len(items), max(1, sum(item.times for item in items)))

    def _evaluate_concat(self, node: nodes.Concat) -> Estimate:
        return self._spelled(join_texts(self.evaluate_all(node.nodes)))

    def _spelled(self, result: Estimate) -> Estimate:
        """A text put together from pieces is judged as if it stood there."""
        text = text_of(result)
        if text is not None:
            self.findings += judge_text(text)
        return result

    def _evaluate_binary(self, node: nodes.BinExpr) -> Estimate:
        left, right = self.evaluate(node.left), self.evaluate(node.right)
        match node:
            case nodes.Add():
                return self._spelled(add(left, right))
            case nodes.Mul():
                return self._spelled(multiply(left, right))
            case nodes.Pow():
                return power(left, right)
            case nodes.Mod() if left.kind is Kind.TEXT:
                arguments = (
                    [estimate_of(item) for item in right.value] if isinstance(right.value, list) else [right]
                )
                return self._spelled(estimate_format(left, arguments, is_percent=True))
            case nodes.Sub() | nodes.Div() | nodes.FloorDiv() | nodes.Mod():
                return calculate(node.operator, left, right)
            case _:
                return UNKNOWN

    def _evaluate_logic(self, node: nodes.And | nodes.Or) -> Estimate:
        left = self.evaluate_truth(node.left)
        right = self._evaluate_guarded(node.right, is_soft=False)
        return Estimate(left.kind) if left.kind is right.kind else UNKNOWN

    def _evaluate_not(self, node: nodes.Not) -> Estimate:
        self.evaluate_truth(node.node)
        return UNKNOWN

    def _evaluate_condition(self, node: nodes.CondExpr) -> Estimate:
        self._evaluate_guarded(node.test)
        one = self._evaluate_guarded(node.expr1)
        other = self._evaluate_guarded(node.expr2)
        return max(one, other, key=lambda estimate: (estimate.size, estimate.times, estimate.is_known))

    def _evaluate_guarded(self, node: nodes.Node | None, *, is_soft: bool = True) -> Estimate:
        was_guarded = self.is_guarded
        self.is_guarded = is_soft or was_guarded
        first = len(self.calls)
        estimate = self.evaluate_truth(node)
        self.calls[first:] = [(name, True) for name, _ in self.calls[first:]]
        self.is_guarded = was_guarded
        return estimate

    def _evaluate_negative(self, node: nodes.Neg) -> Estimate:
        return calculate("-", estimate_of(0), self.evaluate(node.node))

    def _evaluate_attribute(self, node: nodes.Getattr) -> Estimate:
        self.findings += judge_attribute(node.attr)
        if isinstance(node.node, nodes.Name):
            known = self.names.get(f"{node.node.name}.{node.attr}")
            if known is not None:
                return known
            if (node.node.name, node.attr) == ("dict", "fromkeys"):
                return UNKNOWN
        self.evaluate(node.node)
        return UNKNOWN

    def _evaluate_item(self, node: nodes.Getitem) -> Estimate:
        base = self.evaluate(node.node)
        if isinstance(node.arg, nodes.Slice):
            parts = [number_of(self.evaluate(part)) for part in (node.arg.start, node.arg.stop, node.arg.step)]
            return self._spelled(_take(base, slice(*[part if isinstance(part, int) else None for part in parts])))
        key = self.evaluate(node.arg)
        self._judge_key(node.arg, key)
        index = number_of(key)
        if isinstance(index, int) and base.is_known and isinstance(base.value, str | list):
            return self._spelled(_take(base, index))
        if isinstance(node.node, nodes.Name):
            return self.names.get(f"{node.node.name}.{text_of(key)}", UNKNOWN)
        return UNKNOWN

    def _judge_key(self, node: nodes.Node, key: Estimate) -> None:
        """The name of an attribute or item, where an expression gives it."""
        name = text_of(key)
        if name is not None:
            self.findings += judge_attribute(name)
        elif not isinstance(node, nodes.Name) and any(
            isinstance(part, nodes.Const) and isinstance(part.value, str) and "__" in part.value
            for part in walk_tree(node)
        ):
            self.findings.append(Finding(TEMPLATE_COMPUTED_ATTRIBUTE, "a name with '__' is put together"))

    def _evaluate_test(self, node: nodes.Test) -> Estimate:
        self._check_known("test", node.name, chat_environment().tests)
        is_question = node.name in ("defined", "undefined", "callable")
        if not (is_question and isinstance(node.node, nodes.Name)):
            self.evaluate(node.node)
        self._evaluate_arguments(node)
        return UNKNOWN

    def _check_known(self, what: str, name: str, known: Iterable[str]) -> None:
        if name not in known:
            rule = TEMPLATE_GUARDED_NAME if self.is_guarded else TEMPLATE_UNKNOWN_NAME
            self.findings.append(Finding(rule, f"it uses the {what} '{quote_untrusted(name)}'"))

    def _evaluate_filter(self, node: nodes.Filter) -> Estimate:
        self._check_known("filter", node.name, chat_environment().filters)
        base = self.evaluate(node.node)
        if node.name in _PRINTED and isinstance(node.node, nodes.Filter) and node.node.name in _GENERATORS:
            self.findings.append(Finding(TEMPLATE_PYTHON_INTERNALS, "it takes letters from a printed object"))
        arguments, keywords = self._evaluate_arguments(node)
        self._judge_attribute_arguments(node, arguments, keywords)
        if node.name == "format":
            return self._spelled(estimate_format(base, arguments, is_percent=True))
        if node.name == "map" and arguments:
            estimate_method(text_of(arguments[0]) or "", UNKNOWN, arguments[1:], keywords)
        return self._spelled(estimate_method(node.name, base, arguments, keywords))

    def _judge_attribute_arguments(
        self, node: nodes.Filter, arguments: Sequence[Estimate], keywords: Mapping[str, Estimate]
    ) -> None:
        """`|attr('x')`, `|map(attribute='x')`, `|map('attr', 'x')`, `|selectattr('x')`."""
        if node.name != "attr" and node.name not in _BY_ATTRIBUTE:
            return
        is_attr = node.name == "attr"
        is_map_of_attr = node.name == "map" and bool(arguments) and text_of(arguments[0]) in ("attr", None)
        first = 1 if is_map_of_attr else 0
        takes_position = is_attr or is_map_of_attr or node.name in _ATTRIBUTE_FIRST
        named = list(zip(node.args, arguments, strict=True))[first : first + 1] if takes_position else []
        named += [
            (word.value, keywords[str(word.key)]) for word in node.kwargs if is_attr or word.key == "attribute"
        ]
        must_be_plain = is_attr or is_map_of_attr
        if is_map_of_attr:
            named.append((node.args[0], arguments[0]))
        for argument, key in named:
            self._judge_key(argument, key)
        if must_be_plain and (node.dyn_args or node.dyn_kwargs or not all(key.is_known for _, key in named)):
            self.findings.append(
                Finding(TEMPLATE_COMPUTED_ATTRIBUTE, "the name of an attribute is not written out")
            )

    def _evaluate_arguments(
        self, node: nodes.Call | nodes.Filter | nodes.Test
    ) -> tuple[list[Estimate], dict[str, Estimate]]:
        arguments = self.evaluate_all(node.args)
        keywords: dict[str, Estimate] = {}
        for word in node.kwargs:
            self.findings += judge_keyword(str(word.key))
            keywords[str(word.key)] = self.evaluate(word.value)
        self.evaluate(node.dyn_args)
        self.evaluate(node.dyn_kwargs)
        return arguments, keywords

    def _evaluate_call(self, node: nodes.Call) -> Estimate:
        arguments, keywords = self._evaluate_arguments(node)
        match node.node:
            case nodes.Name(name=name):
                self.findings += [f for f in judge_attribute(name) if f.is_refusing]
                self.calls.append((name, False))
                return self._call_function(name, arguments, keywords)
            case nodes.Getattr(node=inner, attr=name):
                self.findings += judge_attribute(name)
                is_fromkeys = isinstance(inner, nodes.Name) and (inner.name, name) == ("dict", "fromkeys")
                base = UNKNOWN if is_fromkeys else self.evaluate(inner)
                if name in ("format", "format_map"):
                    return self._spelled(estimate_format(base, [*arguments, *keywords.values()], is_percent=False))
                return self._spelled(estimate_method(name, base, arguments, keywords))
            case _:
                self.evaluate(node.node)
                return UNKNOWN

    def _call_function(
        self, name: str, arguments: Sequence[Estimate], keywords: Mapping[str, Estimate]
    ) -> Estimate:
        if name in self.own_names or name in _ALWAYS_THERE:
            return UNKNOWN
        if name not in GLOBAL_FUNCTIONS:
            rule = TEMPLATE_GUARDED_NAME if self.may_not_run or self.is_guarded else TEMPLATE_UNKNOWN_NAME
            self.findings.append(Finding(rule, f"it calls '{quote_untrusted(name)}', which nobody provides"))
        if name == "range":
            return estimate_range(arguments)
        if name == "lipsum":
            estimate_method("lipsum", UNKNOWN, arguments, keywords)
            return Estimate(Kind.TEXT)
        if name == "dict" and keywords and not arguments:
            return estimate_of(list(keywords))
        return UNKNOWN


def _take(base: Estimate, index: int | slice) -> Estimate:
    if not base.is_known or not isinstance(base.value, str | list):
        return Estimate(base.kind) if isinstance(index, slice) else UNKNOWN
    try:
        return estimate_of(base.value[index])
    except (IndexError, ValueError):
        return UNKNOWN


_EVALUATORS: Final[Mapping[type[nodes.Node], Callable[..., Estimate]]] = {
    nodes.Const: Expressions._evaluate_constant,
    nodes.TemplateData: Expressions._evaluate_data,
    nodes.Name: Expressions._evaluate_name,
    nodes.List: Expressions._evaluate_sequence,
    nodes.Tuple: Expressions._evaluate_sequence,
    nodes.Concat: Expressions._evaluate_concat,
    **dict.fromkeys(
        (nodes.Add, nodes.Sub, nodes.Mul, nodes.Div, nodes.FloorDiv, nodes.Mod, nodes.Pow),
        Expressions._evaluate_binary,
    ),
    nodes.And: Expressions._evaluate_logic,
    nodes.Or: Expressions._evaluate_logic,
    nodes.Not: Expressions._evaluate_not,
    nodes.CondExpr: Expressions._evaluate_condition,
    nodes.Neg: Expressions._evaluate_negative,
    nodes.Getattr: Expressions._evaluate_attribute,
    nodes.Getitem: Expressions._evaluate_item,
    nodes.Test: Expressions._evaluate_test,
    nodes.Filter: Expressions._evaluate_filter,
    nodes.Call: Expressions._evaluate_call,
}
