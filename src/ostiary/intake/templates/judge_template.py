"""Walks a chat template's statements once, in their order, without rendering anything."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from jinja2 import nodes

from ostiary.core.findings import Finding, refuse
from ostiary.core.limits import MAX_TEMPLATE_ROUNDS
from ostiary.core.text import quote_untrusted
from ostiary.errors import IntakeRefused
from ostiary.intake.rules.template import (
    TEMPLATE_LOADS_FILE,
    TEMPLATE_RECURSION,
    TEMPLATE_UNBOUNDED_TEXT,
    TEMPLATE_UNBOUNDED_WORK,
)
from ostiary.intake.templates.template_estimate import UNKNOWN, Estimate, Kind, check_size, describe_size
from ostiary.intake.templates.template_expressions import Expressions
from ostiary.intake.templates.template_reach import judge_attribute
from ostiary.intake.templates.template_syntax import parse_template, walk_tree
from ostiary.intake.templates.template_work import MAIN, Work, find_work


def judge_template(text: str) -> tuple[Finding, ...]:
    """Everything that is found in a template, each thing once. Work without bound ends the walk."""
    tree = parse_template(text)
    judge = _Judge(Expressions(_names_in(tree)))
    try:
        judge.visit(tree.body)
        work = find_work(judge.works)
    except IntakeRefused as refusal:
        work = refusal.findings
    return tuple(dict.fromkeys((*judge.expressions.findings, *work)))


def _names_in(tree: nodes.Template) -> frozenset[str]:
    """Names that the template defines itself, anywhere."""
    names: set[str] = set()
    for node in walk_tree(tree):
        match node:
            case nodes.Name(name=name, ctx=ctx) if ctx in ("store", "param"):
                names.add(name)
            case nodes.Macro(name=name):
                names.add(name)
            case _:
                pass
    return frozenset(names)


class _Judge:
    """`rounds`: how often the statement at hand runs by fixed loops alone."""

    __slots__ = ("expressions", "in_loop", "is_conditional", "owner", "rounds", "works")

    def __init__(self, expressions: Expressions) -> None:
        self.expressions = expressions
        self.works: dict[str, Work] = {MAIN: Work()}
        self.owner = MAIN
        self.rounds = 1
        self.in_loop = False
        self.is_conditional = False

    def visit(self, body: Sequence[nodes.Node]) -> None:
        for statement in body:
            self._visit_statement(statement)

    def _visit_statement(self, node: nodes.Node) -> None:
        match node:
            case nodes.Output():
                self._produce(sum(self._evaluate(part).size for part in node.nodes))
            case nodes.Assign():
                self._assign(node)
            case nodes.For():
                self._loop(node)
            case nodes.If():
                self._branch(node)
            case nodes.Macro():
                self._define(node)
            case nodes.Include() | nodes.Import() | nodes.FromImport() | nodes.Extends():
                what = type(node).__name__.lower()
                self.expressions.findings.append(Finding(TEMPLATE_LOADS_FILE, f"line {node.lineno}: {what}"))
                self._evaluate_parts(node)
            case nodes.CallBlock(call=call, body=body):
                self._evaluate(call)
                self.visit(body)
            case nodes.FilterBlock(filter=inner, body=body):
                self._evaluate(inner)
                self.visit(body)
            case nodes.AssignBlock(target=target, filter=inner, body=body):
                self._evaluate(inner)
                self.visit(body)
                self._store(target, Estimate(Kind.TEXT))
            case nodes.With(targets=targets, values=values, body=body):
                for target, value in zip(targets, values, strict=True):
                    self._store(target, self._evaluate(value))
                self.visit(body)
            case nodes.Block(body=body) | nodes.Scope(body=body) | nodes.ScopedEvalContextModifier(body=body):
                self.visit(body)
            case _:
                self._evaluate_parts(node)

    def _evaluate_parts(self, node: nodes.Node) -> None:
        for part in node.iter_child_nodes():
            self._evaluate(part)

    def _evaluate(self, node: nodes.Node | None, *, is_question: bool = False) -> Estimate:
        self.expressions.may_not_run = self.is_conditional or self.owner != MAIN
        estimate = self.expressions.evaluate_truth(node) if is_question else self.expressions.evaluate(node)
        work = self.works[self.owner]
        for name, is_conditional in self.expressions.calls:
            work.calls.append((name, self.rounds, is_conditional or self.is_conditional))
        self.expressions.calls.clear()
        return estimate

    def _produce(self, characters: int) -> None:
        check_size(characters * self.rounds)
        self.works[self.owner].characters += characters * self.rounds

    def _assign(self, node: nodes.Assign) -> None:
        name = _reference_of(node.target)
        before = self.expressions.names.get(name, UNKNOWN)
        estimate = self._evaluate(node.node)
        if self.in_loop and isinstance(node.target, nodes.NSRef):
            copies = _copies_in(node.node, name)
            if copies > 1:
                quoted = quote_untrusted(name)
                raise refuse(TEMPLATE_UNBOUNDED_TEXT, f"'{quoted}' is multiplied in each round of a loop")
            if copies == 1:
                check_size(max(0, estimate.size - before.size) * self.rounds)
        self._store(node.target, estimate)
        if isinstance(node.node, nodes.Call) and isinstance(node.node.node, nodes.Name):
            self._store_namespace(name, node.node)

    def _store(self, target: nodes.Node, estimate: Estimate) -> None:
        match target:
            case nodes.NSRef(attr=attr):
                self.expressions.findings += judge_attribute(attr)
                self.expressions.names[_reference_of(target)] = estimate
            case nodes.Name(name=name):
                self.expressions.names[name] = estimate
            case nodes.Tuple(items=items) | nodes.List(items=items):
                for item in items:
                    self._store(item, UNKNOWN)
            case _:
                self._evaluate(target)

    def _store_namespace(self, name: str, call: nodes.Call) -> None:
        """`{% set ns = namespace(x='a') %}`: what is known of `ns.x`. Its parts were judged with the assignment."""
        if isinstance(call.node, nodes.Name) and call.node.name in ("namespace", "dict"):
            for word in call.kwargs:
                value = word.value
                if isinstance(value, nodes.Const):
                    self.expressions.names[f"{name}.{word.key}"] = self.expressions.evaluate(value)

    def _loop(self, node: nodes.For) -> None:
        items = self._evaluate(node.iter)
        rounds = max(items.size, 1) if items.kind in (Kind.LIST, Kind.TEXT) else 1
        if self.rounds * rounds > MAX_TEMPLATE_ROUNDS:
            total = describe_size(self.rounds * rounds)
            raise refuse(TEMPLATE_UNBOUNDED_WORK, f"line {node.lineno}: {total} rounds of fixed loops")
        self._store(node.target, UNKNOWN)
        if node.recursive:
            self.expressions.findings.append(Finding(TEMPLATE_RECURSION, f"line {node.lineno}: a recursive loop"))
        outer = self.rounds, self.in_loop, self.is_conditional, self.expressions.is_guarded
        self.rounds *= rounds
        self.works[self.owner].rounds += self.rounds
        self.in_loop = True
        self.is_conditional = self.is_conditional or items.size == 0 or node.test is not None
        self.expressions.is_guarded = False
        self._evaluate(node.test)
        self.visit(node.body)
        self.rounds, self.in_loop, _, _ = outer
        self.is_conditional = True
        self.visit(node.else_)
        self.is_conditional, self.expressions.is_guarded = outer[2:]

    def _branch(self, node: nodes.If) -> None:
        outer = self.is_conditional, self.expressions.is_guarded
        self.expressions.is_guarded = True
        self._evaluate(node.test, is_question=True)
        self.is_conditional = True
        self.visit(node.body)
        for branch in node.elif_:
            self._evaluate(branch.test, is_question=True)
            self.visit(branch.body)
        self.visit(node.else_)
        self.is_conditional, self.expressions.is_guarded = outer

    def _define(self, node: nodes.Macro) -> None:
        for default in node.defaults:
            self._evaluate(default)
        for argument in node.args:
            self._store(argument, UNKNOWN)
        outer = self.owner, self.rounds, self.in_loop, self.is_conditional, self.expressions.is_guarded
        self.owner, self.rounds, self.in_loop, self.is_conditional = node.name, 1, False, False
        self.expressions.is_guarded = False
        self.works.setdefault(node.name, Work())
        self.visit(node.body)
        self.owner, self.rounds, self.in_loop, self.is_conditional, self.expressions.is_guarded = outer


def _reference_of(target: nodes.Node) -> str:
    match target:
        case nodes.NSRef(name=name, attr=attr):
            return f"{name}.{attr}"
        case nodes.Name(name=name):
            return name
        case _:
            return ""


_JOINS: Final = (nodes.Add, nodes.Concat, nodes.List, nodes.Tuple)
_COPYING: Final = ("join", "string", "list", "format")


def _copies_in(node: nodes.Node, name: str) -> int:
    """How often `name` is put behind itself in an expression: `x ~ x`, `x * 2`, `x ** 2`, `'%s%s' % (x, x)`."""
    match node:
        case nodes.Getattr(node=nodes.Name(name=base), attr=attr):
            return int(f"{base}.{attr}" == name)
        case nodes.Filter(node=inner, args=args) if inner is not None and node.name in _COPYING:
            return sum(_copies_in(part, name) for part in (inner, *args))
        case nodes.Call(node=nodes.Getattr(node=inner, attr="format"), args=args, kwargs=kwargs):
            pattern = inner.value if isinstance(inner, nodes.Const) else ""
            fields = str(pattern).count("{") if args or kwargs else 0
            given = max((_copies_in(part, name) for part in (*args, *(word.value for word in kwargs))), default=0)
            return given * max(fields, 1)
        case nodes.Filter(name="replace", node=inner) if inner is not None:
            return _copies_in(inner, name) * _growth_of(node.args)
        case nodes.Call(node=nodes.Getattr(node=inner, attr="replace"), args=args):
            return _copies_in(inner, name) * _growth_of(args)
        case nodes.Mod(left=nodes.Const(), right=right):
            return _copies_in(right, name)
        case nodes.Pow(left=left, right=right):
            return 2 * (_copies_in(left, name) + _copies_in(right, name))
        case nodes.CondExpr(expr1=one, expr2=other):
            return max(_copies_in(part, name) for part in (one, other) if part is not None)
        case nodes.Mul(left=left, right=right):
            factor = next((side.value for side in (left, right) if isinstance(side, nodes.Const)), 1)
            copies = _copies_in(left, name) + _copies_in(right, name)
            return copies * (2 if isinstance(factor, int) and factor > 1 else 1)
        case _ if isinstance(node, _JOINS):
            return sum(_copies_in(part, name) for part in node.iter_child_nodes())
        case _:
            return 0


def _growth_of(replacement: Sequence[nodes.Node]) -> int:
    """2 where what is put in holds what it replaces more than once: then each round finds more of it."""
    match replacement[:2]:
        case [nodes.Const(value=str() as old), nodes.Const(value=str() as new)]:
            return 2 if new.count(old) > 1 else 1
        case _:
            return 1
