"""/openapi.json, made of the very forms that bodies are held against, so that it cannot say anything else. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final, Literal, TypeAlias

import msgspec

from ostiary.gateway.asked import Asked
from ostiary.gateway.reply import BytesReply, Reply
from ostiary.gateway.route import Dialect, Route

API_VERSION: Final = "1"
"""Of the interface, which is not that of the program."""
_PART: Final = re.compile(r"\{(\w+)(?::path)?\}")
BINARY: Final = "application/octet-stream"
_BINARY_SCHEMA: Final = {
    "type": "string",
    "format": "binary",
    "description": "The JSON, and right behind it the binary data, end to end.",
}
_HEADER_LENGTH: Final = {
    "name": "Inference-Header-Content-Length",
    "in": "header",
    "required": False,
    "description": "The bytes of the JSON, where binary data follows.",
    "schema": {"type": "integer", "minimum": 1},
}
_COMPONENT: Final = "#/components/schemas/{name}"


ContractLimit: TypeAlias = int | float | str | list[int | float | str]
"""What a rule of a contract allows."""


class OpenAIErrorDetail(msgspec.Struct, frozen=True):
    message: str
    type: str
    param: str | None
    code: str
    correlation_id: str
    rule: str | msgspec.UnsetType = msgspec.UNSET
    limit: ContractLimit | msgspec.UnsetType = msgspec.UNSET


class OpenAIError(msgspec.Struct, frozen=True):
    error: OpenAIErrorDetail


class ResponsesErrorEvent(msgspec.Struct, frozen=True):
    code: str
    message: str
    param: str | None
    sequence_number: int
    correlation_id: str
    type: Literal["error"] = "error"


class AnthropicErrorDetail(msgspec.Struct, frozen=True):
    type: str
    message: str
    code: str
    rule: str | msgspec.UnsetType = msgspec.UNSET
    limit: ContractLimit | msgspec.UnsetType = msgspec.UNSET


class AnthropicError(msgspec.Struct, frozen=True):
    error: AnthropicErrorDetail
    request_id: str
    type: Literal["error"] = "error"


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """RFC 9457."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    hint: str
    correlation_id: str
    field: str | None = None
    rule: str | msgspec.UnsetType = msgspec.UNSET
    limit: ContractLimit | msgspec.UnsetType = msgspec.UNSET


class InferenceProblem(Problem, frozen=True, omit_defaults=True, kw_only=True):
    """RFC 9457, with what the Open Inference Protocol has."""

    error: str


_ERRORS: Final = {
    Dialect.OPENAI: OpenAIError,
    Dialect.RESPONSES: OpenAIError,
    Dialect.ANTHROPIC: AnthropicError,
    Dialect.PROBLEM: Problem,
    Dialect.INFERENCE: InferenceProblem,
}


_ERROR_EVENTS: Final = {**_ERRORS, Dialect.RESPONSES: ResponsesErrorEvent}


def describe_api(routes: Sequence[Route]) -> dict[str, Any]:
    """An OpenAPI 3.1 document."""
    forms = _list_forms(routes)
    schemas, components = msgspec.json.schema_components(forms, ref_template=_COMPONENT)
    by_form = dict(zip(map(id, forms), schemas, strict=True))
    paths: dict[str, Any] = {}
    for route in routes:
        path = _PART.sub(r"{\1}", route.path)
        paths.setdefault(path, {})[route.method.lower()] = _describe_route(route, by_form)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Ostiary",
            "version": API_VERSION,
            "description": "Verified, walled models behind the protocols that clients speak. Every form is closed: "
            "a field that is not listed is refused.",
        },
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "key": {"type": "apiKey", "in": "header", "name": "x-api-key"},
            },
        },
    }


def make_openapi_route(routes: Sequence[Route]) -> Route:
    """Of all routes and of itself."""

    async def tell_api(_asked: Asked, _body: object) -> Reply:
        return BytesReply(document, "application/json")

    route = Route(
        method="GET",
        path="/openapi.json",
        handle=tell_api,
        dialect=Dialect.PROBLEM,
        summary="This description",
        gives=dict[str, Any],
        right=None,
    )
    document = msgspec.json.encode(describe_api([*routes, route]))
    return route


def _list_forms(routes: Sequence[Route]) -> list[Any]:
    forms: list[Any] = [*_ERRORS.values(), *_ERROR_EVENTS.values()]
    for route in routes:
        forms += [form for told in (route.takes, route.gives, route.streams) for form in _list_alternatives(told)]
    return list({id(form): form for form in forms}.values())


def _list_alternatives(told: Any) -> tuple[Any, ...]:
    if told is None:
        return ()
    return told if isinstance(told, tuple) else (told,)


def _describe_route(route: Route, by_form: dict[int, Any]) -> dict[str, Any]:
    named = [*_PART.findall(route.path)]
    content: dict[str, Any] = {}
    for media_type, told in (("application/json", route.gives), ("text/event-stream", route.streams)):
        schemas = [by_form[id(form)] for form in _list_alternatives(told)]
        if schemas:
            if told is route.streams:
                schemas.append(by_form[id(_ERROR_EVENTS[route.dialect])])
            schema = schemas[0] if len(schemas) == 1 else {"anyOf": schemas}
            content[media_type] = {"schema": schema if told is route.gives else _describe_event(route, schema)}
    if route.is_raw:
        content[BINARY] = {"schema": _BINARY_SCHEMA}
    error_type = "application/problem+json" if issubclass(_ERRORS[route.dialect], Problem) else "application/json"
    failed = {"schema": by_form[id(_ERRORS[route.dialect])]}
    scopes = [] if route.right is None else [route.right.value]
    described: dict[str, Any] = {
        "summary": route.summary,
        "operationId": _name_operation(route),
        "responses": {
            "200": {"description": "Answered", "content": content},
            "default": {"description": "Refused or failed", "content": {error_type: failed}},
        },
        "security": [] if route.is_open else [{"bearer": scopes}, {"key": scopes}],
    }
    parameters = [{"name": n, "in": "path", "required": True, "schema": {"type": "string"}} for n in named]
    parameters += [
        {"name": n, "in": "query", "required": False, "schema": {"type": "string"}} for n in route.queries
    ]
    if parameters:
        described["parameters"] = parameters
    if route.takes is not None:
        body: dict[str, Any] = {"application/json": {"schema": by_form[id(route.takes)]}}
        if route.is_raw:
            body[BINARY] = {"schema": _BINARY_SCHEMA}
            parameters.append(_HEADER_LENGTH)
            described["parameters"] = parameters
        described["requestBody"] = {"required": True, "content": body}
    return described


def _describe_event(route: Route, schema: dict[str, Any]) -> dict[str, Any]:
    """One server-sent event: JSON as text, but for the word that ends some streams."""
    data: dict[str, Any] = {"type": "string", "contentMediaType": "application/json", "contentSchema": schema}
    if route.dialect is Dialect.OPENAI:
        data = {"anyOf": [data, {"const": "[DONE]"}]}
    return {"type": "object", "properties": {"event": {"type": "string"}, "data": data}, "required": ["data"]}


def _name_operation(route: Route) -> str:
    words = re.findall(r"[A-Za-z0-9]+", _PART.sub(r"by_\1", route.path))
    return "_".join([route.method.lower(), *words])
