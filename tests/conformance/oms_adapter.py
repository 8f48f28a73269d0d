"""The two commands by which the public OMS conformance suite calls an implementation.

    python tests/conformance/oms_adapter.py sign-model --method key --model-path DIR --output-bundle FILE ...
    python tests/conformance/oms_adapter.py verify-model --method key --model-path DIR --bundle FILE ...

The suite's models are not models that MLX could load, so intake's readers are left out: its tree walk and digests are
used, then the trust room's own signing and verifying. What the suite's options allow (ignored paths, unsigned files)
is what `ostiary verify` offers as `--unsafe-...`.
"""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, datetime
from pathlib import Path

from ostiary.core.digests import compute_root
from ostiary.core.tickets import FileEntry, Manifest, ModelFacts
from ostiary.errors import OstiaryError
from ostiary.intake.keep import KeepBudget
from ostiary.intake.read_file import read_file
from ostiary.intake.tree import open_tree
from ostiary.trust.annotations import ModelClaims
from ostiary.trust.certificates import parse_pem_certificates
from ostiary.trust.decide_by_key import NamedSigner, decide_by_key
from ostiary.trust.evidence import SignerMethod
from ostiary.trust.material import TrustMaterial
from ostiary.trust.paths import is_below
from ostiary.trust.private_key import parse_private_key
from ostiary.trust.public_key import parse_public_key
from ostiary.trust.sign import sign_manifest
from ostiary.trust.signers import FileHolder
from ostiary.trust.verify import SignatureFile, UnsafeAllowances, verify_manifest

# OMS v1.0, section 6.2: left out by every implementation unless it is told otherwise. Ostiary's own commands do not.
DEFAULT_IGNORED = (".git", ".gitignore", ".gitattributes", ".github")
NO_FACTS = ModelFacts("unknown", None, None, None, None, None, None, None, (), 0, None, None, False)


def read_manifest(path: Path, apart: Path, ignored: tuple[str, ...]) -> Manifest:
    """Every file but the signature itself and those to ignore."""
    with open_tree(path) as tree:
        for finding in tree.findings:
            if finding.is_refusing:
                sys.exit(f"{finding.rule.id}: {finding.sentence}")
        entries: list[FileEntry] = [
            read_file(tree, file, KeepBudget(), lambda _count: None).entry
            for file in tree.files
            if not is_below(file.path, ignored) and (path / file.path).resolve() != apart.resolve()
        ]
    return Manifest(tree.name, tuple(entries), compute_root(e.sha256 for e in entries), NO_FACTS, ())


def list_ignored(options: argparse.Namespace) -> tuple[str, ...]:
    given = []
    for path in options.ignore_paths:
        full = Path(path) if Path(path).is_absolute() else options.model_path / path
        if full.is_relative_to(options.model_path):
            given.append(full.relative_to(options.model_path).as_posix())
    return (*DEFAULT_IGNORED, *given)


def sign_model(options: argparse.Namespace) -> None:
    if options.method == "sigstore":
        sys.exit("keyless signing needs a network")
    manifest = read_manifest(options.model_path, options.output_bundle, list_ignored(options))
    holder = FileHolder(parse_private_key(options.private_key.read_bytes(), lambda: b""))
    chain: list[bytes] = []
    if options.method == "certificate":
        for file in (options.signing_cert, *options.cert_chain):
            chain += [der for der in parse_pem_certificates(file.read_bytes()) if der not in chain]
    claims = ModelClaims(signed_at=datetime.now(UTC).replace(microsecond=0))
    options.output_bundle.write_bytes(sign_manifest(manifest, holder, claims, certificates=chain))


def verify_model(options: argparse.Namespace) -> None:
    now = datetime.now(UTC)
    manifest = read_manifest(options.model_path, options.bundle, ())
    material = TrustMaterial(
        keys=[parse_public_key(options.public_key.read_bytes())] if options.method == "key" else [],
        roots_der=[der for file in options.cert_chain for der in parse_pem_certificates(file.read_bytes())]
        if options.method == "certificate"
        else [],
        use_sigstore=options.method == "sigstore",
    )
    allowances = UnsafeAllowances(
        frozenset(list_ignored(options)), options.ignore_unsigned_files, legacy=options.method == "certificate"
    )
    file = SignatureFile(options.bundle.name, options.bundle.read_bytes())
    evidence = verify_manifest(manifest, [file], material, now, allowances=allowances)
    signer = evidence.vouchings[0].signer
    # For certificates the suite names no identity: any that its root certifies.
    identity = signer.identity if signer.method is SignerMethod.CERTIFICATE else options.identity
    decide_by_key(evidence, now, named=NamedSigner(identity or "", options.identity_provider))


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser()
    verbs = parser.add_subparsers(required=True)
    sign, verify = verbs.add_parser("sign-model"), verbs.add_parser("verify-model")
    for verb in (sign, verify):
        verb.add_argument("--method", choices=("key", "certificate", "sigstore"), required=True)
        verb.add_argument("--model-path", type=Path, required=True)
        verb.add_argument("--cert-chain", type=Path, action="append", default=[])
        verb.add_argument("--ignore-paths", action="append", default=[])
        verb.add_argument("--use-staging", action="store_true")
    sign.add_argument("--output-bundle", type=Path, required=True)
    for name in ("--private-key", "--signing-cert"):
        sign.add_argument(name, type=Path)
    sign.add_argument("--identity-token")
    sign.set_defaults(run=sign_model)
    verify.add_argument("--bundle", type=Path, required=True)
    verify.add_argument("--public-key", type=Path)
    verify.add_argument("--ignore-unsigned-files", action="store_true")
    verify.add_argument("--identity")
    verify.add_argument("--identity-provider")
    verify.set_defaults(run=verify_model)
    options = parser.parse_args(arguments)
    try:
        options.run(options)
    except OstiaryError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main(sys.argv[1:])
