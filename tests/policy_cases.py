"""Policies and evidence for tests: whole by default, each test changes the one thing it is about."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from ostiary.core.tickets import FileKind
from ostiary.trust.evidence import (
    Evidence,
    SignedFile,
    SignedFinding,
    SignedStatement,
    Signer,
    SignerMethod,
    Vouching,
)
from ostiary.trust.explanation import Circumstances, Remembered
from ostiary.trust.public_key import parse_public_key
from ostiary.trust.version import parse_version

NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)
ROOT = "ab" * 32
PLACE = "/srv/models/acme/llama"
CODE = SignedFinding("code.active-document", "README.html")


def make_pem(number: int) -> str:
    """The public key of a private key that nobody should use."""
    key = ec.derive_private_key(number, ec.SECP256R1()).public_key()
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


PEMS = {"alice": make_pem(11), "bob": make_pem(12), "carol": make_pem(13)}
KEY_IDS = {name: parse_public_key(pem.encode()).key_id for name, pem in PEMS.items()}
SIGNERS = {name: Signer(SignerMethod.KEY, key_id) for name, key_id in KEY_IDS.items()}

IDENTITY = "https://github.com/acme/models/.github/workflows/release.yml@refs/heads/main"
ISSUER = "https://token.actions.githubusercontent.com"
SIGNERS["ci"] = Signer(SignerMethod.SIGSTORE, "c1" * 32, IDENTITY, ISSUER)

SIGNER_TABLES = "".join(
    f'[signers.{name}]\nkind = "key"\npublic_key = """\n{pem}"""\n\n' for name, pem in PEMS.items()
)
CI_TABLE = f'[signers.ci]\nkind = "sigstore"\nidentity = "{IDENTITY}"\nissuer = "{ISSUER}"\n\n'
NOTHING_REVOKED = "[revoked]\ncount = 0\n"

RULE = {
    "models": '"acme/*"',
    "signers": '["alice", "bob"]',
    "need": "1",
    "minimum_version": '"1.0"',
    "formats": '["safetensors"]',
    "sources": '["/srv/models", "hub:acme/*"]',
    "first_use": '"accept"',
}


def rule_text(**fields: str | None) -> str:
    """One rule as TOML; None leaves a field out. `excepting` stands for `except`, which Python keeps to itself."""
    named = {name.replace("excepting", "except"): value for name, value in fields.items()}
    whole = {**RULE, **named}
    return (
        "[[rules]]\n" + "".join(f"{name} = {value}\n" for name, value in whole.items() if value is not None) + "\n"
    )


def policy_text(*rules: str, head: str = "", revoked: str = NOTHING_REVOKED) -> bytes:
    """A whole policy file."""
    return (
        f"schema = 1\n{head}\n" + SIGNER_TABLES + CI_TABLE + "".join(rules or (rule_text(),)) + revoked
    ).encode()


def revoked_text(*entries: str, count: int | None = None) -> str:
    tail = 'revoked_at = 2026-05-01T00:00:00Z\nreason = "the laptop was stolen"\n'
    listed = "".join(f"\n[[revoked.entries]]\n{entry}\n{tail}" for entry in entries)
    return f"[revoked]\ncount = {len(entries) if count is None else count}\n{listed}"


def vouch(name: str = "alice", **fields: Any) -> Vouching:
    """A right signature by one of SIGNERS."""
    said = {"model_id": "acme/llama", "model_version": "1.2", **fields}
    statement = SignedStatement("llama", ROOT, (SignedFile("model.safetensors", "cd" * 32),), **said)
    return Vouching(SIGNERS[name], statement, f"{name}.sig")


def gather(*vouchings: Vouching, **fields: Any) -> Evidence:
    """Evidence that the default policy says yes to."""
    whole: dict[str, Any] = {
        "name": "llama",
        "root": ROOT,
        "format": "safetensors",
        "kinds": {"model.safetensors": FileKind.SAFETENSORS, "config.json": FileKind.CONFIG},
        "findings": (),
        "vouchings": vouchings or (vouch(),),
        "source": PLACE,
        **fields,
    }
    return Evidence(**whole)


def at(**fields: Any) -> Circumstances:
    return Circumstances(**{"now": NOW, **fields})


def seen(version: str | None = "1.2", root: str = ROOT) -> dict[str, Remembered]:
    return {"acme/llama": Remembered(None if version is None else parse_version(version), root)}
