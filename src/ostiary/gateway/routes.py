"""All addresses of the server, gathered from whoever answers at them."""

from __future__ import annotations

from collections.abc import Callable

from ostiary.gateway import listing
from ostiary.gateway.admin import Reload, make_admin_routes
from ostiary.gateway.anthropic import messages
from ostiary.gateway.health import make_health_routes
from ostiary.gateway.oip.rest import make_inference_routes
from ostiary.gateway.openai import chat, completions, embeddings, responses
from ostiary.gateway.openapi import make_openapi_route
from ostiary.gateway.route import Route


def gather_routes(is_draining: Callable[[], bool], reload: Reload | None = None) -> tuple[Route, ...]:
    """`reload`: None where nothing is."""
    routes = (
        *make_health_routes(is_draining),
        *listing.ROUTES,
        *chat.ROUTES,
        *completions.ROUTES,
        *embeddings.ROUTES,
        *responses.ROUTES,
        *messages.ROUTES,
        *make_inference_routes(is_draining),
        *make_admin_routes(reload),
    )
    return (*routes, make_openapi_route(routes))
