"""Contracts as a person and as a machine see them. Pure: values in, lines or JSON out."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from ostiary._version import __version__
from ostiary.cli.ui import paint
from ostiary.core.terms.bounds import Change, Difference
from ostiary.core.terms.render_terms import describe_terms
from ostiary.core.terms.values import CONTRACT_FILE, HOUSE_TERMS, LanguageTerms
from ostiary.core.text import quote_untrusted

if TYPE_CHECKING:
    from ostiary.cli.contract_trial import Trial
    from ostiary.graph.function_contract import FunctionContract

SCHEMA: Final = 1
_STYLES: Final = {Change.WIDER: "red", Change.NARROWER: "green", Change.OTHER: "yellow"}
_INDENT: Final = 2


def describe_shown(name: str, contract: LanguageTerms | FunctionContract | None) -> dict[str, object]:
    return {
        "schema": SCHEMA,
        "ostiary": __version__,
        "model": quote_untrusted(name),
        "source": "default" if contract is None else CONTRACT_FILE,
        "contract": _describe(contract),
    }


def _describe(contract: LanguageTerms | FunctionContract | None) -> Mapping[str, object]:
    if contract is None or isinstance(contract, LanguageTerms):
        return describe_terms(contract or HOUSE_TERMS)
    from ostiary.graph.render_contract import describe_contract

    return describe_contract(contract)


def render_shown(name: str, contract: LanguageTerms | FunctionContract | None, *, width: int) -> list[str]:
    source = "no contract.json: what the house takes of any language model" if contract is None else CONTRACT_FILE
    lines = [f"{quote_untrusted(name)}: {source}"]
    if contract is not None and not isinstance(contract, LanguageTerms):
        from ostiary.cli.contract_function_text import list_lines

        return [*lines, *(line for text in list_lines(contract) for line in _wrap(text, width, _INDENT))]
    for field, value in describe_terms(contract or HOUSE_TERMS).items():
        if field in {"format", "version"}:
            continue
        if isinstance(value, list):
            for item in value:
                lines += _render_named(field, item, width)
        elif isinstance(value, dict) and field != "text":
            lines.append(f"  {field}")
            for member, inner in value.items():
                lines += _wrap(f"{member:<24}{_render_value(inner)}".rstrip(), width, 2 * _INDENT)
        else:
            lines += _wrap(f"{field:<16}{_render_value(value)}", width, _INDENT)
    return lines


def _render_named(field: str, item: object, width: int) -> list[str]:
    """One input or output: its name, and its bounds without what follows from the name."""
    members = item if isinstance(item, dict) else {}
    bounds = {name: value for name, value in members.items() if name not in {"name", "datatype", "shape", "dims"}}
    text = f"{field[:-1]:<16}{members.get('name')}"
    return _wrap(f"{text}: {_render_value(bounds)}" if bounds else text, width, _INDENT)


def _render_value(value: object) -> str:
    if isinstance(value, dict):
        return "; ".join(f"{name} {_render_value(inner)}" for name, inner in value.items())
    if isinstance(value, list):
        return ", ".join(_render_value(item) for item in value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return f"{value:,}"
    return quote_untrusted(str(value))


def _wrap(text: str, width: int, indent: int) -> list[str]:
    return textwrap.wrap(
        text,
        width,
        initial_indent=" " * indent,
        subsequent_indent=" " * (indent + 16),
        break_on_hyphens=False,
        drop_whitespace=True,
    )


def describe_differences(differences: Sequence[Difference]) -> dict[str, object]:
    return {
        "schema": SCHEMA,
        "ostiary": __version__,
        "is_wider": any(difference.change is Change.WIDER for difference in differences),
        "differences": [
            {
                "place": difference.place,
                "change": difference.change.value,
                "old": None if difference.old is None else quote_untrusted(difference.old),
                "new": None if difference.new is None else quote_untrusted(difference.new),
            }
            for difference in differences
        ],
    }


def render_differences(differences: Sequence[Difference], *, color: bool) -> list[str]:
    """What is wider first."""
    if not differences:
        return ["no difference"]
    order = list(_STYLES)
    lines = []
    for item in sorted(differences, key=lambda difference: order.index(difference.change)):
        change = paint(f"{item.change.value:<10}", _STYLES[item.change], enabled=color)
        lines.append(f"{change}{item.place}: {_show(item.old)} -> {_show(item.new)}")
    return lines


def _show(value: str | None) -> str:
    return "-" if value is None else quote_untrusted(value)


def describe_trials(name: str, trials: Sequence[Trial]) -> dict[str, object]:
    return {
        "schema": SCHEMA,
        "ostiary": __version__,
        "model": quote_untrusted(name),
        "is_as_said": all(trial.is_as_said for trial in trials),
        "trials": [
            {
                "name": trial.name,
                "expected": trial.expected or "fits",
                "outcome": trial.outcome or "fits",
                "limit": json.loads(json.dumps(trial.limit)),
                "ran": trial.ran,
                "detail": trial.detail or None,
                "is_as_said": trial.is_as_said,
            }
            for trial in trials
        ],
    }


def render_trials(trials: Sequence[Trial], *, color: bool, show_all: bool) -> list[str]:
    lines = []
    for trial in trials:
        if trial.is_as_said and not show_all:
            continue
        verdict = (
            paint("as said", "green", enabled=color) if trial.is_as_said else paint("OTHER  ", "red", enabled=color)
        )
        expected, outcome = trial.expected or "fits", trial.outcome or "fits"
        told = outcome if trial.is_as_said else f"{outcome}, and not: {expected}"
        told += f" ({trial.detail})" if trial.detail else ""
        lines.append(f"{verdict}  {trial.name:<44}  {told}")
    good = sum(trial.is_as_said for trial in trials)
    ran = sum(trial.ran for trial in trials)
    behind = f", {ran} of them behind the wall" if ran else ""
    return [*lines, f"{good} of {len(trials)} requests met what the contract says{behind}"]
