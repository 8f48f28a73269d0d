"""`ostiary keys VERB`: the keys that clients of a server show. Running servers go by a change at once."""

from __future__ import annotations

import argparse
import json
import secrets
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ostiary.cli import ui
from ostiary.cli.keys_when import WORDS
from ostiary.cli.options import add_debug_option, add_state_option
from ostiary.errors import OUTPUT_UNWRITABLE, USAGE, Misuse, OutputUnwritable

if TYPE_CHECKING:
    from ostiary.gateway.client_key import ClientKey
    from ostiary.gateway.keys_file import Keys
    from ostiary.record.events import Event

_DESCRIPTION: Final = """\
Make, list and revoke the keys that clients of `ostiary serve` show.

A key is shown once, when it is made; its hash is kept. Running servers go by every change at once.
docs/admission.md explains it. (`ostiary key`, without the s, is about keys that sign models.)"""

_SCOPES: Final = ("infer", "admin", "metrics")


def configure(parser: argparse.ArgumentParser) -> None:
    parser.description = _DESCRIPTION
    verbs = parser.add_subparsers(metavar="VERB", required=True, parser_class=type(parser))
    create = _add(verbs, "create", _run_create, "make a key, and show it this once")
    create.add_argument("name", metavar="NAME", help="whose it is, for those who read the list")
    create.add_argument("--tenant", metavar="TENANT", help="whose limits count for it (NAME)")
    create.add_argument(
        "--scope", choices=_SCOPES, action="append", default=[], help="what it may do (infer); repeatable"
    )
    create.add_argument(
        "--model",
        metavar="MODEL",
        action="append",
        default=[],
        help="a model that it may ask or administer, as requests name it (all); repeatable",
    )
    create.add_argument("--expires", metavar="WHEN", default="never", help=f"{WORDS} (never)")
    listing = _add(verbs, "list", _run_list, "show every key: whose it is, what it may do, until when")
    show = _add(verbs, "show", _run_show, "show all that is kept of one key")
    show.add_argument("id", metavar="ID", help="the id of the key; the whole key does as well")
    for one in (listing, show):
        one.add_argument("--json", action="store_true", help="for machines")
    expire = _add(verbs, "expire", _run_expire, "set when keys expire")
    expire.add_argument("--at", metavar="WHEN", required=True, help=WORDS)
    revoke = _add(verbs, "revoke", _run_revoke, "let nobody in with these keys any more, from now on and for ever")
    forget = _add(verbs, "forget", _run_forget, "take keys that have expired or were revoked out of the list")
    for one in (expire, revoke, forget):
        one.add_argument("ids", metavar="ID", nargs="+", help="the id of a key; the whole key does as well")


def _add(
    verbs: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    run: Callable[[argparse.Namespace], int],
    summary: str,
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = verbs.add_parser(
        name, help=summary, description=f"{summary[0].upper()}{summary[1:]}."
    )
    add_state_option(parser)
    add_debug_option(parser)
    parser.set_defaults(run=run)
    return parser


def _run_create(options: argparse.Namespace) -> int:
    from ostiary.cli.keys_text import render_rights
    from ostiary.cli.keys_when import parse_when
    from ostiary.core.callers import Scope
    from ostiary.gateway.client_key import make_key
    from ostiary.gateway.key_news import describe_created
    from ostiary.gateway.keys_file import change_keys, check_owner
    from ostiary.record.begin import open_log

    _check_names(options)
    now = int(time.time())
    kept, text = make_key(
        options.name,
        now,
        tenant=options.tenant,
        scopes=frozenset(map(Scope, options.scope or _SCOPES[:1])),
        models=frozenset(options.model) or None,
        expires=parse_when(options.expires, now),
    )
    state = _find_state(options)
    check_owner(state)
    with open_log(state) as log:
        change_keys(
            state, lambda keys: (*keys, kept), lambda: log.emit(describe_created(kept, secrets.token_hex(8)))
        )
        if log.is_new:  # said aloud, as it may be the wrong directory
            ui.note("ostiary: a new record was begun; 'ostiary record --help' says what it is for")
        ui.note(f"ostiary: key {kept.id} {render_rights(kept)}")
        ui.note("ostiary: it is shown this once and kept as a hash only:")
        try:
            _show_once(text)
        except OutputUnwritable:
            _revoke(state, [kept.id], log.emit)
            ui.note("ostiary: nobody saw the key, so it was revoked")
            raise
    return 0


def _check_names(options: argparse.Namespace) -> None:
    from ostiary.core.callers import is_tenant_name
    from ostiary.core.limits import MAX_SERVED_MODELS, MAX_TENANT_CHARACTERS
    from ostiary.core.text import quote_untrusted
    from ostiary.gateway.client_key import is_key_name
    from ostiary.gateway.settings_file import is_served_name

    if not is_key_name(options.name):
        raise Misuse(
            USAGE,
            f"'{quote_untrusted(options.name, 80)}' is no name for a key",
            hint="Up to 64 letters, digits and . _ @ + -, and not 'default'.",
        )
    if options.tenant is not None and not is_tenant_name(options.tenant):
        raise Misuse(
            USAGE,
            f"'{quote_untrusted(options.tenant, 80)}' is no name of a tenant",
            hint=f"Up to {int(MAX_TENANT_CHARACTERS)} letters, digits and signs, and not 'default'.",
        )
    for model in options.model:
        if not is_served_name(model):
            raise Misuse(USAGE, f"'{quote_untrusted(model, 80)}' is no name that a model can be served under")
    if len(set(options.model)) > MAX_SERVED_MODELS:
        raise Misuse(USAGE, f"a key can name {int(MAX_SERVED_MODELS)} models; leave --model out for all")
    if options.model and options.scope and not {"infer", "admin"} & set(options.scope):
        raise Misuse(USAGE, "--model needs a scope that is about models: infer or admin")


def _show_once(text: str) -> None:
    """Raises OutputUnwritable, also where whoever was to read it went away: elsewhere that is no failure."""
    if not ui.stream(f"{text}\n"):
        told = "whoever was to read the key went away"
        raise OutputUnwritable(OUTPUT_UNWRITABLE, told, hint="Make another key, and let something read it.")


def _run_list(options: argparse.Namespace) -> int:
    from ostiary.cli.keys_text import describe_list, render_list
    from ostiary.gateway.keys_file import read_kept_keys

    keys = read_kept_keys(_find_state(options))
    now = time.time()
    if options.json:
        ui.out(json.dumps(describe_list(keys, now), indent=2))
    elif keys:
        ui.out(render_list(keys, now))
    else:
        ui.note("ostiary: there is no key in this state directory; the server's may be another one (--state DIR)")
    return 0


def _run_show(options: argparse.Namespace) -> int:
    from ostiary.cli.keys_text import describe_list, render_key
    from ostiary.gateway.keys import find_key
    from ostiary.gateway.keys_file import read_kept_keys

    key = find_key(read_kept_keys(_find_state(options)), options.id)
    now = time.time()
    ui.out(json.dumps(describe_list([key], now), indent=2) if options.json else render_key(key, now))
    return 0


def _run_expire(options: argparse.Namespace) -> int:
    from ostiary.cli.keys_when import parse_when
    from ostiary.gateway.client_key import render_time
    from ostiary.gateway.keys import find_key
    from ostiary.gateway.keys_file import change_keys, check_owner
    from ostiary.record.access_events import KeysExpirySet
    from ostiary.record.begin import open_log

    at = parse_when(options.at, int(time.time()))
    spelled = None if at is None else render_time(at)
    state = _find_state(options)
    check_owner(state)
    chosen: list[ClientKey] = []

    def change(keys: Keys) -> Keys:
        chosen[:] = [find_key(keys, named) for named in dict.fromkeys(options.ids)]
        for key in chosen:
            if key.revoked is not None:
                raise Misuse(USAGE, f"key {key.id} was revoked, for ever", hint="Make another one.")
        ids = {key.id for key in chosen}
        return tuple(replace(key, expires=at) if key.id in ids else key for key in keys)

    with open_log(state) as log:

        def announce() -> None:
            correlation_id = secrets.token_hex(8)
            for key in chosen:
                log.emit(KeysExpirySet(correlation_id=correlation_id, key=key.id, expires=spelled))

        change_keys(state, change, announce)
    for key in chosen:
        ui.note(f"ostiary: key {key.id}, of {key.name}, {'never expires' if at is None else f'expires {spelled}'}")
    return 0


def _run_revoke(options: argparse.Namespace) -> int:
    from ostiary.gateway.keys_file import check_owner
    from ostiary.record.begin import open_log

    state = _find_state(options)
    check_owner(state)

    def emit(event: Event) -> None:
        with open_log(state) as log:
            log.emit(event)

    for key in _revoke(state, options.ids, emit):
        ui.note(f"ostiary: key {key.id}, of {key.name}, lets nobody in any more")
    return 0


def _revoke(state: Path, named: list[str], emit: Callable[[Event], None]) -> list[ClientKey]:
    """First of all they are revoked, whatever becomes of the record."""
    from ostiary.gateway.keys import find_key
    from ostiary.gateway.keys_file import change_keys
    from ostiary.record.access_events import KeysRevoked

    now = int(time.time())
    chosen: list[ClientKey] = []
    fresh: list[ClientKey] = []

    def change(keys: Keys) -> Keys:
        chosen[:] = [find_key(keys, one) for one in dict.fromkeys(named)]
        fresh[:] = [key for key in chosen if key.revoked is None]
        ids = {key.id for key in fresh}
        return tuple(replace(key, revoked=now) if key.id in ids else key for key in keys)

    change_keys(state, change)
    correlation_id = secrets.token_hex(8)
    try:
        for key in fresh:
            emit(KeysRevoked(correlation_id=correlation_id, key=key.id))
    except Exception:
        ui.note("ostiary: the keys are revoked, but the record could not be told")
        raise
    return chosen


def _run_forget(options: argparse.Namespace) -> int:
    from ostiary.gateway.keys import find_key
    from ostiary.gateway.keys_file import change_keys, check_owner
    from ostiary.record.access_events import KeysForgotten
    from ostiary.record.begin import open_log

    now = time.time()
    state = _find_state(options)
    check_owner(state)
    chosen: list[ClientKey] = []

    def change(keys: Keys) -> Keys:
        chosen[:] = [find_key(keys, named) for named in dict.fromkeys(options.ids)]
        for key in chosen:
            if key.is_valid(now):
                raise Misuse(USAGE, f"key {key.id} still lets somebody in", hint="Revoke it first.")
        ids = {key.id for key in chosen}
        return tuple(key for key in keys if key.id not in ids)

    with open_log(state) as log:

        def announce() -> None:
            correlation_id = secrets.token_hex(8)
            for key in chosen:
                log.emit(KeysForgotten(correlation_id=correlation_id, key=key.id))

        change_keys(state, change, announce)
    for key in chosen:
        ui.note(f"ostiary: key {key.id}, of {key.name}, was taken out of the list")
    return 0


def _find_state(options: argparse.Namespace) -> Path:
    from ostiary.record.place import find_state_directory

    state: Path | None = options.state
    return find_state_directory() if state is None else state
