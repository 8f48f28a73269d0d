"""`ostiary sign MODEL`: vouch for a model, so that others can check who did."""

from __future__ import annotations

import argparse
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from ostiary.cli import ui
from ostiary.cli.key_options import add_key_options, open_holder
from ostiary.cli.keyless_options import add_keyless_options, open_keyless, refuse_keyless_options
from ostiary.cli.options import add_debug_option, add_state_option
from ostiary.errors import KEY_UNUSABLE, USAGE, Misuse, TrustRefused

_DESCRIPTION: Final = """\
Sign a model: read and judge all of it, then write model.sig into it (NAME.sig beside a single file).

Only what `ostiary inspect` accepts is signed; what it notes of code is named in the signature. The format is
OpenSSF Model Signing v1.0, so that other programs can check it too. A second signer gets model.2.sig, and so on."""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.description = _DESCRIPTION
    parser.add_argument("model", metavar="MODEL", help="a model directory, or a single model file")
    add_key_options(parser, may_be_keyless=True)
    parser.add_argument(
        "--certificate", metavar="PEM", type=Path, help="the key's certificate and those above it, without the root"
    )
    parser.add_argument("--id", metavar="ID", help="the model's id, such as acme/llama: it cannot pass for another")
    parser.add_argument(
        "--model-version", metavar="VERSION", help="such as 1.2: it cannot be taken for a newer one"
    )
    parser.add_argument(
        "--expires", metavar="WHEN", help="when the signature ends: 2027-12-31, or in a time such as 90d, 12w or 1y"
    )
    parser.add_argument(
        "--claim", metavar="NAME=TEXT", action="append", default=[], help="anything else to say, in a line"
    )
    parser.add_argument("--output", "-o", metavar="FILE", type=Path, help="write the signature there instead")
    parser.add_argument(
        "--replace", action="store_true", help="take away signatures over other files than those there now"
    )
    parser.add_argument(
        "--compat",
        choices=("reference",),
        help="of a single file: write the name by which model-signing 1.1.1 finds it, not the specification's",
    )
    parser.add_argument("--no-chunks", action="store_true", help="no chunk trees for large files")
    add_keyless_options(parser)
    parser.add_argument("--json", action="store_true", help="one JSON object, for machines")
    add_state_option(parser)
    add_debug_option(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    from ostiary.core.model_id import parse_model_id
    from ostiary.record.begin import open_log
    from ostiary.trust.annotations import ModelClaims
    from ostiary.trust.dates import parse_expiry
    from ostiary.trust.sign_model import TREE_FROM_BYTES, SignRequest
    from ostiary.trust.version import parse_version
    from ostiary.walks.model_walk import sign_model

    now = datetime.now(UTC).replace(microsecond=0)
    try:
        claims = ModelClaims(
            model_id=None if options.id is None else parse_model_id(options.id),
            model_version=None if options.model_version is None else parse_version(options.model_version).text,
            signed_at=now,
            expires_at=None if options.expires is None else parse_expiry(options.expires, "--expires", now),
            claims=_split_claims(options.claim),
        )
    except TrustRefused as refusal:  # of what stands on the command line
        raise Misuse(USAGE, refusal.message) from refusal
    progress = ui.Progress("signing")
    if not options.keyless:
        refuse_keyless_options(options)
    request = SignRequest(
        holder=open_keyless(options, progress) if options.keyless else open_holder(options),
        claims=claims,
        certificates=() if options.certificate is None else _read_certificates(options.certificate),
        output=options.output,
        for_reference=options.compat == "reference",
        replaces=options.replace,
        tree_from_bytes=None if options.no_chunks else TREE_FROM_BYTES,
    )
    with open_log(options.state) as log, progress:
        signed = sign_model(options.model, log.emit, request, start=progress.start, advance=progress.advance)
    name, signer = signed.path.name, signed.signer
    if options.json:
        value = {"verdict": "signed", "signature": name, "key": signer.key_id}
        if options.keyless:
            value |= {"identity": signer.identity, "issuer": signer.issuer}
        ui.out(json.dumps(value, indent=2))
    elif options.keyless:
        ui.out(f"{name}  signed by {signer.identity}, known to {signer.issuer}")
    else:
        ui.out(f"{name}  signed by key {signer.key_id}")
    return 0


def _split_claims(claims: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for claim in claims:
        name, equals, text = claim.partition("=")
        if not equals or name in found:
            raise Misuse(USAGE, "--claim takes NAME=TEXT, each name once")
        found[name] = text
    return found


def _read_certificates(path: Path) -> tuple[bytes, ...]:
    from ostiary.trust.certificates import parse_pem_certificates
    from ostiary.trust.key_files import read_key_file

    try:
        return parse_pem_certificates(read_key_file(path).data)
    except TrustRefused as refusal:
        raise Misuse(KEY_UNUSABLE, f"{path.name}: {refusal.message}") from refusal
