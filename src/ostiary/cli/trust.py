"""`ostiary trust`: whom this house believes for what, and why it says what it says."""

from __future__ import annotations

import argparse
import json
import secrets
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ostiary.cli import ui
from ostiary.cli.options import add_debug_option, add_state_option
from ostiary.cli.trust_edit import (
    record_change,
    run_add_rule,
    run_add_signer,
    run_init,
    run_revoke,
    run_rotate,
)
from ostiary.core.values import dataclass
from ostiary.errors import USAGE, Misuse, Refusal
from ostiary.library.belief import load_belief, load_belief_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from ostiary.trust.explanation import Explanation

_DESCRIPTION: Final = """\
Say whom this house believes for what, and ask why it says what it says.

The policy is one TOML file, edited here or by hand: comments stay. Everything that no rule allows is refused.
docs/policy.md explains it."""

_FORMATS: Final = ("safetensors", "gguf", "npy", "npz", "mlxfn")
_LEVELS: Final = ("enforce", "warn", "audit")


def configure(parser: argparse.ArgumentParser) -> None:
    parser.description = _DESCRIPTION
    actions = parser.add_subparsers(metavar="ACTION", required=True, parser_class=type(parser))
    init = _add(actions, "init", "begin a policy that allows nothing", run_init)
    adding = actions.add_parser("add", help="add a signer or a rule to the policy").add_subparsers(
        metavar="WHAT", required=True, parser_class=type(parser)
    )
    signer = _add(adding, "signer", "name somebody: by a key, a certificate or a keyless identity", run_add_signer)
    signer.add_argument("name", metavar="NAME", help="what rules call the signer")
    signer.add_argument("--key", metavar="PUB", type=Path, help="a public key file")
    signer.add_argument("--root", metavar="PEM", type=Path, help="root certificates that certify --identity")
    signer.add_argument("--identity", metavar="WHO", help="what the certificate says of its holder")
    signer.add_argument("--issuer", metavar="URL", help="the identity provider that sigstore asked")
    rule = _add(adding, "rule", "say what models of some ids must fulfil", run_add_rule)
    _configure_rule(rule)
    listing = _add(actions, "list", "show signers, rules, revocations and what is remembered", _run_list)
    check = _add(
        actions, "check", "tell which rule decides on a model, and what would change the answer", _run_check
    )
    revoke = _add(actions, "revoke", "believe a key, an identity, a content or a version no more", run_revoke)
    _configure_revoke(revoke)
    rotate = _add(
        actions, "rotate", "let the key that a signer vouched for take its place in every rule", run_rotate
    )
    rotate.add_argument("old", metavar="OLD", help="the signer's name until now")
    rotate.add_argument("new", metavar="NEW", help="the name of the signer with the next key")
    rotate.add_argument("statement", metavar="FILE", type=Path, help="what `ostiary key rotate` wrote")
    pin = _add(actions, "pin", "say that this version of a model is the right one", _run_pin)
    pin.add_argument("--rebuild", action="store_true", help="build the memory of versions anew from the record")
    for one in (check, pin):
        one.add_argument(
            "model", metavar="MODEL", nargs="?" if one is pin else None, help="a model directory or file"
        )
        one.add_argument("--id", metavar="ID", help="the id that the model must be signed with")
    for one in (listing, check):
        one.add_argument("--json", action="store_true", help="one JSON object, for machines")
    update = _add(
        actions, "update", "fetch policy and revocations from the repository that is followed", _run_update
    )
    update.add_argument(
        "--from", dest="source", metavar="SOURCE", help="follow this one: a directory or https address"
    )
    update.add_argument("--root", metavar="FILE", type=Path, help="its root.json, from somebody you believe")
    unfollow = _add(actions, "unfollow", "follow the repository no more; what was fetched goes", _run_unfollow)
    for one in (init, signer, rule, listing, check, revoke, rotate, pin, update, unfollow):
        add_state_option(one)
    for one in (init, signer, rule, listing, check, revoke, rotate, pin):
        one.add_argument(
            "--policy", metavar="FILE", type=Path, help="the policy file (else OSTIARY_POLICY, or the usual)"
        )


@dataclass(frozen=True, slots=True)
class _Verified:
    """What came of a verification by policy: its explanation, if it came so far, and the refusal, if it was one."""

    origin: str
    explanation: Explanation | None
    refusal: Refusal | None
    correlation_id: str


def _configure_rule(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("models", metavar="PATTERN", help="a model id, or the beginning of ids and a '*'")
    parser.add_argument(
        "--signer", metavar="NAME", required=True, action="append", help="who may vouch; repeatable"
    )
    parser.add_argument("--need", metavar="N", type=int, help="how many of them must (all)")
    parser.add_argument("--minimum-version", metavar="V", required=True, help="a version, or 'any'")
    parser.add_argument(
        "--format",
        choices=_FORMATS,
        action="append",
        default=[],
        help="a format of weights (safetensors); repeatable",
    )
    parser.add_argument("--source", metavar="PLACE", required=True, action="append", help="where it may come from")
    parser.add_argument(
        "--code", metavar="RULE", action="append", default=[], help="a finding on code to allow; repeatable"
    )
    parser.add_argument("--first-use", choices=("ask", "accept"), help="what to do with a model never seen (ask)")
    parser.add_argument("--unnamed", action="store_true", help="count signatures that name no model")
    parser.add_argument("--level", choices=_LEVELS, help="what a no is worth (enforce)")


def _configure_revoke(parser: argparse.ArgumentParser) -> None:
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--key", metavar="PUB", type=Path, help="a public key file")
    what.add_argument("--key-id", metavar="SHA256", help="a key's id, or a certificate's digest")
    what.add_argument("--identity", metavar="WHO", help="whom certificates name")
    what.add_argument("--digest", metavar="SHA256", help="a model's root digest")
    what.add_argument("--model", metavar="ID", help="one version of this model; needs --model-version")
    what.add_argument(
        "--statement", metavar="FILE", type=Path, help="what a signer's own `ostiary key revoke` wrote"
    )
    parser.add_argument("--model-version", metavar="V")
    parser.add_argument("--reason", help="one line for whoever asks why; not with --statement, which has its own")


def _add(
    actions: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    summary: str,
    run: Callable[[argparse.Namespace], int],
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = actions.add_parser(name, help=summary, description=f"{summary.capitalize()}.")
    add_debug_option(parser, argparse.SUPPRESS)
    parser.set_defaults(run=run)
    return parser


def _run_list(options: argparse.Namespace) -> int:
    from ostiary.record.begin import open_log
    from ostiary.trust.rollback import VersionMemory

    with open_log(options.state) as log:
        belief = load_belief(options.policy, datetime.now(UTC), log)
        memory = VersionMemory(log)
        models, repository = memory.read(), memory.read_repository()
    if options.json:
        from ostiary.cli.trust_json import describe_policy

        ui.out(json.dumps(describe_policy(belief, models, repository), indent=2))
    else:
        from ostiary.cli.trust_text import render_policy

        ui.out("\n".join(render_policy(belief, models)))
    return 0


def _run_check(options: argparse.Namespace) -> int:
    from ostiary.cli.trust_json import describe_answer
    from ostiary.cli.trust_text import render_answer
    from ostiary.cli.verify_text import describe_refusal

    try:
        verified = _verify(options, is_rehearsal=True)
        answer, refusal = verified.explanation, verified.refusal
        if answer is None:  # what was found was no evidence yet, so the policy was not asked
            raise refusal or Misuse(USAGE, "nothing was decided")
    except Refusal as error:
        if options.json:
            ui.out(json.dumps(describe_refusal(error), indent=2))
            error.is_told = True
        raise
    if options.json:
        described = describe_answer(answer, refusal, verified.origin, verified.correlation_id)
        ui.out(json.dumps(described, indent=2))
    else:
        color = ui.has_color_on_stdout()
        ui.out("\n".join(render_answer(answer, verified.origin, color=color, width=ui.measure_width())))
    if refusal is not None:
        refusal.is_told = True
        raise refusal
    return 0


def _run_pin(options: argparse.Namespace) -> int:
    from ostiary.record.begin import open_log
    from ostiary.trust.rollback import VersionMemory

    if options.rebuild:
        with open_log(options.state) as log:
            count = VersionMemory(log).rebuild()
            record_change(log, "rebuild", "versions", None)
        ui.note(f"ostiary: the memory of versions was built anew from the record: {count} models.")
        return 0
    if options.model is None:
        raise Misuse(USAGE, "name the model that should be pinned")
    verified = _verify(options, is_pinning=True)
    if verified.refusal is not None:
        raise verified.refusal
    answer = verified.explanation
    if answer is not None:
        ui.note(f"ostiary: pinned {answer.model_id} {answer.version or 'without a version'}.")
    return 0


def _run_update(options: argparse.Namespace) -> int:
    from ostiary.record.begin import open_log
    from ostiary.trust.distribution import update_trust
    from ostiary.trust.key_files import read_key_file
    from ostiary.trust.subscription import check_subscription, subscribe

    if (options.source is None) != (options.root is None):
        raise Misuse(USAGE, "--from and --root go together")
    with open_log(options.state) as log:
        if options.source is not None:
            source = options.source if "://" in options.source else str(Path(options.source).resolve())
            subscribe(log, source, read_key_file(options.root).data, correlation_id=secrets.token_hex(8))
            record_change(log, "follow", "repository", None)
        state = check_subscription(log)
        if state is None:
            raise Misuse(
                USAGE,
                "this house follows no repository",
                hint="Name one: ostiary trust update --from SOURCE --root root.json.",
            )
        fetched = update_trust(state, datetime.now(UTC))
        record_change(log, "update", f"repository version {fetched.version}", fetched.policy)
    ui.note(f"ostiary: version {fetched.version}, good until {fetched.expires_at:%Y-%m-%d %H:%M} UTC.")
    return 0


def _run_unfollow(options: argparse.Namespace) -> int:
    from ostiary.record.begin import open_log
    from ostiary.trust.subscription import unsubscribe

    with open_log(options.state) as log:
        unsubscribe(log, correlation_id=secrets.token_hex(8))
        record_change(log, "unfollow", "repository", None)
    ui.note("ostiary: no repository is followed any more; what it revoked no longer counts.")
    return 0


def _verify(options: argparse.Namespace, *, is_rehearsal: bool = False, is_pinning: bool = False) -> _Verified:
    from ostiary.record.begin import open_log
    from ostiary.walks.model_walk import VerifyRequest, verify_model

    now = datetime.now(UTC)
    with open_log(options.state) as log, ui.Progress("verifying") as progress:
        belief = load_belief_for(options.model, options.policy, now, log)
        decider = belief.bind(log, now, options.id, is_rehearsal=is_rehearsal, is_pinning=is_pinning)
        source = str(Path(options.model).resolve())
        request = VerifyRequest(
            material=belief.material, decide=decider, now=now, source=source, needs_vouching=False
        )
        try:
            done = verify_model(options.model, log.emit, request, start=progress.start, advance=progress.advance)
        except Refusal as refusal:
            return _Verified(belief.origin, decider.explanation, refusal, refusal.correlation_id or "")
    return _Verified(belief.origin, decider.explanation, None, done.correlation_id)
