"""Codes of the HTTP door: what is refused before a model, or even a field, is looked at."""

from __future__ import annotations

from typing import Final

from ostiary.codes.declare import declare

GATEWAY_FRAMING: Final = declare(
    "GATEWAY_FRAMING",
    "The request is not strict HTTP/1.1.",
    "Send one Content-Length or chunks, never both, and header lines as RFC 9112 has them.",
    400,
)
GATEWAY_HTTP_VERSION: Final = declare(
    "GATEWAY_HTTP_VERSION",
    "This version of HTTP is not spoken here.",
    "Speak HTTP/1.1.",
    505,
)
GATEWAY_HEAD_TOO_LARGE: Final = declare(
    "GATEWAY_HEAD_TOO_LARGE",
    "The head of the request is larger than this server takes.",
    "Send fewer or shorter headers; docs/reference/limits.md has the ceilings.",
    431,
)
GATEWAY_BODY_TOO_LARGE: Final = declare(
    "GATEWAY_BODY_TOO_LARGE",
    "The body of the request is larger than this server takes.",
    "Send less at once; the operator sets the ceiling (docs/serve.md).",
    413,
)
GATEWAY_TOO_SLOW: Final = declare(
    "GATEWAY_TOO_SLOW",
    "The request did not arrive in time.",
    "Send it at once; the connection was closed.",
    408,
)
GATEWAY_EXPECTATION: Final = declare(
    "GATEWAY_EXPECTATION",
    "The request expects something that this server does not do.",
    "The only expectation known here is 100-continue.",
    417,
)
GATEWAY_NO_ROUTE: Final = declare(
    "GATEWAY_NO_ROUTE",
    "There is nothing at this address.",
    "/openapi.json lists every address that there is.",
    404,
)
GATEWAY_METHOD: Final = declare(
    "GATEWAY_METHOD",
    "This address does not take this method.",
    "The Allow header names the methods that it takes.",
    405,
)
GATEWAY_HOST: Final = declare(
    "GATEWAY_HOST",
    "The Host header does not name this server.",
    "Use the address that the server told when it started, or let the operator add the name (docs/serve.md).",
    421,
)
GATEWAY_ORIGIN: Final = declare(
    "GATEWAY_ORIGIN",
    "Web pages of this origin may not ask this server.",
    "Let the operator allow the origin (docs/serve.md).",
    403,
)
GATEWAY_MEDIA_TYPE: Final = declare(
    "GATEWAY_MEDIA_TYPE",
    "The body is of a media type that this address does not take.",
    "Send Content-Type: application/json, without a Content-Encoding.",
    415,
)
GATEWAY_QUERY: Final = declare(
    "GATEWAY_QUERY",
    "This address takes no such query.",
    "/openapi.json lists what each address takes.",
    400,
)
GATEWAY_BODY_MALFORMED: Final = declare(
    "GATEWAY_BODY_MALFORMED",
    "The body is not written as it has to be.",
    "JSON: one object in UTF-8, without repeated keys, NaN or numbers that overflow. gRPC: the protocol's message.",
    400,
)
GATEWAY_MODEL_UNKNOWN: Final = declare(
    "GATEWAY_MODEL_UNKNOWN",
    "No model of this name is served here.",
    "/v1/models lists those that are. A name is never a path, and nothing is fetched.",
    404,
)
GATEWAY_OPERATION: Final = declare(
    "GATEWAY_OPERATION",
    "This model cannot be asked in this way.",
    "/v1/models tells what is served; /openapi.json which address is for what.",
    404,
)
GATEWAY_BUSY: Final = declare(
    "GATEWAY_BUSY",
    "The server has as much to do as it may have.",
    "Try again after the seconds that the Retry-After header names.",
    503,
)
GATEWAY_DRAINING: Final = declare(
    "GATEWAY_DRAINING",
    "The server is being stopped.",
    "Try again: another one may take its place.",
    503,
)
ADMISSION_UNAUTHENTICATED: Final = declare(
    "ADMISSION_UNAUTHENTICATED",
    "The request has no key that is known here.",
    "Send the key as Authorization: Bearer KEY or as x-api-key: KEY.",
    401,
)
ADMISSION_EXPIRED: Final = declare(
    "ADMISSION_EXPIRED",
    "What was shown to be let in has expired.",
    "Ask whoever runs the server for a new key, or your identity provider for a new token.",
    401,
)
ADMISSION_REVOKED: Final = declare(
    "ADMISSION_REVOKED",
    "This key was revoked.",
    "Ask whoever runs the server for a new one.",
    401,
)
ADMISSION_FORBIDDEN: Final = declare(
    "ADMISSION_FORBIDDEN",
    "Who asks is known here, but may not do this.",
    "Use a key that has the scope for it (docs/admission.md).",
    403,
)
GATEWAY_MODEL_LOADING: Final = declare(
    "GATEWAY_MODEL_LOADING",
    "The model is being loaded.",
    "Ask again in a moment; it goes on being loaded meanwhile.",
    503,
)
GATEWAY_NO_ROOM: Final = declare(
    "GATEWAY_NO_ROOM",
    "There is no memory for this model now: others are being asked.",
    "Ask again later; the operator sets how much there is (docs/admission.md).",
    503,
)
GATEWAY_MODEL_FAILED: Final = declare(
    "GATEWAY_MODEL_FAILED",
    "The model could not be loaded.",
    "Ask whoever runs the server; its record has why.",
    503,
)
GATEWAY_NOT_RELOADED: Final = declare(
    "GATEWAY_NOT_RELOADED",
    "The new version of the model was not taken; the one before goes on answering.",
    "The server's record has why; correct the model directory or the settings, and reload again.",
    409,
)
SERVER_STATE_IN_USE: Final = declare(
    "SERVER_STATE_IN_USE",
    "Another server runs with this state directory.",
    "Stop it first, or choose another directory with --state.",
    500,
)
SERVER_NOT_LISTENING: Final = declare(
    "SERVER_NOT_LISTENING",
    "The server cannot listen at this address.",
    "Name another with --host and --port, or end the program that has it.",
    500,
)
SERVER_UNPROTECTED: Final = declare(
    "SERVER_UNPROTECTED",
    "The server would be reachable by others without a key.",
    "Leave keys on, or listen on a loopback address only.",
    400,
)
SETTINGS_MALFORMED: Final = declare(
    "SETTINGS_MALFORMED",
    "The settings of the server cannot be understood.",
    "docs/reference/settings.md lists the settings; `ostiary config check` explains each.",
    400,
)
