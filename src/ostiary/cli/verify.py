"""`ostiary verify MODEL`: does somebody who is believed vouch for every byte of it?"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ostiary.cli import ui
from ostiary.cli.keyless_options import add_sigstore_config_option
from ostiary.cli.options import add_debug_option, add_state_option
from ostiary.errors import KEY_UNUSABLE, USAGE, Misuse, TrustRefused

if TYPE_CHECKING:
    from ostiary.record.log import Log
    from ostiary.trust.judge import Decide
    from ostiary.trust.material import TrustMaterial

_DESCRIPTION: Final = """\
Tell whether somebody who is believed vouches for a model: for these files, all of them and no others.

Name a key, or a root certificate with an identity; else the policy decides. Every byte is read once, and judged as
`ostiary inspect` judges it; then the signatures are checked, in the steps of docs/verify.md. The verdict is
written to the record."""

_EPILOG: Final = """\
exit status:
  0  verified
  2  the command was held wrong, or there is nothing at MODEL
  3  refused, and the code says why
  4  the model could not be read, or the verdict could not be written"""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.description = _DESCRIPTION
    parser.epilog = _EPILOG
    parser.add_argument("model", metavar="MODEL", help="a model directory, or a single model file")
    parser.add_argument(
        "--key", metavar="PUB", type=Path, action="append", default=[], help="believe this public key"
    )
    parser.add_argument(
        "--root", metavar="PEM", type=Path, action="append", default=[], help="believe certificates under this root"
    )
    parser.add_argument("--identity", metavar="NAME", help="whom a certificate or keyless signature must name")
    parser.add_argument("--issuer", metavar="URL", help="who must know that identity: believe keyless signatures")
    parser.add_argument("--policy", metavar="FILE", type=Path, help="believe whom this policy believes")
    add_sigstore_config_option(parser)
    parser.add_argument("--id", metavar="ID", help="the model must be signed as this one")
    parser.add_argument(
        "--signature", metavar="FILE", type=Path, action="append", default=[], help="a signature kept elsewhere"
    )
    parser.add_argument("--whole", action="store_true", help="hash every file from end to end, never by its chunks")
    parser.add_argument("--json", action="store_true", help="one JSON object, for machines")
    parser.add_argument(
        "--record-location", action="store_true", help="record a salted hash of where the model lies, too"
    )
    parser.add_argument(
        "--unsafe-ignore",
        metavar="PATH",
        action="append",
        default=[],
        help="let this unsigned file or directory be there; it is not vouched for",
    )
    parser.add_argument("--unsafe-ignore-unsigned", action="store_true", help="let any unsigned file be there")
    parser.add_argument(
        "--unsafe-legacy", action="store_true", help="take the faulty statements of model-signing 0.2, too"
    )
    add_state_option(parser)
    add_debug_option(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    from ostiary.cli.verify_text import describe_refusal, describe_verification, render_verification
    from ostiary.errors import Refusal
    from ostiary.record.begin import open_log
    from ostiary.trust.verify import UnsafeAllowances
    from ostiary.walks.model_walk import VerifyRequest, verify_model

    now = datetime.now(UTC)
    allowances = UnsafeAllowances(
        frozenset(options.unsafe_ignore), options.unsafe_ignore_unsigned, options.unsafe_legacy
    )
    try:
        with open_log(options.state) as log, ui.Progress("verifying") as progress:
            material, decide = _choose_belief(options, log, now)
            if options.sigstore_config is not None:
                material = _choose_instance(options.sigstore_config, material)
            request = VerifyRequest(
                material=material,
                decide=decide,
                now=now,
                source=str(Path(options.model).resolve()),
                signatures=options.signature,
                allowances=allowances,
                by_chunks=not options.whole,
                record_location=options.record_location,
                needs_vouching=options.policy is None,
            )
            verification = verify_model(
                options.model, log.emit, request, start=progress.start, advance=progress.advance
            )
    except Refusal as refusal:
        if options.json:
            ui.out(json.dumps(describe_refusal(refusal), indent=2))
            refusal.is_told = True
        raise
    if options.json:
        ui.out(json.dumps(describe_verification(verification), indent=2))
    else:
        ui.out("\n".join(render_verification(verification, color=ui.has_color_on_stdout())))
    return 0


def _choose_belief(options: argparse.Namespace, log: Log, now: datetime) -> tuple[TrustMaterial, Decide]:
    """Whom to believe, and how that is decided: by what the command line names, or by a policy and its memory."""
    named_by_hand = bool(options.key or options.root or options.issuer)
    if options.policy is not None:
        if named_by_hand or options.identity:
            raise Misuse(
                USAGE, "--policy says whom to believe; --key, --root, --identity and --issuer do not go with it"
            )
        return _believe_policy(options, log, now)
    if bool(options.root or options.issuer) != bool(options.identity):
        raise Misuse(USAGE, "--root and --issuer need --identity, and it needs one of them")
    if not named_by_hand:
        return _believe_policy(options, log, now)
    from ostiary.cli.key_options import read_public_key
    from ostiary.trust.decide_by_key import NamedSigner, decide_by_key, is_named
    from ostiary.trust.material import TrustMaterial

    named = None if options.identity is None else NamedSigner(options.identity, options.issuer)
    material = TrustMaterial(
        keys=[read_public_key(path) for path in options.key],
        roots_der=[der for path in options.root for der in _read_roots(path)],
        use_sigstore=options.issuer is not None,
        is_believed=lambda signer: is_named(signer, named),
    )
    return material, lambda evidence: decide_by_key(evidence, now, model_id=options.id, named=named)


def _believe_policy(options: argparse.Namespace, log: Log, now: datetime) -> tuple[TrustMaterial, Decide]:
    from ostiary.cli.belief import ask_to_pin, load_belief_for

    belief = load_belief_for(options.model, options.policy, now, log)
    return belief.material, belief.bind(log, now, options.id, ask=ask_to_pin)


def _choose_instance(path: Path, material: TrustMaterial) -> TrustMaterial:
    """An instance of one's own in the place of the public one."""
    from ostiary.cli.keyless_options import read_sigstore_roots

    if not material.use_sigstore:
        raise Misuse(USAGE, "--sigstore-config is for keyless signatures, and nobody is named who makes any")
    return replace(material, sigstore_config=read_sigstore_roots(path))


def _read_roots(path: Path) -> tuple[bytes, ...]:
    from ostiary.trust.certificates import parse_pem_certificates
    from ostiary.trust.key_files import read_key_file

    try:
        return parse_pem_certificates(read_key_file(path).data)
    except TrustRefused as refusal:
        raise Misuse(KEY_UNUSABLE, f"{path.name}: {refusal.message}") from refusal
