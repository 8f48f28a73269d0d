"""The one place where an error becomes an answer, in each dialect, as JSON and as a server-sent event.

What a stranger sees comes from `render_public` alone: the code's own sentence, and where the error is about what
that stranger sent, which field and which limit. Nothing of a path, an address, an exception's text or a prompt.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from ostiary.core.values import dataclass
from ostiary.errors import (
    CELL_QUARANTINED,
    GATEWAY_BUSY,
    GATEWAY_DRAINING,
    GATEWAY_MODEL_FAILED,
    GATEWAY_MODEL_LOADING,
    GATEWAY_NO_ROOM,
    QUOTA_UNWRITABLE,
    RECORD_BUSY,
    RECORD_DISK_FULL,
    RECORD_READ_ONLY,
    RECORD_UNWRITABLE,
    WORKER_CRASHED,
    WORKER_OUT_OF_MEMORY,
    AdmissionRefused,
    GatewayRefused,
    PublicError,
    render_public,
)
from ostiary.gateway.reply import Headers, ServerEvent
from ostiary.gateway.route import Dialect

_RETRY_AFTER_SECONDS: Final[Mapping[str, int]] = {
    GATEWAY_BUSY.name: 1,
    GATEWAY_DRAINING.name: 5,
    GATEWAY_MODEL_LOADING.name: 2,
    GATEWAY_NO_ROOM.name: 5,
    GATEWAY_MODEL_FAILED.name: 30,
    RECORD_BUSY.name: 5,
    RECORD_UNWRITABLE.name: 30,
    RECORD_DISK_FULL.name: 30,
    RECORD_READ_ONLY.name: 30,
    WORKER_CRASHED.name: 1,
    WORKER_OUT_OF_MEMORY.name: 1,
    CELL_QUARANTINED.name: 300,
    QUOTA_UNWRITABLE.name: 30,
}
"""Where asking again later may help: what is started again, what somebody makes room for."""
_LONGEST_WAIT_SECONDS: Final = 60
"""Clients wait no longer by themselves; told more, they ask again at once, and again."""

_CHALLENGE: Final = 'Bearer realm="ostiary"'
_OPENAI_TYPES: Final = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
}
_ANTHROPIC_TYPES: Final = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
    529: "overloaded_error",
}

_TOO_MANY: Final = 429
_INVALID_ARGUMENT: Final = 3
_INTERNAL: Final = 13
_GRPC_STATUSES: Final[Mapping[int, int]] = {
    401: 16,  # UNAUTHENTICATED
    403: 7,  # PERMISSION_DENIED
    404: 5,  # NOT_FOUND
    408: 4,  # DEADLINE_EXCEEDED
    413: 8,  # RESOURCE_EXHAUSTED
    422: 9,  # FAILED_PRECONDITION
    429: 8,
    503: 14,  # UNAVAILABLE
    504: 4,
}
"""What an HTTP status is among those of gRPC."""


@dataclass(frozen=True, slots=True)
class RenderedError:
    """An error as bytes of an answer."""

    status: int
    headers: Headers
    body: bytes


def render_error(error: BaseException, dialect: Dialect, correlation_id: str) -> RenderedError:
    public = render_public(error, correlation_id)
    headers = [("content-type", "application/problem+json" if dialect in _PROBLEMS else "application/json")]
    headers += _tell_when(error, public)
    if public.http == 401:
        headers.append(("www-authenticate", _CHALLENGE))
    if isinstance(error, GatewayRefused) and error.allow:
        headers.append(("allow", ", ".join(error.allow)))
    return RenderedError(public.http, tuple(headers), msgspec.json.encode(_BODIES[dialect](public)))


def render_error_event(
    error: BaseException, dialect: Dialect, correlation_id: str, sequence_number: int = 0
) -> ServerEvent:
    """For a stream that has begun: its status is sent already. `sequence_number`: how many events went before."""
    public = render_public(error, correlation_id)
    if dialect is Dialect.RESPONSES:
        return ServerEvent(_describe_responses_event(public, sequence_number), "error")
    if dialect is Dialect.ANTHROPIC:
        return ServerEvent(_describe_anthropic(public), "error")
    return ServerEvent(_BODIES[dialect](public), "error" if dialect in _PROBLEMS else None)


@dataclass(frozen=True, slots=True)
class RenderedStatus:
    """An error as gRPC tells it: the number of a status, a sentence, and trailing metadata."""

    status: int
    message: str
    metadata: Headers


def render_error_status(error: BaseException, correlation_id: str) -> RenderedStatus:
    public = render_public(error, correlation_id)
    told = [("ostiary-code", public.code)]
    told += [(f"ostiary-{name}", text) for name, text in (("field", public.field), ("rule", public.rule)) if text]
    told += _tell_when(error, public)
    status = _GRPC_STATUSES.get(public.http, _INVALID_ARGUMENT if public.http < 500 else _INTERNAL)
    metadata = tuple((name, text.encode("ascii", "backslashreplace").decode()) for name, text in told)
    return RenderedStatus(status, write_sentence(public), metadata)


def _tell_when(error: BaseException, public: PublicError) -> Headers:
    """Whether and when asking again may help."""
    seconds: float | None = _RETRY_AFTER_SECONDS.get(public.code)
    if isinstance(error, AdmissionRefused) and error.retry_after_seconds is not None:
        seconds = error.retry_after_seconds
    told = [] if seconds is None else [("retry-after", str(max(1, math.ceil(seconds))))]
    if public.http == _TOO_MANY and (seconds is None or seconds > _LONGEST_WAIT_SECONDS):
        told.append(("x-should-retry", "false"))  # which the clients of OpenAI and of Anthropic know
    return tuple(told)


def write_sentence(public: PublicError) -> str:
    """One line: what, where, and what to do."""
    detail = f" ({public.detail})" if public.detail else ""
    return f"{public.sentence.removesuffix('.')}{detail}. {public.hint}"


def _describe_openai(public: PublicError) -> dict[str, object]:
    kind = _OPENAI_TYPES.get(public.http)
    if kind is None:
        kind = "invalid_request_error" if public.http < 500 else "server_error"
    return {
        "error": {
            "message": write_sentence(public),
            "type": kind,
            "param": public.field or None,
            "code": public.code,
            "correlation_id": public.correlation_id,
            **_tell_rule(public),
        }
    }


def _tell_rule(public: PublicError) -> dict[str, object]:
    """Which rule of the model's contract says no, and what it allows: where one does."""
    if not public.rule:
        return {}
    return {"rule": public.rule} if public.limit is None else {"rule": public.rule, "limit": public.limit}


def _describe_responses_event(public: PublicError, sequence_number: int) -> dict[str, object]:
    return {
        "type": "error",
        "code": public.code,
        "message": write_sentence(public),
        "param": public.field or None,
        "sequence_number": sequence_number,
        "correlation_id": public.correlation_id,
        **_tell_rule(public),
    }


def _describe_anthropic(public: PublicError) -> dict[str, object]:
    kind = _ANTHROPIC_TYPES.get(public.http)
    if kind is None:
        kind = "invalid_request_error" if public.http < 500 else "api_error"
    field = f"{public.field}: " if public.field and not public.detail.startswith(public.field) else ""
    return {
        "type": "error",
        "error": {
            "type": kind,
            "message": f"{field}{write_sentence(public)}",
            "code": public.code,
            **_tell_rule(public),
        },
        "request_id": public.correlation_id,
    }


def _describe_problem(public: PublicError) -> dict[str, object]:
    """RFC 9457."""
    problem: dict[str, object] = {
        "type": f"urn:ostiary:error:{public.code.lower()}",
        "title": public.sentence,
        "status": public.http,
        "detail": public.detail or public.hint,
        "code": public.code,
        "hint": public.hint,
        "correlation_id": public.correlation_id,
        **_tell_rule(public),
    }
    if public.field:
        problem["field"] = public.field
    return problem


def _describe_inference(public: PublicError) -> dict[str, object]:
    """RFC 9457 lets a problem have more members: `error` is the one that the Open Inference Protocol has."""
    return {"error": write_sentence(public), **_describe_problem(public)}


_PROBLEMS: Final = (Dialect.PROBLEM, Dialect.INFERENCE)
_BODIES: Final[Mapping[Dialect, Callable[[PublicError], dict[str, object]]]] = {
    Dialect.OPENAI: _describe_openai,
    Dialect.RESPONSES: _describe_openai,
    Dialect.ANTHROPIC: _describe_anthropic,
    Dialect.PROBLEM: _describe_problem,
    Dialect.INFERENCE: _describe_inference,
}
