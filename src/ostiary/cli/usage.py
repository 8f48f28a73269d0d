"""`ostiary usage`: what each tenant of a server used, by day (docs/reference/usage.schema.json)."""

from __future__ import annotations

import argparse
import json
import re
import time
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Final

from ostiary._version import __version__
from ostiary.cli import ui
from ostiary.cli.options import add_debug_option, add_state_option
from ostiary.core.limits import MAX_USAGE_DAYS
from ostiary.core.text import quote_untrusted
from ostiary.errors import USAGE, Misuse

if TYPE_CHECKING:
    from ostiary.admission.usage_lines import UsageRead

_DESCRIPTION: Final = """\
What each tenant used of a server: requests, and tokens of prompts and answers.

Read from the state directory, also while the server runs. Days are those of UTC. docs/admission.md explains what
counts."""

_USUAL_DAYS: Final = 30
_SPAN: Final = re.compile(r"(\d{1,4})d", re.ASCII)
_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_FIRST: Final = date(1970, 1, 1)
_HEAD: Final = ("REQUESTS", "PROMPT TOKENS", "ANSWER TOKENS", "CUT OFF")
_SHOWN_CHARACTERS: Final = 60


def configure(parser: argparse.ArgumentParser) -> None:
    parser.description = _DESCRIPTION
    parser.add_argument("--tenant", metavar="TENANT", help="of this one only, day by day")
    parser.add_argument(
        "--since", metavar="WHEN", help=f"a day as 2026-01-31, or so many days back as 7d ({_USUAL_DAYS}d)"
    )
    parser.add_argument("--json", action="store_true", help="for machines, by tenant and day")
    add_state_option(parser)
    add_debug_option(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    from ostiary.admission.usage_file import read_usage
    from ostiary.record.place import find_state_directory

    since = parse_since(
        options.since or f"{_USUAL_DAYS}d", _number(datetime.fromtimestamp(time.time(), UTC).date())
    )
    usage = read_usage(options.state or find_state_directory())
    if usage.damaged:
        ui.note(f"ostiary: {usage.damaged} lines of the file of usage cannot be read: there may be more than this.")
    if options.json:
        ui.out(json.dumps(_describe(usage, since, options.tenant), indent=2))
        return 0
    rows = _list_rows(usage, since, options.tenant)
    if not rows:
        ui.note(f"ostiary: nothing was used since {_spell(since)}.")
        return 0
    head = "TENANT" if options.tenant is None else "DAY"
    ui.out(_render([(head, *_HEAD), *rows]))
    return 0


def parse_since(text: str, today: int) -> int:
    """The number of a day since 1970. Raises Misuse(USAGE)."""
    day = _parse_day(text, today)
    if day is None:
        raise Misuse(
            USAGE,
            f"'{quote_untrusted(text, 40)}' is no day",
            hint="Write a day of UTC as 2026-01-31, or so many days back, today included, as 7d.",
        )
    return max(day, today - MAX_USAGE_DAYS)


def _parse_day(text: str, today: int) -> int | None:
    span = _SPAN.fullmatch(text)
    if span is not None:
        return today - int(span[1]) + 1
    try:
        return _number(date.fromisoformat(text)) if _DATE.fullmatch(text) else None
    except ValueError:
        return None


def _list_rows(usage: UsageRead, since: int, tenant: str | None) -> list[tuple[str, ...]]:
    """By tenant, or of one tenant by day."""
    sums: dict[str, list[int]] = {}
    for (day, name), used in sorted(usage.days.items()):
        if day < since or tenant not in (None, name):
            continue
        numbers = (used.requests, used.prompt_tokens, used.answer_tokens, used.cut_tokens)
        row = sums.setdefault(name if tenant is None else _spell(day), [0] * len(numbers))
        row[:] = [before + more for before, more in zip(row, numbers, strict=True)]
    names = sorted(sums)
    return [(quote_untrusted(name, _SHOWN_CHARACTERS), *(f"{number:,}" for number in sums[name])) for name in names]


def _render(rows: list[tuple[str, ...]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for first, *rest in rows:
        cells = [f"{cell:>{width}}" for cell, width in zip(rest, widths[1:], strict=True)]
        lines.append("  ".join([f"{first:<{widths[0]}}", *cells]))
    return "\n".join(lines)


def _describe(usage: UsageRead, since: int, tenant: str | None) -> dict[str, object]:
    return {
        "schema": 1,
        "ostiary": __version__,
        "verdict": "listed",
        "error": None,
        "since": _spell(since),
        "usage": [
            {
                "day": _spell(day),
                "tenant": name,
                "requests": used.requests,
                "prompt_tokens": used.prompt_tokens,
                "answer_tokens": used.answer_tokens,
                "cut_tokens": used.cut_tokens,
            }
            for (day, name), used in sorted(usage.days.items())
            if day >= since and tenant in (None, name)
        ],
        "held_tokens": sum(tokens for name, tokens in usage.open.values() if tenant in (None, name)),
    }


def _number(day: date) -> int:
    return (day - _FIRST).days


def _spell(day: int) -> str:
    return (_FIRST + timedelta(days=day)).isoformat()
