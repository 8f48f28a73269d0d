"""The OCSF export is held against OCSF's own schema of that version, as the package pydantic-ocsf carries it."""

from __future__ import annotations

import functools
import importlib.resources
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from record_tools import make_event, make_refusal

from ostiary.record.begin import open_log, open_reader
from ostiary.record.events import ModelFailed, ModelVerified
from ostiary.record.export import render_ocsf

ocsf = pytest.importorskip("ocsf", reason="the package with OCSF's schema is not installed")

Json = dict[str, Any]
PROFILES = {"host": {"actor": {"requirement": "optional"}, "device": {"requirement": "recommended"}}}
"""What the profile that the export names adds to an event; the package leaves profiles out."""
PYTHON_TYPES = {"string_t": str, "integer_t": int, "long_t": int, "boolean_t": bool, "float_t": float}


class Schema:
    """One version of OCSF."""

    def __init__(self, version: str) -> None:
        place = importlib.resources.files("ocsf") / "schemas" / f"v{version.replace('.', '_')}.json"
        whole = json.loads(place.read_text())
        assert whole["version"] == version
        self.events, self.objects, self.dictionary = whole["events"], whole["objects"], whole["dictionary"]
        self.categories = whole["categories_meta"]["attributes"]

    def find_problems(self, event: Json) -> list[str]:
        """Everything in which the event is not what the schema demands."""
        name = {0: "base_event", 7: "scan_activity"}[event["class_uid"] % 1000]
        lineage = list_lineage(self.events, name)
        attributes = merge_attributes(lineage)
        for profile in event["metadata"].get("profiles", ()):
            assert profile in lineage[0]["profiles"], profile
            attributes |= PROFILES[profile]
        category = lineage[1]["category"] if len(lineage) > 1 else lineage[0]["category"]
        category_uid = self.categories[category]["uid"] if category in self.categories else 0
        problems = list(self._check(event, attributes, {}, name))
        if event["category_uid"] != category_uid:
            problems.append("category_uid")
        if event["class_uid"] != category_uid * 1000 + lineage[-1].get("uid", 0):
            problems.append("class_uid")
        if event["type_uid"] != event["class_uid"] * 100 + event["activity_id"]:
            problems.append("type_uid")
        return problems

    def _check(self, value: Json, attributes: Json, constraints: Json, where: str) -> Iterator[str]:
        for name, attribute in attributes.items():
            if attribute.get("requirement") == "required" and name not in value:
                yield f"{where}.{name} is required"
        if constraints and not set(constraints["at_least_one"]) & set(value):
            yield f"{where} has none of {constraints['at_least_one']}"
        for name, member in value.items():
            if name not in attributes:
                yield f"{where}.{name} is unknown"
                continue
            known = self.dictionary["attributes"][name]
            members = member if known.get("is_array") else [member]
            if not isinstance(members, list):
                yield f"{where}.{name} is no list"
                continue
            for one in members:
                yield from self._check_one(one, {**known, **attributes[name]}, f"{where}.{name}")
            numbers = {**known.get("enum", {}), **attributes[name].get("enum", {})}
            if numbers and name not in ("class_uid", "category_uid") and str(member) not in numbers:
                yield f"{where}.{name} is {member}, which the schema does not number"
            if name.endswith("_id") and member == 99 and f"{name[:-3]}_name" not in value:
                yield f"{where}.{name} is other, and nothing says what"

    def _check_one(self, value: object, attribute: Json, where: str) -> Iterator[str]:
        kind = attribute["type"]
        if kind not in self.objects:
            base = self.dictionary["types"]["attributes"][kind].get("type", kind)
            if type(value) is not PYTHON_TYPES[base]:
                yield f"{where} is no {kind}"
        elif not isinstance(value, dict):
            yield f"{where} is no object"
        elif kind != "object":
            lineage = list_lineage(self.objects, kind)
            yield from self._check(value, merge_attributes(lineage), lineage[-1].get("constraints", {}), where)


read_schema = functools.cache(Schema)


def list_lineage(known: Json, name: str) -> list[Json]:
    """What a class or object extends, the eldest first, and itself."""
    own = known[name]
    return [*(list_lineage(known, own["extends"]) if "extends" in own else ()), own]


def merge_attributes(lineage: list[Json]) -> Json:
    merged: Json = {}
    for one in lineage:
        for name, attribute in one["attributes"].items():
            if name == "$include":
                continue
            before = merged.get(name, {})
            merged[name] = {**before, **{key: value for key, value in attribute.items() if value is not None}}
            merged[name]["enum"] = {**before.get("enum", {}), **attribute.get("enum", {})}
    return merged


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> list[Json]:
    state = tmp_path_factory.mktemp("record")
    with open_log(state) as log:
        log.append_many(
            [
                make_event(location=b"/models/x"),
                make_refusal(),
                ModelFailed(name="x", code="INTAKE_UNREADABLE", correlation_id="c"),
                ModelVerified(name="x", root="0" * 64, signers=("key:k",), rule="key", correlation_id="c"),
            ]
        )
    with open_reader(state) as reader:
        entries = [reader.read_entry(i) for i in range(reader.read_size())]
    return [json.loads(render_ocsf(entry, origin="ostiary.local/x", product_version="1.2.3")) for entry in entries]


def test_the_export_is_what_the_schema_of_its_version_demands(exported: list[Json]) -> None:
    assert {event["class_uid"] for event in exported} == {0, 6007}
    for event in exported:
        assert read_schema(event["metadata"]["version"]).find_problems(event) == []


def test_somebody_elses_models_read_the_export(exported: list[Json]) -> None:
    from ocsf.v1_4_0 import events

    for event in exported:
        model = (events.ScanActivity if event["class_uid"] else events.BaseEvent).model_validate(event)
        assert model.metadata.sequence == event["metadata"]["sequence"]


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (lambda event: event.pop("severity_id"), "severity_id is required"),
        (lambda event: event.pop("scan"), "scan is required"),
        (lambda event: event.update(verdict="no"), "verdict is unknown"),
        (lambda event: event["metadata"].pop("profiles"), "actor is unknown"),
        (lambda event: event["actor"]["process"].clear(), "actor.process has none of"),
        (lambda event: event["actor"]["user"].update(uid=1), "uid is no string_t"),
        (lambda event: event.update(status_id=7), "status_id is 7"),
        (lambda event: event.update(activity_id=99), "type_uid"),
        (lambda event: event.update(scan=[]), "scan is no object"),
        (lambda event: event["metadata"].update(profiles="host"[:0]), "profiles is no list"),
        (lambda event: event.update(category_uid=1), "category_uid"),
    ],
)
def test_the_check_finds_what_is_wrong(
    exported: list[Json], damage: Callable[[Json], object], problem: str
) -> None:
    event = json.loads(json.dumps(exported[1]))
    damage(event)
    assert any(problem in found for found in read_schema("1.4.0").find_problems(event))
