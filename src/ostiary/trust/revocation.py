"""What is believed no more: keys, identities, contents and versions of models, each with a time and a reason.

A revocation holds from the moment it is read. Its time is for people: nobody but the signer says when a signature
was made, so a stolen key could always sign for the time before its theft.
"""

from __future__ import annotations

import re
from datetime import datetime
from enum import StrEnum
from typing import Final

from ostiary.core.limits import MAX_REVOCATIONS
from ostiary.core.model_id import parse_model_id
from ostiary.core.toml_fields import Table, read_toml
from ostiary.core.values import dataclass
from ostiary.errors import TRUST_MALFORMED, TrustRefused
from ostiary.trust.evidence import Signer
from ostiary.trust.policy_toml import POLICY
from ostiary.trust.version import Version, parse_version

_SHA256: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)


class RevocationKind(StrEnum):
    KEY = "key"
    IDENTITY = "identity"
    ROOT = "root"
    VERSION = "version"


@dataclass(frozen=True, slots=True)
class Revocation:
    """One thing that is believed no more."""

    kind: RevocationKind
    subject: str
    """A key's id or a certificate's digest, an identity, a model's root digest, or a model id."""
    revoked_at: datetime
    reason: str
    version: Version | None = None
    """Of a model; None for the other kinds."""

    @property
    def sentence(self) -> str:
        what = f"{self.subject} {self.version}" if self.version else self.subject
        return f"{self.kind} {what} was revoked on {self.revoked_at:%Y-%m-%d}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Revocations:
    """All of them; lists from different places add up."""

    entries: tuple[Revocation, ...] = ()

    def __add__(self, other: Revocations) -> Revocations:
        return Revocations(tuple(dict.fromkeys((*self.entries, *other.entries))))

    def find_for_signer(self, signer: Signer) -> Revocation | None:
        """Why this signer counts no more. A certificate falls with its key, its authority or its identity."""
        keys = {signer.key_id, signer.issuer, signer.certificate_sha256} - {""}
        for entry in self.entries:
            if entry.kind is RevocationKind.KEY and entry.subject in keys:
                return entry
            if entry.kind is RevocationKind.IDENTITY and signer.identity and entry.subject == signer.identity:
                return entry
        return None

    def find_for_root(self, root: str) -> Revocation | None:
        return self._find(RevocationKind.ROOT, root)

    def find_for_version(self, model_id: str, version: Version | None) -> Revocation | None:
        for entry in self.entries:
            if entry.kind is RevocationKind.VERSION and (entry.subject, entry.version) == (model_id, version):
                return entry
        return None

    def _find(self, kind: RevocationKind, subject: str) -> Revocation | None:
        return next((e for e in self.entries if e.kind is kind and e.subject == subject), None)


NOTHING_REVOKED: Final = Revocations()


def parse_revocations(data: bytes) -> Revocations:
    """A file of revocations alone, as a publisher distributes it: `schema` and the table `revoked`."""
    table = read_toml(data, "revocations", POLICY)
    table.take_integer("schema", 1, 1)
    revocations = take_revocations(table)
    table.finish()
    return revocations


def take_revocations(top: Table) -> Revocations:
    """The table `revoked`. Its `count` is there so that a list that lost an entry is refused, not believed."""
    table = top.take_table("revoked")
    count = table.take_integer("count", 0, MAX_REVOCATIONS)
    items = table.take_tables("entries", MAX_REVOCATIONS) if "entries" in table else ()
    table.finish()
    if len(items) != count:
        raise POLICY.refuse_at(
            table.where,
            f"`count` says {count}, but there are {len(items)} entries",
            "An entry was lost or added by hand: compare with an older copy, then set `count` to their number.",
        )
    return Revocations(tuple(_read_entry(item) for item in items))


def _read_entry(table: Table) -> Revocation:
    kind = table.take_choice("kind", {str(kind): kind for kind in RevocationKind})
    version = None
    if kind is RevocationKind.VERSION:
        subject = table.take_parsed("model", parse_model_id)
        version = table.take_parsed("version", parse_version)
    elif kind is RevocationKind.IDENTITY:
        subject = table.take_text("identity")
    else:
        subject = table.take_parsed("sha256", parse_sha256)
    revoked_at = table.take_time("revoked_at")
    reason = table.take_text("reason")
    if "\n" in reason:
        table.fail("reason", "more than one line")
    table.finish()
    return Revocation(kind, subject, revoked_at, reason, version)


def parse_sha256(text: str) -> str:
    if not _SHA256.fullmatch(text):
        raise TrustRefused(
            TRUST_MALFORMED, "not a SHA-256 digest", hint="Write 64 hexadecimal digits in lower case."
        )
    return text
