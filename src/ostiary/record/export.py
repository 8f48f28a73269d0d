"""Entries in the shapes that other systems read: JSON lines, and OCSF 1.4 events. Pure."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any, Final

from ostiary.record.entry import Entry
from ostiary.record.events import ModelFailed, ModelInspected, ModelRefused

_OCSF_VERSION: Final = "1.4.0"
# OCSF Scan Activity (class 6007 of category 6, Application Activity) and Base Event (class 0 of category 0).
_SCAN_CLASS: Final = 6007
_SCAN_CATEGORY: Final = 6
_SCAN_COMPLETED: Final = 2
_SCAN_ERROR: Final = 6
_SCAN_MANUAL: Final = 1
_OTHER: Final = 99
_SEVERITY: Final = {ModelRefused.kind: 4, ModelFailed.kind: 3}
_SUCCESS: Final = 1
_FAILURE: Final = 2
_INFORMATIONAL: Final = 1
_PROFILE: Final = "host"
"""Allows `actor` in every class."""


def render_json_line(entry: Entry) -> str:
    """The entry in its own spelling: the line's bytes are those that the tree hashes."""
    return entry.body.decode()


def render_ocsf(entry: Entry, *, origin: str, product_version: str) -> str:
    """One OCSF event: a model's verdict as Scan Activity, everything else as Base Event."""
    data = entry.data
    is_scan = entry.kind in (ModelInspected.kind, ModelRefused.kind, ModelFailed.kind)
    activity = (_SCAN_ERROR if entry.kind == ModelFailed.kind else _SCAN_COMPLETED) if is_scan else _OTHER
    class_uid = _SCAN_CLASS if is_scan else 0
    severity = _SEVERITY.get(entry.kind, _INFORMATIONAL)
    event: dict[str, Any] = {
        "activity_id": activity,
        "category_uid": _SCAN_CATEGORY if is_scan else 0,
        "class_uid": class_uid,
        "type_uid": class_uid * 100 + activity,
        "severity_id": severity,
        "status_id": _FAILURE if entry.kind in _SEVERITY else _SUCCESS,
        "time": int(datetime.fromisoformat(entry.at).timestamp() * 1000),
        "metadata": {
            "version": _OCSF_VERSION,
            "product": {"name": "Ostiary", "vendor_name": "Ostiary", "version": product_version},
            "log_name": origin,
            "sequence": entry.index,
            "event_code": entry.kind,
            "original_time": entry.at,
            "profiles": [_PROFILE],
            **({"correlation_uid": data["correlation_id"]} if "correlation_id" in data else {}),
        },
        "actor": {"user": {"name": entry.user, "uid": str(entry.uid)}, "process": {"pid": entry.pid}},
        "unmapped": dict(data),
    }
    if activity == _OTHER:
        event["activity_name"] = entry.kind
    if is_scan:
        findings = data.get("findings")
        event |= {
            "scan": {"type_id": _SCAN_MANUAL, "name": data.get("name"), "uid": data.get("correlation_id")},
            "num_files": data.get("files"),
            "num_detections": sum(findings.values()) if isinstance(findings, dict) else 0,
            "status_code": data.get("code"),
        }
    return json.dumps({name: value for name, value in event.items() if value is not None}, sort_keys=True)
