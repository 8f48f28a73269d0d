"""/openapi.json says exactly what the forms say: nothing open, nothing dangling, nothing that is not there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from ostiary.gateway.openapi import describe_api
from ostiary.gateway.routes import gather_routes

ROUTES = gather_routes(lambda: False)
DOCUMENT: dict[str, Any] = json.loads(json.dumps(describe_api(ROUTES)))
TAKING = [route for route in ROUTES if route.takes is not None]


def walk(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        for inner in value.values():
            yield from walk(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from walk(inner)


def reach(schema: dict[str, Any], seen: set[str]) -> Iterator[dict[str, Any]]:
    """All that a schema is made of."""
    for part in walk(schema):
        yield part
        reference = part.get("$ref")
        if isinstance(reference, str) and reference not in seen:
            seen.add(reference)
            yield from reach(resolve(reference), seen)


def resolve(reference: str) -> dict[str, Any]:
    found: Any = DOCUMENT
    for step in reference.removeprefix("#/").split("/"):
        found = found[step]
    assert isinstance(found, dict)
    return found


def test_every_route_is_there_and_nothing_else() -> None:
    told = {(method.upper(), path) for path, methods in DOCUMENT["paths"].items() for method in methods}
    assert told == {(route.method, route.path.replace(":path", "")) for route in ROUTES}


def test_every_reference_leads_somewhere() -> None:
    references = {part["$ref"] for part in walk(DOCUMENT) if isinstance(part.get("$ref"), str)}
    assert references
    for reference in references:
        resolve(reference)


def test_every_schema_is_one() -> None:
    for schema in DOCUMENT["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize("route", TAKING, ids=lambda route: str(route.path))
def test_what_is_taken_is_closed_all_the_way_down(route: Any) -> None:
    body = DOCUMENT["paths"][route.path.replace(":path", "")]["post"]["requestBody"]["content"]["application/json"][
        "schema"
    ]
    for schema in reach(body, set()):
        if "properties" in schema and isinstance(schema["properties"], dict) and "title" in schema:
            assert schema.get("additionalProperties") is False, schema["title"]


def test_health_alone_is_open_to_everybody() -> None:
    free = {p for p, methods in DOCUMENT["paths"].items() for told in methods.values() if told["security"] == []}
    assert free == {"/livez", "/readyz", "/v2/health/live", "/v2/health/ready"}


def test_it_tells_no_version_of_the_program() -> None:
    import ostiary

    assert ostiary.__version__ not in json.dumps(DOCUMENT)


@pytest.mark.parametrize(
    "body",
    [
        {"model": "a", "prompt": "b"},
        {"model": "a", "prompt": "b", "max_tokens": 0},
        {"model": "a", "prompt": "b", "max_tokens": "1"},
        {"model": "a", "prompt": "b", "frobnicate": 1},
        {"model": "a", "prompt": "b", "temperature": -1},
        {"model": "a", "prompt": "b", "stream": 1},
        {"prompt": "b"},
        [],
    ],
)
def test_the_schema_and_the_reader_agree(body: object) -> None:
    from ostiary.errors import ContractRefused
    from ostiary.gateway.body import parse_body

    (route,) = [route for route in TAKING if route.path == "/v1/completions"]
    schema = DOCUMENT["paths"][route.path.replace(":path", "")]["post"]["requestBody"]["content"][
        "application/json"
    ]["schema"]
    is_valid = Draft202012Validator({**schema, "components": DOCUMENT["components"]}).is_valid(body)
    try:
        assert route.takes is not None
        parse_body(json.dumps(body).encode(), route.takes)
        is_read = True
    except ContractRefused:
        is_read = False
    assert is_valid == is_read


def test_the_scope_that_an_address_needs_is_told() -> None:
    by_path: dict[str, set[str]] = {}
    for path, methods in DOCUMENT["paths"].items():
        for told in methods.values():
            for way in told["security"]:
                by_path.setdefault(path, set()).update(*way.values())
    assert by_path.pop("/openapi.json") == set(), "whoever has any key may read it"
    for path, scopes in by_path.items():
        assert scopes == ({"admin"} if path.startswith("/admin") else {"infer"}), path
