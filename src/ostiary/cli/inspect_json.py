"""An examination for machines. docs/reference/inspect.schema.json is the promise; a test holds them together."""

from __future__ import annotations

from typing import Final

from ostiary._version import __version__
from ostiary.core.findings import Finding
from ostiary.core.terms.render_terms import describe_terms
from ostiary.core.text import quote_untrusted
from ostiary.core.tickets import FunctionFacts, ModelFacts
from ostiary.intake.examination import Examination

SCHEMA: Final = 1


def describe_inspection(examination: Examination, correlation_id: str) -> dict[str, object]:
    refusal = examination.refusal
    return {
        "schema": SCHEMA,
        "ostiary": __version__,
        "correlation_id": correlation_id,
        "model": quote_untrusted(examination.name),
        "verdict": "accepted" if refusal is None else "refused",
        "error": None
        if refusal is None
        else {"code": refusal.code, "message": refusal.message, "hint": refusal.hint},
        "digest": None if examination.root is None else f"sha256:{examination.root}",
        "bytes": examination.bytes,
        "files": [
            {"path": quote_untrusted(e.path), "bytes": e.size, "sha256": e.sha256, "kind": str(e.kind)}
            for e in examination.files
        ],
        "facts": None if examination.facts is None else _describe_facts(examination.facts),
        "findings": [_describe_finding(finding) for finding in examination.findings],
    }


def _describe_facts(facts: ModelFacts) -> dict[str, object]:
    q = facts.quantization
    return {
        "format": facts.format,
        "architecture": facts.architecture,
        "layers": facts.layers,
        "hidden_size": facts.hidden_size,
        "vocabulary": facts.vocabulary,
        "context_tokens": facts.context_tokens,
        "parameters": facts.parameters,
        "quantization": None if q is None else {"bits": q.bits, "group_size": q.group_size, "mode": q.mode},
        "tensors": [{"dtype": t.dtype, "count": t.tensors, "bytes": t.bytes} for t in facts.tensors],
        "memory": {
            "weight_bytes": facts.weight_bytes,
            "cache_bytes_per_token": facts.cache_bytes_per_token,
            "cache_bytes_at_context": facts.cache_bytes_at_context,
        },
        "layout_checked": facts.layout_checked,
        "function": None if facts.function is None else _describe_function(facts.function),
        "contract": None if facts.terms is None else describe_terms(facts.terms),
    }


def _describe_function(function: FunctionFacts) -> dict[str, object]:
    return {
        "name": function.name,
        "version": function.version,
        "nodes": function.nodes,
        "primitives": dict(function.primitives),
        "dims": {name: {"min": low, "max": high} for name, low, high in function.dims},
        "inputs": [_describe_tensor(*item) for item in function.inputs],
        "outputs": [_describe_tensor(*item) for item in function.outputs],
        "card": dict(function.card),
    }


def _describe_tensor(name: str, datatype: str, shape: tuple[str, ...]) -> dict[str, object]:
    """A size is a number, or a text that names dims."""
    return {
        "name": name,
        "datatype": datatype,
        "shape": [int(size) if size.isdigit() else size for size in shape],
    }


def _describe_finding(finding: Finding) -> dict[str, object]:
    return {
        "rule": finding.rule.id,
        "severity": str(finding.rule.severity),
        "refuses": finding.is_refusing,
        "code": None if finding.rule.code is None else finding.rule.code.name,
        "path": quote_untrusted(finding.path) or None,
        "offset": finding.offset,
        "message": finding.detail,
        "harm": finding.rule.harm,
    }
