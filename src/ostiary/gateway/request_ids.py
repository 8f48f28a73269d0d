"""The ids of a request: ours, and those that a client gave it, where they are ids. Pure."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from typing import Final

from ostiary.core.limits import MAX_REQUEST_ID_CHARACTERS
from ostiary.core.values import dataclass
from ostiary.gateway.reply import Headers

_REQUEST_ID: Final = re.compile(rf"[A-Za-z0-9][A-Za-z0-9._:/+=-]{{0,{MAX_REQUEST_ID_CHARACTERS - 1}}}", re.ASCII)
_TRACEPARENT: Final = re.compile(r"00-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-([0-9a-f]{2})", re.ASCII)


@dataclass(frozen=True, slots=True)
class RequestIds:
    """Of one request."""

    correlation_id: str
    """Ours alone: a client cannot choose what joins the record."""
    request_id: str
    traceparent: str | None
    """Ours within the client's trace (W3C Trace Context), where there is one."""

    def headers(self) -> Headers:
        """For every answer."""
        told = (("x-request-id", self.request_id), ("x-correlation-id", self.correlation_id))
        return told if self.traceparent is None else (*told, ("traceparent", self.traceparent))


def read_request_ids(headers: Mapping[str, str]) -> RequestIds:
    """What is no id is left out: it is the client's own loss, and no reason to refuse."""
    correlation_id = secrets.token_hex(8)
    claimed, parent = headers.get("x-request-id"), headers.get("traceparent")
    request_id = claimed if claimed and _REQUEST_ID.fullmatch(claimed) else correlation_id
    trace = _TRACEPARENT.fullmatch(parent) if parent else None
    traceparent = None if trace is None else f"00-{trace[1]}-{correlation_id}-{trace[2]}"
    return RequestIds(correlation_id, request_id, traceparent)
