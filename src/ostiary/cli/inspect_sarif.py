"""An examination as a SARIF 2.1.0 log, for code-scanning services."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

from ostiary._version import __version__
from ostiary.core.findings import Finding, Rule, Severity
from ostiary.intake.examination import Examination

_LEVEL: Final = {
    Severity.CRITICAL: "error",
    Severity.HIGH: "error",
    Severity.MEDIUM: "warning",
    Severity.LOW: "note",
    Severity.INFO: "note",
}
# What code-scanning services sort by: the CVSS-like number that they read from this property.
_SECURITY_SEVERITY: Final = {
    Severity.CRITICAL: "9.5",
    Severity.HIGH: "8.0",
    Severity.MEDIUM: "5.5",
    Severity.LOW: "3.0",
    Severity.INFO: "0.0",
}


def describe_sarif(examination: Examination) -> dict[str, object]:
    rules = tuple(dict.fromkeys(finding.rule for finding in examination.findings))
    return {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "Ostiary",
                        "semanticVersion": __version__,
                        "rules": [_describe_rule(rule) for rule in rules],
                    }
                },
                "columnKind": "unicodeCodePoints",
                "originalUriBaseIds": {"MODEL": {"description": {"text": "The model that was inspected."}}},
                "artifacts": [
                    {
                        "location": {"uri": _uri(entry.path), "uriBaseId": "MODEL"},
                        "length": entry.size,
                        "hashes": {"sha-256": entry.sha256},
                    }
                    for entry in examination.files
                ],
                "results": [
                    _describe_result(finding, rules.index(finding.rule)) for finding in examination.findings
                ],
            }
        ],
    }


def _describe_rule(rule: Rule) -> dict[str, object]:
    return {
        "id": rule.id,
        "name": "".join(word.capitalize() for word in rule.id.replace(".", "-").split("-")),
        "shortDescription": {"text": rule.title},
        "fullDescription": {"text": rule.harm},
        "defaultConfiguration": {"level": _LEVEL[rule.severity]},
        "properties": {
            "security-severity": _SECURITY_SEVERITY[rule.severity],
            "tags": ["security", *([] if rule.code is None else [rule.code.name])],
        },
    }


def _describe_result(finding: Finding, rule_index: int) -> dict[str, object]:
    place: dict[str, object] = {"artifactLocation": {"uri": _uri(finding.path or "."), "uriBaseId": "MODEL"}}
    if finding.offset is not None:
        place["region"] = {"byteOffset": finding.offset, "byteLength": 0}
    return {
        "ruleId": finding.rule.id,
        "ruleIndex": rule_index,
        "level": _LEVEL[finding.rule.severity],
        "message": {"text": f"{finding.sentence}. {finding.rule.harm}"},
        "locations": [{"physicalLocation": place}],
        "partialFingerprints": {"rule/v1": f"{finding.rule.id}:{_uri(finding.path)}:{finding.offset}"},
    }


def _uri(path: str) -> str:
    return quote(path.encode("utf-8", "surrogateescape"))
