"""Policy file -> Policy. Pure and strict; a test holds docs/reference/policy.schema.json against it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from ostiary.core.limits import (
    MAX_BUNDLE_CERTIFICATES,
    MAX_PEM_BYTES,
    MAX_POLICY_RULES,
    MAX_POLICY_SIGNERS,
    MAX_SIGNER_NAME_CHARACTERS,
    MAX_TOML_LIST_ITEMS,
)
from ostiary.core.model_id import parse_pattern
from ostiary.core.text import quote_untrusted
from ostiary.core.tickets import FileKind
from ostiary.core.toml_fields import Table, read_toml
from ostiary.errors import TRUST_MALFORMED, TrustRefused
from ostiary.trust.decision import Level
from ostiary.trust.policy import (
    FORMATS,
    CertificateSigner,
    FirstUse,
    KeySigner,
    Policy,
    PolicyRule,
    PolicySigner,
    SigstoreSigner,
    hash_policy,
)
from ostiary.trust.policy_toml import POLICY
from ostiary.trust.public_key import parse_public_key
from ostiary.trust.revocation import take_revocations
from ostiary.trust.sources import parse_source
from ostiary.trust.version import Version, parse_version

ANY_VERSION: Final = "any"
_NAME: Final = re.compile(r"[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?", re.ASCII)
_CODE_RULE: Final = re.compile(r"[a-z]+(?:\.[a-z0-9]+(?:-[a-z0-9]+)*)+", re.ASCII)
_LEVELS: Final = {str(level): level for level in Level}
_FIRST_USES: Final = {str(use): use for use in FirstUse}


def parse_policy(data: bytes) -> Policy:
    """The policy, or one refusal that names the place."""
    top = read_toml(data, "policy", POLICY)
    top.take_integer("schema", 1, 1)
    level = top.take_choice("level", _LEVELS) if "level" in top else Level.ENFORCE
    signers = _read_signers(top.take_table("signers")) if "signers" in top else {}
    tables = top.take_tables("rules", MAX_POLICY_RULES) if "rules" in top else ()
    rules = tuple(_read_rule(table, signers) for table in tables)
    revocations = take_revocations(top)
    top.finish()
    _check_overlaps(rules)
    return Policy(signers, rules, revocations, level, hash_policy(data))


def parse_signer_name(text: str) -> str:
    if len(text) > MAX_SIGNER_NAME_CHARACTERS or not _NAME.fullmatch(text):
        raise TrustRefused(
            TRUST_MALFORMED,
            f"{quote_untrusted(text, 40)!r} is not a name for a signer",
            hint="Use lower-case letters, digits, '.', '_' and '-'.",
        )
    return text


def _read_signers(table: Table) -> dict[str, PolicySigner]:
    where = table.where
    signers: dict[str, PolicySigner] = {}
    seen: dict[str, str] = {}
    for name, fields in table.take_named_tables(MAX_POLICY_SIGNERS).items():
        try:
            parse_signer_name(name)
        except TrustRefused as error:
            raise POLICY.refuse_at(where, error.message, error.hint) from error
        signer = _read_signer(name, fields)
        # One person under two names would be two of n. Who else says that somebody is who they are changes nothing.
        person = signer.key.key_id if isinstance(signer, KeySigner) else signer.identity
        if person in seen:
            raise POLICY.refuse_at(
                fields.where, f"the same signer as {seen[person]!r}", "Keep one of the two names."
            )
        seen[person] = name
        signers[name] = signer
    return signers


def _read_signer(name: str, table: Table) -> PolicySigner:
    signer: PolicySigner
    kind = table.take_choice("kind", {kind: kind for kind in ("key", "certificate", "sigstore")})
    if kind == "key":
        signer = KeySigner(name, table.take_parsed("public_key", lambda pem: parse_public_key(pem.encode())))
    elif kind == "certificate":
        identity = _take_line(table, "identity")
        signer = CertificateSigner(
            name, identity, table.take_parsed("authorities", _parse_authorities, MAX_PEM_BYTES)
        )
    else:
        signer = SigstoreSigner(name, _take_line(table, "identity"), table.take_parsed("issuer", _parse_issuer))
    table.finish()
    return signer


def _take_line(table: Table, name: str) -> str:
    text = table.take_text(name)
    if text != text.strip() or "\n" in text:
        table.fail(name, "has space around it or more than one line")
    return text


def _parse_issuer(text: str) -> str:
    if not re.fullmatch(r"https://[!-~]+", text, re.ASCII):
        raise TrustRefused(TRUST_MALFORMED, "not an https address", hint="Write the identity provider's address.")
    return text


def _parse_authorities(pem: str) -> tuple[bytes, ...]:
    """Root certificates as DER."""
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415  # slow to import
    from cryptography.hazmat.primitives.serialization import Encoding  # noqa: PLC0415
    from cryptography.x509 import load_pem_x509_certificates  # noqa: PLC0415

    blocks = re.findall(r"-----BEGIN ([A-Z ]+)-----", pem)
    if not blocks or len(blocks) > MAX_BUNDLE_CERTIFICATES or set(blocks) != {"CERTIFICATE"}:
        raise TrustRefused(TRUST_MALFORMED, f"not one to {int(MAX_BUNDLE_CERTIFICATES)} certificates as PEM text")
    try:
        certificates = load_pem_x509_certificates(pem.encode())
        return tuple(certificate.public_bytes(Encoding.DER) for certificate in certificates)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise TrustRefused(TRUST_MALFORMED, "not certificates that can be read") from error


def _read_rule(table: Table, signers: dict[str, PolicySigner]) -> PolicyRule:
    names = table.take_texts("signers", parse_signer_name)
    for name in names:
        if name not in signers:
            table.fail("signers", f"there is no signer {name!r}", "Name the signers below [signers].")
    need = table.take_integer("need", 1, MAX_TOML_LIST_ITEMS)
    if need > len(names):
        table.fail("need", f"{need} of {len(names)} signers can never be met")
    rule = PolicyRule(
        models=table.take_parsed("models", parse_pattern),
        signers=names,
        need=need,
        minimum_version=table.take_parsed("minimum_version", _parse_minimum),
        formats=frozenset(table.take_texts("formats", _parse_format)),
        sources=table.take_texts("sources", parse_source),
        exceptions=table.take_texts("except", parse_pattern) if "except" in table else (),
        code=frozenset(table.take_texts("code", _parse_code_rule)) if "code" in table else frozenset(),
        first_use=table.take_choice("first_use", _FIRST_USES) if "first_use" in table else FirstUse.ASK,
        unnamed=table.take_flag("unnamed") if "unnamed" in table else False,
        level=table.take_choice("level", _LEVELS) if "level" in table else Level.ENFORCE,
    )
    table.finish()
    return rule


def _parse_minimum(text: str) -> Version | None:
    return None if text == ANY_VERSION else parse_version(text)


def _parse_format(text: str) -> FileKind:
    if text not in FORMATS:
        raise TrustRefused(TRUST_MALFORMED, f"{quote_untrusted(text, 40)!r} is none of {', '.join(FORMATS)}")
    return FORMATS[text]


def _parse_code_rule(text: str) -> str:
    if not _CODE_RULE.fullmatch(text):
        raise TrustRefused(
            TRUST_MALFORMED,
            f"{quote_untrusted(text, 60)!r} is not the id of a rule on code",
            hint="See docs/reference/rules.md for the ids; there is no way to allow all of them.",
        )
    return text


def _check_overlaps(rules: Sequence[PolicyRule]) -> None:
    """No id has two rules: where one pattern lies within another, the wider one says so in `except`.

    The other way around, an exception that is no rule of its own is refused, so that a rule that is lost leaves the
    policy unread and not another rule wider.
    """
    patterns = {rule.models for rule in rules}
    for number, rule in enumerate(rules, 1):
        where = f"policy: rules[{number}].except"
        for exception in rule.exceptions:
            if exception == rule.models or not rule.models.contains(exception):
                raise POLICY.refuse_at(where, f"{exception.text!r} is not within {rule.name!r}")
            if exception not in patterns:
                raise POLICY.refuse_at(
                    where,
                    f"{exception.text!r} has no rule of its own",
                    f"Add a rule for {exception.text!r}, or take it out of `except`.",
                )
        for other_number, other in enumerate(rules, 1):
            if other_number == number or not rule.models.contains(other.models):
                continue
            if not any(exception.contains(other.models) for exception in rule.exceptions):
                raise POLICY.refuse_at(
                    f"policy: rules[{number}]",
                    f"{rule.name!r} and {other.name!r} (rules[{other_number}]) speak for the same models",
                    f"Add {other.name!r} to the `except` of {rule.name!r}, or make their patterns apart.",
                )
