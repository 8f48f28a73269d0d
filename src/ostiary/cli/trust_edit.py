"""The `ostiary trust` actions that change the policy. Each change is in the record before it is in force."""

from __future__ import annotations

import argparse
import secrets
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ostiary.cli import ui
from ostiary.errors import USAGE, Misuse
from ostiary.library.belief import find_policy_path, load_belief
from ostiary.record.begin import open_log

if TYPE_CHECKING:
    from collections.abc import Callable

    from ostiary.record.log import Log


def run_init(options: argparse.Namespace) -> int:
    from ostiary.trust.edit_policy import NEW_POLICY
    from ostiary.trust.policy_file import create_policy_file

    path = find_policy_path(options.policy)
    with open_log(options.state) as log:
        create_policy_file(path, NEW_POLICY.encode())
        record_change(log, "init", path.name, NEW_POLICY.encode())
    ui.note(f"ostiary: {path} allows nothing yet. Next: ostiary trust add signer, ostiary trust add rule.")
    return 0


def run_add_signer(options: argparse.Namespace) -> int:
    from ostiary.library.read_keys import read_public_key
    from ostiary.trust.edit_policy import add_signer
    from ostiary.trust.key_files import read_key_file

    given = [name for name in ("key", "root", "issuer") if getattr(options, name) is not None]
    if len(given) != 1 or (given == ["key"]) != (options.identity is None):
        raise Misuse(USAGE, "name one: --key, --root with --identity, or --issuer with --identity")
    fields: dict[str, object]
    if options.key is not None:
        fields = {"kind": "key", "public_key": read_public_key(options.key).pem.decode()}
    elif options.root is not None:
        pem = read_key_file(options.root).data.decode("utf-8", "replace").replace("\r\n", "\n").strip()
        fields = {"kind": "certificate", "identity": options.identity, "authorities": f"{pem}\n"}
    else:
        fields = {"kind": "sigstore", "identity": options.identity, "issuer": options.issuer}
    return _edit(options, "add", options.name, lambda data: add_signer(data, options.name, fields))


def run_add_rule(options: argparse.Namespace) -> int:
    from ostiary.trust.edit_policy import add_rule

    fields: dict[str, object] = {
        "models": options.models,
        "signers": options.signer,
        "need": len(options.signer) if options.need is None else options.need,
        "minimum_version": options.minimum_version,
        "formats": options.format or ["safetensors"],
        "sources": options.source,
    }
    optional = {
        "code": options.code,
        "first_use": options.first_use,
        "unnamed": options.unnamed,
        "level": options.level,
    }
    fields |= {name: value for name, value in optional.items() if value}
    return _edit(options, "add", options.models, lambda data: add_rule(data, fields))


def run_revoke(options: argparse.Namespace) -> int:
    from ostiary.library.read_keys import read_public_key
    from ostiary.trust.edit_policy import add_revocation

    if (options.model is None) != (options.model_version is None):
        raise Misuse(USAGE, "--model and --model-version go together")
    if (options.statement is None) == (options.reason is None):
        raise Misuse(USAGE, "give a --reason, or a --statement that has one")
    if options.statement is not None:
        return _revoke_by_statement(options)
    fields: dict[str, object]
    if options.key is not None or options.key_id is not None:
        key_id = options.key_id if options.key is None else read_public_key(options.key).key_id
        fields, subject = {"kind": "key", "sha256": key_id}, key_id
    elif options.identity is not None:
        fields, subject = {"kind": "identity", "identity": options.identity}, options.identity
    elif options.digest is not None:
        digest = options.digest.removeprefix("sha256:")
        fields, subject = {"kind": "root", "sha256": digest}, digest
    else:
        fields = {"kind": "version", "model": options.model, "version": options.model_version}
        subject = f"{options.model} {options.model_version}"
    fields |= {"revoked_at": datetime.now(UTC).replace(microsecond=0), "reason": options.reason}
    return _edit(options, "revoke", subject, lambda data: add_revocation(data, fields))


def _revoke_by_statement(options: argparse.Namespace) -> int:
    """A key's own word against itself is enough; one key's word against another is the operator's to weigh."""
    from ostiary.trust.edit_policy import add_revocation
    from ostiary.trust.key_files import read_key_file
    from ostiary.trust.key_statements import verify_revocation

    with open_log(options.state) as log:
        believed = load_belief(options.policy, datetime.now(UTC), log).policy.material.keys
    said = verify_revocation(read_key_file(options.statement).data, believed)
    if said.signer_id != said.key_id:
        raise Misuse(
            USAGE,
            f"key {said.signer_id[:16]} revokes another key, {said.key_id[:16]}",
            hint=f"If you believe it: ostiary trust revoke --key-id {said.key_id} --reason ...",
        )
    fields: dict[str, object] = {"kind": "key", "sha256": said.key_id, "revoked_at": said.signed_at}
    fields["reason"] = said.reason
    return _edit(options, "revoke", said.key_id, lambda data: add_revocation(data, fields))


def run_rotate(options: argparse.Namespace) -> int:
    from ostiary.trust.edit_policy import replace_signer
    from ostiary.trust.key_files import read_key_file
    from ostiary.trust.key_statements import verify_rotation
    from ostiary.trust.policy import KeySigner

    with open_log(options.state) as log:
        belief = load_belief(options.policy, datetime.now(UTC), log)
    signer = belief.policy.signers.get(options.old)
    if not isinstance(signer, KeySigner):
        raise Misuse(USAGE, f"the policy has no signer {options.old!r} with a key of its own")
    revoked = next(
        (e for e in (belief.policy.revocations + belief.revocations).entries if e.subject == signer.key.key_id),
        None,
    )
    if revoked is not None:
        raise Misuse(
            USAGE,
            "the old key was revoked, so it can vouch for nobody",
            hint="Add the new key with `ostiary trust add signer`.",
        )
    rotation = verify_rotation(read_key_file(options.statement).data, signer.key)
    fields = {"kind": "key", "public_key": rotation.new_key.pem.decode()}
    return _edit(
        options, "rotate", options.new, lambda data: replace_signer(data, options.old, options.new, fields)
    )


def _edit(options: argparse.Namespace, action: str, subject: str, edit: Callable[[bytes], bytes]) -> int:
    from ostiary.trust.policy_file import edit_policy_file

    path = find_policy_path(options.policy)
    with open_log(options.state) as log:
        edit_policy_file(path, edit, lambda data: record_change(log, action, subject, data))
    return 0


def record_change(log: Log, action: str, subject: str, policy: bytes | None) -> None:
    """Who believes whom is in the record before it is in force."""
    from ostiary.record.events import TrustChanged
    from ostiary.trust.policy import hash_policy

    digest = None if policy is None else hash_policy(policy)
    log.emit(TrustChanged(correlation_id=secrets.token_hex(8), action=action, subject=subject, policy=digest))
