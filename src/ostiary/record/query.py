"""Finds entries by what they say."""

from __future__ import annotations

from collections.abc import Iterator

from ostiary.core.values import dataclass
from ostiary.record.entry import Entry, parse_entry
from ostiary.record.reader import Reader


@dataclass(frozen=True, slots=True)
class Query:
    """What an entry must say to be found; what is None does not matter."""

    kind: str | None = None
    """A kind, or its first part (`model` finds `model.refused`)."""
    since: str | None = None
    until: str | None = None
    """Times as entries spell them; `until` is exclusive."""
    user: str | None = None
    name: str | None = None
    digest: str | None = None
    """The root digest of a model, or its first characters."""
    code: str | None = None
    rule: str | None = None
    correlation_id: str | None = None

    def matches(self, entry: Entry) -> bool:
        data = entry.data
        findings = data.get("findings")
        return (
            (self.kind is None or entry.kind == self.kind or entry.kind.startswith(f"{self.kind}."))
            and (self.since is None or entry.at >= self.since)
            and (self.until is None or entry.at < self.until)
            and (self.user is None or entry.user == self.user)
            and (self.name is None or data.get("name") == self.name)
            and (self.digest is None or str(data.get("root", "")).startswith(self.digest))
            and (self.code is None or data.get("code") == self.code)
            and (
                self.rule is None
                or data.get("rule") == self.rule
                or (isinstance(findings, dict) and self.rule in findings)
            )
            and (self.correlation_id is None or data.get("correlation_id") == self.correlation_id)
        )

    @property
    def holding(self) -> bytes:
        """Bytes that every match contains: SQLite leaves out the other entries before they are parsed."""
        for wanted in (self.correlation_id, self.digest, self.rule, self.code, self.kind):
            if wanted is not None and wanted.isascii() and wanted.isprintable() and not set(wanted) & {'"', "\\"}:
                return wanted.encode()
        return b""


def find_entries(reader: Reader, query: Query, *, first: int = 0, end: int | None = None) -> Iterator[Entry]:
    """Matching entries that are not archived, oldest first."""
    stop = reader.read_size() if end is None else end
    for index, body in reader.read_bodies(first, stop, holding=query.holding):
        entry = parse_entry(body, index)
        if query.matches(entry):
            yield entry


def tail_entries(reader: Reader, count: int) -> list[Entry]:
    """The newest entries, oldest of them first."""
    size = reader.read_size()
    return [parse_entry(body, index) for index, body in reader.read_bodies(max(0, size - count), size)]
