"""An examination as a person would like to see it. Pure: a value in, lines out."""

from __future__ import annotations

import re
import textwrap
from collections import Counter
from collections.abc import Iterator
from itertools import groupby
from typing import Final

from ostiary.cli.ui import paint, paint_severity, render_bytes, render_count
from ostiary.core.findings import Finding, Rule
from ostiary.core.terms.values import Action, LanguageTerms
from ostiary.core.text import quote_untrusted
from ostiary.core.tickets import FunctionFacts, ModelFacts
from ostiary.intake.examination import Examination

_LABEL_WIDTH: Final = 12
_SHOWN_FINDINGS: Final = 12
_SHOWN_PRIMITIVES: Final = 6
_SHOWN_TENSORS: Final = 8
_PLAIN_WORD: Final = re.compile(r"[a-z]+(?=[ ,])")


def render_inspection(examination: Examination, *, color: bool, width: int, show_all: bool) -> list[str]:
    lines = [paint(quote_untrusted(examination.name), "bold", enabled=color)]
    facts = examination.facts
    if facts is not None:
        lines += [_row(label, text) for label, text in _describe_facts(facts)]
    lines.append(_row("files", _describe_files(examination)))
    if show_all:
        lines += [
            f"{'':{_LABEL_WIDTH}}{entry.sha256[:16]}  {render_bytes(entry.size):>9}  {entry.kind:<16}  "
            f"{quote_untrusted(entry.path)}"
            for entry in examination.files
        ]
    if examination.root is not None:
        lines.append(_row("digest", f"sha256:{examination.root}"))
    lines += _render_findings(examination, color=color, width=width, show_all=show_all)
    lines += ["", _verdict(examination, color=color)]
    return lines


def _row(label: str, text: str) -> str:
    return f"  {label:<{_LABEL_WIDTH - 2}}{text}"


def _describe_facts(facts: ModelFacts) -> Iterator[tuple[str, str]]:
    what = [facts.architecture or (facts.format if facts.function is None else f"function {facts.function.name}")]
    if facts.layers is not None:
        what.append(f"{facts.layers} layer{'s' * (facts.layers != 1)}")
    if facts.parameters is not None:
        what.append(f"{render_count(facts.parameters)} parameters")
    if facts.quantization is not None:
        q = facts.quantization
        what.append(f"{q.bits}-bit {q.mode} in groups of {q.group_size}")
    if facts.context_tokens is not None:
        what.append(f"context of {facts.context_tokens:,} tokens")
    yield "model", quote_untrusted(", ".join(what))
    if facts.function is not None:
        yield from _describe_function(facts.function)
    if facts.tensors:
        count = sum(total.tensors for total in facts.tensors)
        parts = ", ".join(f"{t.tensors:,} {t.dtype} ({render_bytes(t.bytes)})" for t in facts.tensors)
        yield "tensors", f"{count:,}: {parts}" if len(facts.tensors) > 1 else parts
        yield "to run", _describe_memory(facts)
    if facts.terms is not None:
        yield "contract", _describe_contract(facts.terms)


def _describe_contract(terms: LanguageTerms) -> str:
    """What it takes, in a few words: `ostiary contract show` has all of it."""
    parts = [f"takes {', '.join(terms.inputs)}"]
    if terms.context_tokens is not None:
        parts.append(f"context of {terms.context_tokens:,} tokens")
    if terms.text.form is not None:
        parts.append(f"texts in {terms.text.form}")
    refused = [named.value for named, action in terms.text.characters.items() if action is Action.REFUSE]
    if refused:
        parts.append(f"no {', '.join(refused)} characters".replace("_", " "))
    if terms.output.is_json:
        parts.append("answers in JSON")
    return "; ".join(parts)


def _describe_function(function: FunctionFacts) -> Iterator[tuple[str, str]]:
    used = ", ".join(f"{name} ({count:,})" for name, count in function.primitives[:_SHOWN_PRIMITIVES])
    more = len(function.primitives) - _SHOWN_PRIMITIVES
    yield "graph", f"{function.nodes:,} operations: {used}" + (f" and {more} more kinds" if more > 0 else "")
    for label, tensors in (("takes", function.inputs), ("gives", function.outputs)):
        shown = [f"{name} {datatype} [{', '.join(shape)}]" for name, datatype, shape in tensors[:_SHOWN_TENSORS]]
        yield label, "; ".join(shown) + ("; ..." if len(tensors) > _SHOWN_TENSORS else "")
    if function.card:
        yield "card says", "; ".join(f"{label} {text}" for label, text in function.card)
    if function.dims:
        yield "dims", ", ".join(_describe_dim(*item) for item in function.dims)


def _describe_dim(name: str, low: int, high: int | None) -> str:
    return f"{name} from {low:,}" if high is None else f"{name} {low:,} to {high:,}"


def _describe_memory(facts: ModelFacts) -> str:
    text = f"{render_bytes(facts.weight_bytes)} of weights"
    if facts.cache_bytes_per_token is None:
        return text
    text += f" and {render_bytes(facts.cache_bytes_per_token)} of cache a token"
    if facts.context_tokens is None or facts.cache_bytes_at_context is None:
        return text
    total = facts.weight_bytes + facts.cache_bytes_at_context
    return f"{text}: {render_bytes(total)} with the whole context"


def _describe_files(examination: Examination) -> str:
    kinds = Counter(str(entry.kind) for entry in examination.files)
    parts = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items(), key=lambda k: (-k[1], k[0])))
    total = f"{len(examination.files)} in {render_bytes(examination.bytes)}"
    text = f"{total}: {parts}" if parts else total
    return text if examination.is_wholly_read else f"{text}; not everything there could be read"


def _render_findings(examination: Examination, *, color: bool, width: int, show_all: bool) -> Iterator[str]:
    findings = examination.findings
    if not findings:
        yield _row("findings", "none")
        return
    counts = Counter(finding.rule.severity for finding in findings)
    yield _row("findings", ", ".join(f"{counts[s]} {s}" for s in sorted(counts, key=lambda s: s.rank)))
    shown = findings if show_all else findings[:_SHOWN_FINDINGS]
    # What one rule found in one file is told together: the place and the harm once, each case in a line.
    for (rule, path), group in groupby(shown, key=lambda finding: (finding.rule, finding.path)):
        yield ""
        yield from _render_group(rule, path, list(group), color=color, width=width)
    if len(shown) < len(findings):
        yield ""
        yield f"  ... and {len(findings) - len(shown)} more: --all shows them"


def _render_group(rule: Rule, path: str, group: list[Finding], *, color: bool, width: int) -> Iterator[str]:
    severity = paint_severity(rule.severity, 9, enabled=color)
    where = quote_untrusted(path) if path else "the whole model"
    verdict = "" if rule.code is not None else paint("  (a note: it does not refuse)", "dim", enabled=color)
    yield f"  {severity} {paint(where, 'bold', enabled=color)}{verdict}"
    indent = " " * _LABEL_WIDTH
    for text in (*map(_render_detail, group), rule.harm):
        yield from textwrap.wrap(
            text, width, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False
        )
    yield indent + paint(rule.id, "dim", enabled=color)


def _render_detail(finding: Finding) -> str:
    if finding.offset is not None:
        return f"Byte {finding.offset:,}: {finding.detail}."
    if _PLAIN_WORD.match(finding.detail):  # a name that begins the sentence keeps its spelling
        return f"{finding.detail[:1].upper()}{finding.detail[1:]}."
    return f"{finding.detail}."


def _verdict(examination: Examination, *, color: bool) -> str:
    refusing = sum(finding.is_refusing for finding in examination.findings)
    if refusing:
        return paint(f"refused, for {refusing} reason{'s' * (refusing != 1)}", "red", enabled=color)
    facts = examination.facts
    checked = ""
    if facts is not None and facts.layout_checked:
        owner = "its architecture" if facts.function is None else "the graph"
        checked = f"; every tensor is where {owner} expects it"
    return (
        paint("accepted", "green", enabled=color) + f": nothing found that runs code or breaks its format{checked}"
    )
