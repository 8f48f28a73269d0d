"""Keys of clients, for people and for machines (docs/reference/keys-list.schema.json)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from ostiary._version import __version__
from ostiary.core.callers import Scope
from ostiary.gateway.client_key import render_time

if TYPE_CHECKING:
    from ostiary.gateway.client_key import ClientKey

_HEAD: Final = ("ID", "NAME", "TENANT", "MAY", "UNTIL", "MODELS")
_MOST_SHOWN: Final = 3
"""Models of a key in the list; `show` has them all."""


def render_list(keys: Sequence[ClientKey], now: float) -> str:
    rows = [_HEAD, *(_render_row(key, now) for key in keys)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    return "\n".join(
        "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def render_key(key: ClientKey, now: float) -> str:
    rows = [
        ("id", key.id),
        ("name", key.name),
        ("tenant", key.tenant),
        ("may", _render_scopes(key)),
        ("models", ", ".join(_list_models(key))),
        ("created", _spell(key.created)),
        ("until", _render_end(key, now)),
    ]
    return "\n".join(f"{name:<7}  {value}" for name, value in rows)


def render_rights(key: ClientKey) -> str:
    """On one line, in the words of the list."""
    end = "for ever" if key.expires is None else f"until {_spell(key.expires)}"
    models = f", models {', '.join(_list_models(key))}" if _is_about_models(key) else ""
    return f"of {key.name}: tenant {key.tenant}, may {_render_scopes(key)}{models}, {end}"


def describe_list(keys: Sequence[ClientKey], now: float) -> dict[str, object]:
    return {
        "schema": 1,
        "ostiary": __version__,
        "verdict": "listed",
        "error": None,
        "keys": [
            {
                "id": key.id,
                "name": key.name,
                "tenant": key.tenant,
                "scopes": sorted(scope.value for scope in key.scopes),
                "models": None if key.models is None else sorted(key.models),
                "state": _tell_state(key, now),
                "created": render_time(key.created),
                "expires": None if key.expires is None else render_time(key.expires),
                "revoked": None if key.revoked is None else render_time(key.revoked),
            }
            for key in keys
        ],
    }


def _render_row(key: ClientKey, now: float) -> tuple[str, ...]:
    models = _list_models(key)
    more = f" and {len(models) - _MOST_SHOWN} more" if len(models) > _MOST_SHOWN else ""
    shown = f"{','.join(models[:_MOST_SHOWN])}{more}"
    return (key.id, key.name, key.tenant, _render_scopes(key), _render_end(key, now), shown)


def _list_models(key: ClientKey) -> list[str]:
    if not _is_about_models(key):
        return ["-"]
    return ["all"] if key.models is None else sorted(key.models) or ["-"]


def _is_about_models(key: ClientKey) -> bool:
    return bool(key.scopes & {Scope.INFER, Scope.ADMIN})


def _render_scopes(key: ClientKey) -> str:
    return ",".join(scope.value for scope in Scope if scope in key.scopes)


def _render_end(key: ClientKey, now: float) -> str:
    if key.revoked is not None:
        return f"revoked {_spell(key.revoked)}"
    if key.expires is None:
        return "for ever"
    return f"expired {_spell(key.expires)}" if key.has_expired(now) else _spell(key.expires)


def _tell_state(key: ClientKey, now: float) -> str:
    if key.revoked is not None:
        return "revoked"
    return "expired" if key.has_expired(now) else "valid"


def _spell(seconds: int) -> str:
    return render_time(seconds).replace("T", " ")
